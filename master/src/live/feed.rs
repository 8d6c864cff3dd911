//! The feed: where events come together and listeners come and go.

use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinHandle;

use super::event::Event;
use super::listener::Listener;
use super::telling;
use crate::store::notifications::Hearing;
use crate::store::{Store, StoreError};

/// Listeners at a time.
const LISTENERS_MAX: usize = 200;

/// Events that a listener may fall behind before it misses some.
const EVENTS_WAITING_MAX: usize = 256;

/// What happens now, for whoever listens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    events: broadcast::Sender<Event>,
    room: Arc<Semaphore>,
    ended: watch::Sender<bool>,
}

/// The tasks behind a [`Feed`].
#[derive(Debug)]
pub struct FeedTask {
    feed: Feed,
    hearing: JoinHandle<()>,
    telling: JoinHandle<()>,
}

impl Feed {
    /// Starts to hear what is committed, here and by other masters on the same database.
    /// [`FeedTask::finish`] ends it.
    pub async fn start(store: Store) -> Result<(Self, FeedTask), StoreError> {
        let feed = Self {
            inner: Arc::new(Inner {
                events: broadcast::channel(EVENTS_WAITING_MAX).0,
                room: Arc::new(Semaphore::new(LISTENERS_MAX)),
                ended: watch::channel(false).0,
            }),
        };
        let heard = store.changes().listen();
        let hearing = Hearing::begin(&store).await?;
        let from = store.clone();
        let task = FeedTask {
            feed: feed.clone(),
            hearing: tokio::spawn(async move {
                hearing.pass_on(&from).await;
            }),
            telling: tokio::spawn(telling::run(feed.clone(), store, heard)),
        };
        Ok((feed, task))
    }

    /// Listens to one project or to all; `None` when there are too many listeners. Whoever was
    /// here before and comes back is told first that it missed something.
    pub(crate) fn listen(&self, project: Option<String>, comes_back: bool) -> Option<Listener> {
        let permit = Arc::clone(&self.inner.room).try_acquire_owned().ok()?;
        Some(Listener {
            events: self.inner.events.subscribe(),
            ended: self.inner.ended.subscribe(),
            project,
            first: comes_back.then(|| Event::missed(None)),
            _permit: permit,
        })
    }

    /// Ends every listener's stream at once.
    pub fn end(&self) {
        self.inner.ended.send_replace(true);
    }

    /// Waits until [`Self::end`] is called: whoever keeps a client waiting has to let it go then.
    pub(crate) async fn ended(&self) {
        let mut ended = self.inner.ended.subscribe();
        // It cannot fail while `self` holds the sender.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    pub(super) fn has_listeners(&self) -> bool {
        self.inner.events.receiver_count() > 0
    }

    pub(super) fn publish(&self, event: Event) {
        // Nobody listening is fine.
        let _ = self.inner.events.send(event);
    }
}

impl FeedTask {
    /// Ends the feed.
    pub async fn finish(self) {
        self.feed.end();
        for task in [self.hearing, self.telling] {
            task.abort();
            // It was told to end in the middle of whatever it did.
            let _ = task.await;
        }
    }
}
