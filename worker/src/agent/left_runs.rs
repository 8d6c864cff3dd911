//! Runs that did not arrive: their journals are sent while the agent waits.

use std::time::Duration;

use super::stop::{Level, Stop};
use crate::config::Settings;
use crate::leftovers::Leftovers;

/// Between two rounds.
const PAUSE: Duration = Duration::from_mins(1);

/// Longest round, when the agent ends.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// Sends what is left, now and then, until the agent ends.
pub fn send(settings: &Settings, stop: &Stop) {
    while stop.level() == Level::Work {
        Leftovers::start(settings, None).finish(ROUND_MAX);
        stop.wait(PAUSE);
    }
}
