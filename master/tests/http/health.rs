//! `GET /health` and `GET /`.

use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_master_says_ok() {
    let app = App::start().await;
    assert_eq!(app.json("/health").await, json!({"status": "ok"}));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_names_every_path() {
    let app = App::start().await;
    let index = app.json("/").await;
    assert_eq!(index["name"], "pytest-platform-master");
    assert!(
        index["paths"]
            .as_array()
            .unwrap()
            .contains(&json!("/results/{run_id}/cases"))
    );
    app.stop().await;
}
