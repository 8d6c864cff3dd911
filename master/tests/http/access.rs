//! The gate: when it is shut, and by what it is opened.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use master::access::tokens;
use serde_json::json;
use shared::access::Scope;

use crate::app::{App, run_with_cases};

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_token_or_account_nobody_is_asked() {
    let app = App::start().await;
    app.save(run_with_cases("a", &["passed"])).await;
    let who = app.json("/whoami").await;
    assert_eq!(
        who,
        json!({"name": "", "scopes": ["report", "read", "run", "admin"], "project": null})
    );
    // What is presented does not matter then.
    let answer = app
        .get_with("/results", &[("authorization", "Bearer x")])
        .await;
    assert_eq!(answer.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_shuts_a_running_master_within_a_second() {
    let app = App::start_with(|config| config.insecure_allow_anonymous = true).await;
    assert_eq!(app.get("/results").await.status, 200);
    let token = app.token("ci", &[Scope::Read], None).await;
    let made = Instant::now();
    while app.get("/results").await.status == 200 {
        assert!(made.elapsed() < Duration::from_secs(5), "it stays open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.get("/results").await.problem(401, "token_missing");
    assert_eq!(app.json("/health").await, json!({"status": "ok"}));
    let authorization = bearer(&token);
    let answer = app
        .get_with("/whoami", &[("authorization", &authorization)])
        .await;
    assert_eq!(
        answer.json(),
        json!({"name": "ci", "scopes": ["read"], "project": null})
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_or_expires_is_of_no_use_a_second_later() {
    let app = App::start().await;
    let soon = Utc::now() + TimeDelta::seconds(3);
    let revoked = bearer(&app.token("revoked", &[Scope::Read], None).await);
    let expiring = bearer(
        &app.token_until("expiring", &[Scope::Read], None, Some(soon))
            .await,
    );
    app.token("other", &[Scope::Read], None).await;
    app.knows().await;
    for authorization in [&revoked, &expiring] {
        let answer = app
            .get_with("/results", &[("authorization", authorization)])
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let store = app.store().await;
    tokens::revoke(&store, "revoked", "local:test")
        .await
        .unwrap();
    store.close().await;
    app.knows().await;
    let refused = app
        .get_with("/results", &[("authorization", &revoked)])
        .await;
    refused.problem(401, "token_invalid");
    assert!(
        refused.text().contains("`revoked` was revoked"),
        "{}",
        refused.text()
    );
    assert!(refused.header("www-authenticate").contains("invalid_token"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let refused = app
        .get_with("/results", &[("authorization", &expiring)])
        .await;
    refused.problem(401, "token_expired");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_ends_when_what_opened_it_is_of_no_use_any_more() {
    let app = App::start().await;
    let listen = |authorization: String| {
        let request = app.client.get(format!("{}/events", app.url));
        request.header("authorization", authorization).send()
    };
    let unasked = listen(String::new()).await.unwrap();
    let revoked = bearer(&app.token("revoked", &[Scope::Read], None).await);
    let other = bearer(&app.token("other", &[Scope::Read], None).await);
    app.knows().await;
    let revoked = listen(revoked).await.unwrap();
    let mut other = listen(other).await.unwrap();
    let store = app.store().await;
    tokens::revoke(&store, "revoked", "local:test")
        .await
        .unwrap();
    store.close().await;
    for stream in [unasked, revoked] {
        assert_eq!(stream.status(), 200);
        let text = tokio::time::timeout(Duration::from_secs(20), stream.text()).await;
        assert!(text.unwrap().unwrap().contains("listening"));
    }
    assert!(other.chunk().await.unwrap().is_some());
    let goes_on = tokio::time::timeout(Duration::from_secs(3), other.chunk()).await;
    assert!(!matches!(goes_on, Ok(Ok(None) | Err(_))), "{goes_on:?}");
    drop(other);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_report_leaves_nothing_behind_and_the_connection_usable() {
    let app = App::start().await;
    let reader = bearer(&app.token("reader", &[Scope::Read], None).await);
    app.knows().await;
    let mut body = run_with_cases("a", &["passed"]);
    body["log_tail"] = json!("x".repeat(2_000_000));
    let body = body.to_string().into_bytes();
    let refused = app
        .post_bytes(body.clone(), &[("authorization", &reader)])
        .await;
    refused.problem(403, "scope_missing");
    assert!(refused.text().contains("`report`"), "{}", refused.text());
    app.post_bytes(body, &[])
        .await
        .problem(401, "token_missing");
    let runs = app
        .get_with("/results", &[("authorization", &reader)])
        .await;
    assert_eq!(runs.json(), json!([]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_in_the_host_header_is_refused_also_with_a_token() {
    let app = App::start().await;
    let token = bearer(&app.token("ci", &[Scope::Read], None).await);
    let headers = [("host", "evil.example"), ("authorization", &token)];
    app.get_with("/results", &headers)
        .await
        .problem(421, "host_not_allowed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_of_a_web_page_needs_no_token_and_its_request_does() {
    let app = App::start_with(|config| config.cors = master::config::CorsOrigins::Any).await;
    app.token("ci", &[Scope::Read], None).await;
    app.knows().await;
    let headers = [
        ("origin", "https://ci.example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = app
        .request(reqwest::Method::OPTIONS, "/results", &headers, Vec::new())
        .await;
    assert_eq!(preflight.status, 200);
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    let refused = app.get_with("/results", &headers[..1]).await;
    refused.problem(401, "token_missing");
    // A page may read why.
    assert_eq!(refused.header("access-control-allow-origin"), "*");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_token_is_looked_up_once_a_second_and_costs_little() {
    let app = App::start().await;
    let open = median_of(&app, "").await;
    let token = bearer(&app.token("ci", &[Scope::Read], None).await);
    app.knows().await;
    let asked = median_of(&app, &token).await;
    assert!(
        asked < open * 3 + Duration::from_millis(2),
        "{open:?} open, {asked:?} asked"
    );
    app.stop().await;
}

async fn median_of(app: &App, authorization: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let answer = app
            .get_with("/whoami", &[("authorization", authorization)])
            .await;
        assert_eq!(answer.status, 200);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}
