//! What the agent's owner says about the steps: flags of `agent`, handed on to every attempt.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{AllowedArguments, FetchRules, PrepareRules, Sandbox};

/// Flags of `agent` about fetch, prepare, pytest's arguments and the sandbox. They can be sent to the
/// process of an attempt as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct StepOptions {
    /// Take sources only from addresses like this one, such as `https://git.example.org/*`; can be
    /// repeated [default: any https or ssh address]
    #[arg(long, value_name = "PATTERN")]
    pub allow_url: Vec<String>,
    /// Configuration file for git, with the credentials it may use [default: the agent's user's own]
    #[arg(long, value_name = "FILE")]
    pub git_config: Option<PathBuf>,
    /// Let jobs give pytest this option as well, such as `--my-option`; `*` lets all through, and
    /// whoever may create jobs can then do whatever the agent can; can be repeated
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub allow_arg: Vec<String>,
    /// Install nothing: run the tests with the agent's Python as it is
    #[arg(long)]
    pub no_prepare: bool,
    /// Keep no packages from one job to the next
    #[arg(long)]
    pub fresh_cache: bool,
    /// Longest time for fetch, in seconds [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub fetch_timeout: Option<u64>,
    /// Largest source, in MiB [default: 2048]
    #[arg(long, value_name = "MIB")]
    pub fetch_max: Option<u64>,
    /// Longest time for prepare, in seconds [default: 900]
    #[arg(long, value_name = "SECONDS")]
    pub prepare_timeout: Option<u64>,
    /// Run what jobs bring inside a sandbox (needs bubblewrap)
    #[arg(long)]
    pub sandbox: bool,
    /// Let sandboxed tests use the network, the agent's own machine included
    #[arg(long, requires = "sandbox")]
    pub sandbox_network: bool,
    /// Most address space of each sandboxed process, in MiB
    #[arg(long, value_name = "MIB", requires = "sandbox")]
    pub sandbox_memory: Option<u64>,
    /// Most processes and threads of a sandboxed job
    #[arg(long, value_name = "N", requires = "sandbox")]
    pub sandbox_processes: Option<u64>,
    /// Let sandboxed jobs read this file or folder as well; can be repeated
    #[arg(long, value_name = "PATH", requires = "sandbox")]
    pub sandbox_read: Vec<PathBuf>,
}

/// The same, checked: what the steps of one attempt go by.
#[derive(Debug, Clone)]
pub struct StepRules {
    /// For [`super::fetch`].
    pub fetch: FetchRules,
    /// For [`super::prepare`].
    pub prepare: PrepareRules,
    /// For [`super::pytest_arguments`].
    pub arguments: AllowedArguments,
    /// For whatever the job brings.
    pub sandbox: Option<Sandbox>,
}

impl StepOptions {
    /// Checks the flags; an error names the flag and the way out. The agent does this when it starts,
    /// and each attempt once more. `python` is what environments are made of; no step goes on after
    /// `until`.
    pub fn rules(&self, python: PathBuf, until: Option<Instant>) -> Result<StepRules, String> {
        let sandbox = Sandbox::of(self, &python)?;
        Ok(StepRules {
            fetch: FetchRules::of(self, until)?,
            prepare: PrepareRules::of(self, python, sandbox.clone(), until),
            arguments: AllowedArguments::of(&self.allow_arg)?,
            sandbox,
        })
    }
}
