//! Every route of the OpenAPI document, called with what opens it and with what does not.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use shared::access::Scope;

use crate::app::App;

/// A route, and what the document says that it needs: `None` is nothing, an empty list to be known.
struct Route {
    method: Method,
    path: String,
    needs: Option<Vec<Scope>>,
}

/// What stands in for the parameters of paths.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{run_id}" => "no-such-run",
        "{*path}" | "{path}" => "folder/test_none.py",
        parameter if parameter.starts_with('{') => "4711",
        other => other,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn routes() -> Vec<Route> {
    let document = serde_json::to_value(master::http::document()).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            routes.push(Route {
                method: method.to_uppercase().parse().unwrap(),
                path: filled(path),
                needs: needs(&operation["security"]),
            });
        }
    }
    // It is in no document, and still not for everybody.
    routes.push(Route {
        method: Method::GET,
        path: "/docs/index.css".to_owned(),
        needs: Some(Vec::new()),
    });
    routes
}

fn needs(security: &Value) -> Option<Vec<Scope>> {
    let alternatives = security.as_array().cloned().unwrap_or_default();
    if alternatives.iter().any(|one| one == &serde_json::json!({})) {
        return None;
    }
    let words = alternatives
        .iter()
        .filter_map(|one| one["bearer"].as_array());
    let words: Vec<&Value> = words.flatten().collect();
    if alternatives.is_empty() {
        return Some(vec![Scope::Admin]);
    }
    let scopes = words
        .iter()
        .map(|word| Scope::parse(word.as_str().unwrap()).unwrap());
    Some(scopes.collect())
}

/// Status and code of a route's answer. Nothing that goes well is read to its end, which it may not have.
async fn answer(app: &App, route: &Route, authorization: Option<&str>) -> (StatusCode, String) {
    let url = format!("{}{}", app.url, route.path);
    let mut request = app.client.request(route.method.clone(), url);
    if route.method != Method::GET {
        request = request
            .header("content-type", "application/json")
            .body("{}");
    }
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return (status, String::new());
    }
    let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    // Contracts of others have bodies of their own where they are told that there is nothing.
    let code = problem["code"].as_str().unwrap_or_default().to_owned();
    if status == 401 || code == "scope_missing" {
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    (status, code)
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Every set of scopes, by a token that has it.
async fn tokens(app: &App) -> BTreeMap<Vec<Scope>, String> {
    let mut tokens = BTreeMap::new();
    for set in 1..1 << Scope::ALL.len() {
        let has = |index: &usize| set & (1 << index) != 0;
        let scopes: Vec<Scope> = (0..Scope::ALL.len())
            .filter(has)
            .map(|i| Scope::ALL[i])
            .collect();
        let token = app.token(&format!("token-{set}"), &scopes, None).await;
        tokens.insert(scopes, token);
    }
    tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_wants_a_token_that_is_good() {
    let app = App::start().await;
    let all = Scope::ALL;
    let long_ago = chrono::Utc::now() - chrono::TimeDelta::seconds(1);
    let expired = app.token_until("expired", &all, None, Some(long_ago)).await;
    let revoked = app.token("revoked", &all, None).await;
    let good = app.token("good", &all, None).await;
    let store = app.store().await;
    master::access::tokens::revoke(&store, "revoked", "local:test")
        .await
        .unwrap();
    store.close().await;
    app.knows().await;
    let cut_off = &good[..good.len() - 1];
    let (id, _) = good.rsplit_once('_').unwrap();
    let other_secret = format!("{id}_{}", "0".repeat(64));
    for route in routes() {
        let shown = format!("{} {}", route.method, route.path);
        let closed = [
            (None, "token_missing"),
            (Some("Basic dXNlcjpwYXNz".to_owned()), "token_invalid"),
            (Some("Bearer".to_owned()), "token_invalid"),
            (Some(bearer("nonsense")), "token_invalid"),
            (Some(bearer(cut_off)), "token_invalid"),
            (Some(bearer(&other_secret)), "token_invalid"),
            (Some(bearer(&revoked)), "token_invalid"),
            (Some(bearer(&expired)), "token_expired"),
        ];
        for (authorization, expected) in closed {
            let (status, code) = answer(&app, &route, authorization.as_deref()).await;
            if route.needs.is_none() {
                assert!(
                    !code.starts_with("token_"),
                    "{shown} {authorization:?}: {code}"
                );
            } else {
                assert_eq!(status, 401, "{shown} {authorization:?}");
                assert_eq!(code, expected, "{shown} {authorization:?}");
            }
        }
        let (_, code) = answer(&app, &route, Some(&bearer(&good))).await;
        assert!(
            !code.starts_with("token_") && code != "scope_missing",
            "{shown}: {code}"
        );
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_open_to_its_scope_and_to_no_other() {
    let app = App::start().await;
    let tokens = tokens(&app).await;
    app.knows().await;
    for route in routes() {
        for (scopes, token) in &tokens {
            let shown = format!("{} {} with {scopes:?}", route.method, route.path);
            let (status, code) = answer(&app, &route, Some(&bearer(token))).await;
            let is_open = route.needs.as_ref().is_none_or(|needs| {
                let is_in = |one: &Scope| scopes.contains(one) || scopes.contains(&Scope::Admin);
                needs.is_empty() || needs.iter().any(is_in)
            });
            if is_open {
                assert!(
                    code != "scope_missing" && !code.starts_with("token_"),
                    "{shown}: {code}"
                );
            } else {
                assert_eq!((status.as_u16(), &*code), (403, "scope_missing"), "{shown}");
            }
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_could_not_report_gets_no_job() {
    let app = App::start().await;
    let bare = bearer(&app.token("bare", &[Scope::Run], None).await);
    let whole = bearer(&app.token("whole", &[Scope::Run, Scope::Report], None).await);
    app.knows().await;
    let lease = |authorization: String| {
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/json".to_owned()),
        ];
        let app = &app;
        async move {
            let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
            let body = br#"{"agent": "a", "slots": 1, "wait_s": 0}"#.to_vec();
            app.request(Method::POST, "/agents/lease", &headers, body)
                .await
        }
    };
    let refused = lease(bare).await;
    refused.problem(403, "scope_missing");
    assert!(refused.text().contains("`report`"), "{}", refused.text());
    assert_eq!(lease(whole).await.status, 204);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_told_only_to_those_who_are_known() {
    let app = App::start().await;
    app.get("/nothing").await.problem(404, "path_not_found");
    let token = bearer(&app.token("ci", &[Scope::Report], None).await);
    app.knows().await;
    app.get("/nothing").await.problem(401, "token_missing");
    let headers = [("authorization", &*token)];
    app.get_with("/nothing", &headers)
        .await
        .problem(404, "path_not_found");
    let patch = |headers| app.request(Method::PATCH, "/results", headers, Vec::new());
    patch(&[]).await.problem(401, "token_missing");
    patch(&headers).await.problem(405, "method_not_allowed");
    // HEAD is GET without a body, for the gate as well.
    let head = app
        .request(Method::HEAD, "/results", &headers, Vec::new())
        .await;
    assert_eq!(head.status, 403);
    app.stop().await;
}
