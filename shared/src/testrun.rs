//! Testruns: somebody wants files of the test library run.
//!
//! A view over jobs of the kind [`JobKind::Testrun`](crate::job::JobKind::Testrun).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::job::{Job, JobState, LibrarySource, NewJob, Source};
use crate::limits;

/// The body of `POST /api/testrun`. Only `username` is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewTestrun {
    /// Who wants to know.
    pub username: String,
    /// Files and folders of the test library; none means all of it.
    #[serde(default, deserialize_with = "crate::bounded::job_tests")]
    pub test_files: Vec<String>,
    /// The environment that the tests use. A number is taken as well.
    #[serde(
        default,
        deserialize_with = "crate::bounded::text_or_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub environment: Option<String>,
    /// The project of the run.
    #[serde(default)]
    pub project: String,
}

/// How far a testrun is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum TestrunStatus {
    /// It waits.
    Created,
    /// An agent has it.
    Running,
    /// Its tests did not all pass, or could not be run.
    Failed,
    /// Its tests passed.
    Success,
}

/// A testrun, as `GET /api/testrun/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Testrun {
    /// The master's number of it; that of the job behind it.
    pub id: i64,
    /// How far it is.
    pub status: TestrunStatus,
    /// Who wanted to know.
    pub username: String,
    /// What was run; none means the whole library.
    pub test_files: Vec<String>,
    /// The environment that it needs.
    pub environment: Option<String>,
    /// The end of its log: up to 1 MiB in `GET /api/testrun/{id}`, up to 2,000 characters in the list. The whole is at
    /// `GET /jobs/{id}/log`.
    pub logs: String,
    /// Why it could not be carried out.
    pub error: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub finished_at: Option<DateTime<Utc>>,
    /// The run of its last attempt.
    pub run_id: Option<String>,
    /// The job behind it under its other name.
    pub uuid: String,
}

/// A page of testruns, as `GET /api/testrun` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestrunPage {
    /// Testruns on all pages.
    pub num_results: u64,
    /// Those of this page, the last to be created first.
    pub objects: Vec<Testrun>,
    /// Number of the page, from 1.
    pub page: u64,
    /// How many pages there are.
    pub total_pages: u64,
}

impl NewTestrun {
    /// The job that it is.
    pub fn into_job(self) -> NewJob {
        NewJob {
            uuid: None,
            username: self.username,
            project: self.project,
            source: Source::Library(LibrarySource {
                files: self.test_files,
                snapshot: None,
            }),
            tests: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            environment: self.environment,
            timeout_s: limits::JOB_TIMEOUT_S_DEFAULT,
            attempts_max: limits::JOB_ATTEMPTS_DEFAULT,
            wait_max_s: limits::JOB_WAIT_S_DEFAULT,
            priority: 0,
        }
    }
}

impl Testrun {
    /// The view of a job and of the end of its log.
    pub fn of(job: Job, logs: String) -> Self {
        let test_files = match job.source {
            Source::Library(library) => library.files,
            Source::Git(_) | Source::Archive(_) => job.tests,
        };
        Self {
            id: job.id,
            status: TestrunStatus::of(job.state),
            username: job.username,
            test_files,
            environment: job.environment,
            logs,
            error: job.error.map(|error| error.text),
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            run_id: job.run_id,
            uuid: job.uuid,
        }
    }
}

impl TestrunStatus {
    /// The status of a job in a state.
    pub const fn of(state: JobState) -> Self {
        match state {
            JobState::Queued => Self::Created,
            JobState::Running => Self::Running,
            JobState::Passed => Self::Success,
            JobState::Failed
            | JobState::Error
            | JobState::TimedOut
            | JobState::Cancelled
            | JobState::FailedToStart => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_enough() {
        let new: NewTestrun = serde_json::from_str(r#"{"username": "Steve"}"#).unwrap();
        let job = new.into_job();
        assert_eq!(job.username, "Steve");
        assert_eq!(job.source, Source::Library(LibrarySource::default()));
        let new = r#"{"username": "Steve", "environment": 7, "test_files": ["a/test_a.py"]}"#;
        let new: NewTestrun = serde_json::from_str(new).unwrap();
        assert_eq!(new.environment.as_deref(), Some("7"));
    }

    #[test]
    fn states_have_the_words_of_the_contract() {
        let word = |state| serde_json::to_value(TestrunStatus::of(state)).unwrap();
        assert_eq!(word(JobState::Queued), "CREATED");
        assert_eq!(word(JobState::Running), "RUNNING");
        assert_eq!(word(JobState::Passed), "SUCCESS");
        for state in JobState::ALL.into_iter().filter(|state| state.is_over()) {
            let expected = if state == JobState::Passed {
                "SUCCESS"
            } else {
                "FAILED"
            };
            assert_eq!(word(state), expected);
        }
    }
}
