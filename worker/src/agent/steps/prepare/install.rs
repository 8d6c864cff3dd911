//! uv at work in the folder of a job.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::cache::Cache;
use super::plan::Plan;
use super::{PrepareRules, tool};
use crate::agent::steps::environment::{self, Variable};
use crate::agent::steps::program::{self, Bounds, Ended};
use crate::agent::steps::sandbox::Opening;
use crate::agent::steps::words::Secrets;
use crate::agent::steps::{Fetched, JobLog, Site, StepFailure};

/// What uv says when a lock file does not fit.
const NOT_UP_TO_DATE: &str = "needs to be updated";

/// uv, and where it works.
pub(super) struct Installer<'a> {
    site: &'a Site,
    rules: &'a PrepareRules,
    uv: PathBuf,
    variables: Vec<Variable>,
    bounds: Bounds,
    cache: PathBuf,
    secrets: Secrets,
    /// Held while uv works.
    _held: Option<Cache>,
}

impl<'a> Installer<'a> {
    pub(super) fn new(
        site: &'a Site,
        fetched: &Fetched,
        rules: &'a PrepareRules,
        begun: Instant,
        log: &mut JobLog<impl Write>,
    ) -> Result<Self, StepFailure> {
        // A sandbox can only be given a folder that is there.
        let folder = site.environment();
        std::fs::create_dir(&folder).map_err(|error| {
            StepFailure::install(format!("cannot make {}: {error}", folder.display()))
        })?;
        let mut variables = environment::of_uv(site);
        let bounds = rules.bounds(begun);
        let uv = tool::find(site, rules, &variables, &bounds, log)?;
        let held = if rules.keeps_cache {
            let root = site.cache().join("packages");
            let cache = Cache::take(&root, &fetched.origin);
            Some(cache.map_err(|error| {
                StepFailure::install(format!("cannot use {}: {error}", root.display()))
            })?)
        } else {
            None
        };
        let cache = held
            .as_ref()
            .map_or_else(|| site.folder().join("cache"), |held| held.folder.clone());
        for (name, value) in [
            ("UV_CACHE_DIR", cache.as_os_str()),
            ("UV_PROJECT_ENVIRONMENT", site.environment().as_os_str()),
            ("UV_PYTHON", rules.python.as_os_str()),
            ("UV_PYTHON_DOWNLOADS", OsStr::new("never")),
            // With links, a test that changes an installed file would change it for all jobs.
            ("UV_LINK_MODE", OsStr::new("copy")),
            ("UV_NO_PROGRESS", OsStr::new("1")),
            ("NO_COLOR", OsStr::new("1")),
        ] {
            environment::set(&mut variables, name, value);
        }
        let mut secrets = Secrets::default();
        for (name, value) in &variables {
            add_passwords(
                &name.to_string_lossy(),
                &value.to_string_lossy(),
                &mut secrets,
            );
        }
        Ok(Self {
            site,
            rules,
            uv,
            variables,
            bounds,
            cache,
            secrets,
            _held: held,
        })
    }

    /// Makes the environment with what the code needs.
    pub(super) fn install_source(
        &mut self,
        folder: &Path,
        plan: &Plan,
        log: &mut JobLog<impl Write>,
    ) -> Result<(), StepFailure> {
        let Plan::Project { is_locked, groups } = plan else {
            self.make_environment(log)?;
            return self.add_tests(folder, plan, log);
        };
        let mut arguments = vec!["sync"];
        arguments.extend(groups.flags());
        if *is_locked {
            let mut locked = arguments.clone();
            locked.push("--locked");
            let ended = self.uv(folder, &locked, log)?;
            if ended.is_success() {
                return Ok(());
            }
            if !ended.tail.contains(NOT_UP_TO_DATE) {
                return Err(failed(&locked, &ended));
            }
            log.say(
                "uv.lock does not fit pyproject.toml or the agent's index; once more without it",
            );
        }
        self.must(folder, &arguments, log)
    }

    /// Adds what a folder needs to the environment that is there.
    pub(super) fn add_tests(
        &mut self,
        folder: &Path,
        plan: &Plan,
        log: &mut JobLog<impl Write>,
    ) -> Result<(), StepFailure> {
        match plan {
            Plan::Nothing => Ok(()),
            Plan::Requirements(lists) => {
                let lists: Vec<&str> = lists
                    .iter()
                    .filter_map(|list| list.file_name()?.to_str())
                    .collect();
                let mut arguments = self.pip_install();
                arguments.extend(
                    lists
                        .iter()
                        .flat_map(|list| ["-r".to_owned(), (*list).to_owned()]),
                );
                self.must_with(folder, &arguments, log)
            }
            Plan::Project { groups, .. } => {
                let mut arguments = self.pip_install();
                let extras = groups.extras.join(",");
                arguments.push(if extras.is_empty() {
                    ".".to_owned()
                } else {
                    format!(".[{extras}]")
                });
                for group in &groups.groups {
                    arguments.extend(["--group".to_owned(), group.clone()]);
                }
                self.must_with(folder, &arguments, log)
            }
        }
    }

    /// Adds pytest.
    pub(super) fn add_pytest(&mut self, log: &mut JobLog<impl Write>) -> Result<(), StepFailure> {
        let mut arguments = self.pip_install();
        arguments.push("pytest".to_owned());
        // Not where the source is, whose configuration of uv is for its own packages.
        self.must_with(&self.site.home(), &arguments, log)
    }

    fn make_environment(&self, log: &mut JobLog<impl Write>) -> Result<(), StepFailure> {
        let environment = self.site.environment();
        let environment = environment.to_string_lossy();
        self.must(
            &self.site.home(),
            &["venv", "--quiet", "--no-project", "--", &environment],
            log,
        )
    }

    fn pip_install(&self) -> Vec<String> {
        let python = self.site.environment().join("bin/python");
        let python = python.to_string_lossy().into_owned();
        ["pip", "install", "--python", &python]
            .map(str::to_owned)
            .to_vec()
    }

    fn must_with(
        &self,
        folder: &Path,
        arguments: &[String],
        log: &mut JobLog<impl Write>,
    ) -> Result<(), StepFailure> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.must(folder, &arguments, log)
    }

    fn must(
        &self,
        folder: &Path,
        arguments: &[&str],
        log: &mut JobLog<impl Write>,
    ) -> Result<(), StepFailure> {
        let ended = self.uv(folder, arguments, log)?;
        if ended.is_success() {
            return Ok(());
        }
        Err(failed(arguments, &ended))
    }

    /// What uv reads beside the system's own.
    fn readable(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.uv.clone()];
        paths.extend(self.uv.canonicalize());
        for (name, folder) in [
            ("XDG_CONFIG_HOME", "uv"),
            ("NETRC", ""),
            ("SSL_CERT_FILE", ""),
        ] {
            let value = environment::value(&self.variables, name).map(Path::new);
            paths.extend(value.map(|path| {
                if folder.is_empty() {
                    path.to_owned()
                } else {
                    path.join(folder)
                }
            }));
        }
        let links = environment::value(&self.variables, "UV_FIND_LINKS").unwrap_or_default();
        let links = links.to_string_lossy();
        let links = links.split([' ', ',']).map(PathBuf::from);
        paths.extend(links.filter(|path| path.is_absolute()));
        paths
    }

    fn uv(
        &self,
        folder: &Path,
        arguments: &[&str],
        log: &mut JobLog<impl Write>,
    ) -> Result<Ended, StepFailure> {
        log.say(&format!("uv {}", arguments.join(" ")));
        let mut command = match &self.rules.sandbox {
            Some(sandbox) => {
                let opening = Opening {
                    read: self.readable(),
                    write: vec![self.cache.clone()],
                    network: true,
                };
                let mut command = sandbox.command(self.site, &opening);
                command.arg(&self.uv);
                command
            }
            None => Command::new(&self.uv),
        };
        command.args(arguments).current_dir(folder);
        command.env_clear().envs(self.variables.iter().cloned());
        program::run(command, &self.bounds, &self.secrets, log)
            .map_err(|broken| StepFailure::install(broken.to_string()))
    }
}

fn failed(arguments: &[&str], ended: &Ended) -> StepFailure {
    let words = arguments.iter().take(2).copied();
    let what: Vec<&str> = words.filter(|word| !word.starts_with('-')).collect();
    let what = what.join(" ");
    StepFailure::install(format!("`uv {what}` failed: {}", ended.last_words()))
}

/// Passwords of indexes: those in addresses, and those in variables that are named so.
fn add_passwords(name: &str, value: &str, secrets: &mut Secrets) {
    if name.ends_with("_PASSWORD") {
        secrets.add(value);
    }
    for address in value.split_ascii_whitespace() {
        if let Ok(address) = url::Url::parse(
            address
                .split_once('=')
                .map_or(address, |(_, address)| address),
        ) && let Some(password) = address.password()
        {
            secrets.add(password);
        }
    }
}
