//! How environments are made.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::agent::steps::Sandbox;
use crate::agent::steps::options::StepOptions;
use crate::agent::steps::program::Bounds;

/// Longest time for prepare, unless `--prepare-timeout` says otherwise.
const PREPARE_S_DEFAULT: u64 = 900;

/// How environments are made.
#[derive(Debug, Clone)]
pub struct PrepareRules {
    /// Whether anything is installed.
    pub(super) installs: bool,
    /// What environments are made of.
    pub(super) python: PathBuf,
    /// Whether packages are kept for the next job.
    pub(super) keeps_cache: bool,
    pub(super) sandbox: Option<Sandbox>,
    seconds_max: u64,
    until: Option<Instant>,
}

impl PrepareRules {
    /// Out of the agent's flags.
    pub(in crate::agent::steps) fn of(
        options: &StepOptions,
        python: PathBuf,
        sandbox: Option<Sandbox>,
        until: Option<Instant>,
    ) -> Self {
        Self {
            installs: !options.no_prepare,
            python,
            keeps_cache: !options.fresh_cache,
            sandbox,
            seconds_max: options.prepare_timeout.unwrap_or(PREPARE_S_DEFAULT),
            until,
        }
    }

    /// How long what begins now may take.
    pub(super) fn bounds(&self, begun: Instant) -> Bounds {
        let limit = begun + Duration::from_secs(self.seconds_max);
        let seconds = self.seconds_max;
        let own = format!("prepare reached its limit of {seconds} s (--prepare-timeout)");
        Bounds::until(limit, own, self.until)
    }
}
