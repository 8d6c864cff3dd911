//! `GET /results/{run_id}/case`.

use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_case_tells_everything_that_went_wrong_in_it() {
    let app = App::start().await;
    let nodeid = "tests/test_a.py::test_x[a+b & c/é]";
    app.save(json!({"run_id": "r", "worker_id": "w", "cases": [{
        "nodeid": nodeid, "outcome": "failed", "duration": 0.123_456, "message": "assert 1 == 2",
        "failures": [{"phase": "call", "message": "assert 1 == 2", "traceback": "line 1\nline 2", "stdout": "out"}],
    }]}))
    .await;
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("nodeid", nodeid)
        .finish();
    let case = app.json(&format!("/results/r/case?{query}")).await;
    assert_eq!(case["nodeid"], nodeid);
    assert_eq!(case["duration"], 0.123_456);
    assert_eq!(case["failures"][0]["traceback"], "line 1\nline 2");
    assert_eq!(case["failures"][0]["stdout"], "out");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_run_and_an_unknown_case_are_told_apart() {
    let app = App::start().await;
    app.save(
        json!({"run_id": "r", "worker_id": "w", "cases": [{"nodeid": "a", "outcome": "passed"}]}),
    )
    .await;
    app.get("/results/none/case?nodeid=a")
        .await
        .problem(404, "run_not_found");
    app.get("/results/r/case?nodeid=b")
        .await
        .problem(404, "case_not_found");
    let missing = app.get("/results/r/case").await;
    assert_eq!(missing.problem(422, "invalid_parameter"), "nodeid");
    app.stop().await;
}
