//! Which agents were written down of late, so that asking for jobs again and again writes little.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::agents::AgentRow;

/// An agent that says nothing new is written down at most this often.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Agents that are kept in mind. Those beyond are only written down more often.
const AGENTS_MAX: usize = 10_000;

/// When each agent was written down last, and what it said.
#[derive(Debug, Default)]
pub(super) struct Presence {
    written: Mutex<HashMap<String, (Instant, Option<AgentRow>)>>,
}

impl Presence {
    /// Whether an agent has to be written down that says this now. Its time is no part of what it says.
    pub(super) fn is_news(&self, agent: &AgentRow) -> bool {
        let written = self.written();
        let Some((at, Some(said))) = written.get(&agent.name) else {
            return true;
        };
        let same = AgentRow {
            seen_us: agent.seen_us,
            ..said.clone()
        };
        at.elapsed() >= WRITE_EVERY || same != *agent
    }

    /// Whether an agent has to be written down that says no more than that it lives.
    pub(super) fn is_due(&self, name: &str) -> bool {
        let written = self.written();
        written
            .get(name)
            .is_none_or(|(at, _)| at.elapsed() >= WRITE_EVERY)
    }

    /// An agent was written down with what it said.
    pub(super) fn wrote(&self, agent: AgentRow) {
        self.keep(agent.name.clone(), Some(agent));
    }

    /// It was written down that an agent lives.
    pub(super) fn saw(&self, name: &str) {
        let said = self.written().remove(name).and_then(|(_, said)| said);
        self.keep(name.to_owned(), said);
    }

    fn keep(&self, name: String, said: Option<AgentRow>) {
        let mut written = self.written();
        if written.len() >= AGENTS_MAX {
            written.retain(|_, (at, _)| at.elapsed() < WRITE_EVERY);
        }
        if written.len() < AGENTS_MAX {
            written.insert(name, (Instant::now(), said));
        }
    }

    fn written(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<AgentRow>)>> {
        // Whoever panicked with it left it whole.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
