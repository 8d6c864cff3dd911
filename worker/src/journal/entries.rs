//! What the records hold besides the plugin's lines: enough to make the very same run again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::limits::COMMAND_BYTES_MAX;
use shared::run::{Ci, NewRun};
use shared::text::cut_in_place;

use crate::aggregate::Ending;
use crate::client;
use crate::config::{self, Facts, Settings};

/// What is known of a run when it begins.
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    /// The command line, where it is known: a sidecar learns it from the plugin.
    pub command: Option<String>,
    /// When pytest was started.
    pub started_at: Option<DateTime<Utc>>,
}

/// The first record: whose run it is. It holds no token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// Id of the run.
    pub run_id: String,
    /// Name of the worker.
    pub worker_id: String,
    /// The master that it was meant for, without a password.
    pub master_url: String,
    /// Labels under which the run compares.
    pub variant: BTreeMap<String, String>,
    /// What was set of its origin; what git and CI say follows in [`Origin`].
    pub origin: Origin,
    /// The command line, where it is known.
    pub command: Option<String>,
    /// When pytest was started.
    pub started_at: Option<DateTime<Utc>>,
    /// The worker's process.
    pub pid: u32,
}

impl Head {
    pub(super) fn of(settings: &Settings, beginning: Beginning) -> Self {
        let text = |found: &Option<config::Sourced<String>>| {
            let found = found.as_ref().map(|found| found.value.clone());
            found.unwrap_or_default()
        };
        let variant = settings.variant.iter();
        Self {
            run_id: settings.run_id.value.clone(),
            worker_id: settings.worker_id.value.clone(),
            master_url: client::address(&settings.master_url.value),
            variant: variant
                .map(|(label, value)| (label.clone(), value.value.clone()))
                .collect(),
            // A worker that is killed before git has answered has at least the folder's name.
            origin: Origin {
                project: settings
                    .project
                    .as_ref()
                    .map_or_else(folder_name, |set| set.value.clone()),
                branch: text(&settings.branch),
                commit: text(&settings.commit),
                ..Origin::default()
            },
            command: beginning.command,
            started_at: beginning.started_at,
            pid: std::process::id(),
        }
    }

    /// Writes into the run what only its worker knew.
    pub(super) fn label(&self, run: &mut NewRun, command: &str) {
        run.run_id.clone_from(&self.run_id);
        run.worker_id.clone_from(&self.worker_id);
        run.variant.clone_from(&self.variant);
        command.clone_into(&mut run.command);
        cut_in_place(&mut run.command, COMMAND_BYTES_MAX);
    }
}

fn folder_name() -> String {
    let folder = std::env::current_dir().unwrap_or_default();
    let folder = config::folder_name(&folder);
    folder.map(|name| name.value).unwrap_or_default()
}

/// Where a run comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// What is tested.
    pub project: String,
    /// The branch under test.
    pub branch: String,
    /// The commit under test.
    pub commit: String,
    /// Whether the working tree differs from the commit.
    pub dirty: Option<bool>,
    /// The CI system.
    pub ci: Option<Ci>,
}

impl Origin {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut run = NewRun::default();
        facts.clone().describe(&mut run);
        Self {
            project: run.project,
            branch: run.branch,
            commit: run.commit,
            dirty: run.dirty,
            ci: run.ci,
        }
    }

    /// Writes it into the run.
    pub(super) fn describe(self, run: &mut NewRun) {
        run.project = self.project;
        run.branch = self.branch;
        run.commit = self.commit;
        run.dirty = self.dirty;
        run.ci = self.ci;
    }
}

/// The last record: how the run ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// As it was given to the aggregate.
    pub ending: Ending,
    /// Its duration again, as the bits of the number: text may be read with the last of them
    /// changed, and the master would then take the run for another one.
    pub duration_bits: u64,
    /// The command line.
    pub command: String,
    /// Whether every line that the plugin wrote is in the journal.
    pub whole: bool,
}

impl End {
    pub(super) fn of(ending: &Ending, command: &str, whole: bool) -> Self {
        Self {
            ending: ending.clone(),
            duration_bits: ending.duration_s.to_bits(),
            command: command.to_owned(),
            whole,
        }
    }

    /// The same for a disk that is full, of a journal that is not whole.
    pub(super) fn in_short(mut self) -> Self {
        self.ending.log_tail = String::new();
        self.whole = false;
        self
    }

    /// The ending exactly as it was.
    pub(super) fn into_ending(self) -> Ending {
        Ending {
            duration_s: f64::from_bits(self.duration_bits),
            ..self.ending
        }
    }
}
