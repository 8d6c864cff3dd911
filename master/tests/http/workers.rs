//! `GET /workers`.

use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_last_seen_first() {
    let app = App::start().await;
    assert_eq!(app.json("/workers").await, json!([]));
    for (number, worker, passed) in [(0, "a", 10), (1, "b", 10), (2, "a", 5)] {
        app.save(json!({"run_id": format!("r{number}"), "worker_id": worker, "passed": passed, "total": 10})).await;
    }
    let workers = app.json("/workers").await;
    assert_eq!(workers[0]["worker_id"], "a");
    assert_eq!(workers[0]["run_count"], 2);
    assert_eq!(workers[0]["avg_pass_rate"], 75.0);
    assert_eq!(workers[1]["worker_id"], "b");
    assert!(workers[0]["last_seen"].as_str().unwrap() >= workers[1]["last_seen"].as_str().unwrap());
    app.stop().await;
}
