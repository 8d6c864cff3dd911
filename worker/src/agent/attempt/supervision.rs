//! A worker that runs the tests of an attempt: what it is told before it starts.
//!
//! The secret for the master and the variables of the tests come on its standard input, so that neither is
//! on a command line, and neither is in the environment of the other.

use std::ffi::OsString;
use std::io;

use serde::{Deserialize, Serialize};

use crate::agent::{message, program, secrecy};
use crate::cli::{Options, RunArguments};
use crate::config::{Pyproject, Settings, Token};
use crate::pytest::Guarded;

/// The message.
#[derive(Serialize, Deserialize)]
pub(super) struct Handover {
    /// Where the run goes; nowhere without.
    pub(super) master_url: Option<String>,
    /// The secret for it.
    pub(super) token: Option<String>,
    /// All variables of the tests.
    pub(super) variables: Vec<(OsString, OsString)>,
    /// Whether they run in a sandbox.
    pub(super) is_sandboxed: bool,
}

/// What a worker goes by that belongs to an agent.
#[derive(Debug)]
pub struct Supervision {
    master_url: Option<String>,
    token: Option<Token>,
    guarded: Guarded,
}

impl Supervision {
    /// Hears what the agent says, where `run` was started by one.
    pub fn of(arguments: &RunArguments) -> io::Result<Option<Self>> {
        if !arguments.supervised {
            return Ok(None);
        }
        secrecy::hide_from_others();
        let handover: Handover = message::receive()?;
        let guarded = Guarded {
            program: program::path()?,
            variables: handover.variables,
            is_sandboxed: handover.is_sandboxed,
        };
        Ok(Some(Self {
            master_url: handover.master_url,
            token: handover.token.map(Token),
            guarded,
        }))
    }

    /// The settings: what the agent says. The job's own files say nothing but the labels under which its
    /// runs compare.
    pub fn settings(&self, options: &Options) -> Settings {
        let options = Options {
            master_url: self.master_url.clone(),
            token: self.token.as_ref().map(|token| token.0.clone()),
            ..options.clone()
        };
        let (file, problem) = Pyproject::nearest(&std::env::current_dir().unwrap_or_default());
        let labels = Pyproject {
            path: file.path,
            variant: file.variant,
            ..Pyproject::default()
        };
        let mut settings = Settings::resolve(&options, &|_| None, labels);
        settings.problems.extend(problem);
        settings.asks_around = false;
        settings.is_offline = self.master_url.is_none();
        settings
    }

    /// How pytest is started.
    pub const fn guarded(&self) -> &Guarded {
        &self.guarded
    }
}
