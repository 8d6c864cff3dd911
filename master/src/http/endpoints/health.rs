//! `GET /health`: can runs be kept at the moment?

use axum::Json;
use axum::extract::State;
use shared::answer::Health;
use shared::error::Problem;

use crate::http::app::App;
use crate::http::error::ApiError;

/// Whether the master and its database answer
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "get_health",
    tag = "master",
    responses(
        (status = 200, description = "They do", body = Health),
        (status = 503, description = "The database does not", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(State(app): State<App>) -> Result<Json<Health>, ApiError> {
    app.store.ping().await.map_err(ApiError::unhealthy)?;
    Ok(Json(Health {
        status: "ok".to_owned(),
    }))
}
