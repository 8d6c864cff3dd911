//! `GET /projects`.

use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_listed_with_their_runs() {
    let app = App::start().await;
    for (number, project) in ["a", "b", "b"].into_iter().enumerate() {
        app.save(json!({"run_id": format!("r{number}"), "worker_id": "w", "project": project}))
            .await;
    }
    let expected = json!([{"project": "b", "run_count": 2}, {"project": "a", "run_count": 1}]);
    assert_eq!(app.json("/projects").await, expected);
    app.stop().await;
}
