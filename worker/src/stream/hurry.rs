//! Word that the tests are over, for a request that is on its way.

use std::time::Duration;

use tokio::sync::watch;

/// Whoever ends the run. Dropping it is word enough.
#[derive(Debug)]
pub struct HurrySender(watch::Sender<Option<Duration>>);

/// Whoever waits for a request.
#[derive(Debug, Clone)]
pub struct Hurry(watch::Receiver<Option<Duration>>);

/// The two ends.
pub fn hurry() -> (HurrySender, Hurry) {
    let (sender, receiver) = watch::channel(None);
    (HurrySender(sender), Hurry(receiver))
}

impl HurrySender {
    /// From now on a request that was sent while the tests ran gets no more than `grace`.
    pub fn tell(&self, grace: Duration) {
        self.0.send_replace(Some(grace));
    }
}

impl Hurry {
    /// Whether the tests are over.
    pub fn is_told(&self) -> bool {
        self.0.borrow().is_some() || self.0.has_changed().is_err()
    }

    /// Ends when the tests are over and the grace has passed.
    pub async fn over(mut self) {
        let grace = match self.0.wait_for(Option::is_some).await {
            Ok(told) => told.unwrap_or_default(),
            Err(_) => Duration::ZERO,
        };
        tokio::time::sleep(grace).await;
    }
}
