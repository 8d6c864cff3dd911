//! Hearing what any master committed: PostgreSQL's notifications.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;

use super::changes::{self, Heard};
use super::engine::Pools;
use super::{Store, StoreError};

/// Pause before a lost connection is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection that hears what is committed. On SQLite the only master tells itself, and there is
/// nothing to hear.
pub(crate) struct Hearing(Option<PgListener>);

impl Hearing {
    /// Begins to hear: everything committed after this answers is heard, or said to be missed.
    pub(crate) async fn begin(store: &Store) -> Result<Self, StoreError> {
        Ok(Self(match store.pools() {
            Pools::Sqlite { .. } => None,
            Pools::Postgres { listen, .. } => Some(connect(listen).await?),
        }))
    }

    /// Passes on what is heard to the listeners of this master, until this is dropped.
    pub(crate) async fn pass_on(self, store: &Store) -> Infallible {
        let (Some(mut listener), Pools::Postgres { listen, .. }) = (self.0, store.pools()) else {
            return std::future::pending().await;
        };
        loop {
            let Err(error) = pass_on_until_lost(store, &mut listener).await;
            tracing::warn!(%error, "the notifications of PostgreSQL are not heard any more");
            store.changes().tell(Heard::Missed);
            // Given back first: the pool has no second one.
            drop(listener);
            listener = connect_again(listen).await;
            // What was committed before this moment was not heard on this connection.
            store.changes().tell(Heard::Missed);
        }
    }
}

async fn connect(pool: &PgPool) -> Result<PgListener, StoreError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(changes::CHANNEL).await?;
    Ok(listener)
}

async fn connect_again(pool: &PgPool) -> PgListener {
    loop {
        tokio::time::sleep(PAUSE).await;
        match connect(pool).await {
            Ok(listener) => return listener,
            Err(error) => tracing::debug!(%error, "still no notifications"),
        }
    }
}

async fn pass_on_until_lost(
    store: &Store,
    listener: &mut PgListener,
) -> Result<Infallible, StoreError> {
    loop {
        let Some(notification) = listener.try_recv().await? else {
            // It lost its connection and has a new one already.
            store.changes().tell(Heard::Missed);
            continue;
        };
        for change in changes::read(notification.payload()) {
            store.changes().tell(Heard::Change(change));
        }
    }
}
