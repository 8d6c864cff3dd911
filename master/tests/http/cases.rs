//! `GET /results/{run_id}/cases`.

use crate::app::{App, run_with_cases};

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_filtered_by_outcome_and_text() {
    let app = App::start().await;
    app.save(run_with_cases(
        "r",
        &["passed", "failed", "skipped", "passed"],
    ))
    .await;
    for (query, count) in [
        ("", 4),
        ("outcome=passed", 2),
        ("q=TEST_1", 1),
        ("outcome=error", 0),
        ("outcome=passed&q=_3", 1),
    ] {
        let cases = app.json(&format!("/results/r/cases?{query}")).await;
        assert_eq!(cases.as_array().unwrap().len(), count, "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_header_leads_through_every_case_once() {
    let app = App::start().await;
    app.save(run_with_cases("r", &["passed"; 25])).await;
    let mut path = "/results/r/cases?limit=10".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = app.get(&path).await;
        seen.extend(
            answer
                .json()
                .as_array()
                .unwrap()
                .iter()
                .map(|case| case["nodeid"].to_string()),
        );
        match answer.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_the_parameter_or_the_run() {
    let app = App::start().await;
    app.save(run_with_cases("r", &["passed"])).await;
    let runs_cursor = "MXI3";
    for (query, name) in [
        ("limit=1001", "limit"),
        ("outcome=green", "outcome"),
        (&*format!("cursor={runs_cursor}"), "cursor"),
    ] {
        let answer = app.get(&format!("/results/r/cases?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), name);
    }
    app.get("/results/none/cases")
        .await
        .problem(404, "run_not_found");
    app.stop().await;
}
