//! The background thread that uploads.
//!
//! It makes its client while the tests run, reports the run while it goes on, and takes it over a
//! channel when it has ended, which costs whoever hands it over some microseconds. It tries again
//! while there is time and sense in it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use shared::answer::Saved;
use shared::limits::BATCH_CASES_MAX;
use shared::run::NewRun;
use shared::validate;

use crate::backoff::backoff;
use crate::client::{self, Client, SendError};
use crate::config::Token;
use crate::events::locked;
use crate::impatience::STOPPED_UPLOAD_MAX;
use crate::stream::{Hurry, HurrySender, MasterCalls, Source, Stream, hurry};
use crate::{late, shed};

/// A run that ends within this time is sent whole.
const QUIET_AT_FIRST: Duration = Duration::from_secs(1);

/// Longest wait, after the tests, for the answer to a request that was sent while they ran; and
/// the part of the whole time that it may take.
const GRACE_MAX: Duration = Duration::from_secs(1);
const GRACE_PART: u32 = 4;

/// A master that nobody reached for this long is not there.
const UNREACHABLE_MAX: Duration = Duration::from_secs(2);

/// A wait that nobody minds.
const SHORT_WAIT: Duration = Duration::from_millis(300);

/// How much later than its own deadline the thread may answer before it is given up.
const ANSWER_SLACK: Duration = Duration::from_millis(250);

/// What there was to say of a run that arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// Seconds since it was handed over.
    pub seconds: f64,
}

/// Why a run did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The master was not reached, or refused.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The run breaks a rule that the master would refuse it for.
    #[error("the run cannot be sent: {0}")]
    Invalid(#[from] validate::Invalid),
    /// The run could not be written.
    #[error("the run cannot be written as JSON: {0}")]
    Body(String),
    /// The thread is still busy after its time.
    #[error("the upload took longer than {0:.1} s")]
    TimedOut(f64),
    /// Somebody wanted the worker to end.
    #[error("a signal stopped the worker while it uploaded")]
    Stopped,
    /// A defect of ours.
    #[error("the uploader panicked: {0}")]
    Panicked(String),
}

impl UploadError {
    /// Whether the same run will never be taken.
    pub const fn is_for_good(&self) -> bool {
        match self {
            Self::Send(error) => late::is_for_good(error),
            Self::Invalid(_) => true,
            _ => false,
        }
    }
}

struct Parcel {
    run: Arc<NewRun>,
    /// The same without its cases.
    frame: NewRun,
    handed_over: Instant,
    timeout: Duration,
}

/// The thread and the ways to it.
#[derive(Debug)]
pub struct Uploader {
    parcels: Sender<Parcel>,
    hurry: HurrySender,
    outcome: Receiver<Result<Delivered, UploadError>>,
    thread: JoinHandle<()>,
}

impl Uploader {
    /// Starts the thread. With a source, it reports the run while that goes on.
    pub fn start(master_url: String, token: Option<Token>, source: Option<Source>) -> Self {
        let (parcels, arriving) = bounded::<Parcel>(1);
        let (answer, outcome) = bounded(1);
        let (hurry_sender, hurry) = hurry();
        let thread = std::thread::spawn(move || {
            let client = Client::new(&master_url, token);
            let done = match (client, source) {
                (Ok(client), Some(source)) => stream(&client, source, hurry, &arriving),
                (Ok(client), None) => whole(&client, &arriving),
                (Err(error), _) => arriving.recv().ok().map(|_| Err(error.into())),
            };
            if let Some(done) = done {
                // Whoever waited may have gone.
                let _ = answer.send(done);
            }
        });
        Self {
            parcels,
            hurry: hurry_sender,
            outcome,
            thread,
        }
    }

    /// Hands a run over, waits for what becomes of it, at most a little longer than `timeout` and
    /// not so long once there are words of impatience, and ends the thread. When the wait is no short one, `on_wait` is called once: whoever loses
    /// patience and kills the worker should find the run in a safe place.
    pub fn finish(
        self,
        mut run: NewRun,
        (timeout, words): (Duration, &Receiver<()>),
        on_wait: impl FnOnce(&NewRun),
    ) -> (Arc<NewRun>, Result<Delivered, UploadError>) {
        let handed_over = Instant::now();
        let cases = run.cases.take();
        let frame = run.clone();
        run.cases = cases;
        let run = Arc::new(run);
        let parcel = Parcel {
            run: Arc::clone(&run),
            frame,
            handed_over,
            timeout,
        };
        self.hurry.tell((timeout / GRACE_PART).min(GRACE_MAX));
        // It fails only when the thread has panicked, which the join below tells.
        let _ = self.parcels.send(parcel);
        drop(self.parcels);
        let deadline = handed_over + timeout + ANSWER_SLACK;
        let done = match wait(&self.outcome, deadline, words, || on_wait(&run)) {
            Waited::Done(done) => {
                // The answer is there; what the client does with its connection is not waited for.
                if self.thread.is_finished() {
                    let _ = self.thread.join();
                }
                done
            }
            // A system call that cannot be interrupted, such as a hung name service: the thread
            // goes with the process.
            Waited::TimedOut => Err(UploadError::TimedOut(timeout.as_secs_f64())),
            Waited::Stopped => Err(UploadError::Stopped),
            Waited::Panicked => Err(panicked(self.thread)),
        };
        (run, done)
    }
}

/// What came of waiting for the thread.
enum Waited {
    Done(Result<Delivered, UploadError>),
    TimedOut,
    /// The time was over because somebody wanted the worker to end.
    Stopped,
    Panicked,
}

/// Waits until the deadline, which the first of the words brings nearer and the second makes now.
fn wait(
    outcome: &Receiver<Result<Delivered, UploadError>>,
    mut deadline: Instant,
    words: &Receiver<()>,
    on_wait: impl FnOnce(),
) -> Waited {
    let mut on_wait = Some(on_wait);
    let mut next = deadline.min(Instant::now() + SHORT_WAIT);
    let mut words_heard = 0;
    loop {
        select! {
            recv(outcome) -> done => return done.map_or(Waited::Panicked, Waited::Done),
            recv(words) -> _ => {
                words_heard += 1;
                let left = match words_heard {
                    1 => STOPPED_UPLOAD_MAX,
                    _ => Duration::ZERO,
                };
                deadline = deadline.min(Instant::now() + left);
                next = next.min(deadline);
            }
            default(next.saturating_duration_since(Instant::now())) => {
                if let Some(on_wait) = on_wait.take() {
                    on_wait();
                }
                if Instant::now() >= deadline {
                    return if words_heard == 0 { Waited::TimedOut } else { Waited::Stopped };
                }
                next = deadline;
            }
        }
    }
}

fn panicked(thread: JoinHandle<()>) -> UploadError {
    let text = match thread.join() {
        Ok(()) => "it ended without an answer".to_owned(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().unwrap_or(Box::new("no text"))).to_owned(),
        },
    };
    UploadError::Panicked(text)
}

/// Waits for the run and sends it. Nothing when there never is one.
fn whole(client: &Client, arriving: &Receiver<Parcel>) -> Option<Result<Delivered, UploadError>> {
    let parcel = arriving.recv().ok()?;
    Some(send_whole(client, &parcel, None))
}

/// Reports the run while it goes on, and at its end sends the rest of it, or all.
fn stream(
    client: &Client,
    source: Source,
    hurry: Hurry,
    arriving: &Receiver<Parcel>,
) -> Option<Result<Delivered, UploadError>> {
    let run_id = source.labels.settings.run_id.value.clone();
    let calls = MasterCalls {
        client,
        run_id: &run_id,
        hurry,
    };
    let (nudge, nudges) = bounded(1);
    locked(&source.heard).nudge = Some((BATCH_CASES_MAX, nudge));
    let mut stream = Stream::new(source);
    let parcel = feed(&mut stream, &calls, arriving, nudges)?;
    if let Err(error) = validate::run(&parcel.run) {
        return Some(Err(error.into()));
    }
    let cases = parcel.run.cases.as_deref().unwrap_or_default();
    let deadline = parcel.handed_over + parcel.timeout;
    Some(
        match stream.finish(&calls, &parcel.frame, cases, deadline) {
            Ok(()) => Ok(parcel.delivered()),
            // The whole run says all that the stream could not.
            Err(_) => send_whole(client, &parcel, stream.unreachable_since()),
        },
    )
}

/// Feeds the stream until the run is handed over.
fn feed(
    stream: &mut Stream,
    calls: &MasterCalls<'_>,
    arriving: &Receiver<Parcel>,
    mut nudges: Receiver<()>,
) -> Option<Parcel> {
    let mut due = Instant::now() + QUIET_AT_FIRST;
    loop {
        let wait = due.saturating_duration_since(Instant::now());
        select! {
            recv(arriving) -> parcel => return parcel.ok(),
            recv(nudges) -> nudge => {
                if nudge.is_err() {
                    nudges = never();
                }
                if !stream.wants_nudges() {
                    continue;
                }
            }
            default(wait) => {}
        }
        due = Instant::now() + stream.step(calls);
    }
}

impl Parcel {
    fn delivered(&self) -> Delivered {
        Delivered {
            seconds: self.handed_over.elapsed().as_secs_f64(),
        }
    }
}

fn send_whole(
    client: &Client,
    parcel: &Parcel,
    unreachable_since: Option<Instant>,
) -> Result<Delivered, UploadError> {
    validate::run(&parcel.run)?;
    let json = shed::body(&parcel.run).map_err(|error| UploadError::Body(error.to_string()))?;
    let body = client::compress(&json).map_err(|error| UploadError::Body(error.to_string()))?;
    drop(json);
    let start = parcel.handed_over;
    let saved = attempt(client, &body, start, parcel.timeout, unreachable_since)?;
    client.about(&saved.run_id, &parcel.run.run_id)?;
    Ok(parcel.delivered())
}

/// Tries until it succeeds, is refused, or the time is over.
pub fn send(
    client: &Client,
    compressed: &[u8],
    start: Instant,
    timeout: Duration,
) -> Result<Saved, SendError> {
    attempt(client, compressed, start, timeout, None)
}

/// As [`send`]; a master that nobody has reached since some moment is not waited for again.
fn attempt(
    client: &Client,
    compressed: &[u8],
    start: Instant,
    timeout: Duration,
    unreachable_since: Option<Instant>,
) -> Result<Saved, SendError> {
    let unreachable_until = unreachable_since.unwrap_or(start).min(start) + UNREACHABLE_MAX;
    let mut only_unreachable = true;
    let mut attempt = 0;
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let error = match client.post_run(compressed, left) {
            Ok(saved) => return Ok(saved),
            Err(error) => error,
        };
        only_unreachable &= error.is_unreachable();
        let until = if only_unreachable {
            unreachable_until.min(start + timeout)
        } else {
            start + timeout
        };
        let wait = backoff(attempt).max(error.retry_after().unwrap_or_default());
        if !error.is_transient() || Instant::now() + wait >= until {
            return Err(error);
        }
        std::thread::sleep(wait);
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_breaks_a_rule_is_not_sent() {
        let uploader = Uploader::start("http://127.0.0.1:1".into(), None, None);
        let (_, done) = uploader.finish(
            NewRun::default(),
            (Duration::from_secs(1), &never()),
            |_| (),
        );
        let error = done.unwrap_err();
        assert!(matches!(error, UploadError::Invalid(_)), "{error}");
    }

    #[test]
    fn words_of_impatience_shorten_the_wait_and_the_second_ends_it() {
        let (_answer, outcome) = bounded(1);
        let (word, words) = bounded(2);
        let waited = |deadline| wait(&outcome, Instant::now() + deadline, &words, || ());
        let start = Instant::now();
        word.send(()).unwrap();
        assert!(matches!(waited(Duration::from_mins(10)), Waited::Stopped));
        assert!(start.elapsed() >= STOPPED_UPLOAD_MAX);
        word.send(()).unwrap();
        word.send(()).unwrap();
        assert!(matches!(waited(Duration::from_mins(10)), Waited::Stopped));
        assert!(matches!(waited(Duration::from_millis(1)), Waited::TimedOut));
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        let thread = std::thread::spawn(|| panic!("on purpose"));
        assert_eq!(
            panicked(thread).to_string(),
            "the uploader panicked: on purpose"
        );
    }
}
