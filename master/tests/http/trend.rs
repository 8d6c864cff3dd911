//! `GET /trend`.

use serde_json::{Value, json};

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn the_last_runs_are_shown_oldest_first() {
    let app = App::start().await;
    for number in 0..12 {
        app.save(json!({
            "run_id": format!("r{number}"), "worker_id": "w", "project": if number % 2 == 0 { "even" } else { "odd" },
            "passed": number, "total": 12,
        }))
        .await;
    }
    let passed = |trend: Value| -> Vec<u64> {
        trend
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["passed"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(
        passed(app.json("/trend").await),
        (2..12).collect::<Vec<_>>()
    );
    assert_eq!(passed(app.json("/trend?limit=3").await), [9, 10, 11]);
    assert_eq!(
        passed(app.json("/trend?project=even&limit=2").await),
        [8, 10]
    );
    assert_eq!(passed(app.json("/trend?project=none").await), [0; 0]);
    for query in ["limit=0", "limit=101", "limit=x"] {
        let answer = app.get(&format!("/trend?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), "limit");
    }
    app.stop().await;
}
