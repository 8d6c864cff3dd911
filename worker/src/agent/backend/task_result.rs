//! From what an attempt came to, to the result of a task.

use shared::lease::{AttemptEnding, FinishAttempt};
use shared::task::{Task, TaskResult};

use crate::agent::attempt::Outcome;

/// What is told to the backend. `last` is the end of the log, which nobody else gets to see: where there is
/// no run, it is told as well.
pub(super) fn of(task: &Task, outcome: &Outcome, last: &str, timeout_s: u64) -> TaskResult {
    let reason = reason(&outcome.finish, timeout_s);
    let Some(run) = &outcome.run else {
        let reason = reason.unwrap_or_else(|| "pytest did not say what it did".to_owned());
        let whole = [reason.as_str(), last].join("\n\n");
        return TaskResult::failure(task.number, task.shape, whole.trim_end());
    };
    let mut result = TaskResult::of_run(task.number, task.shape, run);
    if let Some(reason) = reason {
        let whole = [reason, std::mem::take(&mut result.error_details)];
        let failure = TaskResult::failure(task.number, task.shape, whole.join("\n").trim_end());
        result.is_passed = false;
        result.is_error = true;
        result.error_details = failure.error_details;
    }
    result
}

/// Why the task was not carried out to its end, if so.
fn reason(finish: &FinishAttempt, timeout_s: u64) -> Option<String> {
    match finish.ending {
        AttemptEnding::Passed | AttemptEnding::Failed => None,
        AttemptEnding::TimedOut => Some(format!("timeout: it took longer than {timeout_s} s")),
        AttemptEnding::Cancelled | AttemptEnding::Released => {
            Some("the agent was stopped before the task was over".to_owned())
        }
        AttemptEnding::Error => {
            let kind = finish.error_kind.map_or("error", |kind| kind.as_str());
            let text = finish.error.as_deref().unwrap_or("no reason was given");
            Some(format!("{kind}: {text}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::case::NewCase;
    use shared::job::JobErrorKind;
    use shared::outcome::Outcome as Test;
    use shared::run::NewRun;
    use shared::status::RunStatus;
    use shared::task::TaskShape;

    use super::*;

    fn task() -> Task {
        Task {
            number: 21,
            shape: TaskShape::Id,
            repository_url: "u".into(),
            branch: String::new(),
            laboratory_numbers: vec![],
            connected_tests: vec![],
        }
    }

    fn outcome(ending: AttemptEnding, status: Option<RunStatus>) -> Outcome {
        Outcome {
            finish: FinishAttempt {
                ending,
                error_kind: (ending == AttemptEnding::Error).then_some(JobErrorKind::Git),
                error: (ending == AttemptEnding::Error).then(|| "no such branch".into()),
                exit_code: None,
            },
            run: status.map(|status| NewRun {
                cases: Some(vec![NewCase::new("test_a.py::test_x", Test::Passed)]),
                status: Some(status),
                ..NewRun::default()
            }),
        }
    }

    #[test]
    fn a_run_that_passed_is_passed_and_one_that_failed_is_no_error() {
        let result = of(
            &task(),
            &outcome(AttemptEnding::Passed, Some(RunStatus::Passed)),
            "the log",
            9,
        );
        assert!(result.is_passed && !result.is_error);
        assert_eq!((result.number, result.shape), (21, TaskShape::Id));
        let result = of(
            &task(),
            &outcome(AttemptEnding::Failed, Some(RunStatus::Failed)),
            "the log",
            9,
        );
        assert!(!result.is_passed && !result.is_error);
        assert_eq!(result.cases[0].name, "test_a::test_x");
    }

    #[test]
    fn what_could_not_be_carried_out_is_an_error_with_its_reason() {
        let result = of(
            &task(),
            &outcome(AttemptEnding::Error, None),
            "== fetch\n",
            9,
        );
        assert!(result.is_error && !result.is_passed);
        assert_eq!(result.error_details, "git: no such branch\n\n== fetch");
        let late = outcome(AttemptEnding::TimedOut, Some(RunStatus::Timeout));
        let result = of(&task(), &late, "", 9);
        assert!(
            result.is_error
                && result
                    .error_details
                    .starts_with("timeout: it took longer than 9 s\n")
        );
        assert_eq!(result.cases.len(), 1);
        let nothing = of(&task(), &outcome(AttemptEnding::Failed, None), "", 9);
        assert!(nothing.is_error && !nothing.error_details.is_empty());
    }
}
