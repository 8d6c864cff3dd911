//! The command line of `agent`.

use std::path::PathBuf;

use clap::Args;

use super::backend::BackendOptions;
use super::steps::StepOptions;
use crate::cli::{self, Options};

/// `agent`.
#[derive(Debug, Clone, Args)]
pub struct AgentArguments {
    /// Where the master is [default: `http://localhost:8080`]
    #[arg(long, value_name = "URL")]
    pub master_url: Option<String>,
    /// Token for the master; rather set `MASTER_TOKEN`, other users can see command lines
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Name of this agent, unique among those of its master [default: `WORKER_ID`, or the host name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Labels for jobs to ask for, such as `os=linux,python=3.12`; can be repeated
    #[arg(long, value_name = "LABEL=VALUE", value_parser = cli::label, value_delimiter = ',')]
    pub labels: Vec<(String, String)>,
    /// Jobs that are carried out at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = slots())]
    pub concurrent: u32,
    /// Where jobs have their folders, and what is kept between them [default: pytest-platform/agent in
    /// the user's cache folder]
    #[arg(long, value_name = "FOLDER")]
    pub work_dir: Option<PathBuf>,
    /// Python that environments are made of [default: the active virtual environment's, or python3 on
    /// PATH]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Where journals of runs are kept [default: pytest-platform in the user's state folder]
    #[arg(long, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// End after one job
    #[arg(long)]
    pub once: bool,
    /// End when there was no job for so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub idle_exit: Option<u64>,
    /// What the owner says about the steps of jobs.
    #[command(flatten, next_help_heading = "Steps of a job")]
    pub steps: StepOptions,
    /// Where tasks come from instead of jobs.
    #[command(flatten)]
    pub backend: BackendOptions,
}

fn slots() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(shared::limits::AGENT_SLOTS_MAX))
}

impl AgentArguments {
    /// The same as part of all settings.
    pub fn options(&self) -> Options {
        Options {
            master_url: self.master_url.clone(),
            token: self.token.clone(),
            worker_id: self.name.clone(),
            python: self.python.clone(),
            state_dir: self.state_dir.clone(),
            ..Options::default()
        }
    }
}
