//! Stories of whole sessions, told as events.

use proptest::prelude::*;
use shared::case::NewCase;
use shared::event::{
    Announced, Collect, Event, Finish, Hello, Interrupt, Report, Session, Tests, Warning,
};
use shared::limits;
use shared::outcome::Outcome;
use shared::run::{NewRun, ProblemKind};
use shared::status::RunStatus;

use super::{Ending, Run, Summary};

pub(super) fn opening(tests: u32) -> Vec<Event> {
    let rows = (0..tests).map(|number| {
        Announced(
            format!("t.py::test_{number}"),
            "t.py".to_owned(),
            number + 1,
            vec![],
        )
    });
    vec![
        Event::Hello(Hello::default()),
        Event::Session(Session::default()),
        Event::Tests(Tests {
            first: 0,
            tests: rows.collect(),
        }),
        Event::Collected(u64::from(tests)),
    ]
}

pub(super) fn pass(number: u32) -> [Event; 3] {
    [
        Event::Start(number, 1_795_230_000.5),
        Event::Passed(number, 0.25, 0.5),
        Event::End(number, 0.25),
    ]
}

pub(super) fn report(number: u32, when: &str, category: &str) -> Event {
    Event::Report(Box::new(Report {
        test: number,
        when: when.to_owned(),
        outcome: if category == "error" {
            "failed"
        } else {
            category
        }
        .to_owned(),
        category: category.to_owned(),
        duration: 0.5,
        message: format!("{when} {category}"),
        ..Report::default()
    }))
}

pub(super) fn closing(exit_status: i32) -> [Event; 3] {
    [
        Event::Finish(Finish {
            exit_status,
            ..Finish::default()
        }),
        Event::Goodbye(exit_status),
        Event::Exit(String::new()),
    ]
}

fn told(events: impl IntoIterator<Item = Event>, ending: Ending) -> NewRun {
    let mut run = Run::new();
    for event in events {
        run.apply(event);
    }
    run.finish(ending)
}

pub(super) fn exited(code: i32) -> Ending {
    Ending {
        exit_code: Some(code),
        ..Ending::default()
    }
}

fn case(run: &NewRun, number: u32) -> &NewCase {
    let nodeid = format!("t.py::test_{number}");
    let mut cases = run.cases.iter().flatten();
    cases.find(|case| case.nodeid == nodeid).unwrap()
}

#[test]
fn the_greatest_peak_of_a_tests_attempts_is_its_memory() {
    let mut events = opening(2);
    events.extend([50_000, 200_000, 60_000].map(|kib| Event::Memory(0, kib)));
    // What no machine has is not believed.
    events.push(Event::Memory(1, u64::MAX));
    let events = events.into_iter().chain(pass(0)).chain(pass(1));
    let run = told(events.chain(closing(0)), exited(0));
    assert_eq!(case(&run, 0).memory_peak_kib, Some(200_000));
    assert_eq!(case(&run, 1).memory_peak_kib, None);
}

#[test]
fn a_run_that_passes_is_whole() {
    let events = opening(2).into_iter().chain(pass(0)).chain(pass(1));
    let run = told(events.chain(closing(0)), exited(0));
    assert_eq!(run.status, Some(RunStatus::Passed));
    assert_eq!((run.complete, run.collected), (Some(true), Some(2)));
    let first = case(&run, 0);
    assert_eq!((first.duration, first.outcomes.as_ref()), (Some(1.0), None));
    assert_eq!(Summary::of_run(&run).passed, 2);
    assert!(run.problems.is_empty());
}

#[test]
fn the_test_that_killed_the_process_is_named_and_the_rest_was_not_run() {
    let mut events = opening(3);
    events.extend(pass(0));
    events.push(Event::Start(1, 1.0));
    let ending = Ending {
        signal: Some("SIGSEGV".to_owned()),
        ..Ending::default()
    };
    let run = told(events, ending);
    assert_eq!(run.status, Some(RunStatus::Crashed));
    assert_eq!(run.running, ["t.py::test_1"]);
    assert_eq!(run.not_run, ["t.py::test_2"]);
    let dead = case(&run, 1);
    assert_eq!(
        (dead.outcome, dead.outcomes.as_deref()),
        (Outcome::Crashed, Some(&[][..]))
    );
    assert!(
        dead.message
            .as_ref()
            .is_some_and(|text| text.contains("SIGSEGV"))
    );
    assert_eq!(run.problems[0].kind, ProblemKind::Crash);
}

#[test]
fn a_death_in_teardown_keeps_the_passed_call_and_is_no_pass() {
    let mut events = opening(1);
    events.extend(pass(0).into_iter().take(2));
    let run = told(events, exited(1));
    let dead = case(&run, 0);
    assert_eq!(dead.outcome, Outcome::Crashed);
    assert_eq!(dead.outcomes.as_deref(), Some(&[Outcome::Passed][..]));
    assert_eq!(run.status, Some(RunStatus::Crashed));
}

#[test]
fn a_time_limit_makes_the_running_test_a_timeout() {
    let mut events = opening(1);
    events.push(Event::Start(0, 1.0));
    let ending = Ending {
        timed_out: true,
        signal: Some("SIGKILL".to_owned()),
        ..Ending::default()
    };
    let run = told(events, ending);
    assert_eq!(case(&run, 0).outcome, Outcome::Timeout);
    assert_eq!((run.status, run.signal), (Some(RunStatus::Timeout), None));
}

#[test]
fn both_ways_in_which_reruns_are_told_are_one_execution_with_three_attempts() {
    let older = vec![
        Event::Start(0, 1.0),
        report(0, "call", "rerun"),
        report(0, "call", "rerun"),
        Event::Passed(0, 0.0, 0.0),
        Event::End(0, 0.0),
    ];
    let mut newer = Vec::new();
    for _ in 0..2 {
        newer.extend([
            Event::Start(0, 1.0),
            report(0, "call", "rerun"),
            Event::End(0, 0.0),
        ]);
    }
    newer.extend(pass(0));
    for story in [older, newer] {
        let events = opening(1).into_iter().chain(story).chain(closing(0));
        let run = told(events, exited(0));
        let case = case(&run, 0);
        assert_eq!(
            (case.outcome, case.attempts, case.executions),
            (Outcome::Passed, 3, 1)
        );
        let outcomes = [Outcome::Rerun, Outcome::Rerun, Outcome::Passed];
        assert_eq!(case.outcomes.as_deref(), Some(&outcomes[..]));
        assert_eq!(case.failures[1].context.as_deref(), Some("2"));
        assert_eq!(run.status, Some(RunStatus::Passed));
    }
}

#[test]
fn a_failed_subtest_makes_a_passed_test_failed_without_counting_it_twice() {
    let mut events = opening(1);
    let subtest = Report {
        when: "call".to_owned(),
        outcome: "failed".to_owned(),
        category: "failed".to_owned(),
        subtest: Some("[first] (n=1)".to_owned()),
        ..Report::default()
    };
    events.extend([Event::Start(0, 1.0), Event::Report(Box::new(subtest))]);
    events.extend(pass(0).into_iter().skip(1).chain(closing(1)));
    let run = told(events, exited(1));
    let case = case(&run, 0);
    assert_eq!((case.outcome, case.subtests_failed), (Outcome::Failed, 1));
    assert_eq!(case.failures[0].phase, "subtest");
    assert_eq!(case.failures[0].context.as_deref(), Some("[first] (n=1)"));
    let counts = Summary::of_run(&run);
    assert_eq!(
        (counts.passed, counts.failed, counts.subtests_failed),
        (1, 0, 1)
    );
    assert_eq!(run.status, Some(RunStatus::Failed));
}

#[test]
fn an_interrupted_test_is_neither_passed_nor_absent() {
    let mut events = opening(2);
    events.push(Event::Start(0, 1.0));
    events.push(Event::Interrupt(Interrupt {
        kind: "Exit".to_owned(),
        reason: "stop now".to_owned(),
    }));
    events.extend(closing(42));
    let run = told(events, exited(42));
    assert_eq!(run.status, Some(RunStatus::Interrupted));
    assert_eq!(case(&run, 0).outcome, Outcome::Crashed);
    assert!(
        run.problems
            .iter()
            .any(|problem| problem.text.contains("stop now"))
    );
}

#[test]
fn a_collection_error_with_nothing_run_is_an_error() {
    let mut events = opening(1);
    events.push(Event::Collect(Collect {
        nodeid: "b.py".to_owned(),
        outcome: "failed".to_owned(),
        text: "ModuleNotFoundError".to_owned(),
    }));
    events.extend(closing(2));
    let run = told(events, exited(2));
    assert_eq!(run.status, Some(RunStatus::Error));
    assert_eq!(Summary::of_run(&run).error, 1);
    assert_eq!(run.not_run_count, 1);
}

#[test]
fn a_terminal_that_counted_more_failures_than_were_reported_wins() {
    let mut events = opening(1);
    events.extend(pass(0));
    events.push(Event::Finish(Finish {
        stats: [("passed".to_owned(), 1), ("failed".to_owned(), 1)].into(),
        ..Finish::default()
    }));
    let run = told(events, exited(0));
    assert_eq!(run.status, Some(RunStatus::Failed));
    assert_eq!(run.problems[0].kind, ProblemKind::Contradiction);
}

#[test]
fn a_flood_of_huge_failures_still_fits_into_one_body() {
    let mut events = opening(400);
    for number in 0..400 {
        events.push(Event::Report(Box::new(Report {
            test: number,
            when: "call".to_owned(),
            outcome: "failed".to_owned(),
            category: "failed".to_owned(),
            message: "m".repeat(limits::MESSAGE_BYTES_MAX),
            traceback: "t".repeat(limits::TRACEBACK_BYTES_MAX),
            stdout: "o".repeat(limits::CAPTURED_BYTES_MAX),
            ..Report::default()
        })));
    }
    let run = told(events.into_iter().chain(closing(1)), exited(1));
    assert!(serde_json::to_vec(&run).unwrap().len() < limits::BODY_BYTES_MAX);
    assert!(
        run.problems
            .iter()
            .any(|problem| problem.kind == ProblemKind::Truncated)
    );
    assert_eq!(Summary::of_run(&run).failed, 400);
}

#[test]
fn a_place_told_after_the_name_completes_it_and_takes_nothing_back() {
    let mut events = opening(1);
    let place = |line, markers: &[&str]| {
        let markers = markers.iter().map(ToString::to_string).collect();
        Event::Place(0, String::new(), line, markers)
    };
    events.extend([place(7, &[]), place(0, &["slow"]), place(0, &[])]);
    events.extend(pass(0).into_iter().chain(closing(0)));
    let run = told(events, exited(0));
    let case = case(&run, 0);
    assert_eq!((case.file.as_deref(), case.line), (Some("t.py"), Some(7)));
    assert_eq!(case.markers, ["slow"]);
}

#[test]
fn a_phase_that_took_longer_than_the_run_has_no_duration() {
    let ten_years_s = 315_000_000.0;
    let mut events = opening(2);
    events.extend(pass(0));
    events.extend([
        Event::Start(1, 1_795_230_000.5),
        Event::Passed(1, 0.25, ten_years_s),
        Event::End(1, 0.25),
    ]);
    events.extend(closing(0));
    let ending = Ending {
        duration_s: 2.0,
        ..exited(0)
    };
    let run = told(events, ending);
    let cases = run.cases.unwrap();
    assert_eq!((cases[0].call, cases[0].duration), (Some(0.5), Some(1.0)));
    assert_eq!((cases[1].call, cases[1].duration), (None, Some(0.5)));
    assert_eq!(run.status, Some(RunStatus::Passed));
}

#[test]
fn beside_pytest_an_exception_that_leaves_it_is_a_problem_and_means_exit_code_1() {
    let mut events = opening(1);
    events.extend(pass(0));
    events.extend(closing(0));
    events.push(Event::Exit("RuntimeError: boom".to_owned()));
    let run = told(events, Ending::default());
    assert_eq!(
        (run.status, run.exit_code),
        (Some(RunStatus::Passed), Some(1))
    );
    let problem = &run.problems[0];
    assert_eq!(problem.kind, ProblemKind::InternalError);
    assert_eq!(problem.text, "RuntimeError: boom");
}

#[test]
fn beside_pytest_a_hook_that_raises_before_the_session_is_no_crash() {
    let events = [
        Event::Hello(Hello::default()),
        Event::Session(Session::default()),
        Event::Exit("RuntimeError: boom".to_owned()),
    ];
    let run = told(events, Ending::default());
    assert_eq!(
        (run.status, run.exit_code),
        (Some(RunStatus::InternalError), None)
    );
    assert_eq!(run.complete, Some(false));
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    let number = prop_oneof![0u32..6, Just(u32::MAX), Just(9_999)];
    let time = prop_oneof![
        Just(1.0e9),
        Just(f64::NAN),
        Just(-1.0),
        Just(f64::MAX),
        0.0..1e3
    ];
    let when = prop::sample::select(vec!["setup", "call", "teardown", "???", ""]);
    let category = prop::sample::select(vec![
        "passed", "failed", "error", "skipped", "rerun", "odd", "",
    ]);
    prop_oneof![
        (0u32..6, 0usize..4).prop_map(|(first, count)| Event::Tests(Tests {
            first,
            tests: (0..count)
                .map(|n| Announced(
                    format!("t.py::{}", first as usize + n),
                    String::new(),
                    0,
                    vec![]
                ))
                .collect(),
        })),
        (number.clone(), time.clone()).prop_map(|(number, at)| Event::Start(number, at)),
        (number.clone(), time.clone()).prop_map(|(number, s)| Event::Passed(number, s, s)),
        (number.clone(), time).prop_map(|(number, s)| Event::End(number, s)),
        (number, when, category)
            .prop_map(|(number, when, category)| report(number, when, category)),
        any::<u64>().prop_map(Event::Collected),
        any::<u64>().prop_map(Event::Deselected),
        any::<i32>().prop_map(Event::Goodbye),
        Just(Event::Hello(Hello::default())),
        Just(Event::Session(Session::default())),
        (-1i32..7).prop_map(|exit_status| Event::Finish(Finish {
            exit_status,
            ..Finish::default()
        })),
        Just(Event::Exit("E".to_owned())),
        Just(Event::Warning(Warning::default())),
    ]
}

proptest! {
    #[test]
    fn whatever_order_repetition_and_gaps_no_panic_and_nothing_is_invented(
        events in prop::collection::vec(any_event(), 0..60),
        exit_code in prop::option::of(-1i32..200),
        timed_out: bool,
    ) {
        let reports = events.iter().filter(|e| matches!(e, Event::Passed(..) | Event::Report(_))).count();
        let ending = Ending { exit_code, timed_out, duration_s: f64::NAN, ..Ending::default() };
        let run = told(events, ending);
        let cases = run.cases.as_deref().unwrap_or_default();
        prop_assert!(cases.len() <= 9);
        let outcomes: usize = cases
            .iter()
            .map(|case| case.outcomes.as_ref().map_or(1, Vec::len))
            .sum();
        prop_assert!(outcomes <= reports + cases.len());
        let whole = NewRun { run_id: "r".into(), worker_id: "w".into(), ..run.clone() };
        prop_assert_eq!(shared::validate::run(&whole), Ok(()));
        if run.status == Some(RunStatus::Passed) {
            prop_assert!(run.finished && cases.iter().all(|case| !case.outcome.is_bad()));
        }
    }

    #[test]
    fn a_session_cut_anywhere_is_never_passed(cut in 0usize..10) {
        let mut events = opening(2);
        events.extend(pass(0).into_iter().chain(pass(1)));
        events.truncate(cut);
        let run = told(events, exited(0));
        prop_assert_ne!(run.status, Some(RunStatus::Passed));
    }
}
