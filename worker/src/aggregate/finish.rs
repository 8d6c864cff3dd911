//! The end of a session: events and ending become the run that is sent.

use shared::case::NewCase;
use shared::event::Interrupt;
use shared::limits;
use shared::outcome::Outcome;
use shared::run::{NewRun, ProblemKind};
use shared::status::RunStatus;
use shared::text::cut_in_place;

use super::case::{Death, Test, seconds};
use super::contradiction;
use super::ending::Ending;
use super::run::Run;
use super::summary::Summary;
use super::text::storable;
use super::times;
use super::verdict::Facts;

/// The tests of a session, sorted by what became of them.
struct Sorted {
    cases: Vec<NewCase>,
    running: Vec<String>,
    running_count: u64,
    /// The first of those that run, with place and time.
    running_words: Vec<String>,
    not_run: Vec<String>,
    not_run_count: u64,
    failures_dropped: u64,
}

impl Run {
    /// The run as it is sent, but for what only the worker knows: ids, project, branch, commit,
    /// variant, CI and command. Its counts follow from its cases; see [`Summary::of_run`].
    pub fn finish(mut self, ending: Ending) -> NewRun {
        let finished = self.finish.is_some();
        let session_status = self.goodbye.or(self.finish.as_ref().map(|f| f.exit_status));
        let exit_code = match &ending.signal {
            _ if ending.timed_out => None,
            Some(_) => None,
            // Python ends with 1 when an exception leaves it; before a session, pytest may not let it.
            None if self.is_raising(&ending) => finished.then_some(1),
            None => ending.exit_code.or(session_status),
        };
        let interrupted_by_limit = self.is_interrupted_by_limit(&ending);
        self.end_what_only_lacks_a_teardown();
        let death = self.death(&ending, exit_code);
        let mut sorted = sort(std::mem::take(&mut self.tests), &death);
        times::forget_impossible(&mut sorted.cases, ending.duration_s);
        let counts = Summary::of_cases(&sorted.cases);
        let all_reported = sorted.running_count == 0 && sorted.not_run_count == 0;
        let lost = ending.lost && (self.goodbye.is_none() || !finished);
        let facts = Facts {
            lost,
            timed_out: ending.timed_out,
            interrupted_by_limit,
            stopped: ending.stopped_by.is_some(),
            unheard: self.unheard(&ending).is_some(),
            signalled: ending.signal.is_some(),
            exit_code,
            loaded: self.hello.is_some(),
            configured: self.session.is_some(),
            orderly: self.exit.is_some() || self.goodbye.is_some(),
            exit_text: self.exit.clone().unwrap_or_default(),
            finished,
            session_status,
            interrupted: self.interrupt.is_some(),
            internal_error: self.internal_errors > 0,
            collection_errors: self.collection_errors,
            started: sorted.cases.len(),
            bad: self.is_bad(&counts, &sorted),
            all_reported,
        };
        let verdict = facts.verdict();
        self.explain(&ending, &facts, verdict.status, &sorted, &death);
        if let Some(words) = verdict.contradiction {
            self.problems.add(ProblemKind::Contradiction, "", words);
        }
        let status = self.compare_with_terminal(counts, verdict.status);
        let complete = finished && all_reported && !lost;
        self.into_run(ending, sorted, status, exit_code, complete)
    }

    /// Whether a worker beside pytest heard of an exception that was about to leave pytest.
    fn is_raising(&self, ending: &Ending) -> bool {
        let raised = self.exit.as_ref().is_some_and(|text| !text.is_empty());
        raised && ending.exit_code.is_none() && !ending.lost
    }

    /// Whether a test failed. One that a person's Ctrl-C or `pytest.exit` cut short did not.
    fn is_bad(&self, counts: &Summary, sorted: &Sorted) -> bool {
        let cut_short = if self.interrupt.is_some() {
            sorted.running_count
        } else {
            0
        };
        let died = counts.crashed + counts.timeout;
        counts.failed + counts.error + counts.subtests_failed > 0 || died > cut_short
    }

    /// A session that ended in order has no test that still runs; a plugin with a protocol of its
    /// own may just not report teardowns.
    fn end_what_only_lacks_a_teardown(&mut self) {
        let in_order = self.finish.as_ref().is_some_and(|finish| {
            self.interrupt.is_none() && self.internal_errors == 0 && finish.exit_status < 2
        });
        if in_order {
            let tests = self.tests.iter_mut().flatten();
            tests.for_each(|test| test.end_unless_silent());
        }
    }

    /// Whether the session ended because the worker interrupted it at the limit. A session that was
    /// over by then, and whose process just did not exit, was not interrupted.
    fn is_interrupted_by_limit(&self, ending: &Ending) -> bool {
        let interrupt = self.interrupt.as_ref();
        ending.timed_out && interrupt.is_some_and(|told| told.kind == "KeyboardInterrupt")
    }

    /// Why it is unknown what followed what was heard last, when pytest may have gone on after that.
    fn unheard(&self, ending: &Ending) -> Option<&'static str> {
        if self.said_goodbye() {
            None
        } else if ending.worker_slept {
            Some(WORKER_SLEPT)
        } else {
            ending.pipe_closed_early.then_some(PIPE_CLOSED_EARLY)
        }
    }

    /// What a session that hung was waiting for, in words that follow its limit.
    fn waited_for(&self, sorted: &Sorted) -> String {
        let listed = sorted.running_words.join(", ");
        match sorted.running_count {
            0 if self.collected.is_none() => "; no test was collected yet".to_owned(),
            0 => "; no test was running".to_owned(),
            count if count as usize > sorted.running_words.len() => {
                format!("; {count} tests were running, such as {listed}")
            }
            _ => format!("; running: {listed}"),
        }
    }

    /// Why a test that never ended never ended.
    fn death(&self, ending: &Ending, exit_code: Option<i32>) -> Death {
        let limited = ending.timed_out && self.finish.is_none();
        let (outcome, cause) = if ending.lost && self.goodbye.is_none() {
            let is_end_known = ending.exit_code.is_some() || ending.signal.is_some();
            let words = if is_end_known {
                "the journal could not follow the run any further"
            } else {
                "the worker was killed, or its machine stopped,"
            };
            (Outcome::Crashed, words.to_owned())
        } else if limited || self.is_interrupted_by_limit(ending) {
            (Outcome::Timeout, limit_words(ending))
        } else if let (Some(signal), Some(by)) = (&ending.signal, &ending.stopped_by) {
            let words = format!("the worker was stopped with {by}, and pytest ended by {signal}");
            (Outcome::Crashed, words)
        } else if let Some(signal) = &ending.signal {
            (
                Outcome::Crashed,
                format!("the process was ended by {signal}"),
            )
        } else if let Some(words) = self.unheard(ending) {
            (Outcome::Crashed, words.to_owned())
        } else if let Some(interrupt) = &self.interrupt {
            let words = format!("the session was stopped by {}", told(interrupt));
            (Outcome::Crashed, words)
        } else if self.finish.is_some() || self.exit.is_some() {
            (Outcome::Crashed, "the session ended".to_owned())
        } else {
            let words = match exit_code {
                Some(code) => format!("the process ended with exit code {code} and no goodbye"),
                None => "the process ended without a goodbye".to_owned(),
            };
            (Outcome::Crashed, words)
        };
        let message = storable(
            format!("{cause} while this test was running"),
            limits::MESSAGE_BYTES_MAX,
        );
        Death { outcome, message }
    }

    /// Says in the problems what the verdict does not.
    fn explain(
        &mut self,
        ending: &Ending,
        facts: &Facts,
        status: RunStatus,
        sorted: &Sorted,
        death: &Death,
    ) {
        let place = sorted.running.first().map_or("", String::as_str);
        let cause = death.message.replace(" while this test was running", "");
        match status {
            RunStatus::Lost => {
                let cause = cause.trim_end_matches(',');
                let words = format!("{cause} before pytest said goodbye");
                self.problems.add(ProblemKind::Crash, place, words);
            }
            RunStatus::Crashed if facts.finished => {
                let words = format!("{cause} after the session had ended");
                self.problems.add(ProblemKind::Crash, place, words);
            }
            RunStatus::Crashed => self.problems.add(ProblemKind::Crash, place, cause),
            RunStatus::UsageError => {
                let words = "pytest refused its command line or configuration; see the log tail";
                self.problems.add(ProblemKind::UsageError, "", words);
            }
            RunStatus::InternalError if !facts.loaded => {
                let words = "pytest never loaded the plugin; see the log tail";
                self.problems.add(ProblemKind::InternalError, "", words);
            }
            RunStatus::Timeout => {
                let words = format!("{cause}{}", self.waited_for(sorted));
                self.problems.add(ProblemKind::Crash, place, words);
            }
            RunStatus::Interrupted if !facts.finished => {
                self.problems.add(ProblemKind::Warning, place, cause);
            }
            _ => {}
        }
        if facts.finished && ending.timed_out && status != RunStatus::Timeout {
            let words = format!(
                "the session ended, but the process did not exit: {}",
                limit_words(ending)
            );
            self.problems.add(ProblemKind::Warning, "", words);
        }
        if let Some(words) = self.unheard(ending) {
            self.problems.add(ProblemKind::Contradiction, "", words);
        }
        // Without a goodbye, or with another exit code than that, the interpreter's last traceback
        // is the reason; otherwise it is just that of the last failed test.
        let is_news = self.is_raising(ending) || self.goodbye != facts.exit_code;
        let unexplained = !ending.timed_out && ending.signal.is_none();
        if unexplained && !facts.exit_text.is_empty() && is_news {
            self.problems
                .add(ProblemKind::InternalError, place, facts.exit_text.as_str());
        }
        if let Some(interrupt) = self.interrupt.take()
            && !facts.interrupted_by_limit
        {
            self.problems
                .add(ProblemKind::Warning, place, told(&interrupt));
        }
        if let Some(stopped) = self.finish.as_ref().map(|finish| finish.stopped.clone())
            && !stopped.is_empty()
        {
            self.problems.add(ProblemKind::Warning, "", stopped);
        }
        self.explain_cuts(sorted);
    }

    fn explain_cuts(&mut self, sorted: &Sorted) {
        if self.budget.exceeded {
            let words = "the run has more failure texts than it may keep: later ones are cut";
            self.problems.add(ProblemKind::Truncated, "failures", words);
        }
        if sorted.failures_dropped > 0 {
            let words = format!(
                "{} failures of single tests are dropped",
                sorted.failures_dropped
            );
            self.problems.add(ProblemKind::Truncated, "failures", words);
        }
        if self.tests_dropped > 0 {
            let words = format!("{} tests over the limit are dropped", self.tests_dropped);
            self.problems.add(ProblemKind::Truncated, "cases", words);
        }
    }

    /// The worst wins: a terminal that saw a failure which no report told makes the run failed.
    fn compare_with_terminal(&mut self, mut counts: Summary, status: RunStatus) -> RunStatus {
        let Some(finish) = &self.finish else {
            return status;
        };
        counts.error += self.collection_errors;
        counts.skipped += self.collection_skips;
        let Some(words) = contradiction::with_terminal(&finish.stats, &counts) else {
            return status;
        };
        let saw = |category| finish.stats.get(category).is_some_and(|count| *count > 0);
        let worse = status == RunStatus::Passed && (saw("failed") || saw("error"));
        self.problems.add(ProblemKind::Contradiction, "", words);
        if worse { RunStatus::Failed } else { status }
    }

    fn into_run(
        mut self,
        ending: Ending,
        sorted: Sorted,
        status: RunStatus,
        exit_code: Option<i32>,
        complete: bool,
    ) -> NewRun {
        for problem in ending.reader_problems {
            self.problems
                .add(problem.kind, &problem.place, problem.text);
        }
        let mut log_tail = ending.log_tail.replace('\0', "\\x00");
        cut_in_place(&mut log_tail, limits::LOG_TAIL_BYTES_MAX);
        let hello = self.hello.unwrap_or_default();
        let session = self.session.unwrap_or_default();
        let name = |text: String| storable(text, limits::NAME_BYTES_MAX);
        NewRun {
            timestamp: ending.started_at,
            duration: seconds(ending.duration_s),
            cases: Some(sorted.cases),
            status: Some(status),
            exit_code,
            signal: ending.signal.filter(|_| !ending.timed_out),
            finished: self.finish.is_some(),
            complete: Some(complete),
            collected: self.collected.map(|count| count.min(limits::COUNT_MAX)),
            deselected: self.deselected.min(limits::COUNT_MAX),
            collection_errors: self.collection_errors,
            collection_skips: self.collection_skips,
            running: sorted.running,
            running_count: sorted.running_count,
            not_run: sorted.not_run,
            not_run_count: sorted.not_run_count,
            problems: self.problems.into_list(),
            log_tail,
            python: name(hello.python),
            pytest: name(session.pytest),
            platform: name(hello.platform),
            plugins: session
                .plugins
                .into_iter()
                .take(limits::PLUGINS_MAX)
                .map(name)
                .collect(),
            started_at: ending.started_at,
            finished_at: ending.finished_at,
            ..NewRun::default()
        }
    }
}

/// Most tests that are told with place and time when a limit ended them.
const RUNNING_TOLD_MAX: usize = 20;

/// What is said of a run whose end was not heard.
const PIPE_CLOSED_EARLY: &str = "the plugin's pipe was closed while pytest went on, so what the tests did after that is unknown";

/// The same when the worker was stopped meanwhile.
const WORKER_SLEPT: &str = "the worker was stopped for a while and events are missing, so what the tests did after the last one is unknown";

fn limit_words(ending: &Ending) -> String {
    if ending.limit.is_empty() {
        "the time limit of the run was reached".to_owned()
    } else {
        ending.limit.clone()
    }
}

/// The exception, and its text where it has one: Ctrl-C has none.
fn told(interrupt: &Interrupt) -> String {
    let Interrupt { kind, reason } = interrupt;
    if reason.is_empty() {
        kind.clone()
    } else {
        format!("{kind}: {reason}")
    }
}

fn sort(tests: Vec<Option<Box<Test>>>, death: &Death) -> Sorted {
    let mut sorted = Sorted {
        cases: Vec::with_capacity(tests.len()),
        running: Vec::new(),
        running_count: 0,
        running_words: Vec::new(),
        not_run: Vec::new(),
        not_run_count: 0,
        failures_dropped: 0,
    };
    let mut seen = std::collections::HashSet::with_capacity(tests.len());
    for test in tests.into_iter().flatten() {
        // A number that was never named, or a name under a second number: no plugin of ours does it.
        if test.nodeid.is_empty() || !seen.insert(test.nodeid.clone()) {
            continue;
        }
        sorted.failures_dropped += u64::from(test.failures_dropped);
        if !test.has_started() {
            sorted.not_run_count += 1;
            if sorted.not_run.len() < limits::NODEIDS_LISTED_MAX {
                sorted.not_run.push(test.nodeid);
            }
            continue;
        }
        if test.is_running() {
            sorted.running_count += 1;
            if sorted.running_words.len() < RUNNING_TOLD_MAX {
                sorted.running_words.push(test.whereabouts());
            }
            if sorted.running.len() < limits::NODEIDS_LISTED_MAX {
                sorted.running.push(test.nodeid.clone());
            }
        }
        sorted.cases.extend(test.into_case(death));
    }
    sorted
}
