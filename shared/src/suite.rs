//! Suites on demand: a repository is cloned, installed and tested, one at a time in order.
//!
//! A view over jobs of the kind [`JobKind::Suite`](crate::job::JobKind::Suite), which all need the environment
//! [`ENVIRONMENT`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::job::{GitSource, Job, JobErrorKind, JobState, NewJob, Source};
use crate::limits;
use crate::run::RunSummary;
use crate::status::RunStatus;
use crate::validate::Invalid;

/// The environment that all suites need: it has room for one job.
pub const ENVIRONMENT: &str = "run_suite";

/// Who wants a suite of which nobody says it.
pub const USERNAME: &str = "run_suite";

/// pytest could not begin (3: an error of its own, 4: its command line).
const EXIT_CODES_OF_NO_RUN: [i32; 2] = [3, 4];

/// The body of `POST /run_suite`. Only `repo_url` is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunSuite {
    /// A git repository.
    pub repo_url: String,
    /// Its branch; without one, the repository's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// What is run of it.
    #[serde(default)]
    pub suite: SuiteChoice,
    /// Who wants to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The project of the run; without one, the repository's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Seconds that it may take; without, an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
}

/// Part of a repository, and how pytest is called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SuiteChoice {
    /// A file, a folder or a nodeid; empty means what pytest collects by itself.
    #[serde(default)]
    pub name: String,
    /// Each becomes `--key=value`, or `--key` where the value is true; false leaves it out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Value>))]
    pub params: BTreeMap<String, Value>,
}

/// How far a suite is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SuiteStatus {
    /// It waits for its turn.
    Pending,
    /// It has its turn.
    Running,
    /// Its tests ran, whether or not they passed.
    Completed,
    /// Its tests could not be run; `error` says why.
    Failed,
}

/// A run of a suite, as `POST /run_suite` and `GET /test_status/{test_id}` show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Suite {
    /// A UUID.
    pub id: String,
    /// How far it is.
    pub status: SuiteStatus,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it had its turn.
    pub started_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub completed_at: Option<DateTime<Utc>>,
    /// What its tests came to, once it is over.
    pub result: Option<SuiteResult>,
    /// Why it failed.
    pub error: Option<SuiteError>,
    /// The job behind it.
    pub job: i64,
}

/// What the tests of a suite came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SuiteResult {
    /// The verdict, such as `passed` or `failed`.
    pub status: String,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Errors in setup, teardown and collection.
    pub error: u64,
    /// Tests skipped.
    pub skipped: u64,
    /// All tests.
    pub total: u64,
    /// Seconds.
    pub duration: f64,
    /// `passed` of `total`, in percent.
    pub pass_rate: f64,
    /// pytest's exit code.
    pub exit_code: Option<i32>,
    /// The run, with every test.
    pub run_id: String,
    /// Where the run is, below the master's address.
    pub run_url: String,
}

/// Why a suite failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SuiteError {
    /// For programs.
    pub kind: SuiteErrorKind,
    /// For people.
    pub text: String,
}

/// Why a suite failed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SuiteErrorKind {
    /// The repository could not be cloned.
    GitError,
    /// What the tests need could not be installed, or pytest could not be run.
    SubprocessError,
    /// It took too long.
    Timeout,
    /// The agents that had it went away.
    Lost,
    /// Somebody cancelled it.
    Cancelled,
    /// It waited too long for its turn.
    FailedToStart,
}

impl RunSuite {
    /// The job that it is.
    pub fn to_job(&self) -> Result<NewJob, Invalid> {
        let project = match self.project.as_deref() {
            Some(project) if !project.is_empty() => project.to_owned(),
            _ => repository_name(&self.repo_url).to_owned(),
        };
        let named = self.username.as_deref().filter(|name| !name.is_empty());
        let name = &self.suite.name;
        Ok(NewJob {
            uuid: None,
            username: named.unwrap_or(USERNAME).to_owned(),
            project,
            source: Source::Git(GitSource {
                url: self.repo_url.clone(),
                branch: self.branch.clone().filter(|branch| !branch.is_empty()),
                ..GitSource::default()
            }),
            tests: (!name.is_empty())
                .then(|| name.clone())
                .into_iter()
                .collect(),
            args: arguments(&self.suite.params)?,
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            environment: Some(ENVIRONMENT.to_owned()),
            timeout_s: self.timeout_s.unwrap_or(limits::JOB_TIMEOUT_S_DEFAULT),
            attempts_max: limits::JOB_ATTEMPTS_DEFAULT,
            // Whoever waits for a turn waits as long as it takes.
            wait_max_s: limits::JOB_WAIT_S_MAX,
            priority: 0,
        })
    }
}

/// The last part of an address, without `.git`.
fn repository_name(url: &str) -> &str {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next();
    let last = last.unwrap_or_default();
    last.strip_suffix(".git").unwrap_or(last)
}

/// One argument of pytest for each parameter; nothing in a value can make it two.
fn arguments(params: &BTreeMap<String, Value>) -> Result<Vec<String>, Invalid> {
    if params.len() > limits::JOB_ARGUMENTS_MAX {
        let reason = format!("must have at most {} items", limits::JOB_ARGUMENTS_MAX);
        return Err(Invalid::new("suite.params", reason));
    }
    let arguments = params.iter().map(|(key, value)| argument(key, value));
    arguments.filter_map(Result::transpose).collect()
}

fn argument(key: &str, value: &Value) -> Result<Option<String>, Invalid> {
    let field = || {
        format!(
            "suite.params.{}",
            crate::text::cut(key, limits::NAME_BYTES_MAX)
        )
    };
    let mut characters = key.chars();
    let is_option = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && characters.all(|one| one.is_ascii_alphanumeric() || "_.-".contains(one));
    if !is_option {
        return Err(Invalid::new(
            field(),
            "must be the name of an option without its dashes: letters, digits, `_`, `.` and `-`, a \
             letter or a digit first",
        ));
    }
    match value {
        Value::Bool(true) => Ok(Some(format!("--{key}"))),
        Value::Bool(false) => Ok(None),
        Value::String(text) => Ok(Some(format!("--{key}={text}"))),
        Value::Number(number) => Ok(Some(format!("--{key}={number}"))),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Invalid::new(
            field(),
            "must be a text, a number, true or false",
        )),
    }
}

impl Suite {
    /// The view of a job, with the run of its last attempt where there is one.
    pub fn of(job: &Job, run: Option<&RunSummary>) -> Self {
        let error = error(job, run);
        let status = match job.state {
            JobState::Queued => SuiteStatus::Pending,
            JobState::Running => SuiteStatus::Running,
            _ if error.is_some() => SuiteStatus::Failed,
            _ => SuiteStatus::Completed,
        };
        Self {
            id: job.uuid.clone(),
            status,
            created_at: job.created_at,
            started_at: job.started_at,
            completed_at: job.finished_at,
            result: run
                .filter(|_| job.state.is_over())
                .map(|run| result(job, run)),
            error,
            job: job.id,
        }
    }
}

fn result(job: &Job, run: &RunSummary) -> SuiteResult {
    SuiteResult {
        status: run.status.as_str().to_owned(),
        passed: run.passed,
        failed: run.failed,
        error: run.error,
        skipped: run.skipped,
        total: run.total,
        duration: run.duration,
        pass_rate: run.pass_rate,
        exit_code: job.exit_code,
        run_id: run.run_id.clone(),
        // The master makes the ids of these runs out of letters, digits and hyphens.
        run_url: format!("/results/{}", run.run_id),
    }
}

fn error(job: &Job, run: Option<&RunSummary>) -> Option<SuiteError> {
    let kind = match job.state {
        JobState::Queued | JobState::Running | JobState::Passed => return None,
        JobState::Failed => return no_run(job, run),
        JobState::TimedOut => SuiteErrorKind::Timeout,
        JobState::Cancelled => SuiteErrorKind::Cancelled,
        JobState::FailedToStart => SuiteErrorKind::FailedToStart,
        JobState::Error => match job.error.as_ref().map(|error| error.kind) {
            Some(JobErrorKind::Git) => SuiteErrorKind::GitError,
            Some(JobErrorKind::Lost) => SuiteErrorKind::Lost,
            _ => SuiteErrorKind::SubprocessError,
        },
    };
    let text = job.error.as_ref().map(|error| error.text.clone());
    let text = text.filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| match kind {
        SuiteErrorKind::Timeout => format!("it took longer than {} s", job.timeout_s),
        SuiteErrorKind::Cancelled => "it was cancelled".to_owned(),
        _ => "the log says why".to_owned(),
    });
    Some(SuiteError { kind, text })
}

/// Tests that fail complete a suite; a pytest that could not run them, or died of them, does not.
fn no_run(job: &Job, run: Option<&RunSummary>) -> Option<SuiteError> {
    let could_run = || {
        let code = job.exit_code;
        !code.is_some_and(|code| EXIT_CODES_OF_NO_RUN.contains(&code))
    };
    let what = match run.map(|run| run.status) {
        Some(RunStatus::UsageError) => "refused its arguments",
        Some(RunStatus::InternalError) => "had an internal error",
        Some(RunStatus::Crashed | RunStatus::Lost) => "died while it ran",
        None if !could_run() => "could not run",
        Some(_) | None => return None,
    };
    let code = job.exit_code;
    let code = code.map_or_else(String::new, |code| format!(" (exit code {code})"));
    Some(SuiteError {
        kind: SuiteErrorKind::SubprocessError,
        text: format!("pytest {what}{code}; the log of job {} says why", job.id),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::{JobError, JobKind};

    fn suite(params: &Value) -> RunSuite {
        let body = json!({"repo_url": "https://example.org/shop.git", "branch": "main", "suite": {"name": "tests/", "params": params}});
        serde_json::from_value(body).unwrap()
    }

    fn job(state: JobState, error: Option<JobErrorKind>) -> Job {
        let new = suite(&json!({})).to_job().unwrap();
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Job {
            id: 7,
            uuid: "u".into(),
            kind: JobKind::Suite,
            username: new.username,
            project: new.project,
            source: new.source,
            tests: new.tests,
            args: new.args,
            env: new.env,
            labels: new.labels,
            environment: new.environment,
            timeout_s: new.timeout_s,
            attempts_max: new.attempts_max,
            wait_max_s: new.wait_max_s,
            priority: new.priority,
            state,
            error: error.map(|kind| JobError {
                kind,
                text: "because".into(),
            }),
            waits_for: None,
            cancel_requested: false,
            created_at: at,
            started_at: None,
            finished_at: None,
            attempt: 1,
            agent: None,
            run_id: None,
            exit_code: None,
            log_bytes: 0,
            rerun_of: None,
            transitions: Vec::new(),
            attempts: Vec::new(),
        }
    }

    #[test]
    fn parameters_become_one_argument_each() {
        let params = json!({"alluredir": "/tmp/allure", "maxfail": 3, "tb": "a b; rm -rf / --x=\"y\"", "lf": true, "ff": false, "p": 0.5});
        let job = suite(&params).to_job().unwrap();
        assert_eq!(
            job.args,
            [
                "--alluredir=/tmp/allure",
                "--lf",
                "--maxfail=3",
                "--p=0.5",
                "--tb=a b; rm -rf / --x=\"y\""
            ]
        );
        assert_eq!(job.tests, ["tests/"]);
        assert_eq!(job.project, "shop");
        assert_eq!(job.environment.as_deref(), Some("run_suite"));
    }

    #[test]
    fn a_key_is_the_name_of_an_option_and_nothing_else() {
        for key in ["", "-x", "--lf", "a b", "a=b", "é", "@file", ".x", "a\n"] {
            let invalid = suite(&json!({ key: "v" })).to_job().unwrap_err();
            assert!(invalid.field.starts_with("suite.params"), "{invalid}");
        }
        for value in [json!(null), json!([1]), json!({"a": 1})] {
            let invalid = suite(&json!({ "key": value })).to_job().unwrap_err();
            assert_eq!(invalid.field, "suite.params.key");
        }
    }

    #[test]
    fn a_repository_gives_the_project_its_name() {
        for (url, name) in [
            ("https://example.org/a/shop.git", "shop"),
            ("https://example.org/shop/", "shop"),
            ("git@example.org:shop.git", "shop"),
            ("file:///srv/shop", "shop"),
            ("", ""),
        ] {
            assert_eq!(repository_name(url), name, "{url}");
        }
    }

    #[test]
    fn errors_are_told_apart() {
        use SuiteErrorKind as Kind;
        let kind = |state, error| {
            Suite::of(&job(state, error), None)
                .error
                .map(|error| error.kind)
        };
        assert_eq!(
            kind(JobState::Error, Some(JobErrorKind::Git)),
            Some(Kind::GitError)
        );
        for why in [JobErrorKind::Install, JobErrorKind::Subprocess] {
            assert_eq!(
                kind(JobState::Error, Some(why)),
                Some(Kind::SubprocessError)
            );
        }
        assert_eq!(
            kind(JobState::Error, Some(JobErrorKind::Lost)),
            Some(Kind::Lost)
        );
        assert_eq!(kind(JobState::TimedOut, None), Some(Kind::Timeout));
        assert_eq!(kind(JobState::Cancelled, None), Some(Kind::Cancelled));
        assert_eq!(kind(JobState::Failed, None), None);
        // What ended the attempt before is no error of one that goes on.
        assert_eq!(kind(JobState::Running, Some(JobErrorKind::Lost)), None);
    }

    #[test]
    fn tests_that_fail_complete_a_suite_and_a_pytest_that_cannot_run_does_not() {
        let status = |state, exit_code| {
            let mut job = job(state, None);
            job.exit_code = exit_code;
            Suite::of(&job, None).status
        };
        assert_eq!(status(JobState::Queued, None), SuiteStatus::Pending);
        assert_eq!(status(JobState::Running, None), SuiteStatus::Running);
        assert_eq!(status(JobState::Passed, Some(0)), SuiteStatus::Completed);
        assert_eq!(status(JobState::Failed, Some(1)), SuiteStatus::Completed);
        assert_eq!(status(JobState::Failed, Some(2)), SuiteStatus::Completed);
        assert_eq!(status(JobState::Failed, Some(5)), SuiteStatus::Completed);
        assert_eq!(status(JobState::Failed, Some(4)), SuiteStatus::Failed);
        assert_eq!(status(JobState::Failed, Some(3)), SuiteStatus::Failed);
    }
}
