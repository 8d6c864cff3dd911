//! One listener: a stream of the events that concern it.

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::event::Event;

/// Listens until it is dropped or the feed ends.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) events: broadcast::Receiver<Event>,
    pub(super) ended: watch::Receiver<bool>,
    /// The only project to hear of.
    pub(super) project: Option<String>,
    /// Told before anything else.
    pub(super) first: Option<Event>,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// The events, until the feed ends.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Event> + Send + 'static {
        unfold(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((event, listener))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let received = tokio::select! {
                biased;
                _ = self.ended.wait_for(|ended| *ended) => return None,
                received = self.events.recv() => received,
            };
            match received {
                Ok(event) if event.concerns(self.project.as_deref()) => return Some(event),
                Ok(_) => {}
                // It did not read fast enough, and what it missed is gone.
                Err(RecvError::Lagged(_)) => return Some(Event::missed(None)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
