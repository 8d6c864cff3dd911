//! What every page promises: its size, its escaping, its policy.

use super::render;
use crate::gather::{Details, ReportData, Slowest};
use crate::limits::REPORT_BYTES_MAX;
use crate::views::run_line::sample;
use shared::run::Run;

fn data(run: Option<Run>) -> ReportData {
    ReportData {
        run,
        details: Details::default(),
        slowest: Slowest::default(),
        trend: Vec::new(),
        trend_of: "shop".into(),
        stats: Vec::new(),
        workers: Vec::new(),
        remarks: Vec::new(),
        master_url: "http://localhost:8080".into(),
        made_at: shared::time::parse("2026-11-21T12:00:00Z").unwrap(),
    }
}

#[test]
fn five_hundred_failures_fit_and_the_page_says_what_is_missing() {
    let html = render(&data(Some(sample::run(0, 500))), REPORT_BYTES_MAX);
    assert!(html.len() <= REPORT_BYTES_MAX, "{} bytes", html.len());
    assert!(html.contains("500 of 500 tests failed"));
    assert!(html.contains("more failed and are not shown here"));
}

#[test]
fn the_worst_input_still_fits() {
    let mut run = sample::run(1, 400);
    let hostile = "<&\"'>\u{1b}[31m\u{202e}".repeat(3_000);
    for failure in &mut run.failures {
        failure.nodeid = format!("{}{hostile}", failure.nodeid);
        failure.message = hostile.clone();
    }
    run.command.clone_from(&hostile);
    run.log_tail.clone_from(&hostile);
    run.running = vec![hostile.clone(); 900];
    run.not_run = vec![hostile.clone(); 900];
    run.complete = false;
    run.problems = vec![
        shared::run::Problem {
            kind: shared::run::ProblemKind::Crash,
            place: hostile.clone(),
            text: hostile.clone(),
        };
        200
    ];
    let html = render(&data(Some(run)), REPORT_BYTES_MAX);
    assert!(html.len() <= REPORT_BYTES_MAX, "{} bytes", html.len());
    assert!(!html.contains('\u{202e}') && !html.contains('\u{1b}'));
}

#[test]
fn nothing_from_a_test_becomes_markup() {
    let mut run = sample::run(1, 1);
    run.failures[0].nodeid = "t.py::a[<img src=x onerror=alert(1)>]".into();
    run.failures[0].message = "</pre><script>alert(1)</script>".into();
    run.project = "<b>p</b>\" onload=\"x".into();
    run.ci = Some(shared::run::Ci {
        name: "CI".into(),
        url: "javascript:alert(1)".into(),
    });
    let html = render(&data(Some(run)), REPORT_BYTES_MAX);
    for markup in ["<img", "<script", "<b>p", "javascript:"] {
        assert!(!html.contains(markup), "{markup} is in the page");
    }
}

#[test]
fn a_page_has_no_script_no_inline_style_and_no_address_that_is_loaded() {
    for run in [None, Some(sample::run(3, 2))] {
        let html = render(&data(run), REPORT_BYTES_MAX);
        assert!(html.contains("default-src 'none'"));
        for forbidden in [
            "<script",
            " style=",
            " onclick",
            "src=\"http",
            "@import",
            "url(",
        ] {
            assert!(!html.contains(forbidden), "{forbidden} is in the page");
        }
        assert!(html.contains("<html lang=\"en\">"));
        assert_eq!(html.matches("<h1").count(), 1);
    }
}

#[test]
fn a_green_page_is_the_only_green_page() {
    let green = render(&data(Some(sample::run(5, 0))), REPORT_BYTES_MAX);
    assert!(green.contains("<body class=\"good\">"));
    let mut incomplete = sample::run(5, 0);
    incomplete.complete = false;
    let html = render(&data(Some(incomplete)), REPORT_BYTES_MAX);
    assert!(html.contains("<body class=\"gap\">"));
}

#[test]
fn the_page_of_a_run_that_goes_on_says_so_and_is_not_green() {
    let html = render(&data(Some(sample::running())), REPORT_BYTES_MAX);
    assert!(html.contains("<body class=\"live\">"));
    assert!(html.contains("120 of 300 tests so far"));
    assert!(html.contains("<dt>to come</dt><dd>180</dd>"));
    assert!(!html.contains("never finished"));
}

#[test]
fn the_page_of_a_failed_run_is_as_committed() {
    let mut data = data(Some(sample::run(9, 2)));
    data.stats = vec![shared::answer::FailureStat {
        nodeid: "tests/test_shop.py::test_price[0]".into(),
        fail_count: 4,
    }];
    let html = render(&data, REPORT_BYTES_MAX)
        .replace(super::style::SHEET, "[the style sheet]")
        .replace(super::style::hash(), "[its hash]")
        .replace(env!("CARGO_PKG_VERSION"), "[version]");
    insta::assert_snapshot!(html);
}
