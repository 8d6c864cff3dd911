//! Trying a transaction again that lost against another one.

use super::JobsError;
use crate::store::Store;

/// How often a transaction is tried again before its error is answered.
pub(super) const COLLISIONS_MAX: u32 = 5;

/// Whether the transaction lost against another one and should be tried again at once.
pub(super) fn is_collision(error: &JobsError) -> bool {
    matches!(error, JobsError::Store(error) if error.is_collision())
}

/// Lets the health of the master know when the database does not take what is written.
pub(super) fn note<T>(store: &Store, outcome: Result<T, JobsError>) -> Result<T, JobsError> {
    if let Err(JobsError::Store(error)) = &outcome {
        store.writes().failed(error);
    }
    outcome
}

/// Does what `$attempt` does, which begins and commits a transaction, until it did not collide.
macro_rules! again {
    ($store:expr, $attempt:expr) => {{
        let mut collisions = 0;
        loop {
            match $attempt.await {
                Err(error)
                    if collisions < $crate::jobs::again::COLLISIONS_MAX
                        && $crate::jobs::again::is_collision(&error) =>
                {
                    collisions += 1;
                }
                outcome => break $crate::jobs::again::note($store, outcome),
            }
        }
    }};
}

pub(super) use again;
