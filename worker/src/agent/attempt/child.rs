//! `attempt`: the process that carries out one attempt, and ends everything that belongs to it as soon as
//! it may not go on.
//!
//! One thread does the steps. The other listens to the agent and looks at the clock: when the agent is
//! gone, when it says so, or when the lease was not renewed, everything below this process is killed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use shared::job::StepName;
use shared::lease::{AttemptEnding, FinishAttempt};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::orders::{Orders, Report};
use super::reports::{Reports, log};
use super::stage::Stage;
use super::steps::{Steps, site};
use super::{folder, verdict};
use crate::agent::clock::Moment;
use crate::agent::lifeline::{Lifeline, Told};
use crate::agent::{message, secrecy};
use crate::pytest::{is_ready, sweep};
use crate::{exit, report};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(250);

/// How long a worker that was told to stop may take to report what it has.
const ENDING_MAX: Duration = Duration::from_secs(8);

/// How long a step may take to notice that all it had started was killed.
const NOTICING_MAX: Duration = Duration::from_secs(3);

/// A worker ends its run in time by itself; after so much longer it is ended.
const OVERDUE: Duration = Duration::from_secs(30);

/// Why an attempt is ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Cancelled,
    Released,
    TimedOut,
    /// Somebody else may have it: nothing may be left of it.
    Lost,
}

/// Carries out the attempt that standard input describes.
pub fn attempt() -> ExitCode {
    secrecy::hide_from_others();
    secrecy::rename("pytest-platform");
    match carry_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("the attempt cannot begin: {error}"));
            ExitCode::from(exit::WORKER_FAILED)
        }
    }
}

fn carry_out() -> io::Result<()> {
    let orders: Orders = message::receive()?;
    let lifeline = Lifeline::take_standard_input()?;
    let reports = Arc::new(Reports::take_standard_output()?);
    // Keys of a terminal are meant for the agent, which knows what to do.
    rustix::process::setsid()?;
    ignore_signals()?;
    sweep::adopt_orphans();
    let site = site(&orders);
    let occupied = folder::occupy(site.folder())?;
    let orders = Arc::new(orders);
    let stage = Arc::new(Stage::new(Moment::of_number(orders.until)));
    let (over, alive) = pipe_with(PipeFlags::CLOEXEC)?;
    let timeout = Duration::from_secs(orders.work.timeout_s);
    let deadline = Instant::now() + timeout;
    let finished = begin(&orders, &stage, &reports, deadline, alive);
    let mut watch = Watch {
        lifeline,
        over,
        stage: &stage,
        reports: &reports,
        deadline,
        ending: None,
    };
    watch.watch();
    let finish = match watch.ending {
        Some((why, _)) => ended_early(why, &orders),
        None => finished.try_recv().ok(),
    };
    sweep::kill_below();
    let clean = (finish.is_some()).then(|| reports.begin(StepName::Clean));
    let removed = watch.answer_during(|| folder::leave(site.folder(), occupied))?;
    if let Some(clean) = clean {
        clean.end(&removed.err().map_or_else(String::new, |error| {
            format!("the folder could not be removed: {error}")
        }));
    }
    if let Some(finish) = finish {
        reports.send(&Report::Ended(finish));
    }
    Ok(())
}

/// Starts the steps. What they came to is there before `alive` closes.
fn begin(
    orders: &Arc<Orders>,
    stage: &Arc<Stage>,
    reports: &Arc<Reports>,
    deadline: Instant,
    alive: OwnedFd,
) -> Receiver<FinishAttempt> {
    let (tell, finished) = bounded(1);
    let (orders, stage, reports) = (Arc::clone(orders), Arc::clone(stage), Arc::clone(reports));
    // It is not joined: where it does not notice that it has to end, the process ends without it.
    std::thread::spawn(move || {
        let steps = Steps {
            orders: &orders,
            stage: &stage,
            reports: &reports,
            site: site(&orders),
            deadline,
        };
        // Nobody listens any more when it was ended.
        let _ = tell.send(steps.carry_out());
        drop(alive);
    });
    finished
}

/// Nothing is reported of an attempt that was lost.
fn ended_early(why: Why, orders: &Orders) -> Option<FinishAttempt> {
    match why {
        Why::Cancelled => Some(verdict::ended_as(AttemptEnding::Cancelled)),
        Why::Released => Some(verdict::ended_as(AttemptEnding::Released)),
        Why::TimedOut => {
            let seconds = orders.work.timeout_s;
            log().say(&format!(
                "the job reached its limit of {seconds} s (timeout_s)"
            ));
            Some(verdict::ended_as(AttemptEnding::TimedOut))
        }
        Why::Lost => None,
    }
}

struct Watch<'a> {
    lifeline: Lifeline,
    /// Readable when the steps are over.
    over: OwnedFd,
    stage: &'a Stage,
    reports: &'a Reports,
    deadline: Instant,
    ending: Option<(Why, Instant)>,
}

impl Watch<'_> {
    /// Watches until the steps are over, or have to be.
    fn watch(&mut self) {
        loop {
            is_ready(&[self.lifeline.as_fd(), self.over.as_fd()], TICK);
            self.listen();
            if Moment::now() >= self.stage.until() {
                self.end(Why::Lost);
            }
            // A worker notices by itself, and says in its run what was going on.
            let overdue = if self.stage.is_running() {
                OVERDUE
            } else {
                Duration::ZERO
            };
            if Instant::now() >= self.deadline + overdue {
                self.end(Why::TimedOut);
            }
            if is_ready(&[self.over.as_fd()], Duration::ZERO) || self.is_given_up() {
                return;
            }
        }
    }

    fn listen(&mut self) {
        match self.hear() {
            Ok(told) => {
                for told in told {
                    match told {
                        Told::Until(_) => {}
                        Told::Cancel => self.end(Why::Cancelled),
                        Told::Release => self.end(Why::Released),
                        Told::Lost => self.end(Why::Lost),
                    }
                }
            }
            Err(Errno::AGAIN) => {}
            Err(_) => self.end(Why::Lost),
        }
    }

    /// What has been said. That it was heard is said back: an agent takes an attempt that does not answer
    /// for one that was stopped.
    fn hear(&mut self) -> Result<Vec<Told>, Errno> {
        let told = self.lifeline.hear()?;
        let until = told.iter().rev().find_map(|told| match told {
            Told::Until(moment) => Some(*moment),
            _ => None,
        });
        if let Some(moment) = until {
            self.stage.hold_until(moment);
            self.reports.send(&Report::Heard(moment.number()));
        }
        Ok(told)
    }

    /// Does what takes its time, and answers the agent meanwhile. There is nothing left to be ended.
    fn answer_during<T: Send>(&mut self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let (over, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        std::thread::scope(|scope| {
            let working = scope.spawn(move || {
                let done = work();
                drop(alive);
                done
            });
            while !is_ready(&[over.as_fd()], Duration::ZERO) {
                is_ready(&[self.lifeline.as_fd(), over.as_fd()], TICK);
                if !matches!(self.hear(), Ok(_) | Err(Errno::AGAIN)) {
                    // Nobody is there to be answered.
                    break;
                }
            }
            let done = working.join();
            done.map_err(|_| io::Error::other("it panicked while it cleaned up"))
        })
    }

    fn end(&mut self, why: Why) {
        match self.ending {
            // Losing it comes on top of everything.
            Some((before, _)) if before == why || why != Why::Lost => return,
            _ => self.ending = Some((why, Instant::now())),
        }
        let has_worker = self.stage.end();
        if why == Why::Lost || !has_worker {
            sweep::kill_below();
        }
    }

    /// Kills what has had its time. Answers whether there is nothing more to wait for.
    fn is_given_up(&self) -> bool {
        let Some((why, since)) = self.ending else {
            return false;
        };
        let grace = if why != Why::Lost && self.stage.is_running() {
            ENDING_MAX
        } else {
            Duration::ZERO
        };
        if since.elapsed() >= grace {
            sweep::kill_below();
        }
        since.elapsed() >= ENDING_MAX + NOTICING_MAX
            || (why == Why::Lost && since.elapsed() >= NOTICING_MAX)
    }
}

/// They are for the agent, which says what is to become of its jobs.
fn ignore_signals() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Caught instead of ignored: what is ignored would be ignored by git and pytest as well.
        signal_hook::flag::register(signal, Arc::default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;
    use crate::agent::lifeline;

    #[test]
    fn an_attempt_that_cleans_up_for_long_still_answers() {
        let (from, agent) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (reported, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (over, _alive) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let stage = Stage::new(Moment::now());
        let reports = Reports::to(to);
        let mut watch = Watch {
            lifeline: Lifeline::of(from).unwrap(),
            over,
            stage: &stage,
            reports: &reports,
            deadline: Instant::now(),
            ending: None,
        };
        let mut answers = BufReader::new(std::fs::File::from(reported));
        let until = Moment::now().plus(Duration::from_mins(1));
        let heard = watch.answer_during(|| {
            lifeline::say(&agent, Told::Until(until)).unwrap();
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            drop(agent);
            line
        });
        let report: Report = serde_json::from_str(&heard.unwrap()).unwrap();
        assert_eq!(report, Report::Heard(until.number()));
        assert_eq!(stage.until(), until);
        // Nobody is there any more, and it comes to its end nevertheless.
        assert_eq!(watch.answer_during(|| 7).unwrap(), 7);
    }
}
