//! Taking a report to its end, whether or not its client waits for it.

use std::future::Future;

use super::budget::Room;
use crate::http::error::ApiError;
use crate::ingest::IngestError;

/// Does the work to its end. A client that gave up finds it done when it asks again, instead of beginning
/// anew each time; and the room is given back when it is free, not when its client goes.
pub(in crate::http) async fn to_the_end<T: Send + 'static>(
    room: Room,
    work: impl Future<Output = Result<T, IngestError>> + Send + 'static,
) -> Result<T, ApiError> {
    let work = async move {
        let done = work.await;
        drop(room);
        done
    };
    let done = tokio::spawn(work).await.map_err(ApiError::internal)?;
    Ok(done?)
}
