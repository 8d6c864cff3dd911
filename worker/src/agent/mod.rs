//! `agent`: takes jobs and carries them out, each in a folder and a process group of its own.
//!
//! The agent itself holds the lease: it asks for jobs, sends heartbeats and the log. The steps of a job are
//! done by a child process, which ends everything that belongs to the job when the agent is gone or no
//! longer holds the lease.

pub mod attempt;
pub mod backend;
pub mod calls;
pub mod clock;
pub mod command;
pub mod courier;
pub mod heart;
pub mod job;
pub mod left_runs;
pub mod lifeline;
pub mod message;
pub mod options;
pub mod outbox;
pub mod program;
pub mod reach;
pub mod says;
#[cfg(test)]
mod scripted;
pub mod secrecy;
pub mod slot;
pub mod steps;
pub mod stop;

pub use command::agent;
pub use options::AgentArguments;
