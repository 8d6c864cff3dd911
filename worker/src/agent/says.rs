//! What an agent says of its jobs on standard error, a line each.

use std::time::Duration;

use shared::lease::{AttemptEnding, FinishAttempt, Lease};

use crate::report;

/// Longest name that is shown.
const NAME_CHARACTERS_MAX: usize = 60;

/// It got a job.
pub fn begins(lease: &Lease) {
    let environment = match &lease.environment {
        Some(name) => format!(", environment {}", shown(name)),
        None => String::new(),
    };
    let attempt = lease.number;
    report::say(&format!(
        "{} begins (attempt {attempt}{environment})",
        job(lease)
    ));
}

/// It is over, and the master knows.
pub fn ended(lease: &Lease, finish: &FinishAttempt, lasted: Duration) {
    let seconds = lasted.as_secs_f64();
    let job = job(lease);
    report::say(&match (finish.ending, &finish.error) {
        (AttemptEnding::Error, Some(text)) => {
            let first = shown(text.lines().next().unwrap_or_default());
            format!("{job}: error after {seconds:.1} s: {first}")
        }
        (ending, _) => format!("{job}: {} after {seconds:.1} s", word(ending)),
    });
}

/// It is somebody else's.
pub fn lost(lease: &Lease, lasted: Duration) {
    let seconds = lasted.as_secs_f64();
    report::say(&format!(
        "{}: no longer this agent's after {seconds:.1} s; all that ran for it was ended",
        job(lease)
    ));
}

/// It is over, and the master does not know.
pub fn unfinished(lease: &Lease, finish: &FinishAttempt) {
    report::say(&format!(
        "{}: {}, but the master was not told; its lease will run out",
        job(lease),
        word(finish.ending)
    ));
}

fn job(lease: &Lease) -> String {
    format!("job {} of {}", lease.job, shown(&lease.username))
}

fn word(ending: AttemptEnding) -> String {
    ending.as_str().replace('_', " ")
}

/// Text from outside, without what a terminal would obey.
fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(NAME_CHARACTERS_MAX).collect()
}
