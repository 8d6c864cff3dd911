//! How much memory the bodies of all requests together may take.

use std::sync::Arc;
use std::time::Duration;

use shared::limits::BODY_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::error::ApiError;

/// Bytes of bodies as they were sent, all requests together.
const RECEIVED_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;

/// Bytes of bodies after decompression and of what parsing makes of them, until they are stored.
/// A body that alone takes more than this waits until it is alone.
const DECODED_BYTES_MAX: usize = 7 * BODY_BYTES_MAX;

/// Longest wait for room before the client is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Room for bodies. Received and decoded bytes are counted apart: whoever holds decoded bytes never
/// waits for room, so that requests cannot wait for one another in a circle.
#[derive(Debug)]
pub(in crate::http) struct Budget {
    received: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
    parsers: Arc<Semaphore>,
}

/// Room that is given back when this is dropped.
#[derive(Debug)]
pub(in crate::http) struct Room {
    _permit: OwnedSemaphorePermit,
}

impl Default for Budget {
    fn default() -> Self {
        let parsers = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .clamp(1, 8);
        Self {
            received: Arc::new(Semaphore::new(RECEIVED_BYTES_MAX)),
            decoded: Arc::new(Semaphore::new(DECODED_BYTES_MAX)),
            parsers: Arc::new(Semaphore::new(parsers)),
        }
    }
}

impl Budget {
    /// An empty account for the bytes of one body, which grows as they arrive.
    pub(super) fn received(&self) -> Result<Account, ApiError> {
        let permit = Arc::clone(&self.received)
            .try_acquire_many_owned(0)
            .map_err(ApiError::internal)?;
        Ok(Account {
            semaphore: Arc::clone(&self.received),
            permit,
        })
    }

    /// Room for a body that is about to be parsed and will take so many bytes in all.
    pub(super) async fn decoded(&self, bytes: usize) -> Result<Room, ApiError> {
        Ok(Room {
            _permit: wait(&self.decoded, bytes.min(DECODED_BYTES_MAX)).await?,
        })
    }

    /// A turn to parse: parsing is work for the processor, more at a time would only take memory.
    pub(super) async fn parser(&self) -> Result<Room, ApiError> {
        Ok(Room {
            _permit: wait(&self.parsers, 1).await?,
        })
    }
}

/// Room for the bytes of one body that have arrived so far.
#[derive(Debug)]
pub(super) struct Account {
    semaphore: Arc<Semaphore>,
    permit: OwnedSemaphorePermit,
}

impl Account {
    /// Adds room for `bytes` more.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let more = wait(&self.semaphore, bytes).await?;
        self.permit.merge(more);
        Ok(())
    }
}

async fn wait(semaphore: &Arc<Semaphore>, amount: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    let amount = u32::try_from(amount).map_err(|_| ApiError::body_too_large())?;
    let permit = Arc::clone(semaphore).acquire_many_owned(amount);
    match tokio::time::timeout(WAIT_MAX, permit).await {
        Ok(permit) => permit.map_err(ApiError::internal),
        Err(_) => Err(ApiError::busy(
            "too many reports arrive at the same time; send it again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_without_room_is_told_to_come_back_and_room_is_given_back() {
        let budget = Budget::default();
        let held = budget.decoded(DECODED_BYTES_MAX).await.unwrap();
        let error = budget.decoded(1).await.unwrap_err();
        assert_eq!(error.code(), "busy");
        drop(held);
        assert!(budget.decoded(1).await.is_ok());
    }
}
