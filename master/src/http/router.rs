//! The router: which endpoints there are, and what surrounds them all.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::endpoints::{
    append_cases, attempts, audit, case, cases, docs, environments, events, failure_stats,
    finish_run, health, index, jobs, library, login, logout, open_run, openapi_json, post_results,
    projects, refresh, results, run, suites, tasks, testruns, trend, whoami, workers,
};
use super::error::{ApiError, LOG_BYTES};
use super::openapi::Document;
use super::{cross_site, deadline, gate, host, intake, observe, security_headers};
use crate::config::{Config, CorsOrigins};

/// Answers smaller than this are not worth compressing, in bytes.
const COMPRESSED_BYTES_MIN: u64 = 1_024;

/// Every endpoint. Its path stands beside its handler, so that the OpenAPI document and the router
/// cannot disagree.
pub(super) fn endpoints() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(results::handle, post_results::handle))
        .routes(routes!(run::handle, open_run::handle))
        .routes(routes!(cases::handle, append_cases::handle))
        .routes(routes!(finish_run::handle))
        .routes(routes!(case::handle))
        .routes(routes!(trend::handle))
        .routes(routes!(workers::handle))
        .routes(routes!(projects::handle))
        .routes(routes!(failure_stats::handle))
        .routes(routes!(events::handle))
        .routes(routes!(library::list::handle, library::upload::handle))
        .routes(routes!(
            library::get::handle,
            library::put::handle,
            library::delete::handle
        ))
        .routes(routes!(library::archives::handle))
        .routes(routes!(library::attempt_source::handle))
        .routes(routes!(login::handle))
        .routes(routes!(refresh::handle))
        .routes(routes!(logout::handle))
        .routes(routes!(whoami::handle))
        .routes(routes!(audit::handle))
        .routes(routes!(jobs::list::handle, jobs::create::handle))
        .routes(routes!(jobs::get::handle, jobs::delete::handle))
        .routes(routes!(jobs::cancel::handle))
        .routes(routes!(jobs::rerun::handle))
        .routes(routes!(jobs::log::handle))
        .routes(routes!(jobs::agents::handle))
        .routes(routes!(jobs::lease::handle))
        .routes(routes!(attempts::heartbeat::handle))
        .routes(routes!(attempts::log::handle))
        .routes(routes!(attempts::step::handle))
        .routes(routes!(attempts::finish::handle))
        .routes(routes!(environments::list::handle))
        .routes(routes!(
            environments::get::handle,
            environments::put::handle,
            environments::delete::handle
        ))
        .routes(routes!(suites::run::handle))
        .routes(routes!(suites::status::handle))
        .routes(routes!(suites::current::handle))
        .routes(routes!(suites::history::handle, suites::forget::handle))
        .routes(routes!(tasks::available::handle))
        .routes(routes!(tasks::result::handle))
        .routes(routes!(testruns::list::handle, testruns::create::handle))
        .routes(routes!(testruns::get::handle, testruns::delete::handle))
        .routes(routes!(health::handle))
        .routes(routes!(openapi_json::handle))
        .routes(routes!(docs::handle))
        .route("/docs/{file}", get(docs::handle_asset))
        .routes(routes!(index::handle))
}

/// The whole service. Layers that come later are further outside.
pub fn router(app: App, config: &Config) -> Router {
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(
            SizeAbove::new(COMPRESSED_BYTES_MIN)
                .and(NotPacked)
                // A packer would hold events back until it has enough of them.
                .and(NotForContentType::SSE),
        );
    let gate = gate::Gate::new(app.access.clone());
    let strangers = cross_site::Trusted::new(config);
    let router: Router<App> = endpoints().into();
    let router = router
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn(deadline::bound_reads))
        .layer(CatchPanicLayer::custom(ApiError::from_panic))
        .layer(compression)
        .layer(from_fn_with_state(gate, gate::check))
        .layer(from_fn_with_state(strangers, cross_site::check))
        .layer(from_fn(security_headers::add));
    let router = match config.tls {
        Some(_) => router.layer(from_fn(security_headers::add_https_only)),
        None => router,
    };
    let router = match cors(&config.cors) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let hosts = host::Allowed::new(config);
    router
        .layer(from_fn_with_state(hosts, host::check))
        .layer(from_fn(observe::request))
        .with_state(app)
}

async fn unknown_path(request: Request) -> ApiError {
    let error = ApiError::unknown_path(request.uri().path());
    intake::discard(request).await;
    error
}

async fn unknown_method(request: Request) -> ApiError {
    let error = ApiError::unknown_method(request.method(), request.uri().path());
    intake::discard(request).await;
    error
}

fn cors(origins: &CorsOrigins) -> Option<CorsLayer> {
    let origins = match origins {
        CorsOrigins::None => return None,
        CorsOrigins::Any => AllowOrigin::any(),
        CorsOrigins::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    let request_id = HeaderName::from_static(observe::REQUEST_ID);
    Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::DELETE,
            ])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_ENCODING,
                header::CONTENT_TYPE,
                header::IF_NONE_MATCH,
                HeaderName::from_static("last-event-id"),
                request_id.clone(),
            ])
            .expose_headers([
                header::ETAG,
                header::LINK,
                header::LOCATION,
                header::RETRY_AFTER,
                LOG_BYTES,
                request_id,
            ]),
    )
}

/// Pictures and archives are compressed already.
#[derive(Debug, Clone, Copy)]
struct NotPacked;

/// What archives are called; an agent counts on getting them as they are.
const ARCHIVES: [&[u8]; 3] = [b"application/zip", b"application/gzip", b"application/zstd"];

impl Predicate for NotPacked {
    fn should_compress<B>(&self, response: &axum::http::Response<B>) -> bool
    where
        B: axum::body::HttpBody,
    {
        let kind = response.headers().get(header::CONTENT_TYPE);
        !kind
            .map(axum::http::HeaderValue::as_bytes)
            .is_some_and(|kind| kind.starts_with(b"image/") || ARCHIVES.contains(&kind))
    }
}
