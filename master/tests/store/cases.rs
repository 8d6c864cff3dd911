//! What became of every test comes back as it was sent.

use master::queries;
use master::queries::case::FoundCase;
use master::queries::cases::{CasesFilter, CasesPage};
use shared::case::{Case, CaseFailure, NewCase};
use shared::outcome::Outcome;
use shared::run::NewRun;
use shared::status::RunStatus;

use crate::engines::{Database, Opened};
use crate::make;

on_both_engines!(
    everything_a_case_can_say_comes_back,
    the_detail_of_a_failure_comes_back_exactly,
    everything_a_run_says_about_itself_comes_back,
    cases_are_paged_and_filtered,
    a_case_is_found_by_its_nodeid_only_in_its_run,
);

async fn page(opened: &Opened, run_id: &str, filter: CasesFilter) -> CasesPage {
    let page = queries::cases::list(&opened.store, run_id, &filter)
        .await
        .unwrap();
    page.expect("the run is unknown")
}

async fn all(opened: &Opened, run_id: &str) -> Vec<Case> {
    let filter = CasesFilter {
        limit: 1_000,
        ..CasesFilter::default()
    };
    page(opened, run_id, filter).await.cases
}

async fn detail(opened: &Opened, run_id: &str, nodeid: &str) -> Case {
    match queries::case::get(&opened.store, run_id, nodeid)
        .await
        .unwrap()
    {
        FoundCase::Found(case) => *case,
        other => panic!("{nodeid} of {run_id}: {other:?}"),
    }
}

async fn everything_a_case_can_say_comes_back(db: &Database) {
    let opened = db.open().await;
    let rich = NewCase {
        outcomes: Some(vec![Outcome::Rerun, Outcome::Passed]),
        duration: Some(1.5),
        setup: Some(0.5),
        call: Some(0.25),
        teardown: None,
        attempts: 2,
        executions: 3,
        started_at: shared::time::parse("2026-11-21T09:00:00.789Z"),
        file: Some("lib/base.py".to_owned()),
        line: Some(42),
        markers: vec!["slow".to_owned(), "db".to_owned()],
        xdist_worker: Some("gw1".to_owned()),
        memory_peak_kib: Some(123_456),
        message: Some("flaked once".to_owned()),
        subtests_passed: 4,
        subtests_skipped: 1,
        ..make::passed("tests/test_a.py::rich")
    };
    let crashed = NewCase::new("tests/test_a.py::crashed", Outcome::Crashed);
    let plain = make::passed("tests/test_a.py::plain");
    opened
        .save(make::run_of("r", vec![rich.clone(), crashed, plain]))
        .await;

    let cases = all(&opened, "r").await;
    let names: Vec<&str> = cases.iter().map(|case| case.nodeid.as_str()).collect();
    assert_eq!(
        names,
        [
            "tests/test_a.py::rich",
            "tests/test_a.py::crashed",
            "tests/test_a.py::plain"
        ]
    );
    let expected = Case {
        nodeid: rich.nodeid,
        outcome: Outcome::Passed,
        outcomes: rich.outcomes.unwrap(),
        duration: rich.duration,
        setup: rich.setup,
        call: rich.call,
        teardown: None,
        attempts: 2,
        executions: 3,
        started_at: rich.started_at,
        file: rich.file,
        line: rich.line,
        markers: rich.markers,
        xdist_worker: rich.xdist_worker,
        memory_peak_kib: rich.memory_peak_kib,
        message: rich.message,
        subtests_passed: 4,
        subtests_failed: 0,
        subtests_skipped: 1,
        failures: None,
    };
    assert_eq!(cases[0], expected);
    assert_eq!(
        (cases[1].outcome, cases[1].outcomes.len()),
        (Outcome::Crashed, 0)
    );
    assert_eq!((cases[2].duration, cases[2].started_at), (None, None));
    assert_eq!(
        (cases[2].file.as_deref(), cases[2].line, cases[2].attempts),
        (None, None, 1)
    );
    opened.close().await;
}

async fn the_detail_of_a_failure_comes_back_exactly(db: &Database) {
    let opened = db.open().await;
    let long = "why ".repeat(1_000);
    let mut bad = make::failed("t.py::bad", &long);
    bad.failures.push(CaseFailure {
        phase: "teardown".to_owned(),
        outcome: Some(Outcome::Error),
        context: Some("attempt 2".to_owned()),
        message: "second".to_owned(),
        ..CaseFailure::default()
    });
    bad.setup = Some(0.000_012_345);
    bad.duration = Some(0.987_654_321);
    opened
        .save(make::run_of(
            "r",
            vec![make::passed("t.py::good"), bad.clone()],
        ))
        .await;

    let found = detail(&opened, "r", "t.py::bad").await;
    assert_eq!(found.failures.as_ref(), Some(&bad.failures));
    assert_eq!(
        (found.duration, found.setup, found.call),
        (bad.duration, bad.setup, bad.call)
    );
    assert_eq!(found.message, bad.message);

    let listed = &all(&opened, "r").await[1];
    let short = listed.message.as_ref().unwrap();
    assert!(short.len() <= shared::limits::MESSAGE_SHORT_BYTES_MAX && short.contains("bytes cut"));
    assert_eq!((listed.duration, &listed.failures), (Some(0.988), &None));

    let run = queries::runs::get(&opened.store, "r")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(run.failures.len(), 1);
    assert_eq!(
        (run.failures[0].nodeid.as_str(), &run.failures[0].message),
        ("t.py::bad", short)
    );
    assert!((run.failures[0].duration - 0.987_654_321).abs() < f64::EPSILON);

    let good = detail(&opened, "r", "t.py::good").await;
    assert_eq!(good.failures, Some(vec![]));
    opened.close().await;
}

async fn everything_a_run_says_about_itself_comes_back(db: &Database) {
    let opened = db.open().await;
    let body = r#"{
        "run_id": "r", "worker_id": "w", "project": "p", "branch": "b", "duration": 3.5,
        "status": "error", "exit_code": 2, "finished": true, "complete": false, "collected": 9,
        "deselected": 3, "collection_errors": 1, "collection_skips": 2, "running": ["t::x"],
        "running_count": 5, "not_run": ["t::y"], "not_run_count": 7, "log_tail": "the end\u0000",
        "commit": "0123456789abcdef", "dirty": true, "variant": {"python": "3.12", "os": "linux"},
        "python": "3.12.1", "pytest": "9.0.0", "platform": "linux-x86_64", "command": "pytest -q",
        "plugins": ["xdist-3.8.0"], "ci": {"name": "GitHub Actions", "url": "https://ci.example/1"},
        "started_at": "2026-11-21T09:00:00.000001Z", "finished_at": "2026-11-21T09:00:03.5Z",
        "problems": [{"kind": "collection_error", "where": "t.py", "text": "no\u0000 module"}],
        "cases": [{"nodeid": "a", "outcome": "failed", "outcomes": ["rerun", "failed"], "subtests_failed": 2},
                  {"nodeid": "b", "outcome": "xfailed"}, {"nodeid": "c", "outcome": "xpassed"},
                  {"nodeid": "d", "outcome": "passed", "subtests_passed": 3}]
    }"#;
    let sent: NewRun = serde_json::from_str(body).unwrap();
    opened.save(sent.clone()).await;

    let run = queries::runs::get(&opened.store, "r")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (run.status, run.exit_code, run.finished, run.complete),
        (RunStatus::Error, Some(2), true, false)
    );
    assert_eq!(
        (run.collected, run.deselected, run.reported),
        (Some(9), 3, 4)
    );
    assert_eq!(
        (run.passed, run.failed, run.error, run.skipped, run.total),
        (1, 1, 1, 2, 4)
    );
    assert_eq!((run.xfailed, run.xpassed, run.rerun), (1, 1, 1));
    assert_eq!((run.subtests_passed, run.subtests_failed), (3, 2));
    assert_eq!((run.collection_errors, run.collection_skips), (1, 2));
    assert_eq!((run.running, run.running_count), (sent.running, 5));
    assert_eq!((run.not_run, run.not_run_count), (sent.not_run, 7));
    assert_eq!((run.log_tail, run.problems), (sent.log_tail, sent.problems));
    assert_eq!(
        (run.commit, run.dirty, run.variant),
        (sent.commit, Some(true), sent.variant)
    );
    assert_eq!(
        (run.python, run.pytest, run.platform),
        (sent.python, sent.pytest, sent.platform)
    );
    assert_eq!(
        (run.plugins, run.command, run.ci),
        (sent.plugins, sent.command, sent.ci)
    );
    assert_eq!(
        (run.started_at, run.finished_at),
        (sent.started_at, sent.finished_at)
    );
    assert!((run.pass_rate - 25.0).abs() < f64::EPSILON);
    opened.close().await;
}

async fn cases_are_paged_and_filtered(db: &Database) {
    let opened = db.open().await;
    let mut cases = make::suite(2_500, 1);
    for number in (0..2_500).step_by(100) {
        cases[number].outcome = Outcome::Failed;
    }
    opened.save(make::run_of("r", cases.clone())).await;

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let filter = CasesFilter {
            after,
            limit: 999,
            ..CasesFilter::default()
        };
        let part = page(&opened, "r", filter).await;
        seen.extend(part.cases.into_iter().map(|case| case.nodeid));
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    let sent: Vec<String> = cases.into_iter().map(|case| case.nodeid).collect();
    assert_eq!(seen, sent);

    let filter = CasesFilter {
        outcome: Some(Outcome::Failed),
        limit: 10,
        ..CasesFilter::default()
    };
    let failed = page(&opened, "r", filter.clone()).await;
    assert_eq!((failed.cases.len(), failed.next), (10, Some(900)));
    let rest = CasesFilter {
        after: failed.next,
        limit: 1_000,
        ..filter
    };
    let rest = page(&opened, "r", rest).await;
    assert_eq!((rest.cases.len(), rest.next), (15, None));

    let named = CasesFilter {
        q: Some("NUMBER[24".to_owned()),
        limit: 50,
        ..CasesFilter::default()
    };
    let first = page(&opened, "r", named.clone()).await;
    assert_eq!((first.cases.len(), first.next.is_some()), (50, true));
    let second = CasesFilter {
        after: first.next,
        limit: 1_000,
        ..named
    };
    let second = page(&opened, "r", second).await;
    // 24, 240 to 249 and 2400 to 2499.
    assert_eq!((second.cases.len(), second.next), (61, None));
    opened.close().await;
}

async fn a_case_is_found_by_its_nodeid_only_in_its_run(db: &Database) {
    let opened = db.open().await;
    opened
        .save(make::run_of(
            "r1",
            vec![make::passed("t.py::a"), make::passed("t.py::b")],
        ))
        .await;
    opened
        .save(make::run_of("r2", vec![make::passed("t.py::b")]))
        .await;
    assert_eq!(detail(&opened, "r2", "t.py::b").await.nodeid, "t.py::b");
    for (run_id, nodeid) in [("r2", "t.py::a"), ("r1", "t.py::never")] {
        let found = queries::case::get(&opened.store, run_id, nodeid)
            .await
            .unwrap();
        assert_eq!(found, FoundCase::UnknownCase, "{run_id} {nodeid}");
    }
    opened.close().await;
}
