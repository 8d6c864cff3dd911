//! `GET /failures/stats`.

use serde_json::json;

use crate::app::{App, run_with_cases};

#[tokio::test(flavor = "multi_thread")]
async fn the_tests_that_fail_most_come_first() {
    let app = App::start().await;
    app.save(run_with_cases("r1", &["failed", "failed", "passed"]))
        .await;
    app.save(run_with_cases("r2", &["passed", "error", "passed"]))
        .await;
    let (first, second) = ("tests/test_a.py::test_1", "tests/test_a.py::test_0");
    let all = json!([{"nodeid": first, "fail_count": 2}, {"nodeid": second, "fail_count": 1}]);
    assert_eq!(app.json("/failures/stats").await, all);
    assert_eq!(app.json("/failures/stats?project=p").await, all);
    assert_eq!(app.json("/failures/stats?project=other").await, json!([]));
    assert_eq!(app.json("/failures/stats?limit=1").await, json!([all[0]]));
    for query in ["limit=0", "limit=501"] {
        let answer = app.get(&format!("/failures/stats?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), "limit");
    }
    app.stop().await;
}
