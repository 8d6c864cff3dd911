//! The task contract: existing runners take jobs as tasks and report their results.

pub(in crate::http) mod available;
pub(in crate::http) mod result;

use crate::http::caller::Asking;

/// Name of a runner whom nobody asked for one.
const RUNNER: &str = "task-runner";

/// The name under which a runner is listed, and which its runs have.
fn runner(asking: &Asking) -> &str {
    match asking.0.name.as_str() {
        "" => RUNNER,
        name => name,
    }
}
