//! An attempt from its beginning to its end, for whoever holds no lease of a master.

use std::io::{self, Read};
use std::process::ChildStderr;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select, tick};

use shared::lease::AttemptEnding;

use super::orders::{Orders, Report};
use super::running::Running;
use super::verdict;
use super::work::{Outcome, Reporting, Work, Workshop};
use crate::agent::clock::Moment;
use crate::agent::lifeline::Told;
use crate::agent::stop::{Level, Stop};

/// How long the process of the attempt goes on when the agent is stopped.
const TRUST: Duration = Duration::from_secs(20);

/// Between two renewals of that, which also look at who wants the end.
const RENEWAL: Duration = Duration::from_millis(500);

/// Pieces of the log that may wait.
const PIECES_MAX: usize = 16;

/// Largest piece.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// The process of an attempt could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// A folder, a pipe or a process could not be had.
    #[error("cannot start an attempt: {0}")]
    System(#[source] io::Error),
}

/// Carries out `work` in a process of its own and waits for its end. `hear` gets its log as it comes.
/// Without `reporting` the run goes nowhere but into the answer.
pub fn carry_out(
    workshop: &Workshop,
    work: &Work,
    reporting: Option<&Reporting>,
    stop: &Stop,
    hear: &mut dyn FnMut(&[u8]),
) -> Result<Outcome, NotStarted> {
    let kept = workshop.jobs().join(format!("{}.run", work.name));
    let orders = Orders {
        work: work.clone(),
        workshop: workshop.clone(),
        reporting: reporting.cloned(),
        lease: None,
        keep_run: Some(kept.clone()),
        until: Moment::now().plus(TRUST).number(),
    };
    let mut running = Running::start(&orders).map_err(NotStarted::System)?;
    let (tell, pieces) = bounded(PIECES_MAX);
    let log = running.take_log();
    let reader = std::thread::spawn(move || log.into_iter().for_each(|log| read(log, &tell)));
    let finish = follow(&running, stop, &pieces, hear);
    let without = running.finish();
    // What is still in the pipe was written before its end.
    for piece in pieces {
        hear(&piece);
    }
    // It only reads, and has ended with the pipe.
    let _ = reader.join();
    let run = verdict::saved(&kept);
    let _ = std::fs::remove_file(kept);
    let finish = finish.unwrap_or(without);
    Ok(Outcome { finish, run })
}

fn follow(
    running: &Running,
    stop: &Stop,
    pieces: &Receiver<Vec<u8>>,
    hear: &mut dyn FnMut(&[u8]),
) -> Option<shared::lease::FinishAttempt> {
    let renewal = tick(RENEWAL);
    let mut pieces = pieces.clone();
    let (mut finish, mut heeded) = (None, Level::Drain);
    loop {
        select! {
            recv(running.reports()) -> report => match report {
                Ok(Report::Ended(ended)) => finish = Some(ended),
                Ok(Report::Step(_) | Report::Heard(_)) => {}
                Err(_) => return finish,
            },
            recv(pieces) -> piece => match piece {
                Ok(piece) => hear(&piece),
                Err(_) => pieces = never(),
            },
            recv(renewal) -> _ => {
                running.tell(Told::Until(Moment::now().plus(TRUST)));
                running.end_if_silent();
                let level = stop.level();
                if level > heeded {
                    heeded = level;
                    running.tell(Told::Release);
                }
                if level == Level::Kill && finish.is_none() {
                    finish = Some(verdict::ended_as(AttemptEnding::Released));
                    running.kill();
                }
            }
        }
    }
}

fn read(mut log: ChildStderr, tell: &Sender<Vec<u8>>) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    while let Ok(count @ 1..) = log.read(&mut piece) {
        if tell.send(piece[..count].to_vec()).is_err() {
            return;
        }
    }
}
