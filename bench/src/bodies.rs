//! Runs to send: 10,000 distinct tests with plausible times, some failing with plausible texts.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::outcome::Outcome;
use xtask::random::Random;

/// Distinct tests of the project.
pub(crate) const TESTS: usize = 10_000;
/// The project that all runs belong to.
pub(crate) const PROJECT: &str = "bench";
/// Length of every run id, so that an id can be written over another.
const RUN_ID_LENGTH: usize = 16;
/// What a body starts with; the run id follows.
const BODY_START: &str = "{\"run_id\":\"";
/// Tests that fail now and then; the others always pass.
const FRAGILE_TESTS: u64 = 1_000;

/// One case, in memory.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Position of its test, 0 to `TESTS`.
    pub(crate) test: usize,
    pub(crate) outcome: Outcome,
    pub(crate) setup: f64,
    pub(crate) call: f64,
    pub(crate) teardown: f64,
    pub(crate) started_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct WireRun<'a> {
    run_id: &'a str,
    worker_id: String,
    project: &'static str,
    branch: &'static str,
    #[serde(with = "shared::time::required")]
    timestamp: DateTime<Utc>,
    duration: f64,
    exit_code: i32,
    python: &'static str,
    pytest: &'static str,
    cases: Vec<WireCase<'a>>,
}

#[derive(Serialize)]
struct WireCase<'a> {
    nodeid: &'a str,
    outcome: Outcome,
    setup: f64,
    call: f64,
    teardown: f64,
    #[serde(with = "shared::time::required")]
    started_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<WireFailure>,
}

#[derive(Serialize)]
struct WireFailure {
    phase: &'static str,
    message: String,
    traceback: String,
    stdout: String,
}

/// The id of the run with this number, always of the same length.
pub(crate) fn run_id(number: u64) -> String {
    format!("bench-{number:0width$}", width = RUN_ID_LENGTH - 6)
}

/// The nodeids of the project, in order.
pub(crate) fn nodeids() -> Vec<String> {
    (0..TESTS)
        .map(|test| {
            let (file, inside) = (test / 50, test % 50);
            format!(
                "tests/area_{:02}/test_module_{file:03}.py::TestThing{}::test_does_what_it_says_{inside:02}",
                file / 10,
                inside / 10
            )
        })
        .collect()
}

/// The cases of a run that begins at a moment. `failing_percent` of the tests fail.
pub(crate) fn cases(
    size: usize,
    seed: u64,
    started_at: DateTime<Utc>,
    failing_percent: f64,
) -> Vec<Case> {
    let mut random = Random::new(seed);
    let mut moment = started_at;
    let fragile_share = FRAGILE_TESTS as f64 / TESTS as f64;
    (0..size)
        .map(|test| {
            let fragile = (test as u64).is_multiple_of(TESTS as u64 / FRAGILE_TESTS);
            let fails = fragile && random.unit() < failing_percent / 100.0 / fragile_share;
            // A test has its usual time, most are short; every run differs a little from it.
            let usual = Random::new(test as u64).unit().powi(4) * 0.2 + 0.0004;
            let call = rounded(usual * (0.8 + 0.4 * random.unit()));
            let setup = rounded(0.0002 + 0.0002 * random.unit());
            let teardown = rounded(0.0001 + 0.0001 * random.unit());
            let case = Case {
                test,
                outcome: if fails {
                    Outcome::Failed
                } else {
                    Outcome::Passed
                },
                setup,
                call,
                teardown,
                started_at: moment,
            };
            let micros = ((setup + call + teardown) * 1e6) as i64;
            moment += TimeDelta::microseconds(micros);
            case
        })
        .collect()
}

/// The body of `POST /results` for these cases.
pub(crate) fn body(cases: &[Case], nodeids: &[String], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0xfa11);
    let first = cases
        .first()
        .map_or(DateTime::UNIX_EPOCH, |case| case.started_at);
    let duration = cases
        .iter()
        .map(|case| case.setup + case.call + case.teardown)
        .sum();
    let failed = cases.iter().any(|case| case.outcome.is_bad());
    let wire = WireRun {
        run_id: &run_id(0),
        worker_id: format!("runner-{}", seed % 8),
        project: PROJECT,
        branch: "main",
        timestamp: first,
        duration,
        exit_code: i32::from(failed),
        python: "3.13.0",
        pytest: "9.2.0",
        cases: cases
            .iter()
            .map(|case| WireCase {
                nodeid: &nodeids[case.test],
                outcome: case.outcome,
                setup: case.setup,
                call: case.call,
                teardown: case.teardown,
                started_at: case.started_at,
                failures: failures(case, &mut random),
            })
            .collect(),
    };
    serde_json::to_vec(&wire).unwrap_or_default()
}

/// Writes another run id over the one in a body.
pub(crate) fn with_run_id(body: &[u8], number: u64) -> Vec<u8> {
    let mut body = body.to_vec();
    let id = BODY_START.len()..BODY_START.len() + RUN_ID_LENGTH;
    body[id].copy_from_slice(run_id(number).as_bytes());
    body
}

fn failures(case: &Case, random: &mut Random) -> Vec<WireFailure> {
    if !case.outcome.is_bad() {
        return Vec::new();
    }
    // The same defect says the same thing in most runs, with now and then another number.
    let got = random.below(20);
    let message = format!("AssertionError: assert {got} == {}", case.test);
    let traceback = format!(
        "    def test_does_what_it_says(thing):\n        answer = thing.ask(limit={})\n>       \
         assert answer.count == {}\nE       {message}\nE        +  where {got} = \
         Answer(count={got}, items=[...]).count\n\ntests/area/test_module.py:{}: AssertionError\n",
        case.test % 97,
        case.test,
        case.test % 400 + 10,
    );
    let stdout = format!("asked thing {} with limit {}\n", case.test, case.test % 97);
    vec![WireFailure {
        phase: "call",
        message,
        traceback,
        stdout,
    }]
}

/// To 10 microseconds, as the plugin sends them.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e5).round() / 1e5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_valid_run_with_the_id_written_over() {
        let cases = cases(2_000, 7, DateTime::UNIX_EPOCH, 2.0);
        let body = with_run_id(&body(&cases, &nodeids(), 7), 42);
        let run: shared::run::NewRun = serde_json::from_slice(&body).unwrap();
        assert_eq!(run.run_id, run_id(42));
        assert_eq!(shared::validate::run(&run), Ok(()));
        let sent = run.cases.unwrap();
        let failing = sent.iter().filter(|case| case.outcome.is_bad()).count();
        assert_eq!(sent.len(), 2_000);
        assert!((20..=60).contains(&failing), "{failing} of 2000 fail");
    }
}
