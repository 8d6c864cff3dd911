//! What every request has: an id, safe headers, and a clear answer when nobody serves it.

use reqwest::Method;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_sane_request_id_is_kept_and_another_is_replaced() {
    let app = App::start().await;
    let kept = app
        .get_with("/health", &[("x-request-id", "build-7.a")])
        .await;
    assert_eq!(kept.header("x-request-id"), "build-7.a");
    let replaced = app
        .get_with("/health", &[("x-request-id", "a b<script>")])
        .await;
    assert_eq!(replaced.header("x-request-id").len(), 36);
    assert_ne!(
        app.get("/health").await.header("x-request-id"),
        app.get("/health").await.header("x-request-id")
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems() {
    let app = App::start().await;
    for path in ["/none", "/results/", "/results/a/b/c", "/docs/", "//"] {
        app.get(path).await.problem(404, "path_not_found");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/results", "GET,HEAD,POST"),
        (Method::PATCH, "/results/x", "GET,HEAD,PUT"),
        (Method::PUT, "/trend", "GET,HEAD"),
        (Method::POST, "/trend", "GET,HEAD"),
    ] {
        let answer = app.request(method, path, &[], b"x".repeat(2_000_000)).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_like_get_without_a_body() {
    let app = App::start().await;
    for path in ["/results", "/health", "/trend", "/docs", "/results/none"] {
        let get = app.get(path).await;
        let head = app.request(Method::HEAD, path, &[], Vec::new()).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.bytes.is_empty());
        assert_eq!(head.header("etag"), get.header("etag"));
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(
            head.header("content-length").parse::<usize>().unwrap_or(0) > 0,
            !get.bytes.is_empty()
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_cannot_be_taken_for_something_else() {
    let app = App::start().await;
    for path in ["/results", "/none", "/docs"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(
            answer
                .header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
    app.stop().await;
}
