//! Size: large suites fit, and a passing case costs a few bytes.

use master::queries;
use master::queries::cases::CasesFilter;
use sqlx::{Connection, PgConnection};

use crate::engines::{Database, Engine};
use crate::make;

on_both_engines!(
    a_suite_of_sixty_thousand_tests_is_kept,
    runs_of_the_same_tests_cost_few_bytes_a_case,
);

async fn a_suite_of_sixty_thousand_tests_is_kept(db: &Database) {
    let opened = db.open().await;
    opened
        .save(make::run_of("r1", make::suite(60_000, 1)))
        .await;
    opened
        .save(make::run_of("r2", make::suite(60_000, 2)))
        .await;
    let run = queries::runs::get(&opened.store, "r2")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (run.total, run.passed, run.reported),
        (60_000, 60_000, 60_000)
    );
    let filter = CasesFilter {
        after: Some(59_997),
        limit: 10,
        ..CasesFilter::default()
    };
    let page = queries::cases::list(&opened.store, "r2", &filter)
        .await
        .unwrap()
        .unwrap();
    let names: Vec<&str> = page.cases.iter().map(|case| case.nodeid.as_str()).collect();
    assert_eq!(
        names,
        [
            "tests/test_1199.py::test_number[59998]",
            "tests/test_1199.py::test_number[59999]"
        ]
    );
    assert_eq!(page.cases[1].file.as_deref(), Some("tests/test_1199.py"));
    opened.close().await;
}

async fn runs_of_the_same_tests_cost_few_bytes_a_case(db: &Database) {
    let opened = db.open().await;
    opened
        .save(make::run_of("r0", make::suite(10_000, 1)))
        .await;
    opened.close().await;
    let before = bytes_of(db).await;
    let opened = db.open().await;
    for number in 1..=20 {
        opened
            .save(make::run_of(
                &format!("r{number}"),
                make::suite(10_000, number),
            ))
            .await;
    }
    opened.close().await;
    let bytes_a_case = (bytes_of(db).await - before) as f64 / 200_000.0;
    assert!(bytes_a_case < 5.0, "{bytes_a_case} bytes a case");
}

/// Size of the whole database, with nothing left in a log.
async fn bytes_of(db: &Database) -> i64 {
    match db.engine {
        Engine::Sqlite => {
            let file = db.url.strip_prefix("sqlite://").unwrap();
            std::fs::metadata(file).unwrap().len() as i64
        }
        Engine::Postgres => {
            let mut connection = PgConnection::connect(&db.url).await.unwrap();
            sqlx::query_scalar("select pg_database_size(current_database())")
                .fetch_one(&mut connection)
                .await
                .unwrap()
        }
    }
}
