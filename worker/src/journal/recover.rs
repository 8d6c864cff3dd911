//! From a journal to the run that its worker sent, or would have sent.

use chrono::{DateTime, Utc};
use shared::run::{NewRun, Problem, ProblemKind};

use super::read::Contents;
use super::writer::size;
use crate::aggregate::Ending;
use crate::deliver::pytest_command;

/// A run that was made again.
#[derive(Debug)]
pub struct Recovered {
    /// The run, exactly as its worker sent it if that lived to its end.
    pub run: NewRun,
    /// When it ended, as far as anybody knows.
    pub ended_at: DateTime<Utc>,
}

impl Contents {
    /// Makes the run again. Where the end is missing, its verdict is what pytest said if it said
    /// goodbye, and that the run was lost if it did not.
    pub fn recover(self) -> Recovered {
        let pytest = pytest_command(&self.heard.arguments);
        let command = match &self.end {
            Some(end) => end.command.clone(),
            None => self.head.command.clone().unwrap_or(pytest),
        };
        let (ending, ended_at) = self.ending();
        if let Some(run) = self.run {
            return Recovered {
                run: *run,
                ended_at,
            };
        }
        let mut run = self.heard.run.finish(ending);
        self.head.label(&mut run, &command);
        self.origin.unwrap_or(self.head.origin).describe(&mut run);
        Recovered { run, ended_at }
    }

    fn ending(&self) -> (Ending, DateTime<Utc>) {
        if let Some(end) = &self.end {
            let ended_at = end.ending.finished_at.unwrap_or(self.written_at);
            let lost = !end.whole || end.ending.lost;
            return (
                Ending {
                    lost,
                    ..end.clone().into_ending()
                },
                ended_at,
            );
        }
        let started_at = self.head.started_at;
        // The clock may have been set back meanwhile.
        let finished_at = self.written_at.max(started_at.unwrap_or(self.written_at));
        let lasted = started_at.map(|started_at| finished_at - started_at);
        let lasted = lasted.and_then(|lasted| lasted.to_std().ok());
        let mut reader_problems = self.heard.problems.clone();
        reader_problems.extend(self.damage.map(|(reason, bytes)| Problem {
            kind: ProblemKind::Truncated,
            place: "journal".to_owned(),
            text: format!(
                "{} at the end of the journal could not be used: {reason}",
                size(bytes)
            ),
        }));
        let ending = Ending {
            lost: true,
            started_at,
            finished_at: Some(finished_at),
            duration_s: lasted.map_or(0.0, |lasted| lasted.as_secs_f64()),
            reader_problems,
            ..Ending::default()
        };
        (ending, finished_at)
    }
}
