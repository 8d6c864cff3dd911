//! Whether the master can be reached, said once when it no longer can and once when it can again.

use std::sync::{Mutex, PoisonError};

use crate::client::SendError;
use crate::report;

/// What was said last.
#[derive(Debug, Default)]
pub struct Reach(Mutex<Option<String>>);

impl Reach {
    /// A call failed.
    pub fn failed(&self, error: &SendError) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kind(error);
        if said.as_deref() != Some(&kind) {
            report::say(&format!("{error}; trying again until it works"));
            *said = Some(kind);
        }
    }

    /// A call was answered.
    pub fn reached(&self) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.take().is_some() {
            report::say("the master answers again");
        }
    }
}

/// Reasons of the same kind are said once: that nobody is there has many words.
fn kind(error: &SendError) -> String {
    match error {
        SendError::Answered { status, .. } => status.to_string(),
        error if error.is_transient() => "away".to_owned(),
        error => error.to_string(),
    }
}
