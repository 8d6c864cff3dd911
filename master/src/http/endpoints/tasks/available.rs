//! `GET /api/task/available`: a runner wants a task.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::job::Source;
use shared::lease::Lease;
use shared::task::wire::{NoTask, ServedTask};
use shared::task::{Task, TaskShape};

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::problems::Unavailable;

/// Hands out the next job that a runner of tasks can have
///
/// That is a job of a git repository and a branch, without labels, arguments and variables. A runner says
/// nothing while it works: when no result has come some time after the job's `timeout_s`, the job is queued
/// again.
#[utoipa::path(
    get,
    path = "/api/task/available",
    operation_id = "take_task",
    tag = "tasks",
    security(("bearer" = ["run"])),
    responses(
        (status = 200, description = "A task; `attempt` and `id` are the same number", body = ServedTask),
        (status = 404, description = "There is none", body = NoTask),
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
) -> Result<Response, ApiError> {
    let runner = super::runner(&asking);
    let lease = app.jobs.lease_task(runner, asking.0.project()).await?;
    let mut response = match lease.as_ref().and_then(task) {
        Some(task) => Json(task.to_served()).into_response(),
        None => (StatusCode::NOT_FOUND, Json(NoTask::default())).into_response(),
    };
    // It is handed out once.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn task(lease: &Lease) -> Option<Task> {
    let Source::Git(git) = &lease.source else {
        return None;
    };
    Some(Task {
        number: lease.attempt,
        shape: TaskShape::Id,
        repository_url: git.url.clone(),
        branch: git.branch.clone().unwrap_or_default(),
        laboratory_numbers: Vec::new(),
        connected_tests: lease.tests.iter().map(|test| name(test)).collect(),
    })
}

/// What selects a test, a file or a folder by its name: runners give it to `-k`.
fn name(test: &str) -> String {
    // What is in brackets is no name, and may hold anything.
    let test = test.split('[').next().unwrap_or_default();
    let last = match test.rsplit_once("::") {
        Some((_, test)) => Some(test),
        None => test.trim_end_matches('/').rsplit('/').next(),
    };
    let last = last.unwrap_or_default();
    last.strip_suffix(".py").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn tests_are_selected_by_their_names() {
        for (test, expected) in [
            ("test1", "test1"),
            ("tests/test_build.py::test_make", "test_make"),
            (
                "tests/test_build.py::TestMake::test_clean[a::b-1]",
                "test_clean",
            ),
            ("tests/test_build.py::test_clean[x]", "test_clean"),
            ("tests/test_build.py", "test_build"),
            ("tests/", "tests"),
        ] {
            assert_eq!(name(test), expected, "{test}");
        }
    }
}
