//! `GET /health`: can runs be kept at the moment?

use axum::Json;
use axum::extract::State;
use shared::answer::Health;
use shared::error::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;

/// Whether the master and its database answer and keep results
///
/// Writing is known from the last report; it is tried only after one that failed.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "get_health",
    tag = "master",
    security(()),
    responses(
        (status = 200, description = "They do", body = Health),
        (status = 503, description = "The database does not, or takes nothing that is written", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(State(app): State<App>) -> Result<Json<Health>, ApiError> {
    app.store.ping().await.map_err(ApiError::unhealthy)?;
    app.store
        .check_writable()
        .await
        .map_err(ApiError::unhealthy)?;
    Ok(Json(Health {
        status: "ok".to_owned(),
    }))
}
