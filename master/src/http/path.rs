//! What stands in a path: run ids, names of jobs and environments, numbers of attempts.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use shared::limits;

use super::app::App;
use super::caller::Asking;
use super::error::ApiError;

/// `{run_id}` of the path, decoded. It is the id of a run that the caller may see, or of none.
#[derive(Debug, Clone)]
pub(super) struct RunId(pub(super) String);

impl FromRequestParts<App> for RunId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiError> {
        let Path(run_id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                ApiError::malformed(
                    "invalid_path",
                    "the run id in the path is not percent-encoded UTF-8",
                )
            })?;
        // No run can have such an id, and a database may choke on it.
        let impossible =
            run_id.len() > limits::RUN_ID_BYTES_MAX || run_id.chars().any(char::is_control);
        if impossible {
            return Err(ApiError::run_not_found(&run_id.escape_debug().to_string()));
        }
        let asking = Asking::from_request_parts(parts, state).await?;
        if asking.is_foreign(&state.store, &run_id).await? {
            return Err(ApiError::run_not_found(&run_id));
        }
        Ok(Self(run_id))
    }
}

/// Longest name of a job: a UUID with its hyphens.
const JOB_NAME_BYTES_MAX: usize = 36;

/// The text of a path's only parameter; an empty one when it is not UTF-8, which nothing is called.
async fn text<S: Send + Sync>(parts: &mut Parts, state: &S) -> String {
    let path = Path::<String>::from_request_parts(parts, state).await;
    path.map_or_else(|_| String::new(), |Path(text)| text)
}

/// The number or the UUID of a job, in a form that one could have.
#[derive(Debug, Clone)]
pub(super) struct JobName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for JobName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = text(parts, state).await;
        let is_possible = (1..=JOB_NAME_BYTES_MAX).contains(&name.len())
            && (number(&name).is_some() || uuid::Uuid::try_parse(&name).is_ok());
        if is_possible {
            return Ok(Self(name.to_ascii_lowercase()));
        }
        Err(ApiError::job_not_found(&shown(&name)))
    }
}

/// A number that the database can have given, written in one way only.
fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then_some(number)
}

/// The beginning of what somebody sent, for an error.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(JOB_NAME_BYTES_MAX).collect();
    start.escape_debug().to_string()
}

/// `/jobs/{job}/attempts/{attempt}/...`: both are numbers out of a lease. The caller may see the job, or there
/// is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttemptOf {
    pub(super) job: i64,
    pub(super) attempt: i64,
}

impl FromRequestParts<App> for AttemptOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (job, attempt) = path.map_or_else(|_| Default::default(), |Path(names)| names);
        match (number(&job), number(&attempt)) {
            (Some(job), Some(attempt)) => {
                let asking = Asking::from_request_parts(parts, state).await?;
                if let Some(own) = asking.0.project() {
                    // Refused when it is of another project, as if it were not there.
                    state.jobs.get(&job.to_string(), Some(own)).await?;
                }
                Ok(Self { job, attempt })
            }
            (None, _) => Err(ApiError::job_not_found(&shown(&job))),
            (Some(_), None) => Err(ApiError::malformed(
                "invalid_path",
                "the attempt in the path must be the number that the lease says",
            )),
        }
    }
}

/// The name of an environment. Whether it may be one is for whoever makes it to say.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for EnvironmentName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = text(parts, state).await;
        let is_possible = (1..=limits::SHORT_NAME_BYTES_MAX).contains(&name.len())
            && !name.chars().any(char::is_control);
        if is_possible {
            return Ok(Self(name));
        }
        Err(ApiError::environment_not_found(&shown(&name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(number("7"), Some(7));
        assert_eq!(number("9223372036854775807"), Some(i64::MAX));
        for other in [
            "",
            "0",
            "-1",
            "+7",
            "07",
            " 7",
            "7.0",
            "9223372036854775808",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
