//! `POST /api/task/result`: what came of a task.

use axum::Json;
use axum::extract::{Request, State};
use chrono::Utc;
use serde::Serialize;
use serde_json::Value;
use shared::error::Problem;
use shared::job::{JobErrorKind, Source};
use shared::lease::{AttemptEnding, FinishAttempt, Lease};
use shared::limits::JOB_ERROR_BYTES_MAX;
use shared::run::NewRun;
use shared::task::wire::FlatResult;
use shared::task::{TaskResult, read};
use shared::text::cut;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::error::ApiError;
use crate::http::intake;
use crate::http::problems::{JsonProblems, Unavailable};
use crate::jobs::JobsError;

/// What became of a result.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TaskKept {
    /// Always `saved`.
    status: &'static str,
    /// The job that the task was.
    job: i64,
    /// The run that the result became.
    run_id: Option<String>,
}

/// Keeps the result of a task as a run
///
/// In either shape: with `id`, as described here, or with `attempt` and `testResults` around everything else
/// (then durations are texts of seconds). The same may be sent again.
#[utoipa::path(
    post,
    path = "/api/task/result",
    operation_id = "save_task_result",
    tag = "tasks",
    security(("bearer" = ["run"])),
    request_body = FlatResult,
    responses(
        (status = 200, description = "Kept, or it was there already", body = TaskKept),
        (status = 404, description = "No task has this number (`attempt_not_found`)", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The task was given to another runner meanwhile (`lease_lost`), or had another result (`run_conflict`)", body = Problem, content_type = "application/problem+json"),
        JsonProblems,
        Unavailable,
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    request: Request,
) -> Result<Json<TaskKept>, ApiError> {
    let received = intake::receive(request, &app.budget, app.timeouts).await?;
    let intake::Decoded::<Value> { body, room } = intake::decode(received, &app.budget, 0).await?;
    let result = read::result(&body)?;
    drop(body);
    let attempt = result.number;
    let job = job_of(&app, &asking, attempt).await?;
    let finish = finish(&result);
    match app.jobs.attempt(job, attempt).await {
        Ok(lease) => {
            let run = run(&result, &lease, super::runner(&asking));
            let ingest = app.ingest.clone();
            let saving = async move { ingest.save(run, Utc::now()).await };
            intake::to_the_end(room, saving).await?;
        }
        // It is over: the same result again, or one that comes too late. The end of it tells which.
        Err(JobsError::LeaseLost) => {}
        Err(error) => return Err(error.into()),
    }
    let job = app.jobs.finish(job, attempt, finish).await?;
    Ok(Json(TaskKept {
        status: "saved",
        job: job.id,
        run_id: job.run_id,
    }))
}

/// The job that a task was, when the caller sees it.
async fn job_of(app: &App, asking: &Asking, attempt: i64) -> Result<i64, ApiError> {
    let job = app.jobs.job_of_task(attempt).await?;
    let seen = app.jobs.get(&job.to_string(), asking.0.project()).await;
    seen.map_err(|error| match error {
        JobsError::NotFound(_) => JobsError::NoAttempt(attempt),
        other => other,
    })?;
    Ok(job)
}

fn run(result: &TaskResult, lease: &Lease, runner: &str) -> NewRun {
    let branch = match &lease.source {
        Source::Git(git) => git.branch.clone().unwrap_or_default(),
        Source::Library(_) | Source::Archive(_) => String::new(),
    };
    NewRun {
        project: lease.project.clone(),
        branch,
        ..result.to_run(&lease.run_id, runner)
    }
}

/// An error without a single test means that the task could not be carried out; with tests, that they had
/// errors.
fn finish(result: &TaskResult) -> FinishAttempt {
    let ending = match (result.is_error, result.is_passed) {
        (true, _) if result.cases.is_empty() => AttemptEnding::Error,
        (false, true) => AttemptEnding::Passed,
        _ => AttemptEnding::Failed,
    };
    let is_error = ending == AttemptEnding::Error;
    let text = match result.error_details.as_str() {
        "" => "the runner said that there was an error, and not which",
        details => details,
    };
    FinishAttempt {
        ending,
        error_kind: is_error.then_some(JobErrorKind::Subprocess),
        error: is_error.then(|| cut(text, JOB_ERROR_BYTES_MAX).into_owned()),
        exit_code: None,
    }
}

#[cfg(test)]
mod tests {
    use shared::task::{TaskCase, TaskShape};

    use super::*;

    #[test]
    fn an_error_without_tests_is_an_error_of_the_job() {
        let mut result = TaskResult::failure(21, TaskShape::Id, "no such branch");
        let failed = finish(&result);
        assert_eq!(failed.ending, AttemptEnding::Error);
        assert_eq!(failed.error.as_deref(), Some("no such branch"));
        result.cases = vec![TaskCase::default()];
        assert_eq!(finish(&result).ending, AttemptEnding::Failed);
        result.is_error = false;
        assert_eq!(finish(&result).ending, AttemptEnding::Failed);
        result.is_passed = true;
        assert_eq!(finish(&result).ending, AttemptEnding::Passed);
    }
}
