//! What an attempt is about, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::job::Source;
use shared::lease::{FinishAttempt, Lease};
use shared::run::NewRun;

use crate::agent::steps::StepOptions;

/// Tests to be run once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Name of its folder: unique, of letters, digits and `-`.
    pub name: String,
    /// Id of the run.
    pub run_id: String,
    /// Project of the run.
    pub project: String,
    /// Where the tests are.
    pub source: Source,
    /// What is run.
    pub tests: Vec<String>,
    /// Arguments of pytest.
    pub args: Vec<String>,
    /// Environment variables of the tests.
    pub env: BTreeMap<String, String>,
    /// Seconds that all of it may take.
    pub timeout_s: u64,
}

impl Work {
    /// What a master leased.
    pub fn of(lease: &Lease) -> Self {
        Self {
            name: format!("{}-{}", lease.uuid, lease.number),
            run_id: lease.run_id.clone(),
            project: lease.project.clone(),
            source: lease.source.clone(),
            tests: lease.tests.clone(),
            args: lease.args.clone(),
            env: lease.env.clone(),
            timeout_s: lease.timeout_s,
        }
    }
}

/// Where an agent works, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workshop {
    /// Folders of jobs, the cache, and what else the agent keeps are below it.
    pub folder: PathBuf,
    /// Where journals of runs are kept.
    pub state_dir: PathBuf,
    /// What environments are made of.
    pub python: PathBuf,
    /// Name of the agent, and so of the worker of its runs.
    pub agent: String,
    /// What its owner says about the steps.
    pub steps: StepOptions,
}

/// Where a run is reported.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reporting {
    /// The master.
    pub master_url: String,
    /// The secret for it.
    pub token: Option<String>,
}

impl fmt::Debug for Reporting {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporting").finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub finish: FinishAttempt,
    /// The run, as far as there is one.
    pub run: Option<NewRun>,
}
