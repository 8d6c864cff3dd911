//! The body of a run, made small enough to be taken.

use std::borrow::Cow;

use shared::case::CaseFailure;
use shared::limits::{BODY_BYTES_MAX, PROBLEMS_MAX};
use shared::run::{NewRun, Problem, ProblemKind};
use shared::text::cut_in_place;

/// What is given up, in this order: each step shortens these texts to this many bytes.
const STEPS: [(Texts, usize); 6] = [
    (Texts::Captured, 4 * 1024),
    (Texts::Captured, 0),
    (Texts::Tracebacks, 16 * 1024),
    (Texts::Tracebacks, 2 * 1024),
    (Texts::Tracebacks, 0),
    (Texts::Messages, 256),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Captured,
    Tracebacks,
    Messages,
}

/// The run as JSON of at most [`BODY_BYTES_MAX`] bytes, as far as texts can be given up for it.
/// The run then says what was given up.
pub fn body(run: &NewRun) -> serde_json::Result<Vec<u8>> {
    body_within(run, BODY_BYTES_MAX)
}

fn body_within(run: &NewRun, bytes_max: usize) -> serde_json::Result<Vec<u8>> {
    let mut run = Cow::Borrowed(run);
    let mut json = serde_json::to_vec(&run)?;
    for (texts, text_bytes_max) in STEPS {
        if json.len() <= bytes_max {
            return Ok(json);
        }
        let changed = run.to_mut();
        for failure in failures(changed) {
            shorten(failure, texts, text_bytes_max);
        }
        if texts == Texts::Messages {
            for case in changed.cases.iter_mut().flatten() {
                if let Some(message) = &mut case.message {
                    cut_in_place(message, text_bytes_max);
                }
            }
        }
        tell(changed, texts);
        json = serde_json::to_vec(changed)?;
    }
    Ok(json)
}

fn failures(run: &mut NewRun) -> impl Iterator<Item = &mut CaseFailure> {
    run.cases
        .iter_mut()
        .flatten()
        .flat_map(|case| &mut case.failures)
}

fn shorten(failure: &mut CaseFailure, texts: Texts, bytes_max: usize) {
    match texts {
        Texts::Captured => {
            cut_in_place(&mut failure.stdout, bytes_max);
            cut_in_place(&mut failure.stderr, bytes_max);
            cut_in_place(&mut failure.log, bytes_max);
        }
        Texts::Tracebacks => {
            cut_in_place(&mut failure.traceback, bytes_max);
        }
        Texts::Messages => {
            cut_in_place(&mut failure.message, bytes_max);
        }
    }
}

fn tell(run: &mut NewRun, texts: Texts) {
    let what = match texts {
        Texts::Captured => "captured output was",
        Texts::Tracebacks => "captured output and tracebacks were",
        Texts::Messages => "captured output, tracebacks and messages were",
    };
    let text = format!("{what} shortened: the run was larger than a master takes");
    if let Some(told) = run.problems.iter_mut().find(|told| is_ours(told)) {
        told.text = text;
        return;
    }
    run.problems.truncate(PROBLEMS_MAX - 1);
    run.problems.push(Problem {
        kind: ProblemKind::Truncated,
        place: BODY.to_owned(),
        text,
    });
}

/// The `where` of the problem that is told here.
const BODY: &str = "body";

fn is_ours(problem: &Problem) -> bool {
    problem.kind == ProblemKind::Truncated && problem.place == BODY
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::case::NewCase;
    use shared::outcome::Outcome;

    fn large() -> NewRun {
        let failure = CaseFailure {
            phase: "call".into(),
            message: "assert 1 == 2".into(),
            traceback: "t".repeat(60_000),
            stdout: "o".repeat(60_000),
            ..CaseFailure::default()
        };
        let mut case = NewCase::new("t.py::a", Outcome::Failed);
        case.failures = vec![failure; 10];
        NewRun {
            run_id: "r".into(),
            worker_id: "w".into(),
            cases: Some(vec![case]),
            ..NewRun::default()
        }
    }

    fn sent(bytes_max: usize) -> NewRun {
        let json = body_within(&large(), bytes_max).unwrap();
        assert!(json.len() <= bytes_max);
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn a_run_that_fits_is_sent_as_it_is() {
        assert_eq!(sent(2_000_000), large());
    }

    #[test]
    fn captured_output_goes_first_and_the_run_says_so() {
        let run = sent(900_000);
        let failure = &run.cases.as_ref().unwrap()[0].failures[0];
        assert!(failure.stdout.len() <= 4096 && failure.stdout.contains("bytes cut"));
        assert_eq!(failure.traceback.len(), 60_000);
        assert_eq!(run.problems.len(), 1);
        assert_eq!(run.problems[0].kind, ProblemKind::Truncated);
    }

    #[test]
    fn tracebacks_go_next_and_the_message_stays() {
        let run = sent(30_000);
        let failure = &run.cases.as_ref().unwrap()[0].failures[0];
        assert_eq!(failure.stdout, "");
        assert!(failure.traceback.len() <= 2048);
        assert_eq!(failure.message, "assert 1 == 2");
        assert_eq!(run.problems.len(), 1);
    }
}
