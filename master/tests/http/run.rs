//! `GET /results/{run_id}`.

use crate::app::{App, run_with_cases};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_run_is_a_404_with_detail() {
    let app = App::start().await;
    for path in ["/results/none", "/results/%00", "/results/%F0%9F%98%80"] {
        app.get(path).await.problem(404, "run_not_found");
    }
    app.get(&format!("/results/{}", "x".repeat(5_000)))
        .await
        .problem(404, "run_not_found");
    app.get("/results/%ff").await.problem(400, "invalid_path");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_its_failures() {
    let app = App::start().await;
    let mut body = run_with_cases("r", &["passed", "failed"]);
    body["cases"][1]["message"] = "assert 1 == 2".into();
    app.save(body).await;
    let run = app.json("/results/r").await;
    assert_eq!(run["failures"].as_array().unwrap().len(), 1);
    assert_eq!(run["failures"][0]["nodeid"], "tests/test_a.py::test_1");
    assert_eq!(run["failures"][0]["message"], "assert 1 == 2");
    app.stop().await;
}
