//! One leased job, from its lease to the master's word that its end has arrived.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, select, tick};
use shared::job::JobErrorKind;
use shared::lease::{AttemptEnding, FinishAttempt, Lease};

use super::attempt::{Leased, Orders, Report, Reporting, Running, Work, Workshop};
use super::calls::{CallError, Calls};
use super::clock::Moment;
use super::heart::{self, Beat};
use super::lifeline::Told;
use super::outbox::Outbox;
use super::reach::Reach;
use super::stop::{Level, Stop};
use super::{courier, says};
use crate::backoff::backoff;
use crate::report;

/// Between two looks at the clock and at who wants the end.
const TICK: Duration = Duration::from_millis(200);

/// The process of an attempt ends itself when its time is over; after so much longer it is killed.
const OVERDUE: Duration = Duration::from_secs(1);

/// An attempt ends itself when the job has had its time; after so much longer it is killed.
const LATE: Duration = Duration::from_secs(90);

/// How long an agent that gives its jobs back tries to tell the master.
const LAST_WORDS_MAX: Duration = Duration::from_secs(10);

/// The same for one that kills them.
const LAST_CALL_MAX: Duration = Duration::from_secs(3);

/// Heartbeats that may wait to be heard.
const BEATS_MAX: usize = 64;

/// One call at a time goes over each.
#[derive(Debug)]
pub struct Lines {
    /// For leases, and for the end of a job.
    pub lease: Calls,
    /// For heartbeats.
    pub heart: Calls,
    /// For logs and steps.
    pub courier: Calls,
}

impl Lines {
    /// Nothing is connected yet.
    pub fn new(reporting: &Reporting) -> Result<Self, crate::client::SendError> {
        Ok(Self {
            lease: Calls::new(reporting)?,
            heart: Calls::new(reporting)?,
            courier: Calls::new(reporting)?,
        })
    }
}

/// See the module.
#[derive(Debug)]
pub struct Job<'a> {
    /// Where the agent works.
    pub workshop: &'a Workshop,
    /// Its master.
    pub reporting: &'a Reporting,
    /// The way there.
    pub lines: &'a Lines,
    /// Who wants it to end.
    pub stop: &'a Stop,
    /// Whether the master answers.
    pub reach: &'a Reach,
    /// What it got.
    pub lease: &'a Lease,
}

/// What an attempt came to, seen from here.
enum Ended {
    /// It ended so.
    With(FinishAttempt),
    /// It is somebody else's by now.
    Lost,
}

impl Job<'_> {
    /// Carries it out. Nothing of it is left here when this returns.
    pub fn carry_out(&self) {
        let begun = Instant::now();
        says::begins(self.lease);
        let until = match self.confirm(begun) {
            Ok(until) => until,
            Err(Ended::With(finish)) => return self.finish(&finish, begun),
            Err(Ended::Lost) => return says::lost(self.lease, begun.elapsed()),
        };
        let outbox = Outbox::at(&self.log_path());
        match outbox.and_then(|outbox| Ok((self.start(until)?, outbox))) {
            Ok((running, outbox)) => self.see_through(running, &outbox, until, begun),
            Err(error) => self.finish(&cannot_start(&error), begun),
        }
    }

    /// The first heartbeat: how long the answer to the lease was under way, nobody knows.
    fn confirm(&self, begun: Instant) -> Result<Moment, Ended> {
        let lease_s = self.lease.lease_s;
        let mut failures = 0;
        loop {
            match heart::beat(&self.lines.heart, self.leased(), lease_s, self.stop) {
                Ok(Beat::Held(_, true)) => {
                    return Err(Ended::With(ending(AttemptEnding::Cancelled)));
                }
                Ok(Beat::Held(until, false)) => return Ok(until),
                Ok(Beat::Lost) | Err(CallError::Lost) => return Err(Ended::Lost),
                Err(CallError::Send(error)) => self.reach.failed(&error),
                Err(CallError::Gap) => {}
            }
            if begun.elapsed() >= Duration::from_secs(lease_s.into()) {
                return Err(Ended::Lost);
            }
            if self.stop.level() >= Level::Release {
                return Err(Ended::With(ending(AttemptEnding::Released)));
            }
            std::thread::sleep(backoff(failures));
            failures += 1;
        }
    }

    fn start(&self, until: Moment) -> io::Result<Running> {
        Running::start(&Orders {
            work: Work::of(self.lease),
            workshop: self.workshop.clone(),
            reporting: Some(self.reporting.clone()),
            lease: Some(self.leased()),
            keep_run: None,
            until: until.number(),
        })
    }

    fn see_through(&self, mut running: Running, outbox: &Outbox, until: Moment, begun: Instant) {
        let of = self.leased();
        let (tell, beats) = bounded(BEATS_MAX);
        let (alive, over) = bounded(0);
        std::thread::scope(|scope| {
            let heart = scope.spawn(move || {
                let (calls, lease_s) = (&self.lines.heart, self.lease.lease_s);
                let stop = (self.reach, self.stop);
                heart::keep_beating(calls, of, lease_s, stop, &tell, &over);
            });
            let log = running.take_log();
            let reader = scope.spawn(move || log.into_iter().for_each(|log| outbox.take_log(log)));
            let courier = scope
                .spawn(|| courier::carry(&self.lines.courier, of, outbox, self.reach, self.stop));
            let ended = self.follow(&running, outbox, &beats, until);
            let without = running.finish();
            // All who could write have ended, and so has the log.
            let _ = reader.join();
            outbox.close();
            match ended {
                Some(Ended::Lost) => {
                    outbox.give_up();
                    let _ = courier.join();
                    says::lost(self.lease, begun.elapsed());
                }
                ended => {
                    self.wait_for(&courier, outbox);
                    let _ = courier.join();
                    let finish = match ended {
                        Some(Ended::With(finish)) => finish,
                        _ => without,
                    };
                    self.finish(&finish, begun);
                }
            }
            drop(alive);
            let _ = heart.join();
        });
    }

    /// Follows the process of the attempt to its end. Nothing is answered for one that ended without a
    /// word of its own.
    fn follow(
        &self,
        running: &Running,
        outbox: &Outbox,
        beats: &Receiver<Beat>,
        until: Moment,
    ) -> Option<Ended> {
        let mut course = Course {
            until,
            deadline: Moment::now().plus(Duration::from_secs(self.lease.timeout_s) + LATE),
            ended: None,
            is_cancelled: false,
            is_released: false,
            is_killed: false,
        };
        let tick = tick(TICK);
        loop {
            select! {
                recv(running.reports()) -> report => match report {
                    Ok(Report::Step(step)) => outbox.add_step(step),
                    // Whoever started it keeps count of that.
                    Ok(Report::Heard(_)) => {}
                    Ok(Report::Ended(finish)) => course.end(Ended::With(finish)),
                    Err(_) => return course.ended,
                },
                recv(beats) -> beat => match beat {
                    Ok(Beat::Held(until, cancel)) => course.hold(running, until, cancel),
                    Ok(Beat::Lost) => {
                        course.ended = Some(Ended::Lost);
                        running.tell(Told::Lost);
                    }
                    Err(_) => course.look(running, self.stop.level()),
                },
                recv(tick) -> _ => course.look(running, self.stop.level()),
            }
        }
    }

    /// Waits until everything has been sent, unless the agent is to be killed.
    fn wait_for(&self, courier: &std::thread::ScopedJoinHandle<'_, ()>, outbox: &Outbox) {
        let mut patience = Patience::default();
        while !courier.is_finished() {
            if patience.is_over(self.stop.level()) {
                outbox.give_up();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Tells the master how it ended, as often as it takes.
    fn finish(&self, finish: &FinishAttempt, begun: Instant) {
        let (mut failures, mut patience) = (0, Patience::default());
        loop {
            let given_up = self.stop.killed(LAST_CALL_MAX);
            match self.lines.lease.finish(self.leased(), finish, given_up) {
                Ok(()) => {
                    self.reach.reached();
                    return says::ended(self.lease, finish, begun.elapsed());
                }
                Err(CallError::Send(error)) => {
                    self.reach.failed(&error);
                    if !CallError::Send(error).is_worth_a_retry() {
                        return says::unfinished(self.lease, finish);
                    }
                }
                Err(_) => return says::lost(self.lease, begun.elapsed()),
            }
            if patience.is_over(self.stop.level()) {
                return says::unfinished(self.lease, finish);
            }
            std::thread::sleep(backoff(failures));
            failures += 1;
        }
    }

    const fn leased(&self) -> Leased {
        Leased {
            job: self.lease.job,
            attempt: self.lease.attempt,
        }
    }

    fn log_path(&self) -> std::path::PathBuf {
        let jobs = self.workshop.jobs();
        // Where it cannot be made, the folder of the job cannot either, which is told.
        let _ = std::fs::create_dir_all(&jobs);
        jobs.join(format!("{}.log", Work::of(self.lease).name))
    }
}

/// How long it is tried to tell the master something: as long as it takes, unless somebody waits.
#[derive(Default)]
struct Patience(Option<Instant>);

impl Patience {
    fn is_over(&mut self, level: Level) -> bool {
        if level < Level::Release {
            return false;
        }
        let since = *self.0.get_or_insert_with(Instant::now);
        level == Level::Kill || since.elapsed() >= LAST_WORDS_MAX
    }
}

/// How far it is with the process of an attempt.
struct Course {
    until: Moment,
    /// When the job has had its time, and more.
    deadline: Moment,
    ended: Option<Ended>,
    is_cancelled: bool,
    is_released: bool,
    is_killed: bool,
}

impl Course {
    /// The first word counts.
    fn end(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }

    fn hold(&mut self, running: &Running, until: Moment, cancel: bool) {
        if Moment::now() >= self.until {
            // The process has ended by itself: this comes too late for it.
            self.end(Ended::With(ending(AttemptEnding::Released)));
        }
        self.until = self.until.max(until);
        running.tell(Told::Until(self.until));
        if cancel {
            self.is_cancelled = true;
            running.tell(Told::Cancel);
        }
    }

    fn look(&mut self, running: &Running, level: Level) {
        if level >= Level::Release && !self.is_released {
            self.is_released = true;
            running.tell(Told::Release);
        }
        let is_over = Moment::now() >= self.until;
        if !is_over {
            running.end_if_silent();
        }
        if is_over {
            // It may still be this agent's, which does not know: the next attempt begins afresh.
            self.end(Ended::With(ending(AttemptEnding::Released)));
        }
        if Moment::now() >= self.deadline {
            self.end(Ended::With(ending(AttemptEnding::TimedOut)));
        }
        let is_overdue = Moment::now() >= self.deadline.min(self.until.plus(OVERDUE));
        if (is_overdue || level == Level::Kill) && !self.is_killed {
            self.is_killed = true;
            self.end(Ended::With(ending(if self.is_cancelled {
                AttemptEnding::Cancelled
            } else {
                AttemptEnding::Released
            })));
            running.kill();
        }
    }
}

const fn ending(ending: AttemptEnding) -> FinishAttempt {
    FinishAttempt {
        ending,
        error_kind: None,
        error: None,
        exit_code: None,
    }
}

fn cannot_start(error: &io::Error) -> FinishAttempt {
    let text = format!("the agent cannot start the job: {error}");
    report::say(&text);
    FinishAttempt {
        error_kind: Some(JobErrorKind::Subprocess),
        error: Some(text),
        ..ending(AttemptEnding::Error)
    }
}

#[cfg(test)]
mod tests;
