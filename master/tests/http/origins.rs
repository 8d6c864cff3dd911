//! Pages of other origins: a browser lets them send simple requests to any master that it can reach.

use master::config::CorsOrigins;
use reqwest::Method;
use serde_json::Value;

use crate::app::App;
use crate::job_calls::git_job;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_changes_nothing_unless_it_is_named() {
    let app = App::start_with(|config| {
        config.cors = CorsOrigins::Listed(vec!["https://ci.example.org".parse().unwrap()]);
    })
    .await;
    app.queue(git_job("Steve")).await;
    let evil = [("origin", "https://evil.example")];
    for (method, path) in [
        (Method::POST, "/jobs/1/cancel"),
        (Method::POST, "/jobs/1/rerun"),
        (Method::DELETE, "/jobs/1"),
        (Method::DELETE, "/test_history"),
        (Method::POST, "/jobs"),
    ] {
        let answer = app.request(method, path, &evil, Vec::new()).await;
        answer.problem(403, "other_origin");
    }
    // An image of a page asks like this.
    let image = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", "image"),
    ];
    let answer = app.get_with("/api/task/available", &image).await;
    answer.problem(403, "other_origin");
    assert_eq!(app.json("/jobs/1").await["state"], "queued");
    assert_eq!(app.json("/jobs").await.as_array().unwrap().len(), 1);
    let named = [("origin", "https://ci.example.org")];
    let answer = app
        .request(Method::POST, "/jobs/1/cancel", &named, Vec::new())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-origin"), named[0].1);
    let own = [("origin", app.url.as_str())];
    let answer = app
        .request(Method::POST, "/jobs/1/rerun", &own, Vec::new())
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let answer = app.send(Method::POST, "/jobs/2/cancel", &Value::Null).await;
    assert_eq!(answer.status, 200);
    app.stop().await;
}
