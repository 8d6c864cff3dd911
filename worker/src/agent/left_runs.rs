//! Runs that did not arrive: their journals are sent while the agent works, and once more before it ends.

use std::time::Duration;

use super::stop::{Level, Stop};
use crate::config::Settings;
use crate::leftovers::Leftovers;

/// Between two rounds. The run of a job whose worker was killed looks as if it went on until then.
const PAUSE: Duration = Duration::from_secs(15);

/// Longest round, when the agent ends.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// Sends what is left, now and then, until the agent ends.
pub fn send(settings: &Settings, stop: &Stop) {
    while stop.level() == Level::Work {
        Leftovers::start(settings, None).finish(ROUND_MAX);
        stop.wait(PAUSE);
    }
}

/// Sends what the last jobs left, unless somebody is in a hurry: perhaps no agent ever starts here again.
pub fn send_last(settings: &Settings, stop: &Stop) {
    if stop.level() < Level::Release {
        Leftovers::start(settings, None).finish(ROUND_MAX);
    }
}
