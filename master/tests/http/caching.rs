//! `ETag` and 304: a dashboard that polls costs nothing while nothing changes.

use serde_json::json;

use crate::app::{App, run_with_cases};

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_answer_is_a_304_and_a_changed_one_is_not() {
    let app = App::start().await;
    app.save(run_with_cases("r", &["passed", "failed"])).await;
    let paths = [
        "/results",
        "/results/r",
        "/results/r/cases",
        "/trend",
        "/workers",
        "/projects",
        "/failures/stats",
    ];
    for path in paths {
        let first = app.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        assert_eq!(first.header("cache-control"), "no-cache");
        assert!(first.header("vary").contains("accept-encoding"));
        let again = app.get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!(again.status, 304, "{path}");
        assert!(again.bytes.is_empty());
        assert_eq!(again.header("etag"), tag);
        let other = app.get_with(path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status, 200);
    }
    let tag = app.get("/results").await.header("etag").to_owned();
    app.save(json!({"run_id": "s", "worker_id": "w"})).await;
    let changed = app.get_with("/results", &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_304_of_a_page_still_leads_on() {
    let app = App::start().await;
    for run_id in ["a", "b"] {
        app.save(json!({"run_id": run_id, "worker_id": "w"})).await;
    }
    let first = app.get("/results?limit=1").await;
    let again = app
        .get_with(
            "/results?limit=1",
            &[("if-none-match", first.header("etag"))],
        )
        .await;
    assert_eq!(again.status, 304);
    assert_eq!(again.next(), first.next());
    app.stop().await;
}
