//! The background thread that uploads.
//!
//! It makes its client while the tests run and takes the run over a channel, which costs whoever
//! hands it over some microseconds. It tries again while there is time and sense in it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use shared::run::NewRun;
use shared::validate;

use crate::client::{self, Client, SendError};
use crate::config::Token;
use crate::shed;

/// A master that nobody reached for this long is not there.
const UNREACHABLE_MAX: Duration = Duration::from_secs(2);

/// Wait before the second attempt; it doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// Longest wait between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

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
    /// A defect of ours.
    #[error("the uploader panicked: {0}")]
    Panicked(String),
}

struct Parcel {
    run: Arc<NewRun>,
    handed_over: Instant,
    timeout: Duration,
}

/// The thread and the ways to it.
#[derive(Debug)]
pub struct Uploader {
    parcels: Sender<Parcel>,
    outcome: Receiver<Result<Delivered, UploadError>>,
    thread: JoinHandle<()>,
}

impl Uploader {
    /// Starts the thread.
    pub fn start(master_url: String, token: Option<Token>) -> Self {
        let (parcels, arriving) = bounded::<Parcel>(1);
        let (answer, outcome) = bounded(1);
        let thread = std::thread::spawn(move || {
            let client = Client::new(&master_url, token);
            if let Ok(parcel) = arriving.recv() {
                let done = client
                    .as_ref()
                    .map_err(clone_final)
                    .map_err(UploadError::from)
                    .and_then(|client| upload(client, &parcel));
                // Whoever waited may have gone.
                let _ = answer.send(done);
            }
        });
        Self {
            parcels,
            outcome,
            thread,
        }
    }

    /// Hands a run over, waits for what becomes of it, at most a little longer than `timeout`, and
    /// ends the thread. When the wait is no short one, `on_wait` is called once: whoever loses
    /// patience and kills the worker should find the run in a safe place.
    pub fn finish(
        self,
        run: Arc<NewRun>,
        timeout: Duration,
        on_wait: impl FnOnce(),
    ) -> Result<Delivered, UploadError> {
        let parcel = Parcel {
            run,
            handed_over: Instant::now(),
            timeout,
        };
        // It fails only when the thread has panicked, which the join below tells.
        let _ = self.parcels.send(parcel);
        drop(self.parcels);
        let wait_max = timeout + ANSWER_SLACK;
        let short = wait_max.min(SHORT_WAIT);
        let answer = self.outcome.recv_timeout(short).or_else(|error| {
            if error == RecvTimeoutError::Disconnected {
                return Err(error);
            }
            on_wait();
            self.outcome.recv_timeout(wait_max.saturating_sub(short))
        });
        match answer {
            Ok(done) => {
                // The answer is there; what the client does with its connection is not waited for.
                if self.thread.is_finished() {
                    let _ = self.thread.join();
                }
                done
            }
            // A system call that cannot be interrupted, such as a hung name service: the thread
            // goes with the process.
            Err(RecvTimeoutError::Timeout) => Err(UploadError::TimedOut(timeout.as_secs_f64())),
            Err(RecvTimeoutError::Disconnected) => Err(panicked(self.thread)),
        }
    }
}

fn clone_final(error: &SendError) -> SendError {
    match error {
        SendError::BadUrl { url, reason } => SendError::BadUrl {
            url: url.clone(),
            reason: reason.clone(),
        },
        other => SendError::Client(other.to_string()),
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

fn upload(client: &Client, parcel: &Parcel) -> Result<Delivered, UploadError> {
    validate::run(&parcel.run)?;
    let json = shed::body(&parcel.run).map_err(|error| UploadError::Body(error.to_string()))?;
    let body = client::compress(&json).map_err(|error| UploadError::Body(error.to_string()))?;
    drop(json);
    send(client, &body, parcel.handed_over, parcel.timeout)?;
    Ok(Delivered {
        seconds: parcel.handed_over.elapsed().as_secs_f64(),
    })
}

/// Tries until it succeeds, is refused, or the time is over.
pub fn send(
    client: &Client,
    compressed: &[u8],
    start: Instant,
    timeout: Duration,
) -> Result<(), SendError> {
    let mut only_unreachable = true;
    let mut attempt = 0;
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let Err(error) = client.post_run(compressed, left) else {
            return Ok(());
        };
        only_unreachable &= error.is_unreachable();
        let limit = if only_unreachable {
            timeout.min(UNREACHABLE_MAX)
        } else {
            timeout
        };
        let wait = backoff(attempt).max(error.retry_after().unwrap_or_default());
        if !error.is_transient() || start.elapsed() + wait >= limit {
            return Err(error);
        }
        std::thread::sleep(wait);
        attempt += 1;
    }
}

/// The wait after this attempt, counted from 0: between half and all of a time that doubles, so
/// that many workers whom one master failed do not come back together.
fn backoff(attempt: u32) -> Duration {
    let longest = BACKOFF_FIRST
        .saturating_mul(2u32.saturating_pow(attempt))
        .min(BACKOFF_MAX);
    let random = RandomState::new().build_hasher().finish();
    longest.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_grows_to_its_limit_and_differs_each_time() {
        assert!(backoff(0) >= BACKOFF_FIRST / 2 && backoff(0) <= BACKOFF_FIRST);
        assert!(backoff(99) <= BACKOFF_MAX && backoff(99) >= BACKOFF_MAX / 2);
        assert_ne!(backoff(3), backoff(3));
    }

    #[test]
    fn a_run_that_breaks_a_rule_is_not_sent() {
        let uploader = Uploader::start("http://127.0.0.1:1".into(), None);
        let error = uploader
            .finish(Arc::default(), Duration::from_secs(1), || ())
            .unwrap_err();
        assert!(matches!(error, UploadError::Invalid(_)), "{error}");
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
