//! From the result of a task to a run, so that it is kept like any other.

use std::collections::HashMap;

use super::{TaskCase, TaskResult};
use crate::case::{CaseFailure, NewCase};
use crate::limits;
use crate::outcome::Outcome;
use crate::run::{NewRun, Problem, ProblemKind};
use crate::status::RunStatus;
use crate::text::cut;

impl TaskResult {
    /// The run that a result tells of. Names of tests are kept as nodeids; a name that occurs again is
    /// another execution of the same test. Project, branch and times are the caller's to fill in.
    pub fn to_run(&self, run_id: impl Into<String>, worker_id: impl Into<String>) -> NewRun {
        let cases = self.merged();
        let is_bad = cases.iter().any(|case| case.outcome.is_bad());
        NewRun {
            run_id: run_id.into(),
            worker_id: worker_id.into(),
            duration: self.duration_ms as f64 / 1_000.0,
            status: match (self.is_error, self.is_passed) {
                (true, _) => Some(RunStatus::Error),
                (false, true) => None,
                (false, false) if is_bad => None,
                (false, false) => Some(RunStatus::Failed),
            },
            problems: self.problems(),
            finished: true,
            cases: Some(cases),
            ..NewRun::default()
        }
    }

    fn merged(&self) -> Vec<NewCase> {
        let mut merged: Vec<NewCase> = Vec::with_capacity(self.cases.len());
        let mut places: HashMap<&str, usize> = HashMap::new();
        for case in &self.cases {
            let place = *places.entry(&case.name).or_insert(merged.len());
            match merged.get_mut(place) {
                Some(before) => add(before, case),
                None => merged.push(to_case(case)),
            }
        }
        merged
    }

    fn problems(&self) -> Vec<Problem> {
        if !self.is_error {
            return Vec::new();
        }
        let text = match self.error_details.as_str() {
            "" => "the runner said that there was an error, and not which",
            details => details,
        };
        vec![Problem {
            kind: ProblemKind::InternalError,
            place: String::new(),
            text: cut(text, limits::PROBLEM_TEXT_BYTES_MAX).into_owned(),
        }]
    }
}

fn outcome(case: &TaskCase) -> Outcome {
    if case.is_passed {
        Outcome::Passed
    } else {
        Outcome::Failed
    }
}

fn to_case(case: &TaskCase) -> NewCase {
    NewCase {
        duration: Some(seconds(case)),
        memory_peak_kib: case.memory_kib,
        message: message(case),
        failures: failures(case),
        ..NewCase::new(&case.name, outcome(case))
    }
}

fn add(to: &mut NewCase, case: &TaskCase) {
    let outcomes = to.outcomes.get_or_insert_with(|| vec![to.outcome]);
    if outcomes.len() < limits::CASE_OUTCOMES_MAX {
        outcomes.push(outcome(case));
    }
    to.outcome = to.outcome.max(outcome(case));
    to.executions += 1;
    to.duration = Some(to.duration.unwrap_or(0.0) + seconds(case));
    to.memory_peak_kib = to.memory_peak_kib.max(case.memory_kib);
    if !case.is_passed || to.message.is_none() {
        to.message = message(case).or_else(|| to.message.take());
    }
    if to.failures.len() < limits::CASE_FAILURES_MAX {
        to.failures.extend(failures(case));
    }
}

fn seconds(case: &TaskCase) -> f64 {
    case.duration_ms as f64 / 1_000.0
}

/// In short: the line that pytest marks as the error, or the last one that says anything.
fn message(case: &TaskCase) -> Option<String> {
    let lines = || case.description.lines();
    let marked = lines().find_map(|line| line.strip_prefix("E "));
    let line = marked.or_else(|| lines().rfind(|line| !line.trim().is_empty()))?;
    Some(cut(line.trim(), limits::MESSAGE_BYTES_MAX).into_owned())
}

fn failures(case: &TaskCase) -> Vec<CaseFailure> {
    if case.is_passed {
        return Vec::new();
    }
    vec![CaseFailure {
        phase: "call".to_owned(),
        outcome: Some(Outcome::Failed),
        message: message(case).unwrap_or_default(),
        traceback: cut(&case.description, limits::TRACEBACK_BYTES_MAX).into_owned(),
        ..CaseFailure::default()
    }]
}

#[cfg(test)]
mod tests {
    use super::super::TaskShape;
    use super::*;
    use crate::validate;

    fn case(name: &str, is_passed: bool) -> TaskCase {
        TaskCase {
            name: name.into(),
            is_passed,
            description: if is_passed {
                String::new()
            } else {
                "def test():\n>   assert f()\nE   assert False\n\ntest.py:3: AssertionError".into()
            },
            duration_ms: 487,
            memory_kib: Some(1772),
        }
    }

    fn result(cases: Vec<TaskCase>) -> TaskResult {
        TaskResult {
            number: 21,
            shape: TaskShape::Attempt,
            is_passed: cases.iter().all(|case| case.is_passed),
            is_error: false,
            error_details: String::new(),
            duration_ms: 15_866,
            cases,
        }
    }

    #[test]
    fn a_result_becomes_a_run_that_the_master_takes() {
        let run = result(vec![case("test_a::x", true), case("test_a::y", false)]).to_run("r", "w");
        assert_eq!(validate::run(&run), Ok(()));
        assert!((run.duration - 15.866).abs() < 1e-9);
        let cases = run.cases.unwrap();
        assert_eq!(cases[0].memory_peak_kib, Some(1772));
        assert_eq!(cases[1].outcome, Outcome::Failed);
        assert_eq!(cases[1].message.as_deref(), Some("assert False"));
        assert!(cases[1].failures[0].traceback.contains("test.py:3"));
        assert_eq!(run.status, None);
    }

    #[test]
    fn a_name_that_occurs_twice_is_two_executions_and_the_worse_counts() {
        let run = result(vec![
            case("a::x", true),
            case("a::x", false),
            case("a::x", true),
        ]);
        let cases = run.to_run("r", "w").cases.unwrap();
        assert_eq!(cases.len(), 1);
        assert_eq!(
            (cases[0].outcome, cases[0].executions),
            (Outcome::Failed, 3)
        );
        assert_eq!(cases[0].message.as_deref(), Some("assert False"));
    }

    #[test]
    fn an_error_is_never_a_pass() {
        let mut wrong = result(vec![case("a::x", true)]);
        wrong.is_error = true;
        let run = wrong.to_run("r", "w");
        assert_eq!(run.status, Some(RunStatus::Error));
        assert!(!run.problems[0].text.is_empty());
        let mut failed = result(vec![]);
        failed.is_passed = false;
        assert_eq!(failed.to_run("r", "w").status, Some(RunStatus::Failed));
    }
}
