//! What an attempt reports to its agent, apart from the log.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdout, stderr, stdout};
use shared::job::{Step, StepName};

use super::orders::Report;
use crate::agent::steps::JobLog;

/// No copy takes the place of a standard stream.
const DESCRIPTOR_MIN: i32 = 3;

/// The way to the agent.
#[derive(Debug)]
pub(super) struct Reports(Mutex<File>);

impl Reports {
    /// Takes standard output for itself; from then on it leads where standard error does, into the log.
    pub(super) fn take_standard_output() -> io::Result<Self> {
        let to = fcntl_dupfd_cloexec(stdout(), DESCRIPTOR_MIN)?;
        dup2_stdout(stderr())?;
        Ok(Self(Mutex::new(to.into())))
    }

    /// Goes there.
    #[cfg(test)]
    pub(super) fn to(to: std::os::fd::OwnedFd) -> Self {
        Self(Mutex::new(to.into()))
    }

    /// Reports. An agent that is gone needs no report.
    pub(super) fn send(&self, report: &Report) {
        if let Ok(mut line) = serde_json::to_vec(report)
            && let Ok(mut to) = self.0.lock()
        {
            line.push(b'\n');
            let _ = to.write_all(&line);
        }
    }

    /// A step begins. The log says so as well.
    pub(super) fn begin(&self, name: StepName) -> Begun<'_> {
        let begun = Begun {
            reports: self,
            step: Step {
                name,
                started_at: Utc::now(),
                finished_at: None,
                text: String::new(),
            },
        };
        log().say(word(name));
        self.send(&Report::Step(begun.step.clone()));
        begun
    }
}

/// A step that goes on.
#[derive(Debug)]
pub(super) struct Begun<'a> {
    reports: &'a Reports,
    step: Step,
}

impl Begun<'_> {
    /// It began earlier than it was known.
    pub(super) fn began_at(&mut self, at: DateTime<Utc>) {
        self.step.started_at = at.min(self.step.started_at);
    }

    /// It has come to this.
    pub(super) fn end(self, text: &str) {
        self.end_at(Utc::now(), text);
    }

    /// It has come to this at that time.
    pub(super) fn end_at(mut self, at: DateTime<Utc>, text: &str) {
        let at = at.max(self.step.started_at);
        self.step.finished_at = Some(at);
        text.clone_into(&mut self.step.text);
        let seconds = (at - self.step.started_at).as_seconds_f64();
        let separator = if text.is_empty() { "" } else { ": " };
        log().say(&format!(
            "{} took {seconds:.1} s{separator}{text}",
            word(self.step.name)
        ));
        self.reports.send(&Report::Step(self.step));
    }
}

/// The job's log.
pub(super) fn log() -> JobLog<io::Stderr> {
    JobLog::new(io::stderr())
}

const fn word(name: StepName) -> &'static str {
    match name {
        StepName::Fetch => "fetch",
        StepName::Prepare => "prepare",
        StepName::Run => "run",
        StepName::Report => "report",
        StepName::Clean => "clean",
    }
}
