//! git: one commit of a repository, without asking anybody and without what a repository could start.
//!
//! git gets only addresses and names that were checked, after `--`; hooks, monitors and background work
//! are off, redirects are not followed, protocols are those of the rules. Credentials are what the
//! agent's user has, or `--git-config`, or what stands in the address, which goes to its host alone.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use shared::job::GitSource;

use super::address::Address;
use super::reference::{check_commit, check_name, is_whole};
use super::{FetchRules, Fetched, submodules};
use crate::agent::steps::environment::{self, Variable};
use crate::agent::steps::program::{self, Bounds, Broken, Ended};
use crate::agent::steps::words::Secrets;
use crate::agent::steps::{JobLog, Site, StepFailure};

/// The oldest git that has what is used here.
const VERSION_MIN: (u32, u32) = (2, 30);

/// How deep the history of a branch is fetched, one after the other, in search of a commit that the
/// server does not hand out by its number.
const DEPTHS: [u32; 3] = [50, 1_000, 20_000];

/// Where what is fetched is noted.
const FETCHED: &str = "refs/fetched/";

/// What a server says about a commit that it does not hand out by its number.
const NOT_BY_NUMBER: [&str; 3] = ["not our ref", "unadvertised object", "not valid object"];

/// What git says where it would ask somebody for a login.
const NO_LOGIN: &str = "terminal prompts disabled";

/// Options that hold for every git here.
const SETTINGS: [&str; 12] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "http.followRedirects=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "init.defaultBranch=main",
];

/// What is checked out.
struct Wanted<'a> {
    address: Address,
    branch: Option<&'a str>,
    commit: Option<&'a str>,
}

/// Fetches the code, and the tests if they are elsewhere.
pub(super) fn fetch(
    source: &GitSource,
    site: &Site,
    rules: &FetchRules,
    log: &mut JobLog<impl Write>,
) -> Result<Fetched, StepFailure> {
    let (code, tests) = wanted(source, rules).map_err(StepFailure::fetch)?;
    let begun = Instant::now();
    let mut git = Git::new(site, rules, begun)?;
    git.check_version(log)?;
    let mut fetched = Fetched {
        folder: site.source(),
        default_tests: Vec::new(),
        branch: source.branch.clone(),
        commit: None,
        origin: format!("git {}", code.address.as_str()),
    };
    git.folder = site.source();
    fetched.commit = Some(git.take(&code, source.submodules, log)?);
    if let Some(tests) = tests {
        let folder = site.tests();
        std::fs::create_dir_all(&folder).map_err(|error| {
            StepFailure::fetch(format!("cannot make {}: {error}", folder.display()))
        })?;
        git.folder.clone_from(&folder);
        git.take(&tests, source.submodules, log)?;
        fetched.origin = format!("{} {}", fetched.origin, tests.address.as_str());
        fetched.folder = folder;
    }
    Ok(fetched)
}

/// Checks all that the job says before anything is done.
fn wanted<'a>(
    source: &'a GitSource,
    rules: &FetchRules,
) -> Result<(Wanted<'a>, Option<Wanted<'a>>), String> {
    if let Some(branch) = &source.branch {
        check_name("source.branch", branch)?;
    }
    if let Some(branch) = &source.tests_branch {
        check_name("source.tests_branch", branch)?;
    }
    if let Some(commit) = &source.commit {
        check_commit("source.commit", commit)?;
    }
    let code = Wanted {
        address: rules.address("source.url", &source.url)?,
        branch: source.branch.as_deref(),
        commit: source.commit.as_deref(),
    };
    let Some(url) = source.tests_url.as_ref().filter(|url| !url.is_empty()) else {
        return Ok((code, None));
    };
    let tests = Wanted {
        address: rules.address("source.tests_url", url)?,
        branch: source.tests_branch.as_deref(),
        commit: None,
    };
    Ok((code, Some(tests)))
}

/// git, in a folder of the job.
pub(super) struct Git<'a> {
    /// The checkout.
    pub(super) folder: std::path::PathBuf,
    pub(super) rules: &'a FetchRules,
    variables: Vec<Variable>,
    bounds: Bounds,
    /// Logins for hosts: what they are for, and the header.
    logins: Vec<(String, String)>,
    secrets: Secrets,
}

impl<'a> Git<'a> {
    fn new(site: &Site, rules: &'a FetchRules, begun: Instant) -> Result<Self, StepFailure> {
        let mut variables = environment::of_git(site);
        if let Some(file) = &rules.git_config {
            environment::set(&mut variables, "GIT_CONFIG_GLOBAL", file);
        }
        for (name, value) in [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", ""),
            ("SSH_ASKPASS_REQUIRE", "never"),
            ("GCM_INTERACTIVE", "never"),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            ("GIT_ALLOW_PROTOCOL", &rules.protocols()),
        ] {
            environment::set(&mut variables, name, value);
        }
        let mut git = Self {
            folder: site.folder().to_owned(),
            rules,
            variables,
            bounds: rules.bounds(begun, site.folder().to_owned()),
            logins: Vec::new(),
            secrets: Secrets::default(),
        };
        git.set_ssh()?;
        Ok(git)
    }

    /// ssh asks nobody. Where the owner chose a way to start it, that way is taken as it is.
    fn set_ssh(&mut self) -> Result<(), StepFailure> {
        let chosen = ["GIT_SSH_COMMAND", "GIT_SSH"];
        let is_chosen = |name| environment::value(&self.variables, name).is_some();
        if chosen.into_iter().any(is_chosen) || self.ask(&["config", "core.sshCommand"])?.is_some()
        {
            return Ok(());
        }
        environment::set(
            &mut self.variables,
            "GIT_SSH_COMMAND",
            "ssh -o BatchMode=yes -o ConnectTimeout=30",
        );
        Ok(())
    }

    fn check_version(&self, log: &mut JobLog<impl Write>) -> Result<(), StepFailure> {
        let said = self.ask(&["version"])?.unwrap_or_default();
        let mut numbers = said
            .trim_start_matches("git version ")
            .split('.')
            .map_while(|number| number.trim().parse().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < VERSION_MIN {
            let (major, minor) = VERSION_MIN;
            return Err(StepFailure::fetch(format!(
                "the agent's git is too old: {major}.{minor} or newer is needed, not {:?}",
                said.trim()
            )));
        }
        log.say(said.trim());
        Ok(())
    }

    /// Brings what is wanted into the folder. Answers with its commit.
    fn take(
        &mut self,
        wanted: &Wanted<'_>,
        with_submodules: bool,
        log: &mut JobLog<impl Write>,
    ) -> Result<String, StepFailure> {
        wanted.address.secrets(&mut self.secrets);
        self.logins.extend(wanted.address.login());
        let what = wanted.commit.or(wanted.branch).unwrap_or("HEAD");
        log.say(&format!("{what} of {}", wanted.address.shown()));
        // No template: it could hold hooks.
        self.must(
            &["init", "--quiet", "--template="],
            "make a repository",
            log,
        )?;
        self.must(
            &["config", "remote.origin.url", wanted.address.as_str()],
            "note the address",
            log,
        )?;
        let commit = match self.bring(wanted, log) {
            Err(failure) if failure.text.contains("redirect") => {
                // Servers send on from `project` to `project.git`, and nowhere else is followed.
                let Some(address) = wanted.address.with_suffix() else {
                    return Err(failure);
                };
                log.say(&format!("once more, from {}", address.shown()));
                self.bring(&Wanted { address, ..*wanted }, log)?
            }
            other => other?,
        };
        self.must(
            &["checkout", "--quiet", "--force", "--detach", &commit, "--"],
            "check the commit out",
            log,
        )?;
        log.say(&format!("at commit {commit}"));
        if with_submodules {
            submodules::take(self, log)?;
        }
        // It names the address once more.
        let _ = std::fs::remove_file(self.folder.join(".git/FETCH_HEAD"));
        Ok(commit)
    }

    /// Fetches the commit, and answers with its number.
    fn bring(
        &self,
        wanted: &Wanted<'_>,
        log: &mut JobLog<impl Write>,
    ) -> Result<String, StepFailure> {
        let address = wanted.address.as_str();
        let Some(commit) = wanted.commit else {
            let Some(branch) = wanted.branch else {
                self.fetched(address, "1", "+HEAD:refs/fetched/head", log)?;
                return self.number("refs/fetched/head");
            };
            return self.bring_branch(address, branch, log);
        };
        if is_whole(commit) {
            let ended = self.fetch(address, "1", commit, log)?;
            if ended.is_success() {
                return self.number(commit);
            }
            if !NOT_BY_NUMBER.iter().any(|words| ended.tail.contains(words)) {
                return Err(failed("fetch the commit", &ended));
            }
        }
        self.search(address, wanted.branch, commit, log)
    }

    fn bring_branch(
        &self,
        address: &str,
        branch: &str,
        log: &mut JobLog<impl Write>,
    ) -> Result<String, StepFailure> {
        let noted = format!("{FETCHED}head");
        let heads = self.fetch(address, "1", &format!("+refs/heads/{branch}:{noted}"), log)?;
        if heads.is_success() {
            return self.number(&noted);
        }
        if !heads.tail.contains("couldn't find remote ref") {
            return Err(failed("fetch", &heads));
        }
        log.say(&format!("no branch {branch}; looking for a tag"));
        let tags = self.fetch(address, "1", &format!("+refs/tags/{branch}:{noted}"), log)?;
        if tags.is_success() {
            return self.number(&noted);
        }
        Err(StepFailure::fetch(format!(
            "the repository has no branch and no tag {branch:?}: {}",
            tags.last_words()
        )))
    }

    /// Looks for a commit in the history of the branch, or of all branches, deeper and deeper.
    fn search(
        &self,
        address: &str,
        branch: Option<&str>,
        commit: &str,
        log: &mut JobLog<impl Write>,
    ) -> Result<String, StepFailure> {
        let refs = match branch {
            Some(branch) => format!("+refs/heads/{branch}:{FETCHED}{branch}"),
            None => format!("+refs/heads/*:{FETCHED}*"),
        };
        for depth in DEPTHS {
            log.say(&format!("looking for {commit} in the last {depth} commits"));
            self.fetched(address, &depth.to_string(), &refs, log)?;
            if let Ok(number) = self.number(commit) {
                return Ok(number);
            }
        }
        let depth = DEPTHS[DEPTHS.len() - 1];
        Err(StepFailure::fetch(format!(
            "no commit {commit} in the last {depth} commits of {}; name a branch that has it, or \
             the whole number of the commit",
            branch.unwrap_or("all branches")
        )))
    }

    /// The whole number of a commit that is here.
    fn number(&self, name: &str) -> Result<String, StepFailure> {
        let asked = ["rev-parse", "--quiet", "--verify", "--end-of-options"];
        let name = format!("{name}^{{commit}}");
        let mut arguments = asked.to_vec();
        arguments.push(&name);
        let number = self.ask(&arguments)?.map(|number| number.trim().to_owned());
        number
            .filter(|number| is_whole(number))
            .ok_or_else(|| StepFailure::fetch("what was fetched is no commit"))
    }

    fn fetched(
        &self,
        address: &str,
        depth: &str,
        refs: &str,
        log: &mut JobLog<impl Write>,
    ) -> Result<(), StepFailure> {
        let ended = self.fetch(address, depth, refs, log)?;
        if ended.is_success() {
            return Ok(());
        }
        Err(failed("fetch", &ended))
    }

    fn fetch(
        &self,
        address: &str,
        depth: &str,
        refs: &str,
        log: &mut JobLog<impl Write>,
    ) -> Result<Ended, StepFailure> {
        let depth = format!("--depth={depth}");
        let arguments = [
            "fetch",
            "--no-tags",
            "--no-write-fetch-head",
            &depth,
            "--",
            address,
            refs,
        ];
        self.run(&arguments, log)
    }

    /// Runs a git that has to succeed in `doing`.
    pub(super) fn must(
        &self,
        arguments: &[&str],
        doing: &str,
        log: &mut JobLog<impl Write>,
    ) -> Result<(), StepFailure> {
        let ended = self.run(arguments, log)?;
        if ended.is_success() {
            return Ok(());
        }
        Err(failed(doing, &ended))
    }

    fn run(&self, arguments: &[&str], log: &mut JobLog<impl Write>) -> Result<Ended, StepFailure> {
        let command = self.command(arguments);
        program::run(command, &self.bounds, &self.secrets, log).map_err(|broken| no_git(&broken))
    }

    /// What a git says that needs no network; none where it says that there is no such thing.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Option<String>, StepFailure> {
        let output = self
            .command(arguments)
            .stdin(std::process::Stdio::null())
            .output();
        let output = output.map_err(|error| {
            let program = "git".to_owned();
            no_git(&Broken::Start { program, error })
        })?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(said))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("--no-pager");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments).current_dir(&self.folder);
        command.env_clear().envs(self.variables.iter().cloned());
        // Other users can see a command line, but not this.
        command.env("GIT_CONFIG_COUNT", self.logins.len().to_string());
        for (at, (place, header)) in self.logins.iter().enumerate() {
            command.env(
                format!("GIT_CONFIG_KEY_{at}"),
                format!("http.{place}.extraHeader"),
            );
            command.env(format!("GIT_CONFIG_VALUE_{at}"), header);
        }
        command
    }

    /// The same git in a folder within.
    pub(super) fn within(&self, folder: &Path) -> Self {
        Git {
            folder: folder.to_owned(),
            rules: self.rules,
            variables: self.variables.clone(),
            bounds: self.bounds.clone(),
            logins: self.logins.clone(),
            secrets: self.secrets.clone(),
        }
    }
}

fn failed(doing: &str, ended: &Ended) -> StepFailure {
    let words = ended.last_words();
    // git would ask for another login, and says only that it cannot.
    let why = if words.contains(NO_LOGIN) {
        "; the server takes no login that the address or the agent's git configuration has, or there \
         is none"
    } else {
        ""
    };
    StepFailure::fetch(format!("git could not {doing}: {words}{why}"))
}

fn no_git(broken: &Broken) -> StepFailure {
    match broken {
        Broken::Start { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
            StepFailure::fetch("the agent has no git on its PATH; install git 2.30 or newer there")
        }
        other => StepFailure::fetch(other.to_string()),
    }
}
