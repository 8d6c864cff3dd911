//! `GET /audit`: who did what?

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::Response;
use shared::access::AuditEntry;
use shared::error::Problem;
use shared::limits::{AUDIT_LIMIT_DEFAULT, AUDIT_LIMIT_MAX};
use shared::query::AuditQuery;

use crate::access::audit::{self, AuditFilter};
use crate::http::answer::Known;
use crate::http::app::App;
use crate::http::caller::Asking;
use crate::http::cursor::List;
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;

/// Lists who did what, the newest first
///
/// Everything that changed something, or was refused to somebody known, for 400 days: requests (but for
/// what workers and agents say about their own work), logins, and the commands of the master. When there
/// is more, `Link: <...>; rel="next"` leads on.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "list_audit",
    tag = "access",
    security(("bearer" = ["admin"])),
    params(AuditQuery),
    responses(
        (status = 200, description = "Entries", body = Vec<AuditEntry>,
            headers(("link" = String, description = "`rel=\"next\"` when there are more"))),
        (status = 304, description = "As the client has it"),
        (status = 422, description = "A parameter breaks a rule; `field` names it", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asking: Asking,
    parameters: Parameters,
    known: Known,
    uri: Uri,
) -> Result<Response, ApiError> {
    asking.is_bound_to_no_project("the audit log is about all projects")?;
    let limit = parameters.limit(AUDIT_LIMIT_DEFAULT, AUDIT_LIMIT_MAX)?;
    let filter = AuditFilter {
        who: parameters.name("who")?,
        since: parameters.moment("since")?,
        before: List::Audit.position(&parameters)?.map(u64::cast_signed),
        limit: limit + 1,
    };
    let mut entries = audit::list(&app.store, &filter).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let last = entries.last().map(|(id, _)| id.cast_unsigned());
    let entries: Vec<AuditEntry> = entries.into_iter().map(|(_, entry)| entry).collect();
    let mut response = known.answer(&entries)?;
    if let Some(link) = last
        .filter(|_| more)
        .and_then(|last| List::Audit.link(&uri, last))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
