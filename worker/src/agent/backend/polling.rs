//! The round of an agent that works for a task backend: deliver, ask, carry out, wait.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::task::{Task, TaskResult, read};

use super::client::Client;
use super::error::BackendError;
use super::logger::Logger;
use super::options::{BackendOptions, Level};
use super::outbox::{Outbox, Waiting};
use super::session::Credentials;
use super::{task_result, task_work};
use crate::agent::attempt::{Outcome, Reporting, Workshop, carry_out};
use crate::agent::stop::{self, Listening, Stop, Takes};
use crate::{exit, report};

/// Longest pause after something failed, unless the interval is longer anyway.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// How long an agent that was told to stop tries to deliver what is left.
const LAST_DELIVERY_MAX: Duration = Duration::from_secs(10);

/// Takes tasks from a backend and carries them out until the process is told to stop. Runs are reported to
/// a master as well where `reporting` names one.
pub fn poll(
    options: &BackendOptions,
    workshop: &Workshop,
    reporting: Option<&Reporting>,
) -> ExitCode {
    match Poller::new(options, workshop, reporting) {
        Ok(mut poller) => {
            poller.go();
            poller.listening.finish();
            ExitCode::SUCCESS
        }
        Err((code, reason)) => {
            report::say(&reason);
            ExitCode::from(code)
        }
    }
}

struct Poller<'a> {
    client: Client,
    outbox: Outbox,
    logger: Logger,
    stop: Stop,
    listening: Listening,
    /// When the last results are given up; never, while no end is asked for.
    last_until: Option<Instant>,
    workshop: &'a Workshop,
    reporting: Option<&'a Reporting>,
    timeout_s: u64,
    interval: Duration,
    /// Requests for a task that failed in a row.
    failures: u32,
    /// Rounds of deliveries that failed in a row.
    undelivered: u32,
    /// When the next delivery is tried.
    deliver_at: Instant,
}

impl<'a> Poller<'a> {
    fn new(
        options: &BackendOptions,
        workshop: &'a Workshop,
        reporting: Option<&'a Reporting>,
    ) -> Result<Self, (u8, String)> {
        let usage = |reason: String| (exit::USAGE, reason);
        let failed = |reason: String| (exit::WORKER_FAILED, reason);
        let Some(address) = options.backend_url.clone() else {
            return Err(usage("--backend-url is missing".to_owned()));
        };
        let credentials = credentials(options).map_err(usage)?;
        let output = options.logger_output.as_deref().unwrap_or_default();
        let logger = Logger::new(options.logger_level, Path::new(output)).map_err(|error| {
            let path = output.display();
            usage(format!("cannot write to --logger-output {path}: {error}"))
        })?;
        let folder = workshop.folder.join("backend").join(address.folder_name());
        let outbox = Outbox::open(&folder).map_err(|error| {
            failed(format!(
                "cannot keep results in {}: {error}",
                folder.display()
            ))
        })?;
        let stop = Stop::default();
        let listening = stop.listen(Takes::Tasks);
        let listening = listening.map_err(|error| failed(error.to_string()))?;
        if credentials.is_some() && address.is_open_to_others() {
            let words = format!("the password goes to {address} unencrypted; better use https");
            logger.say(Level::Warning, &words);
        }
        let words = format!("agent {} takes tasks from {address}", workshop.agent);
        logger.say(Level::Info, &words);
        Ok(Self {
            client: Client::new(address, credentials).map_err(failed)?,
            outbox,
            logger,
            stop,
            listening,
            last_until: None,
            workshop,
            reporting,
            timeout_s: options.task_timeout,
            interval: Duration::from_secs_f64(options.poll_interval),
            failures: 0,
            undelivered: 0,
            deliver_at: Instant::now(),
        })
    }

    fn go(&mut self) {
        self.report_abandoned();
        while self.stop.level() == stop::Level::Work {
            self.deliver();
            let pause = match self.take() {
                Ok(true) => {
                    self.is_back();
                    continue;
                }
                Ok(false) => {
                    self.is_back();
                    self.interval
                }
                Err(BackendError::Stopped) => break,
                Err(error) => self.failed(&error),
            };
            self.client
                .wait(self.until_delivery(pause), self.stop.asked());
        }
        self.deliver_the_last();
    }

    /// Takes one task and carries it out. `false` means that there is none to take.
    fn take(&mut self) -> Result<bool, BackendError> {
        if self.outbox.is_full() {
            return Ok(false);
        }
        let Some(value) = self.client.available(self.stop.asked())? else {
            return Ok(false);
        };
        match read::task(&value) {
            Ok(None) => Ok(false),
            // The backend does not know yet that it is done.
            Ok(Some(task)) if self.outbox.has(task.number) => Ok(false),
            Ok(Some(task)) => {
                let result = self.carry_out(&task);
                self.keep(&result);
                Ok(true)
            }
            Err(invalid) => self.refuse(&value, &invalid.to_string()),
        }
    }

    /// Answers a task that makes no sense.
    fn refuse(&mut self, value: &Value, reason: &str) -> Result<bool, BackendError> {
        let reason = format!("the task was not understood: {reason}");
        let Some((number, shape)) = read::number(value) else {
            return Err(BackendError::NotUnderstood(reason));
        };
        if self.outbox.has(number) {
            return Ok(false);
        }
        self.logger
            .say(Level::Error, &format!("task {number}: {reason}"));
        self.keep(&TaskResult::failure(number, shape, reason));
        Ok(true)
    }

    fn carry_out(&self, task: &Task) -> TaskResult {
        let number = task.number;
        let began = Instant::now();
        self.logger
            .say(Level::Info, &format!("task {number}: taken"));
        if let Err(error) = self.outbox.note_taken(task) {
            let words = format!("task {number}: cannot note that it was taken: {error}");
            self.logger.say(Level::Warning, &words);
        }
        let result = match self.attempt(task) {
            Ok((outcome, last)) => task_result::of(task, &outcome, &last, self.timeout_s),
            Err(reason) => TaskResult::failure(number, task.shape, reason),
        };
        let (level, verdict) = match &result {
            TaskResult { is_error: true, .. } => (Level::Error, "error"),
            TaskResult {
                is_passed: true, ..
            } => (Level::Info, "passed"),
            _ => (Level::Info, "failed"),
        };
        let (cases, seconds) = (result.cases.len(), began.elapsed().as_secs_f64());
        let words = format!("task {number}: {verdict} ({cases} tests, {seconds:.1} s)");
        let details = &result.error_details;
        self.logger
            .say(level, format!("{words} {details}").trim_end());
        result
    }

    /// What came of it, and the end of its log.
    fn attempt(&self, task: &Task) -> Result<(Outcome, String), String> {
        let work = task_work::of(task, self.timeout_s)?;
        let mut output = self.logger.output();
        let stop = &self.stop;
        let outcome = carry_out(self.workshop, &work, self.reporting, stop, &mut |piece| {
            output.take(piece);
        });
        let last = output.finish();
        let outcome = outcome.map_err(|error| error.to_string())?;
        Ok((outcome, last))
    }

    fn keep(&mut self, result: &TaskResult) {
        if let Err(error) = self.outbox.put(result) {
            let words = format!(
                "task {}: its result is only in memory, it cannot be kept in {}: {error}",
                result.number,
                self.outbox.folder().display()
            );
            self.logger.say(Level::Error, &words);
        }
        self.deliver_at = Instant::now();
    }

    /// Says of tasks that an agent before this one did not finish that they were not finished.
    fn report_abandoned(&mut self) {
        for (number, shape) in self.outbox.abandoned() {
            let reason = "the agent ended before the task did";
            self.logger
                .say(Level::Error, &format!("task {number}: {reason}"));
            self.keep(&TaskResult::failure(number, shape, reason));
        }
    }

    /// Sends what waits, if it is time.
    fn deliver(&mut self) {
        if Instant::now() < self.deliver_at {
            return;
        }
        let mut last_error = None;
        for waiting in self.outbox.waiting() {
            match self.send(&waiting) {
                Ok(()) => {}
                Err(error) => {
                    let is_about_all = error.is_about_all();
                    last_error = Some(error);
                    if is_about_all {
                        break;
                    }
                }
            }
        }
        match last_error {
            None => self.undelivered = 0,
            Some(error) => {
                self.undelivered = self.undelivered.saturating_add(1);
                self.deliver_at = Instant::now() + self.pause(self.undelivered, &error);
            }
        }
    }

    /// Sends one result. An error means that it is to be tried again.
    fn send(&mut self, waiting: &Waiting) -> Result<(), BackendError> {
        let number = waiting.number;
        let given_up = given_up(&self.stop, self.last_until);
        let done = match self.client.post_result(&waiting.body, given_up) {
            Ok(()) => {
                let words = format!("task {number}: the backend has the result");
                self.logger.say(Level::Info, &words);
                self.outbox.sent(waiting)
            }
            Err(error) if error.is_final() => {
                let place = self.outbox.folder().join("refused");
                let words = format!(
                    "task {number}: the backend refuses the result: {error}; it is kept in {}",
                    place.display()
                );
                self.logger.say(Level::Error, &words);
                self.outbox.refused(waiting)
            }
            Err(error) => {
                let level = if self.undelivered == 0 {
                    Level::Warning
                } else {
                    Level::Debug
                };
                let words = format!("task {number}: the result waits, the backend: {error}");
                self.logger.say(level, &words);
                return Err(error);
            }
        };
        if let Err(error) = done {
            let words = format!("task {number}: cannot put its result away: {error}");
            self.logger.say(Level::Error, &words);
        }
        Ok(())
    }

    /// The pause, cut short where a delivery is due before its end.
    fn until_delivery(&self, pause: Duration) -> Duration {
        if self.outbox.is_empty() {
            return pause;
        }
        pause.min(self.deliver_at.saturating_duration_since(Instant::now()))
    }

    fn deliver_the_last(&mut self) {
        let until = Instant::now() + LAST_DELIVERY_MAX;
        self.last_until = Some(until);
        self.deliver_at = Instant::now();
        let is_over = |poller: &Self| {
            let is_killed = poller.stop.level() == stop::Level::Kill;
            poller.outbox.is_empty() || is_killed || Instant::now() >= until
        };
        while !is_over(self) {
            self.deliver();
            if !is_over(self) {
                self.deliver_at = self.deliver_at.min(Instant::now() + self.interval);
                let pause = self.deliver_at.min(until);
                let pause = pause.saturating_duration_since(Instant::now());
                let killed = self.stop.killed(Duration::ZERO);
                self.client.wait(pause, killed);
            }
        }
        let left = self.outbox.len();
        if left > 0 {
            let folder = self.outbox.folder().display();
            let words = format!("{left} results wait in {folder} for the next start");
            self.logger.say(Level::Warning, &words);
        }
        self.logger.say(Level::Info, "stopped");
    }

    /// Notes that no task could be asked for, says so once, and answers how long to wait.
    fn failed(&mut self, error: &BackendError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let level = match (self.failures, error) {
            (1, BackendError::Refused(_)) => Level::Error,
            (1, _) => Level::Warning,
            _ => Level::Debug,
        };
        self.logger.say(
            level,
            &format!("no task can be had from the backend: {error}"),
        );
        self.pause(self.failures, error)
    }

    fn is_back(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            self.logger.say(Level::Warning, "the backend is back");
        }
    }

    /// The pause after so many failures in a row: it doubles, and differs from agent to agent.
    fn pause(&self, failures: u32, error: &BackendError) -> Duration {
        let longest = PAUSE_MAX.max(self.interval);
        let doubled = self
            .interval
            .saturating_mul(2u32.saturating_pow(failures - 1));
        let pause = doubled.min(longest).mul_f64(crate::backoff::spread());
        error.retry_after().map_or(pause, |asked| asked.max(pause))
    }
}

/// Ends when no result is to be waited for any longer.
async fn given_up(stop: &Stop, until: Option<Instant>) {
    tokio::select! {
        () = stop.killed(Duration::ZERO) => {}
        () = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        } => {}
    }
}

fn credentials(options: &BackendOptions) -> Result<Option<Credentials>, String> {
    if !options.auth {
        return Ok(None);
    }
    match (&options.login, &options.password) {
        (Some(login), Some(password)) => Ok(Some(Credentials {
            login: login.clone(),
            password: password.clone(),
        })),
        (None, _) => Err("--auth needs --login NAME (or BACKEND_LOGIN)".to_owned()),
        (_, None) => Err("--auth needs BACKEND_PASSWORD (or --password)".to_owned()),
    }
}
