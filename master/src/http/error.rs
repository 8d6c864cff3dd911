//! Errors of the HTTP face: the only place where other layers' errors become status codes.

mod access;
mod jobs;
mod library;

use std::any::Any;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, Method, Response as HttpResponse, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::error::{PROBLEM_MEDIA_TYPE, Problem};
use shared::validate::Invalid;

pub(in crate::http) use jobs::LOG_BYTES;

use crate::ingest::{IngestError, StreamError};
use crate::store::StoreError;

/// When to try again after an answer that says so, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// An error answer. The cause is for the log, everything else for the client.
#[derive(Debug, Clone)]
pub(in crate::http) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn std::fmt::Debug + Send + Sync>>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 400: the request is not even well-formed.
    pub(super) fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422: well-formed, but a field of the body breaks a rule.
    pub(super) fn invalid_field(field: Option<String>, detail: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail);
        Self { field, ..error }
    }

    /// 422: a parameter of the query breaks a rule.
    pub(super) fn invalid_parameter(name: &str, detail: impl Into<String>) -> Self {
        let error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_parameter",
            detail,
        );
        Self {
            field: Some(name.to_owned()),
            ..error
        }
    }

    /// 413: a body, sent or decompressed, over the limit of all bodies.
    pub(super) fn body_too_large() -> Self {
        Self::body_larger_than(shared::limits::BODY_BYTES_MAX)
    }

    /// 413: a body, sent or decompressed, over the limit of its endpoint.
    pub(super) fn body_larger_than(bytes_max: usize) -> Self {
        let detail =
            format!("the body must have at most {bytes_max} bytes, after decompression as well");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 415: a body that says it is something else than JSON.
    pub(super) fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
        .with_header(header::ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// 415: a body packed in a way the master cannot unpack (RFC 7694).
    pub(super) fn unsupported_encoding(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            detail,
        )
        .with_header(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("gzip, zstd, identity"),
        )
    }

    /// 408: the body came too slowly.
    pub(super) fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time; send it again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
            .with_header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// Whether waiting for more of the request would be waiting in vain.
    pub(super) fn is_client_too_slow(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT
    }

    /// 421: the Host header names somebody else.
    pub(super) fn host_not_allowed(host: &str) -> Self {
        let detail = format!(
            "this master listens on loopback and answers to localhost, 127.0.0.1 and [::1], not to \
             `{host}`; --allowed-host adds a name"
        );
        Self::new(StatusCode::MISDIRECTED_REQUEST, "host_not_allowed", detail)
    }

    /// 503: too much at the same time.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// 404: no such run.
    pub(super) fn run_not_found(run_id: &str) -> Self {
        let detail = format!("there is no run `{run_id}`");
        Self::new(StatusCode::NOT_FOUND, "run_not_found", detail)
    }

    /// 404: the run is there, the test is not in it.
    pub(super) fn case_not_found(run_id: &str, nodeid: &str) -> Self {
        let detail = format!("the run `{run_id}` has no case `{nodeid}`");
        Self::new(StatusCode::NOT_FOUND, "case_not_found", detail)
    }

    /// 404: no such path.
    pub(super) fn unknown_path(path: &str) -> Self {
        let detail = format!("there is nothing at `{path}`; GET / lists what there is");
        Self::new(StatusCode::NOT_FOUND, "path_not_found", detail)
    }

    /// 405: the path is there, the method is not. The router adds `Allow`.
    pub(super) fn unknown_method(method: &Method, path: &str) -> Self {
        let detail =
            format!("`{path}` does not take {method}; the Allow header says what it takes");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 500: the fault is here, and the log says what it was.
    pub(super) fn internal(cause: impl std::fmt::Debug + Send + Sync + 'static) -> Self {
        let detail = "the master failed; its log says why, under this request id";
        let error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        Self {
            cause: Some(Arc::new(cause)),
            ..error
        }
    }

    /// 503: the database gives no sign of life, whatever the reason.
    pub(super) fn unhealthy(cause: StoreError) -> Self {
        let detail = "the database cannot be used at the moment; try again";
        let error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "database_unavailable",
            detail,
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER);
        Self {
            cause: Some(Arc::new(cause)),
            ..error
        }
    }

    /// A handler panicked: the client gets a 500, the next request a healthy server.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the layer hands the panic over"
    )]
    pub(super) fn from_panic(
        panic: Box<dyn Any + Send + 'static>,
    ) -> HttpResponse<axum::body::Body> {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self::internal(format!("panic: {}", text.unwrap_or_default())).into_response()
    }

    /// What the client is told.
    pub(super) fn problem(&self, request_id: &str) -> Problem {
        Problem {
            status: self.status.as_u16(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            field: self.field.clone(),
            request_id: request_id.to_owned(),
        }
    }

    /// What only the log is told.
    pub(super) fn cause(&self) -> Option<&(dyn std::fmt::Debug + Send + Sync)> {
        self.cause.as_deref()
    }

    /// The stable word.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        let detail = invalid.to_string();
        Self::invalid_field(Some(invalid.field), detail)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if !error.is_transient() {
            return Self::internal(error);
        }
        Self::unhealthy(error)
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        let told = error.to_string();
        match error {
            IngestError::Invalid(invalid) => invalid.into(),
            IngestError::Conflict => {
                let error = Self::new(StatusCode::CONFLICT, "run_conflict", told);
                Self {
                    field: Some("run_id".to_owned()),
                    ..error
                }
            }
            IngestError::Stream(refusal) => refusal.into(),
            IngestError::Busy => Self::busy(told),
            IngestError::Store(error) => error.into(),
        }
    }
}

impl From<StreamError> for ApiError {
    fn from(error: StreamError) -> Self {
        let told = error.to_string();
        let conflict = |code, field: &str| Self {
            field: Some(field.to_owned()),
            ..Self::new(StatusCode::CONFLICT, code, told.clone())
        };
        match error {
            StreamError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "run_not_found", told),
            StreamError::Finished => conflict("run_finished", "run_id"),
            StreamError::BatchConflict { .. } => conflict("batch_conflict", "number"),
            StreamError::BatchGap { .. } => conflict("batch_gap", "number"),
            StreamError::BatchesMissing { .. } => conflict("batches_missing", "batches"),
            StreamError::BatchesLeftOver { .. } => conflict("batch_conflict", "batches"),
            StreamError::TooLarge | StreamError::OpeningTooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", told)
            }
            StreamError::TooManyCases => Self::invalid_field(Some("cases".to_owned()), told),
            StreamError::Changed => Self::busy(told),
        }
    }
}

impl IntoResponse for ApiError {
    /// The body is written further outside, where the request id is known (see `observe`).
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(PROBLEM_MEDIA_TYPE),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}
