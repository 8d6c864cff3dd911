//! Runs to be kept.

use shared::case::{CaseFailure, NewCase};
use shared::outcome::Outcome;
use shared::run::{NewRun, RunFailure};

/// A run with nothing but its ids.
pub(crate) fn run(run_id: &str) -> NewRun {
    NewRun {
        run_id: run_id.to_owned(),
        worker_id: "worker-1".to_owned(),
        project: "shop".to_owned(),
        branch: "main".to_owned(),
        finished: true,
        ..NewRun::default()
    }
}

/// A run with these cases.
pub(crate) fn run_of(run_id: &str, cases: Vec<NewCase>) -> NewRun {
    NewRun {
        cases: Some(cases),
        ..run(run_id)
    }
}

/// A run as a client sends it that knows only the contract.
pub(crate) fn contract_run(run_id: &str, failed: &[&str]) -> NewRun {
    NewRun {
        passed: 10,
        failed: failed.len() as u64,
        total: 10 + failed.len() as u64,
        failures: failed.iter().map(|nodeid| failure(nodeid)).collect(),
        ..run(run_id)
    }
}

pub(crate) fn failure(nodeid: &str) -> RunFailure {
    RunFailure {
        nodeid: nodeid.to_owned(),
        duration: 0.123_456_789,
        message: format!("AssertionError in {nodeid}"),
    }
}

pub(crate) fn passed(nodeid: &str) -> NewCase {
    NewCase::new(nodeid, Outcome::Passed)
}

/// A failed case with a failure that says everything.
pub(crate) fn failed(nodeid: &str, message: &str) -> NewCase {
    NewCase {
        message: Some(message.to_owned()),
        call: Some(0.123_456_789),
        failures: vec![CaseFailure {
            phase: "call".to_owned(),
            outcome: Some(Outcome::Failed),
            context: None,
            message: message.to_owned(),
            traceback: format!("def test():\n>   assert False\nE   {message}\n"),
            stdout: "out\n".to_owned(),
            stderr: String::new(),
            log: "WARNING something\n".to_owned(),
        }],
        ..NewCase::new(nodeid, Outcome::Failed)
    }
}

/// A suite of passing tests, with durations that look measured.
pub(crate) fn suite(count: usize, seed: u64) -> Vec<NewCase> {
    let mut noise = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 40) as f64 / (1u64 << 24) as f64
    };
    let mut at = shared::time::parse("2026-11-21T09:00:00Z").unwrap();
    (0..count)
        .map(|number| {
            let phases = [next(), next(), next()].map(|share| 0.000_05 + share * 0.000_2);
            let started_at = at;
            at += chrono::Duration::nanoseconds((phases.iter().sum::<f64>() * 1e9) as i64);
            NewCase {
                setup: Some(phases[0]),
                call: Some(phases[1]),
                teardown: Some(phases[2]),
                started_at: Some(started_at),
                file: Some(format!("tests/test_{}.py", number / 50)),
                line: Some((number % 50 * 7 + 3) as u32),
                ..passed(&format!(
                    "tests/test_{}.py::test_number[{number}]",
                    number / 50
                ))
            }
        })
        .collect()
}
