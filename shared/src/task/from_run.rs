//! From a run to the result of a task.

use std::collections::{BTreeMap, BTreeSet};

use super::{TaskCase, TaskResult, TaskShape};
use crate::case::NewCase;
use crate::limits;
use crate::outcome::Outcome;
use crate::run::{NewRun, Problem, ProblemKind};
use crate::status::RunStatus;
use crate::text::cut;

impl TaskResult {
    /// What a run says about a task.
    ///
    /// A skipped test and an expected failure are no failures, and their description says what they are.
    /// `is_error` is set when anything but tests failed: collection, a setup or teardown, the process itself.
    pub fn of_run(number: i64, shape: TaskShape, run: &NewRun) -> Self {
        let cases = run.cases.as_deref().unwrap_or_default();
        let modules = Modules::of(cases);
        let details = error_details(run, cases);
        Self {
            number,
            shape,
            is_passed: is_passed(run),
            is_error: !details.is_empty(),
            error_details: cut(&details, limits::JOB_ERROR_BYTES_MAX).into_owned(),
            duration_ms: milliseconds(run.duration),
            cases: cases.iter().map(|case| of_case(case, &modules)).collect(),
        }
    }
}

fn is_passed(run: &NewRun) -> bool {
    match run.status {
        Some(status) => status == RunStatus::Passed,
        None => run.failed == 0 && run.error == 0 && run.passed > 0,
    }
}

fn of_case(case: &NewCase, modules: &Modules) -> TaskCase {
    TaskCase {
        name: modules.name(&case.nodeid),
        is_passed: !case.outcome.is_bad(),
        description: cut(&description(case), limits::MESSAGE_BYTES_MAX).into_owned(),
        duration_ms: milliseconds(duration_s(case)),
        memory_kib: case.memory_peak_kib,
    }
}

fn duration_s(case: &NewCase) -> f64 {
    let phases = [case.setup, case.call, case.teardown];
    let sum = || phases.into_iter().flatten().sum();
    case.duration.unwrap_or_else(sum)
}

fn milliseconds(seconds: f64) -> u64 {
    // A float beyond the target's range becomes its limit, and no number becomes 0.
    (seconds * 1_000.0).round() as u64
}

fn description(case: &NewCase) -> String {
    let message = case.message.clone().unwrap_or_default();
    match case.outcome {
        Outcome::Passed => String::new(),
        outcome if !outcome.is_bad() => format!("{outcome}: {message}")
            .trim_end_matches([':', ' '])
            .to_owned(),
        _ => {
            let texts: Vec<&str> = case
                .failures
                .iter()
                .filter(|failure| failure.outcome != Some(Outcome::Rerun))
                .map(|failure| match failure.traceback.as_str() {
                    "" => failure.message.as_str(),
                    traceback => traceback,
                })
                .filter(|text| !text.is_empty())
                .collect();
            if texts.is_empty() {
                message
            } else {
                texts.join("\n\n")
            }
        }
    }
}

/// Why a run is more than tests that failed; empty when it is not.
fn error_details(run: &NewRun, cases: &[NewCase]) -> String {
    let mut lines = Vec::new();
    match run.status {
        None | Some(RunStatus::Passed | RunStatus::Failed) => {}
        Some(RunStatus::NoTests) => lines.push("no tests were run".to_owned()),
        Some(status) => lines.push(format!("the run ended as `{status}`")),
    }
    lines.extend(run.problems.iter().filter(|p| is_error(p)).map(told));
    for case in cases {
        if matches!(
            case.outcome,
            Outcome::Error | Outcome::Timeout | Outcome::Crashed
        ) {
            let message = case.message.as_deref().unwrap_or_default();
            lines.push(format!("{}: {}: {message}", case.outcome, case.nodeid));
        }
    }
    if lines.is_empty() && run.error > 0 {
        lines.push(format!("{} errors", run.error));
    }
    lines.join("\n")
}

const fn is_error(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::CollectionError
            | ProblemKind::InternalError
            | ProblemKind::UsageError
            | ProblemKind::Crash
            | ProblemKind::Contradiction
    )
}

fn told(problem: &Problem) -> String {
    if problem.place.is_empty() {
        problem.text.clone()
    } else {
        format!("{}: {}", problem.place, problem.text)
    }
}

/// How the modules of a run are called: by the name of their file, and with the folders before it when two
/// files of the run share that name.
struct Modules {
    shared_stems: BTreeSet<String>,
}

impl Modules {
    fn of(cases: &[NewCase]) -> Self {
        let mut files: BTreeMap<&str, &str> = BTreeMap::new();
        let mut shared_stems = BTreeSet::new();
        for case in cases {
            let (file, _) = split(&case.nodeid);
            let stem = stem(file);
            if *files.entry(stem).or_insert(file) != file {
                shared_stems.insert(stem.to_owned());
            }
        }
        Self { shared_stems }
    }

    fn name(&self, nodeid: &str) -> String {
        let (file, rest) = split(nodeid);
        let stem = stem(file);
        let module = if self.shared_stems.contains(stem) {
            let folder = &file[..file.rfind('/').map_or(0, |slash| slash + 1)];
            format!("{}{stem}", folder.replace('/', "."))
        } else {
            stem.to_owned()
        };
        match rest {
            Some(rest) => format!("{module}::{rest}"),
            None => module,
        }
    }
}

fn split(nodeid: &str) -> (&str, Option<&str>) {
    match nodeid.split_once("::") {
        Some((file, rest)) => (file, Some(rest)),
        None => (nodeid, None),
    }
}

/// The name of a file without its folder and without `.py` or whatever else it ends in.
fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseFailure;

    fn run(cases: Vec<NewCase>, status: RunStatus) -> NewRun {
        NewRun {
            cases: Some(cases),
            status: Some(status),
            duration: 15.866_4,
            ..NewRun::default()
        }
    }

    fn case(nodeid: &str, outcome: Outcome) -> NewCase {
        NewCase::new(nodeid, outcome)
    }

    #[test]
    fn a_test_is_called_by_its_module_and_what_is_in_it() {
        let names = |nodeids: &[&str]| {
            let cases = nodeids.iter().map(|id| case(id, Outcome::Passed));
            let run = run(cases.collect(), RunStatus::Passed);
            let result = TaskResult::of_run(1, TaskShape::Id, &run);
            result
                .cases
                .into_iter()
                .map(|case| case.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&["tests/test_build.py::test_successful_make_clean"]),
            ["test_build::test_successful_make_clean"]
        );
        assert_eq!(
            names(&["test_a.py::TestB::test_c[1/2::x]"]),
            ["test_a::TestB::test_c[1/2::x]"]
        );
        assert_eq!(
            names(&[
                "one/test_a.py::test_x",
                "two/test_a.py::test_x",
                "test_b.py::test_x"
            ]),
            ["one.test_a::test_x", "two.test_a::test_x", "test_b::test_x"]
        );
    }

    #[test]
    fn a_failure_has_its_text_and_a_skip_its_reason() {
        let mut failed = case("test_a.py::test_x", Outcome::Failed);
        failed.message = Some("assert 1 == 2".into());
        failed.call = Some(0.487);
        failed.memory_peak_kib = Some(1772);
        failed.failures = vec![
            CaseFailure {
                outcome: Some(Outcome::Rerun),
                traceback: "the first try".into(),
                ..CaseFailure::default()
            },
            CaseFailure {
                outcome: Some(Outcome::Failed),
                traceback: "def test_x():\nE   assert 1 == 2".into(),
                ..CaseFailure::default()
            },
        ];
        let mut skipped = case("test_a.py::test_y", Outcome::Skipped);
        skipped.message = Some("no network".into());
        let run = run(vec![failed, skipped], RunStatus::Failed);
        let result = TaskResult::of_run(21, TaskShape::Attempt, &run);
        assert!(!result.is_passed && !result.is_error);
        assert_eq!(result.error_details, "");
        assert_eq!(result.duration_ms, 15_866);
        assert_eq!(
            result.cases[0].description,
            "def test_x():\nE   assert 1 == 2"
        );
        assert_eq!(
            (result.cases[0].duration_ms, result.cases[0].memory_kib),
            (487, Some(1772))
        );
        assert!(result.cases[1].is_passed);
        assert_eq!(result.cases[1].description, "skipped: no network");
    }

    #[test]
    fn what_is_more_than_a_failed_test_is_an_error_with_its_reason() {
        let mut broken = case("test_a.py::test_x", Outcome::Error);
        broken.message = Some("fixture failed".into());
        let result = TaskResult::of_run(1, TaskShape::Id, &run(vec![broken], RunStatus::Failed));
        assert!(result.is_error && result.error_details.contains("fixture failed"));

        let mut collected = run(vec![], RunStatus::Error);
        collected.problems.push(Problem {
            kind: ProblemKind::CollectionError,
            place: "test_a.py".into(),
            text: "SyntaxError".into(),
        });
        let result = TaskResult::of_run(1, TaskShape::Id, &collected);
        assert!(result.is_error && !result.is_passed);
        assert!(result.error_details.contains("test_a.py: SyntaxError"));

        let result = TaskResult::of_run(1, TaskShape::Id, &run(vec![], RunStatus::NoTests));
        assert_eq!(result.error_details, "no tests were run");
    }
}
