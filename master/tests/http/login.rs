//! Accounts: logging in, going on, and the end of it.

use std::time::{Duration, Instant};

use master::access::{ACCOUNT_FAILURES_MAX, Granted, accounts};
use reqwest::Method;
use serde_json::{Value, json};
use shared::access::Scope;

use crate::app::{Answer, App};

const PASSWORD: &str = "correct horse battery";

async fn app_with_account() -> App {
    let app = App::start().await;
    let store = app.store().await;
    let granted = Granted {
        name: "dora_explorer".into(),
        scopes: [Scope::Read, Scope::Run].into(),
        project: None,
    };
    accounts::create(&store, &granted, PASSWORD, "local:test")
        .await
        .unwrap();
    store.close().await;
    app.knows().await;
    app
}

async fn post(app: &App, path: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    app.request(Method::POST, path, &json, body.to_string().into_bytes())
        .await
}

async fn login(app: &App, username: &str, password: &str) -> Answer {
    post(
        app,
        "/api/v1/login",
        &json!({"username": username, "password": password}),
    )
    .await
}

async fn refresh(app: &App, token: &Value) -> Answer {
    post(app, "/api/v1/auth/refresh", &json!({"refreshToken": token})).await
}

async fn status_with(app: &App, access_token: &Value) -> u16 {
    let value = format!("Bearer {}", access_token.as_str().unwrap());
    app.get_with("/whoami", &[("authorization", &value)])
        .await
        .status
        .as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_answers_as_the_contract_says_and_opens_what_the_account_may() {
    let app = app_with_account().await;
    let answer = login(&app, "dora_explorer", PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    let logged_in = answer.json();
    let fields: Vec<&String> = logged_in.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["accessToken", "refreshToken", "type"]);
    assert_eq!(logged_in["type"], "Bearer");
    let value = format!("Bearer {}", logged_in["accessToken"].as_str().unwrap());
    let who = app
        .get_with("/whoami", &[("authorization", &value)])
        .await
        .json();
    assert_eq!(
        who,
        json!({"name": "dora_explorer", "scopes": ["read", "run"], "project": null})
    );
    let refused = app.get_with("/audit", &[("authorization", &value)]).await;
    refused.problem(403, "scope_missing");
    // A refresh token is for refreshing only.
    assert_eq!(status_with(&app, &logged_in["refreshToken"]).await, 401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_name_get_the_same_answer_after_the_same_time() {
    let app = app_with_account().await;
    let mut details = Vec::new();
    let mut times = [Duration::ZERO; 2];
    for _ in 0..4 {
        for (index, name) in ["dora_explorer", "nobody"].into_iter().enumerate() {
            let begun = Instant::now();
            let answer = login(&app, name, "wrong password").await;
            times[index] += begun.elapsed();
            answer.problem(401, "login_failed");
            assert!(answer.headers.contains_key("www-authenticate"));
            details.push(answer.json()["detail"].clone());
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "{details:?}");
    let ratio = times[0].as_secs_f64() / times[1].as_secs_f64();
    assert!((0.2..5.0).contains(&ratio), "{times:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_good_once_and_its_second_use_ends_all_that_came_of_it() {
    let app = app_with_account().await;
    let first = login(&app, "dora_explorer", PASSWORD).await.json();
    let other = login(&app, "dora_explorer", PASSWORD).await.json();
    let second = refresh(&app, &first["refreshToken"]).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let second = second.json();
    assert_eq!(status_with(&app, &first["accessToken"]).await, 200);
    assert_eq!(status_with(&app, &second["accessToken"]).await, 200);
    assert_ne!(first["refreshToken"], second["refreshToken"]);
    refresh(&app, &first["refreshToken"])
        .await
        .problem(401, "refresh_failed");
    app.knows().await;
    for token in [&first, &second] {
        assert_eq!(status_with(&app, &token["accessToken"]).await, 401);
    }
    refresh(&app, &second["refreshToken"])
        .await
        .problem(401, "refresh_failed");
    // Another login of the same account goes on.
    assert_eq!(status_with(&app, &other["accessToken"]).await, 200);
    assert_eq!(refresh(&app, &other["refreshToken"]).await.status, 200);
    for nonsense in [json!("x"), other["accessToken"].clone()] {
        refresh(&app, &nonsense)
            .await
            .problem(401, "refresh_failed");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_is_out() {
    let app = app_with_account().await;
    let logged_in = login(&app, "dora_explorer", PASSWORD).await.json();
    let value = format!("Bearer {}", logged_in["accessToken"].as_str().unwrap());
    let headers = [("authorization", &*value)];
    assert_eq!(app.get_with("/whoami", &headers).await.status, 200);
    let out = app
        .request(Method::POST, "/api/v1/logout", &headers, Vec::new())
        .await;
    assert_eq!(out.status, 204);
    app.get_with("/whoami", &headers)
        .await
        .problem(401, "token_invalid");
    refresh(&app, &logged_in["refreshToken"])
        .await
        .problem(401, "refresh_failed");
    let token = format!("Bearer {}", app.token("ci", &[Scope::Read], None).await);
    let headers = [("authorization", &*token)];
    let refused = app
        .request(Method::POST, "/api/v1/logout", &headers, Vec::new())
        .await;
    refused.problem(409, "no_login");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_or_no_account_any_more_ends_its_sessions() {
    let app = app_with_account().await;
    app.token("stays", &[Scope::Read], None).await;
    let store = app.store().await;
    let before = login(&app, "dora_explorer", PASSWORD).await.json();
    accounts::set_password(&store, "dora_explorer", "another password", "local:test")
        .await
        .unwrap();
    app.knows().await;
    assert_eq!(status_with(&app, &before["accessToken"]).await, 401);
    refresh(&app, &before["refreshToken"])
        .await
        .problem(401, "refresh_failed");
    login(&app, "dora_explorer", PASSWORD)
        .await
        .problem(401, "login_failed");
    let after = login(&app, "dora_explorer", "another password")
        .await
        .json();
    assert_eq!(status_with(&app, &after["accessToken"]).await, 200);
    accounts::remove(&store, "dora_explorer", "local:test")
        .await
        .unwrap();
    store.close().await;
    app.knows().await;
    assert_eq!(status_with(&app, &after["accessToken"]).await, 401);
    refresh(&app, &after["refreshToken"])
        .await
        .problem(401, "refresh_failed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_has_to_wait_and_so_does_the_right_password() {
    let app = app_with_account().await;
    // A right one in between begins anew.
    for _ in 0..3 {
        login(&app, "dora_explorer", "wrong password")
            .await
            .problem(401, "login_failed");
    }
    assert_eq!(login(&app, "dora_explorer", PASSWORD).await.status, 200);
    let guesses =
        (0..ACCOUNT_FAILURES_MAX + 5).map(|_| login(&app, "dora_explorer", "wrong password"));
    let answers = futures_util::future::join_all(guesses).await;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(tried, ACCOUNT_FAILURES_MAX as usize);
    let refused = login(&app, "dora_explorer", PASSWORD).await;
    refused.problem(429, "too_many_failures");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=300).contains(&seconds), "{seconds}");
    login(&app, "somebody_else", "wrong password")
        .await
        .problem(401, "login_failed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_login_is_refused_with_its_field() {
    let app = app_with_account().await;
    let too_long = "x".repeat(1_001);
    for (body, field) in [
        (json!({"username": "a"}), "password"),
        (json!({"password": "a"}), "username"),
        (json!({"username": "a", "password": too_long}), "password"),
        (json!({"username": "a\0", "password": "b"}), "username"),
    ] {
        let refused = post(&app, "/api/v1/login", &body).await;
        let named = refused.problem(422, "invalid_field");
        assert!(
            named.contains(field) || refused.text().contains(field),
            "{}",
            refused.text()
        );
    }
    let refused = post(
        &app,
        "/api/v1/login",
        &json!({"username": "x".repeat(20_000), "password": ""}),
    )
    .await;
    refused.problem(413, "body_too_large");
    app.stop().await;
}
