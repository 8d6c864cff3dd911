//! Errors of the gate: who may do what.

use axum::http::{HeaderValue, StatusCode, header};
use shared::access::Scope;

use super::{ApiError, RETRY_AFTER};
use crate::access::{AccessError, Refused};

/// What a client that is not let in is asked for (RFC 6750).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"pytest-platform\"");

/// The same for one whose token is of no use.
const CHALLENGE_INVALID: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"pytest-platform\", error=\"invalid_token\"");

impl ApiError {
    /// 401: nothing was presented.
    pub(in crate::http) fn token_missing() -> Self {
        let detail = "this master asks for a token: send `Authorization: Bearer TOKEN` (workers, agents \
             and the MCP server take it from MASTER_TOKEN); `pytest-platform-master token create` \
             makes one, and POST /api/v1/login gives one to an account";
        Self::new(StatusCode::UNAUTHORIZED, "token_missing", detail)
            .with_header(header::WWW_AUTHENTICATE, CHALLENGE)
    }

    /// 401: what was presented opens nothing.
    pub(in crate::http) fn token_invalid(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "token_invalid", detail)
            .with_header(header::WWW_AUTHENTICATE, CHALLENGE_INVALID)
    }

    /// 401: it was good until a moment ago.
    pub(in crate::http) fn token_expired(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "token_expired", detail)
            .with_header(header::WWW_AUTHENTICATE, CHALLENGE_INVALID)
    }

    /// 403: known, but not for this.
    pub(in crate::http) fn scope_missing(name: &str, needed: &[Scope]) -> Self {
        let words: Vec<&str> = needed.iter().map(|scope| scope.as_str()).collect();
        let words = words.join("` or `");
        let detail =
            format!("`{name}` lacks the scope `{words}`; use a token or an account that has it");
        let challenge = format!(
            "Bearer realm=\"pytest-platform\", error=\"insufficient_scope\", scope=\"{}\"",
            needed.first().map_or("admin", |scope| scope.as_str())
        );
        let error = Self::new(StatusCode::FORBIDDEN, "scope_missing", detail);
        match HeaderValue::from_str(&challenge) {
            Ok(value) => error.with_header(header::WWW_AUTHENTICATE, value),
            Err(_) => error,
        }
    }

    /// 403: a field or parameter names another project than the caller's own.
    pub(in crate::http) fn project_forbidden(field: &str, own: &str) -> Self {
        let detail = format!(
            "{field}: the token or account is bound to the project `{own}` and can name no other"
        );
        Self {
            field: Some(field.to_owned()),
            ..Self::new(StatusCode::FORBIDDEN, "project_forbidden", detail)
        }
    }

    /// 403: the whole endpoint is not for those who are bound to a project.
    pub(in crate::http) fn bound_to_project(reason: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "project_forbidden", reason)
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let told = refused.to_string();
        match refused {
            Refused::Unknown | Refused::Revoked(_) => Self::token_invalid(&told),
            Refused::Expired { .. } | Refused::SessionExpired => Self::token_expired(&told),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let told = error.to_string();
        let challenged = |code| {
            Self::new(StatusCode::UNAUTHORIZED, code, told.clone())
                .with_header(header::WWW_AUTHENTICATE, CHALLENGE)
        };
        match error {
            AccessError::Refused(refused) => refused.into(),
            AccessError::LoginFailed => challenged("login_failed"),
            AccessError::RefreshFailed => challenged("refresh_failed"),
            AccessError::TooManyFailures(wait) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", told)
                    .with_header(header::RETRY_AFTER, wait.as_secs().max(1).into())
            }
            AccessError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", told)
                .with_header(header::RETRY_AFTER, RETRY_AFTER),
            AccessError::Invalid(invalid) => invalid.into(),
            AccessError::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", told),
            AccessError::NoToken(_) => Self::new(StatusCode::NOT_FOUND, "token_not_found", told),
            AccessError::NoAccount(_) => {
                Self::new(StatusCode::NOT_FOUND, "account_not_found", told)
            }
            AccessError::NoLogin => Self::new(StatusCode::CONFLICT, "no_login", told),
            AccessError::Failed(_) => Self::internal(error),
            AccessError::Store(error) => error.into(),
        }
    }
}
