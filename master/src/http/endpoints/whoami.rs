//! `GET /whoami`: as whom am I known here?

use axum::Json;
use axum::response::Response;
use shared::access::WhoAmI;
use shared::error::Problem;

use crate::http::answer;
use crate::http::caller::Asking;

/// Who asks, and what he may do
#[utoipa::path(
    get,
    path = "/whoami",
    operation_id = "who_am_i",
    tag = "access",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The token or account of this request; no name when the master asks nobody", body = WhoAmI),
        (status = 401, description = "None, or one that opens nothing", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(Asking(caller): Asking) -> Response {
    answer::unkept(Json(WhoAmI {
        name: caller.name.clone(),
        scopes: caller.scopes.clone(),
        project: caller.project.clone(),
    }))
}
