//! CONTRACTS.md section 1, letter by letter, on both databases.

use serde_json::{Value, json};

use crate::app::App;

const CONTRACT_FIELDS: [&str; 13] = [
    "run_id",
    "worker_id",
    "project",
    "branch",
    "timestamp",
    "passed",
    "failed",
    "error",
    "skipped",
    "total",
    "duration",
    "pass_rate",
    "id",
];

fn body(run_id: &str, worker: &str, timestamp: &str, failed: u64) -> Value {
    json!({
        "run_id": run_id, "worker_id": worker, "project": "shop", "branch": "main",
        "timestamp": timestamp, "passed": 10 - failed, "failed": failed, "error": 0, "skipped": 0,
        "total": 10, "duration": 1.25,
        "failures": (0..failed).map(|number| json!({
            "nodeid": format!("t.py::test_{number}"), "duration": 0.25, "message": "boom"
        })).collect::<Vec<_>>(),
    })
}

async fn a_client_that_knows_only_the_contract_is_a_full_citizen(app: App) {
    let answer = app.post(&body("a", "w1", "2026-11-20T10:00:00", 2)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json(), json!({"run_id": "a", "status": "saved"}));
    app.save(body("b", "w2", "2026-11-20T13:00:00+02:00", 1))
        .await;
    app.save(json!({"run_id": "c", "worker_id": "w1"})).await;

    let runs = app.json("/results").await;
    let ids: Vec<&Value> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["run_id"])
        .collect();
    assert_eq!(ids, ["c", "b", "a"]);
    for field in CONTRACT_FIELDS {
        assert!(runs[2].get(field).is_some(), "no {field}");
    }
    assert!(runs[2].get("failures").is_none());
    assert_eq!(runs[2]["timestamp"], "2026-11-20T10:00:00.000000Z");
    assert_eq!(runs[1]["timestamp"], "2026-11-20T11:00:00.000000Z");
    assert_eq!(runs[2]["pass_rate"], 80.0);

    let run = app.json("/results/a").await;
    assert_eq!(run["failures"].as_array().unwrap().len(), 2);
    assert_eq!(
        run["failures"][0],
        json!({"nodeid": "t.py::test_0", "duration": 0.25, "message": "boom"})
    );
    let unknown = app.get("/results/none").await;
    unknown.problem(404, "run_not_found");
    assert!(unknown.json()["detail"].is_string());

    let trend = app.json("/trend?project=shop").await;
    let failed: Vec<&Value> = trend
        .as_array()
        .unwrap()
        .iter()
        .map(|point| &point["failed"])
        .collect();
    assert_eq!(failed, [2, 1]);
    for field in [
        "timestamp",
        "passed",
        "failed",
        "total",
        "pass_rate",
        "worker_id",
    ] {
        assert!(trend[0].get(field).is_some(), "no {field}");
    }

    let workers = app.json("/workers").await;
    assert_eq!(workers[0]["worker_id"], "w1");
    assert_eq!(workers[0]["run_count"], 2);
    assert_eq!(workers[1]["avg_pass_rate"], 90.0);
    assert!(workers[0]["last_seen"].is_string());

    let stats = app.json("/failures/stats?project=shop").await;
    assert_eq!(
        stats,
        json!([{"nodeid": "t.py::test_0", "fail_count": 2}, {"nodeid": "t.py::test_1", "fail_count": 1}])
    );
    assert_eq!(app.json("/health").await, json!({"status": "ok"}));
    assert_eq!(app.get("/docs").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_client_is_a_full_citizen_on_sqlite() {
    a_client_that_knows_only_the_contract_is_a_full_citizen(App::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_client_is_a_full_citizen_on_postgresql() {
    let server = std::env::var("TEST_POSTGRES_URL").expect(
        "set TEST_POSTGRES_URL to a PostgreSQL server where databases may be created, such as \
         postgres://postgres@127.0.0.1:5432/postgres",
    );
    let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(&server)
        .await
        .unwrap();
    let name = format!("http_{}", uuid::Uuid::now_v7().simple());
    let create = sqlx::AssertSqlSafe(format!("create database {name}"));
    sqlx::query(create).execute(&mut admin).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let url = format!("{base}/{name}");
    let app = App::start_with(|config| config.database_url = url).await;
    a_client_that_knows_only_the_contract_is_a_full_citizen(app).await;
    let remove = sqlx::AssertSqlSafe(format!("drop database {name} with (force)"));
    sqlx::query(remove).execute(&mut admin).await.unwrap();
}
