//! Where the stream takes a run from that goes on.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use shared::case::NewCase;
use shared::run::NewRun;
use shared::stream::Progress;

use crate::config::{Facts, Settings};
use crate::deliver::{label, pytest_command};
use crate::events::{SharedHeard, locked};

/// Most text in one batch. Its JSON is a little longer.
pub(super) const BATCH_TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is known of a run before its end, besides what its tests do.
#[derive(Debug, Clone)]
pub struct Labels {
    /// Ids and variant.
    pub settings: Settings,
    /// The command line; a sidecar that was not told it takes it from pytest.
    pub command: Option<String>,
    /// When pytest was started.
    pub started_at: Option<DateTime<Utc>>,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Source {
    /// What the plugin said.
    pub heard: SharedHeard,
    /// What does not depend on it.
    pub labels: Labels,
    /// What git and the CI system say, once they have.
    pub facts: Arc<OnceLock<Facts>>,
}

impl Source {
    /// The run with all that is known when it begins, or nothing while that is too early.
    pub(super) fn opening(&self) -> Option<NewRun> {
        let facts = self.facts.get()?.clone();
        let mut run = NewRun {
            finished: false,
            timestamp: self.labels.started_at,
            started_at: self.labels.started_at,
            ..NewRun::default()
        };
        let said = {
            let heard = locked(&self.heard);
            if !heard.hello {
                return None;
            }
            heard.run.describe(&mut run);
            heard.arguments.clone()
        };
        let command = self.labels.command.clone();
        let command = command.unwrap_or_else(|| pytest_command(&said));
        label(&mut run, &self.labels.settings, &command);
        facts.describe(&mut run);
        Some(run)
    }

    /// Takes cases that ended or changed, at most `cases_max`, and how far the run is. Nothing when
    /// the run was handed over already.
    pub(super) fn take(&self, cases_max: usize) -> Option<(Vec<NewCase>, Progress)> {
        let mut heard = locked(&self.heard);
        heard.hello.then(|| {
            let cases = heard.run.take_changed(cases_max, BATCH_TEXT_BYTES_MAX);
            (cases, heard.run.progress())
        })
    }
}
