//! Prepare: what the tests need is installed into an environment of their own.

mod cache;
mod groups;
mod install;
mod plan;
mod rules;
mod tool;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::environment::{self, Variable};
use super::{Fetched, JobLog, Site, StepFailure};
use install::Installer;
use plan::{Plan, has_pytest};

pub use rules::PrepareRules;

/// An environment in which the tests can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What `--python` of `run` gets. In a sandbox it is a program that enters it first.
    pub python: PathBuf,
    /// All variables of the tests' environment but those of the job's own `env`, which come on top of
    /// them.
    pub variables: Vec<(OsString, OsString)>,
}

/// Makes the environment. Returns an error whose text can be shown to whoever made the job.
pub fn prepare(
    site: &Site,
    fetched: &Fetched,
    rules: &PrepareRules,
    log: &mut JobLog<impl Write>,
) -> Result<Prepared, StepFailure> {
    let variables = environment::of_tests(site);
    if rules.installs {
        let had_git = git_folders(site).map(|folder| folder.symlink_metadata().is_ok());
        install_all(site, fetched, rules, log)?;
        // The worker asks git about the folder it runs in, and a build script could have written
        // there what git is to start.
        for (folder, had) in git_folders(site).into_iter().zip(had_git) {
            if !had {
                remove(&folder);
            }
        }
    } else {
        log.say("nothing is installed (--no-prepare)");
    }
    finished(site, fetched, rules, variables)
}

fn install_all(
    site: &Site,
    fetched: &Fetched,
    rules: &PrepareRules,
    log: &mut JobLog<impl Write>,
) -> Result<(), StepFailure> {
    let mut installer = Installer::new(site, fetched, rules, Instant::now(), log)?;
    let plan = Plan::of(&site.source())?;
    installer.install_source(&site.source(), &plan, log)?;
    if fetched.folder != site.source() {
        let plan = Plan::of(&fetched.folder)?;
        installer.add_tests(&fetched.folder, &plan, log)?;
    }
    if !has_pytest(&site.environment()) {
        log.say("the source does not say which pytest; the newest is installed");
        installer.add_pytest(log)?;
    }
    Ok(())
}

/// Which Python the tests get, and what it sees.
fn finished(
    site: &Site,
    fetched: &Fetched,
    rules: &PrepareRules,
    mut variables: Vec<Variable>,
) -> Result<Prepared, StepFailure> {
    let mut python = rules.python.clone();
    if rules.installs {
        let environment = site.environment();
        let programs = environment.join("bin");
        python = programs.join("python");
        let mut path = programs.into_os_string();
        if let Some(others) = environment::value(&variables, "PATH") {
            path.push(":");
            path.push(others);
        }
        environment::set(&mut variables, "PATH", path);
        environment::set(&mut variables, "VIRTUAL_ENV", environment);
    }
    if fetched.folder != site.source() {
        // The code under test is found as it is when pytest runs in its folder.
        environment::set(&mut variables, "PYTHONPATH", site.source());
    }
    if let Some(sandbox) = &rules.sandbox {
        python = sandbox.python(&python, site).map_err(|error| {
            StepFailure::subprocess(format!("cannot write the sandbox: {error}"))
        })?;
    }
    Ok(Prepared { python, variables })
}

/// Where git keeps what it is to do in the folders of a job.
fn git_folders(site: &Site) -> [PathBuf; 3] {
    [site.source(), site.tests(), site.folder().to_owned()].map(|folder| folder.join(".git"))
}

fn remove(path: &Path) {
    if let Ok(metadata) = path.symlink_metadata() {
        // What cannot be removed is noticed by whoever removes the job's folder.
        let _ = if metadata.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
    }
}
