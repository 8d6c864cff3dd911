//! What an agent says about a job that it has.

pub(in crate::http) mod finish;
pub(in crate::http) mod heartbeat;
pub(in crate::http) mod log;
pub(in crate::http) mod step;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::path::AttemptOf;

/// Refuses a caller bound to a project the jobs of others: numbers of attempts can be guessed.
async fn check(app: &App, asking: &Asking, of: AttemptOf) -> Result<(), ApiError> {
    if let Some(project) = asking.0.project() {
        app.jobs.get(&of.job.to_string(), Some(project)).await?;
    }
    Ok(())
}
