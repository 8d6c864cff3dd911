//! One test while its session goes on, and the case it becomes.

use chrono::{DateTime, Utc};
use shared::case::{CaseFailure, NewCase};
use shared::event::{Announced, Report};
use shared::limits;
use shared::outcome::Outcome;

use super::text::{TextBudget, nodeid, storable};

/// Most memory that is believed, 1 EiB: no machine has more, and the wire's numbers have room for it.
const MEMORY_PEAK_KIB_MAX: u64 = 1 << 50;

/// Everything told about one test.
#[derive(Debug, Clone, Default)]
pub(super) struct Test {
    /// Name and place; empty while a number is used that was not announced.
    pub(super) nodeid: String,
    file: String,
    line: u32,
    markers: Vec<String>,
    xdist_worker: Option<String>,
    started_at: Option<DateTime<Utc>>,
    executions: u32,
    /// Attempts of the execution that goes on, and the most of any.
    attempt: u32,
    attempts: u32,
    /// Executions that started and have not ended.
    active: u32,
    /// Whether anything was reported since the last start.
    reported: bool,
    /// A process of xdist died with it.
    crashed: bool,
    outcomes: Vec<Outcome>,
    setup: Option<f64>,
    call: Option<f64>,
    teardown: Option<f64>,
    memory_peak_kib: Option<u64>,
    subtests_passed: u32,
    subtests_failed: u32,
    subtests_skipped: u32,
    /// Why it was skipped or failed as expected.
    reason: String,
    failures: Vec<CaseFailure>,
    pub(super) failures_dropped: u32,
    /// Whether it is on the list of those that changed.
    pub(super) changed: bool,
}

/// Why a test that never ended never ended.
#[derive(Debug, Clone)]
pub(super) struct Death {
    /// [`Outcome::Crashed`] or [`Outcome::Timeout`].
    pub(super) outcome: Outcome,
    /// In words.
    pub(super) message: String,
}

impl Test {
    pub(super) fn announce(&mut self, announced: Announced) {
        let Announced(name, file, line, markers) = announced;
        if !self.nodeid.is_empty() {
            return;
        }
        self.nodeid = nodeid(name);
        self.place(file, line, markers);
    }

    /// Takes what is known of its place; what was known before stays where nothing new is told.
    pub(super) fn place(&mut self, file: String, line: u32, markers: Vec<String>) {
        if !file.is_empty() {
            self.file = storable(file, limits::NODEID_BYTES_MAX);
        }
        if line > 0 {
            self.line = line;
        }
        if !markers.is_empty() {
            self.markers = markers
                .into_iter()
                .take(limits::CASE_MARKERS_MAX)
                .map(|marker| storable(marker, limits::NAME_BYTES_MAX))
                .collect();
        }
    }

    pub(super) fn start(&mut self, at: Option<DateTime<Utc>>) {
        if self.outcomes.last() == Some(&Outcome::Rerun) {
            // Newer versions of pytest-rerunfailures start and end every attempt, older ones only
            // the whole.
            self.active = self.active.max(1);
            self.reported = false;
            return;
        }
        self.executions = self.executions.saturating_add(1);
        self.active = self.active.saturating_add(1);
        self.attempt = 1;
        self.reported = false;
        if self.started_at.is_none() {
            self.started_at = at;
        }
    }

    pub(super) fn pass(&mut self, setup: f64, call: f64) {
        add(&mut self.setup, setup);
        add(&mut self.call, call);
        self.count(Outcome::Passed);
    }

    pub(super) fn end(&mut self, teardown: f64) {
        add(&mut self.teardown, teardown);
        self.seen();
        self.active = self.active.saturating_sub(1);
    }

    /// Takes the peak of an attempt; the greatest of all counts.
    pub(super) fn take_memory(&mut self, kib: u64) {
        let believed = Some(kib).filter(|kib| *kib <= MEMORY_PEAK_KIB_MAX);
        self.memory_peak_kib = self.memory_peak_kib.max(believed);
    }

    pub(super) fn run_on(&mut self, worker: String) {
        self.xdist_worker = Some(storable(worker, limits::NAME_BYTES_MAX));
    }

    /// Another test started in the same process: what was reported has also ended, although some
    /// plugin kept its teardown to itself.
    pub(super) fn end_unless_silent(&mut self) {
        if self.reported {
            self.active = 0;
        }
    }

    pub(super) fn report(&mut self, report: Report, budget: &mut TextBudget) {
        self.seen();
        self.reported = true;
        if let Some(setup) = report.setup {
            add(&mut self.setup, setup);
        }
        if report.subtest.is_some() {
            self.subtest(report, budget);
            return;
        }
        match report.when.as_str() {
            "setup" => add(&mut self.setup, report.duration),
            "call" => add(&mut self.call, report.duration),
            "teardown" => add(&mut self.teardown, report.duration),
            _ => {}
        }
        let outcome = counted(&report);
        let died = !matches!(report.when.as_str(), "setup" | "call" | "teardown");
        self.crashed |= died && outcome == Some(Outcome::Failed);
        if died || (report.when == "teardown" && outcome != Some(Outcome::Rerun)) {
            self.active = self.active.saturating_sub(1);
        }
        let Some(outcome) = outcome else { return };
        self.count(outcome);
        match outcome {
            Outcome::Passed => {}
            Outcome::Skipped | Outcome::Xfailed | Outcome::Xpassed => {
                if !report.message.is_empty() {
                    self.reason = budget.short(report.message, limits::MESSAGE_BYTES_MAX);
                }
            }
            _ => {
                let context = (self.attempt > 1 || outcome == Outcome::Rerun)
                    .then(|| self.attempt.to_string());
                self.fail(report, outcome, context, budget);
            }
        }
        if outcome == Outcome::Rerun {
            self.attempt = self.attempt.saturating_add(1);
            self.attempts = self.attempts.max(self.attempt);
        }
    }

    fn subtest(&mut self, report: Report, budget: &mut TextBudget) {
        let counter = match report.outcome.as_str() {
            "passed" => &mut self.subtests_passed,
            "skipped" => &mut self.subtests_skipped,
            _ => &mut self.subtests_failed,
        };
        *counter = counter.saturating_add(1);
        if !matches!(report.outcome.as_str(), "passed" | "skipped") {
            let context = report
                .subtest
                .clone()
                .map(|words| storable(words, limits::NAME_BYTES_MAX));
            self.fail(report, Outcome::Failed, context, budget);
        }
    }

    fn fail(
        &mut self,
        report: Report,
        outcome: Outcome,
        context: Option<String>,
        budget: &mut TextBudget,
    ) {
        if self.failures.len() >= limits::CASE_FAILURES_MAX {
            self.failures_dropped = self.failures_dropped.saturating_add(1);
            return;
        }
        let phase = match report.when.as_str() {
            _ if report.subtest.is_some() => "subtest",
            "setup" => "setup",
            "call" => "call",
            "teardown" => "teardown",
            _ => "crash",
        };
        self.failures.push(CaseFailure {
            phase: phase.to_owned(),
            outcome: Some(outcome),
            context,
            message: budget.short(report.message, limits::MESSAGE_BYTES_MAX),
            traceback: budget.long(report.traceback, limits::TRACEBACK_BYTES_MAX),
            stdout: budget.long(report.stdout, limits::CAPTURED_BYTES_MAX),
            stderr: budget.long(report.stderr, limits::CAPTURED_BYTES_MAX),
            log: budget.long(report.log, limits::CAPTURED_BYTES_MAX),
        });
    }

    /// Notes that the test ran, even if its start was not told.
    fn seen(&mut self) {
        self.executions = self.executions.max(1);
    }

    fn count(&mut self, outcome: Outcome) {
        self.seen();
        self.reported = true;
        if self.outcomes.len() < limits::CASE_OUTCOMES_MAX {
            self.outcomes.push(outcome);
        }
    }

    /// Whether it started and never ended.
    pub(super) fn is_running(&self) -> bool {
        self.active > 0
    }

    /// Its name, the xdist worker that runs it and since when, for a person who waits for it.
    pub(super) fn whereabouts(&self) -> String {
        let mut words = self.nodeid.clone();
        if let Some(worker) = &self.xdist_worker {
            words.push_str(" on ");
            words.push_str(worker);
        }
        if let Some(at) = self.started_at {
            words.push_str(&at.format(" since %H:%M:%S UTC").to_string());
        }
        words
    }

    /// Whether it started at all.
    pub(super) fn has_started(&self) -> bool {
        self.executions > 0
    }

    /// The case of a test that ended and said how: what [`Self::into_case`] will make of it unless
    /// more is told.
    pub(super) fn to_ended_case(&self) -> Option<NewCase> {
        let said = self
            .outcomes
            .iter()
            .any(|outcome| *outcome != Outcome::Rerun);
        if self.is_running() || !(said || self.crashed) {
            return None;
        }
        // Of a test that ended, it is never asked.
        let death = Death {
            outcome: Outcome::Crashed,
            message: String::new(),
        };
        self.clone().into_case(&death)
    }

    /// The case, where the test started. A test that never ended gets `death`'s outcome.
    pub(super) fn into_case(mut self, death: &Death) -> Option<NewCase> {
        if !self.has_started() || self.nodeid.is_empty() {
            return None;
        }
        let worst = Outcome::worst(&self.outcomes).filter(|worst| *worst != Outcome::Rerun);
        let outcome = match worst {
            _ if self.is_running() => death.outcome,
            _ if self.crashed => Outcome::Crashed,
            Some(worst) if self.subtests_failed > 0 => worst.max(Outcome::Failed),
            Some(worst) => worst,
            // It ended, but how was lost: never a pass.
            None => Outcome::Crashed,
        };
        if outcome > Outcome::Failed && !self.crashed {
            self.failures.push(CaseFailure {
                phase: "crash".to_owned(),
                outcome: Some(outcome),
                message: death.message.clone(),
                ..CaseFailure::default()
            });
            let over = self
                .failures
                .len()
                .saturating_sub(limits::CASE_FAILURES_MAX);
            self.failures.drain(..over);
        }
        let worst_failure = self
            .failures
            .iter()
            .max_by_key(|failure| failure.outcome.map_or(0, |outcome| outcome as u8));
        let message = worst_failure
            .map(|failure| failure.message.clone())
            .or_else(|| Some(self.reason).filter(|reason| !reason.is_empty()));
        let phases = [self.setup, self.call, self.teardown];
        let outcomes = (self.outcomes != [outcome]).then_some(self.outcomes);
        Some(NewCase {
            outcomes,
            duration: phases
                .iter()
                .any(Option::is_some)
                .then(|| seconds(phases.iter().flatten().sum())),
            setup: self.setup,
            call: self.call,
            teardown: self.teardown,
            attempts: self.attempts.max(1),
            executions: self.executions,
            started_at: self.started_at,
            file: Some(self.file).filter(|file| !file.is_empty()),
            line: Some(self.line).filter(|line| *line > 0),
            markers: self.markers,
            xdist_worker: self.xdist_worker,
            memory_peak_kib: self.memory_peak_kib,
            message,
            subtests_passed: self.subtests_passed,
            subtests_failed: self.subtests_failed,
            subtests_skipped: self.subtests_skipped,
            failures: self.failures,
            ..NewCase::new(self.nodeid, outcome)
        })
    }
}

/// What a report counts as, `None` when pytest counts nothing for it.
fn counted(report: &Report) -> Option<Outcome> {
    let word = match report.category.as_str() {
        "" if report.outcome == "passed" || report.outcome == "skipped" => return None,
        "" => report.outcome.as_str(),
        word => word,
    };
    let outcome = match word {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed,
        "error" => Outcome::Error,
        "skipped" => Outcome::Skipped,
        "xfailed" => Outcome::Xfailed,
        "xpassed" => Outcome::Xpassed,
        "rerun" => Outcome::Rerun,
        // A plugin's own word, such as `quarantined`: the report itself decides.
        _ => match (report.outcome.as_str(), report.when.as_str()) {
            ("passed", "call") => Outcome::Passed,
            ("passed", _) => return None,
            ("skipped", _) => Outcome::Skipped,
            ("rerun", _) => Outcome::Rerun,
            (_, "setup" | "teardown") => Outcome::Error,
            _ => Outcome::Failed,
        },
    };
    Some(outcome)
}

/// A duration as the wire allows it, 0 for what is none.
pub(super) fn seconds(duration: f64) -> f64 {
    if duration.is_nan() {
        return 0.0;
    }
    duration.clamp(0.0, limits::DURATION_S_MAX)
}

fn add(total: &mut Option<f64>, duration: f64) {
    *total = Some(seconds(total.unwrap_or(0.0) + seconds(duration)));
}
