//! One run on one line of JSON.

use schemars::JsonSchema;
use serde::Serialize;
use shared::run::{Run, RunSummary};

use super::{figures, moment};
use crate::untrusted;

/// A run in short. Empty texts and zero counts are left out, but for the contract's counts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunLine {
    /// For `get_report`.
    pub run_id: String,
    /// UTC.
    pub timestamp: String,
    /// `passed`, `failed`, `error` (collection), `no_tests`, `usage_error`, `internal_error`,
    /// `interrupted`, `timeout`, `crashed`, `lost` or `running`.
    pub status: String,
    /// False: results are missing, so never green.
    pub complete: bool,
    /// What was tested.
    pub project: String,
    /// The branch under test.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub branch: String,
    /// The commit under test.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// Who ran it.
    pub worker_id: String,
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
    /// Percent.
    pub pass_rate: f64,
    /// Seconds.
    pub duration: f64,
    /// UTC; only while running: its end if it takes as long as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_finish_at: Option<String>,
}

impl From<&RunSummary> for RunLine {
    fn from(run: &RunSummary) -> Self {
        Self {
            run_id: untrusted::model_id(&run.run_id),
            timestamp: moment::machine(run.timestamp),
            status: run.status.to_string(),
            complete: run.complete,
            project: untrusted::short_id(&run.project, 120),
            branch: untrusted::short_id(&run.branch, 120),
            commit: untrusted::short_id(&run.commit, 40),
            worker_id: untrusted::short_id(&run.worker_id, 120),
            passed: run.passed,
            failed: run.failed,
            error: run.error,
            skipped: run.skipped,
            total: run.total,
            pass_rate: figures::round(run.pass_rate),
            duration: figures::round_seconds(run.duration),
            expected_finish_at: run
                .live
                .as_ref()
                .and_then(|live| live.expected_finish_at)
                .map(moment::machine),
        }
    }
}

impl From<&Run> for RunLine {
    fn from(run: &Run) -> Self {
        Self::from(&summary(run))
    }
}

/// The part of a run that a list of runs has.
fn summary(run: &Run) -> RunSummary {
    RunSummary {
        id: run.id,
        run_id: run.run_id.clone(),
        worker_id: run.worker_id.clone(),
        project: run.project.clone(),
        branch: run.branch.clone(),
        timestamp: run.timestamp,
        passed: run.passed,
        failed: run.failed,
        error: run.error,
        skipped: run.skipped,
        total: run.total,
        duration: run.duration,
        pass_rate: run.pass_rate,
        status: run.status,
        complete: run.complete,
        commit: run.commit.clone(),
        received_at: run.received_at,
        live: run.live.clone(),
    }
}

/// Runs for tests of the views.
#[cfg(test)]
pub mod sample {
    use shared::run::{Run, RunFailure};

    /// A finished run with so many passed and failed tests.
    ///
    /// # Panics
    ///
    /// When the sample is no run.
    pub fn run(passed: u64, failed: u64) -> Run {
        let failures: Vec<RunFailure> = (0..failed)
            .map(|number| RunFailure {
                nodeid: format!("tests/test_shop.py::test_price[{number}]"),
                duration: 0.25,
                message: format!("AssertionError: assert {number} == -1"),
            })
            .collect();
        let mut run: Run = serde_json::from_str(PASSED).unwrap();
        run.passed = passed;
        run.failed = failed;
        run.total = passed + failed;
        run.collected = Some(run.total);
        run.reported = run.total;
        run.pass_rate = 100.0 * passed as f64 / run.total.max(1) as f64;
        if failed > 0 {
            run.status = shared::status::RunStatus::Failed;
            run.exit_code = Some(1);
        }
        run.failures = failures;
        run
    }

    /// The same in a list.
    pub fn summary(passed: u64, failed: u64) -> shared::run::RunSummary {
        super::summary(&run(passed, failed))
    }

    /// A run that goes on.
    ///
    /// # Panics
    ///
    /// When the sample is no run.
    pub fn running() -> Run {
        let mut run = run(117, 2);
        run.status = shared::status::RunStatus::Running;
        run.complete = false;
        run.finished = false;
        run.exit_code = None;
        run.finished_at = None;
        run.skipped = 1;
        run.total = 120;
        run.reported = 120;
        run.collected = Some(300);
        run.running = vec!["tests/test_shop.py::test_slow".into()];
        run.running_count = 1;
        run.live = Some(shared::stream::Live {
            heard_at: shared::time::parse("2026-11-21T11:59:58Z").unwrap(),
            expected_finish_at: shared::time::parse("2026-11-21T12:03:10Z"),
        });
        run
    }

    const PASSED: &str = r#"{
        "id": 7, "run_id": "0190-run", "worker_id": "laptop", "project": "shop", "branch": "main",
        "timestamp": "2026-11-21T08:00:00Z", "passed": 0, "failed": 0, "error": 0, "skipped": 0,
        "total": 0, "duration": 12.5, "pass_rate": 0, "failures": [], "status": "passed",
        "exit_code": 0, "signal": null, "finished": true, "complete": true, "collected": 0,
        "deselected": 0, "reported": 0, "xfailed": 0, "xpassed": 0, "rerun": 0,
        "subtests_passed": 0, "subtests_failed": 0, "collection_errors": 0, "collection_skips": 0,
        "running": [], "running_count": 0, "not_run": [], "not_run_count": 0, "problems": [],
        "log_tail": "", "commit": "4f2a9c1d7e0b", "dirty": false, "variant": {"python": "3.12"},
        "python": "3.12.1", "pytest": "9.0.2", "platform": "Linux-6.8-x86_64", "plugins": [],
        "command": "pytest tests", "ci": null, "started_at": "2026-11-21T08:00:00Z",
        "finished_at": "2026-11-21T08:00:12.5Z", "received_at": "2026-11-21T08:00:13Z"
    }"#;
}
