//! What can be known at once: flags, environment and pyproject.toml.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use shared::limits;

use super::seconds::{run_timeout, stall_timeout, upload_timeout};
use super::state::{state_bytes_max, state_dir};
use super::{MASTER_URL_DEFAULT, Pyproject, Source, Sourced};
use crate::cli::{self, Options};

/// Reads one variable; a variable that is empty or no Unicode counts as not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A secret that no `Debug` output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

/// Everything a person set, and the defaults of the rest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the master is; checked when it is used, because tests run without it too.
    pub master_url: Sourced<String>,
    /// The secret for it.
    pub token: Option<Sourced<Token>>,
    /// Name of this worker.
    pub worker_id: Sourced<String>,
    /// Name of the project, where it was set.
    pub project: Option<Sourced<String>>,
    /// Branch under test, where it was set.
    pub branch: Option<Sourced<String>>,
    /// Commit under test, where it was set.
    pub commit: Option<Sourced<String>>,
    /// Labels under which runs compare.
    pub variant: BTreeMap<String, Sourced<String>>,
    /// Python to run, where it was set.
    pub python: Option<Sourced<PathBuf>>,
    /// Id of the run.
    pub run_id: Sourced<String>,
    /// Longest time that a run may take, where there is a limit.
    pub run_timeout: Option<Sourced<Duration>>,
    /// Longest time in which nothing happens, where there is a limit.
    pub stall_timeout: Option<Sourced<Duration>>,
    /// Longest wait for the upload.
    pub upload_timeout: Sourced<Duration>,
    /// A file to write the run to.
    pub save: Option<Sourced<PathBuf>>,
    /// Where journals are kept, unless nobody says and the user has no home.
    pub state_dir: Option<Sourced<PathBuf>>,
    /// Bytes that all journals together may take.
    pub state_bytes_max: Sourced<u64>,
    /// The peak memory of each test is measured.
    pub memory: Sourced<bool>,
    /// No closing line.
    pub quiet: Sourced<bool>,
    /// Whether git and the CI system are asked what nobody said.
    pub asks_around: bool,
    /// Whether there is no master: the run goes nowhere but into the file of `save`.
    pub is_offline: bool,
    /// Sentences about values that could not be used. They stop nothing.
    pub problems: Vec<String>,
}

impl Settings {
    /// Settings of this process: its environment and current folder.
    pub fn of_this_process(options: &Options) -> Self {
        let folder = std::env::current_dir().unwrap_or_default();
        let (pyproject, problem) = Pyproject::nearest(&folder);
        let mut settings = Self::resolve(options, &process_variable, pyproject);
        settings.problems.extend(problem);
        settings
    }

    /// Settings from these three places, first come first served.
    pub fn resolve(options: &Options, environment: Environment, file: Pyproject) -> Self {
        let from = Sources {
            environment,
            path: file.path,
        };
        let mut problems = Vec::new();
        let text = |flag, given: &Option<String>, variable, in_file| {
            from.pick(flag, given.clone(), variable, in_file).map(name)
        };
        Self {
            master_url: from
                .pick(
                    "--master-url",
                    options.master_url.clone(),
                    "MASTER_URL",
                    file.master_url,
                )
                .unwrap_or_else(|| Sourced::new(MASTER_URL_DEFAULT.to_owned(), Source::Default)),
            token: from
                .pick("--token", options.token.clone(), "MASTER_TOKEN", None)
                // A secret read from a file often ends in a newline, which no header can carry.
                .map(|token| Sourced::new(Token(token.value.trim().to_owned()), token.source)),
            worker_id: text(
                "--worker-id",
                &options.worker_id,
                "WORKER_ID",
                file.worker_id,
            )
            .unwrap_or_else(host),
            project: text("--project", &options.project, "PROJECT", file.project),
            branch: text("--branch", &options.branch, "BRANCH", file.branch),
            commit: text("--commit", &options.commit, "COMMIT", None),
            variant: variant(options, &from, file.variant, &mut problems),
            python: from.path(
                "--python",
                options.python.clone(),
                "WORKER_PYTHON",
                file.python,
            ),
            run_id: run_id(options),
            run_timeout: run_timeout(options, &from, file.run_timeout, &mut problems),
            stall_timeout: stall_timeout(options, &from, file.stall_timeout, &mut problems),
            upload_timeout: upload_timeout(options, &from, file.upload_timeout, &mut problems),
            save: from.path("--save", options.save.clone(), "WORKER_SAVE", file.save),
            state_dir: state_dir(options, &from, file.state_dir),
            state_bytes_max: state_bytes_max(&from, file.state_bytes_max, &mut problems),
            memory: switch(options.memory, &MEMORY, &from, file.memory),
            quiet: switch(options.quiet, &QUIET, &from, file.quiet),
            asks_around: true,
            is_offline: false,
            problems,
        }
    }
}

/// Reads one variable of this process.
pub(super) fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The places that are asked in turn.
pub(super) struct Sources<'a> {
    environment: Environment<'a>,
    path: PathBuf,
}

impl Sources<'_> {
    pub(super) fn pick(
        &self,
        flag: &'static str,
        given: Option<String>,
        variable: &'static str,
        in_file: Option<String>,
    ) -> Option<Sourced<String>> {
        given
            .map(|value| Sourced::new(value, Source::Flag(flag)))
            .or_else(|| self.variable(variable))
            .or_else(|| in_file.map(|value| Sourced::new(value, self.file())))
    }

    pub(super) fn path(
        &self,
        flag: &'static str,
        given: Option<PathBuf>,
        variable: &'static str,
        in_file: Option<PathBuf>,
    ) -> Option<Sourced<PathBuf>> {
        given
            .map(|value| Sourced::new(value, Source::Flag(flag)))
            .or_else(|| {
                let found = self.variable(variable)?;
                Some(Sourced::new(PathBuf::from(found.value), found.source))
            })
            .or_else(|| in_file.map(|value| Sourced::new(value, self.file())))
    }

    pub(super) fn variable(&self, variable: &'static str) -> Option<Sourced<String>> {
        let value = (self.environment)(variable).filter(|value| !value.is_empty())?;
        Some(Sourced::new(value, Source::Variable(variable)))
    }

    pub(super) fn file(&self) -> Source {
        Source::Pyproject(self.path.clone())
    }
}

/// A short name as the wire wants it: printable and within its limit.
fn name(mut given: Sourced<String>) -> Sourced<String> {
    given.value = printable(&given.value);
    given
}

/// `text` without control characters, cut at [`limits::NAME_BYTES_MAX`].
pub(super) fn printable(text: &str) -> String {
    let clean: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    clean[..clean.floor_char_boundary(limits::NAME_BYTES_MAX)].to_owned()
}

/// No variable sets it: one that is set for two commands would make the second a conflict.
fn run_id(options: &Options) -> Sourced<String> {
    match &options.run_id {
        Some(id) => Sourced::new(id.clone(), Source::Flag("--run-id")),
        None => Sourced::new(uuid::Uuid::now_v7().to_string(), Source::Default),
    }
}

fn host() -> Sourced<String> {
    let host = printable(&gethostname::gethostname().to_string_lossy());
    if host.is_empty() {
        return Sourced::new("worker".to_owned(), Source::Default);
    }
    Sourced::new(host, Source::Host)
}

fn variant(
    options: &Options,
    from: &Sources,
    in_file: BTreeMap<String, String>,
    problems: &mut Vec<String>,
) -> BTreeMap<String, Sourced<String>> {
    let mut variant: BTreeMap<_, _> = in_file
        .into_iter()
        .map(|(label, value)| (printable(&label), Sourced::new(value, from.file())))
        .collect();
    if let Some(labels) = from.variable("VARIANT") {
        for label in labels.value.split(',').filter(|l| !l.trim().is_empty()) {
            match cli::label(label) {
                Ok((label, value)) => {
                    let value = Sourced::new(value, labels.source.clone());
                    variant.insert(printable(&label), value);
                }
                Err(reason) => problems.push(format!("VARIANT has `{label}`: {reason}")),
            }
        }
    }
    for (label, value) in &options.variant {
        let value = Sourced::new(value.clone(), Source::Flag("--variant"));
        variant.insert(printable(label), value);
    }
    if variant.len() > limits::VARIANT_LABELS_MAX {
        let most = limits::VARIANT_LABELS_MAX;
        problems.push(format!("only the first {most} variant labels are kept"));
    }
    let kept = variant.into_iter().take(limits::VARIANT_LABELS_MAX);
    kept.map(|(label, value)| (label, name(value))).collect()
}

/// What a switch is called in the first two places.
struct Names {
    flag: &'static str,
    variable: &'static str,
}

const MEMORY: Names = Names {
    flag: "--memory",
    variable: "WORKER_MEMORY",
};

const QUIET: Names = Names {
    flag: "--quiet",
    variable: "WORKER_QUIET",
};

/// Something that is on or off.
fn switch(given: bool, names: &Names, from: &Sources, in_file: Option<bool>) -> Sourced<bool> {
    if given {
        return Sourced::new(true, Source::Flag(names.flag));
    }
    if let Some(found) = from.variable(names.variable) {
        let off = ["0", "false", "no", "off"].contains(&found.value.to_lowercase().as_str());
        return Sourced::new(!off, found.source);
    }
    match in_file {
        Some(is_on) => Sourced::new(is_on, from.file()),
        None => Sourced::new(false, Source::Default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = || Pyproject {
            path: "pyproject.toml".into(),
            project: Some("from file".into()),
            branch: Some("from file".into()),
            worker_id: Some("from file".into()),
            ..Pyproject::default()
        };
        let options = Options {
            project: Some("from flag".into()),
            ..Options::default()
        };
        let environment = |name: &str| match name {
            "PROJECT" | "BRANCH" => Some("from environment".to_owned()),
            "WORKER_ID" => Some(String::new()),
            _ => None,
        };
        let settings = Settings::resolve(&options, &environment, file());
        let project = settings.project.unwrap();
        assert_eq!(
            project,
            Sourced::new("from flag".into(), Source::Flag("--project"))
        );
        let branch = settings.branch.unwrap();
        assert_eq!(branch.source, Source::Variable("BRANCH"));
        assert_eq!(settings.worker_id.value, "from file");
        assert_eq!(settings.problems, Vec::<String>::new());
    }

    #[test]
    fn without_any_setting_the_contracts_defaults_hold() {
        let settings = Settings::resolve(&Options::default(), &nothing, Pyproject::default());
        assert_eq!(settings.master_url.value, "http://localhost:8080");
        assert_eq!(settings.upload_timeout.value, Duration::from_secs(10));
        assert_eq!(settings.worker_id.source, Source::Host);
        assert!(!settings.quiet.value);
    }

    #[test]
    fn a_bad_value_in_the_environment_is_told_and_stops_nothing() {
        let environment = |name: &str| match name {
            "WORKER_UPLOAD_TIMEOUT" => Some("soon".to_owned()),
            "VARIANT" => Some("python=3.12, nonsense".to_owned()),
            _ => None,
        };
        let settings = Settings::resolve(&Options::default(), &environment, Pyproject::default());
        assert_eq!(settings.upload_timeout.value, Duration::from_secs(10));
        assert_eq!(settings.variant["python"].value, "3.12");
        assert_eq!(settings.problems.len(), 2, "{:?}", settings.problems);
    }

    #[test]
    fn labels_are_merged_one_by_one() {
        let options = Options {
            variant: vec![("python".into(), "3.13".into())],
            ..Options::default()
        };
        let environment =
            |name: &str| (name == "VARIANT").then(|| "python=3.12,db=sqlite".to_owned());
        let settings = Settings::resolve(&options, &environment, Pyproject::default());
        assert_eq!(settings.variant["python"].value, "3.13");
        assert_eq!(settings.variant["db"].value, "sqlite");
    }

    #[test]
    fn a_token_is_never_shown() {
        let options = Options {
            token: Some("secret".into()),
            ..Options::default()
        };
        let settings = Settings::resolve(&options, &nothing, Pyproject::default());
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_name_loses_what_the_wire_would_refuse() {
        let options = Options {
            worker_id: Some(format!("a\nb{}", "é".repeat(400))),
            ..Options::default()
        };
        let settings = Settings::resolve(&options, &nothing, Pyproject::default());
        assert!(settings.worker_id.value.starts_with("abé"));
        assert!(settings.worker_id.value.len() <= limits::NAME_BYTES_MAX);
    }
}
