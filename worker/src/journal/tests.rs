//! The journal as a whole: what goes in comes out.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::json;
use shared::outcome::Outcome;
use shared::run::NewRun;
use shared::status::RunStatus;

use super::{Beginning, Contents, Fate, Journal, Kept};
use crate::aggregate::Ending;
use crate::cli::Options;
use crate::config::{Facts, Pyproject, Settings, Source, Sourced};
use crate::deliver::label;
use crate::events::Replay;

const COMMAND: &str = "python -m pytest";

fn settings(place: &Path) -> Settings {
    let options = Options {
        state_dir: Some(place.to_path_buf()),
        run_id: Some("run 1".into()),
        worker_id: Some("w".into()),
        variant: vec![("python".into(), "3.12".into())],
        ..Options::default()
    };
    Settings::resolve(&options, &|_| None, Pyproject::default())
}

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 123_456_789).unwrap()
}

fn beginning() -> Beginning {
    Beginning {
        command: Some(COMMAND.to_owned()),
        started_at: Some(moment(1_795_230_000)),
    }
}

fn facts() -> Facts {
    Facts {
        project: Some(Sourced::new("shop".into(), Source::Git)),
        dirty: Some(Sourced::new(true, Source::Git)),
        ..Facts::default()
    }
}

/// The run as its worker would send it.
fn sent(settings: &Settings, lines: &[u8], ending: Ending) -> NewRun {
    let mut replay = Replay::default();
    replay.take(lines);
    let mut run = replay.finish().run.finish(ending);
    label(&mut run, settings, COMMAND);
    facts().describe(&mut run);
    run
}

fn only(place: &Path) -> Kept {
    let mut all = Kept::all(&[place.to_path_buf()]);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn lines(events: &[serde_json::Value]) -> Vec<u8> {
    let lines = events.iter().map(|event| format!("{event}\n"));
    lines.collect::<String>().into_bytes()
}

fn passing(goodbye: bool) -> Vec<u8> {
    let mut events = vec![
        json!({"hello": {"version": 1, "python": "3.12", "platform": "linux", "pid": 1}}),
        json!({"session": {"pytest": "9", "args": ["-q"]}}),
        json!({"tests": {"first": 0, "tests": [["t.py::a", "t.py", 1, []], ["t.py::b", "t.py", 2, []], ["t.py::c", "t.py", 3, []]]}}),
        json!({"collected": 3}),
        json!({"start": [0, 1_795_230_001.5]}),
        json!({"passed": [0, 0.1, 0.2]}),
        json!({"end": [0, 0.1]}),
        json!({"start": [1, 1_795_230_002.5]}),
    ];
    if goodbye {
        events.extend([
            json!({"passed": [1, 0.1, 0.2]}),
            json!({"end": [1, 0.1]}),
            json!({"start": [2, 1_795_230_003.5]}),
            json!({"passed": [2, 0.1, 0.2]}),
            json!({"end": [2, 0.1]}),
            json!({"finish": {"exit_status": 0, "stats": {"passed": 3}}}),
            json!({"goodbye": 0}),
        ]);
    }
    lines(&events)
}

#[test]
fn a_claimed_journal_can_be_read_again() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::begin(&settings(place.path()), beginning());
    journal.append(&[&passing(true)]);
    journal.close(Duration::from_mins(1));
    drop(journal);
    let claimed = only(place.path()).claim().unwrap();
    let read = || Contents::of_claimed(&claimed).unwrap().recover().run;
    let first = read();
    assert_eq!(first.cases.as_ref().unwrap().len(), 3);
    assert_eq!(read(), first);
}

#[test]
fn a_run_whose_worker_was_killed_is_lost_with_the_test_that_ran() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::begin(&settings(place.path()), beginning());
    journal.facts(&facts());
    journal.append(&[&passing(false)]);
    assert!(only(place.path()).is_busy());
    drop(journal);
    let run = Contents::of(&only(place.path()).folder)
        .unwrap()
        .recover()
        .run;
    assert_eq!(run.status, Some(RunStatus::Lost));
    assert_eq!((run.finished, run.complete), (false, Some(false)));
    assert_eq!(run.running, ["t.py::b"]);
    assert_eq!(run.not_run, ["t.py::c"]);
    assert_eq!(
        (run.project.as_str(), run.command.as_str()),
        ("shop", COMMAND)
    );
    assert_eq!(run.variant["python"], "3.12");
    let cases = run.cases.unwrap();
    assert_eq!(cases[1].outcome, Outcome::Crashed);
    let message = cases[1].message.as_deref().unwrap();
    assert!(
        message.contains("the worker was killed, or its machine stopped"),
        "{message}"
    );
    assert!(
        run.problems
            .iter()
            .any(|problem| problem.text.contains("worker was killed"))
    );
    shared::validate::run(&NewRun {
        cases: Some(cases),
        ..run
    })
    .unwrap();
}

#[test]
fn a_run_whose_worker_was_killed_after_pytest_said_goodbye_has_its_verdict() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::begin(&settings(place.path()), beginning());
    journal.append(&[&passing(true)]);
    drop(journal);
    let run = Contents::of(&only(place.path()).folder)
        .unwrap()
        .recover()
        .run;
    assert_eq!(
        (run.status, run.complete),
        (Some(RunStatus::Passed), Some(true))
    );
    assert_eq!(run.problems, []);
}

#[test]
fn a_run_that_its_journal_could_not_follow_is_kept_as_it_was_sent() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = settings(place.path());
    settings.state_bytes_max.value = 300;
    let journal = Journal::begin(&settings, beginning());
    let lines = passing(true);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        journal.append(&[line]);
    }
    assert!(!journal.holds_the_run());
    let problem = journal.problem().unwrap();
    assert!(
        problem.contains("it reached its limit of 300 B"),
        "{problem}"
    );
    journal.end(&Ending::default(), COMMAND);
    let run = sent(&settings, &lines, Ending::default());
    journal.keep(&serde_json::to_vec(&run).unwrap());
    assert!(journal.holds_the_run());
    let found = Contents::of(&only(place.path()).folder).unwrap();
    assert_eq!(found.recover().run, run);
}

#[test]
fn an_uploaded_run_says_so_and_a_discarded_one_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::begin(&settings(place.path()), beginning());
    journal.uploaded();
    journal.close(Duration::from_secs(10));
    assert!(only(place.path()).is_uploaded());
    journal.discard();
    assert!(Kept::all(&[place.path().into()]).is_empty());
}

#[test]
fn a_place_that_cannot_be_written_is_told_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let journal = Journal::begin(&settings(&file), beginning());
    let problem = journal.problem().unwrap();
    assert!(problem.contains("set WORKER_STATE_DIR"), "{problem}");
    journal.discard();
}

#[test]
fn runs_that_no_master_has_are_never_pushed_out() {
    let place = tempfile::tempdir().unwrap();
    drop(Journal::begin(&settings(place.path()), beginning()));
    let mut small = settings(place.path());
    small.state_bytes_max.value = 10;
    let journal = Journal::begin(&small, beginning());
    let problem = journal.problem().unwrap();
    assert!(
        problem.contains("pytest-platform-worker flush"),
        "{problem}"
    );
    assert!(only(place.path()).folder.exists());
    assert_eq!(journal.folder(), None, "the limit is for all places");
}

#[test]
fn who_gives_journals_no_room_has_none_and_is_not_warned() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = settings(place.path());
    settings.state_bytes_max.value = 0;
    let journal = Journal::begin(&settings, beginning());
    assert_eq!((journal.problem(), journal.folder()), (None, None));
    assert!(!journal.holds_the_run());
}

#[test]
fn a_journal_that_tests_delete_is_told_and_made_again_at_the_end() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let settings = settings(&state);
    let journal = Journal::begin(&settings, beginning());
    let lines = passing(true);
    journal.append(&[&lines]);
    assert!(journal.holds_the_run());
    std::fs::remove_dir_all(&state).unwrap();
    assert!(!journal.holds_the_run());
    let problem = journal.problem().unwrap();
    assert!(
        problem.contains("was deleted while the run went on; set"),
        "{problem}"
    );
    let run = sent(&settings, &lines, Ending::default());
    journal.keep(&serde_json::to_vec(&run).unwrap());
    assert!(journal.holds_the_run());
    assert!(journal.problem().unwrap().contains("made again"));
    journal.close(Duration::from_secs(10));
    let kept = only(&state);
    assert!(kept.is_busy(), "another worker would send it meanwhile");
    drop(journal);
    let found = Contents::of(&kept.folder).unwrap();
    assert_eq!(found.recover().run, run);
}

#[test]
fn what_became_of_an_uploaded_run_cannot_be_noted_and_it_is_not_sent_again() {
    let place = tempfile::tempdir().unwrap();
    let journal = Journal::begin(&settings(place.path()), beginning());
    std::fs::create_dir(journal.folder().unwrap().join("fate.json")).unwrap();
    journal.uploaded();
    assert!(Kept::all(&[place.path().into()]).is_empty());
    assert_eq!(journal.problem(), None);

    let journal = Journal::begin(&settings(place.path()), beginning());
    std::fs::create_dir(journal.folder().unwrap().join("fate.json")).unwrap();
    journal.close(Duration::from_secs(10));
    drop(journal);
    let at = chrono::Utc::now();
    let claimed = only(place.path()).claim().unwrap();
    let reason = "no".to_owned();
    claimed.note(&Fate::Refused { at, reason });
    assert_eq!(Kept::all(&[place.path().into()]).len(), 1);
    claimed.note(&Fate::Uploaded { at });
    assert!(Kept::all(&[place.path().into()]).is_empty());
}

/// Events in any order, of few tests, so that they meet.
fn any_lines() -> impl Strategy<Value = Vec<u8>> {
    let number = 0..4u32;
    let seconds = prop_oneof![0.0..2.0f64, Just(f64::MAX), Just(1e-9)];
    let event = prop_oneof![
        Just(json!({"hello": {"version": 1, "python": "3.12", "platform": "l", "pid": 1}})),
        Just(json!({"session": {"pytest": "9", "args": ["-q"], "distributed": true}})),
        number.clone().prop_map(|n| json!({"tests": {"first": n, "tests": [[format!("t.py::{n}"), "t.py", n, ["slow"]]]}})),
        (0..9u64).prop_map(|n| json!({"collected": n})),
        (number.clone(), 1.7e9..1.8e9f64).prop_map(|(n, at)| json!({"start": [n, at]})),
        (number.clone(), seconds.clone(), seconds.clone()).prop_map(|(n, a, b)| json!({"passed": [n, a, b]})),
        (number.clone(), seconds).prop_map(|(n, a)| json!({"end": [n, a]})),
        (number, "(setup|call|teardown)", "(failed|error|rerun|)", ".{0,20}").prop_map(|(n, when, category, text)| json!({"report": {
            "test": n, "when": when, "outcome": "failed", "category": category, "message": text, "traceback": text}})),
        Just(json!({"interrupt": {"kind": "KeyboardInterrupt", "reason": ""}})),
        Just(json!({"finish": {"exit_status": 1, "stats": {"failed": 1}}})),
        Just(json!({"goodbye": 1})),
        Just(json!("no event")),
    ];
    prop::collection::vec(event, 0..40).prop_map(|events| lines(&events))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_journal_makes_the_very_run_again_that_was_sent(
        lines in any_lines(),
        duration_s in 0.0..1e6f64,
        exit_code in prop::option::of(-1..6i32),
        log_tail in ".{0,30}",
    ) {
        let place = tempfile::tempdir().unwrap();
        let settings = settings(place.path());
        let journal = Journal::begin(&settings, beginning());
        journal.facts(&facts());
        for chunk in lines.split_inclusive(|byte| *byte == b'\n') {
            journal.append(&[&chunk[..chunk.len() / 2], &chunk[chunk.len() / 2..]]);
        }
        let mut replay = Replay::default();
        replay.take(&lines);
        let ending = Ending {
            exit_code,
            duration_s,
            log_tail,
            started_at: Some(moment(1_795_230_000)),
            finished_at: Some(moment(1_795_230_009)),
            reader_problems: replay.finish().problems,
            ..Ending::default()
        };
        journal.end(&ending, COMMAND);
        drop(journal);
        let contents = Contents::of(&only(place.path()).folder).unwrap();
        prop_assert_eq!(contents.damage, None);
        let again = contents.recover().run;
        let run = sent(&settings, &lines, ending);
        prop_assert_eq!(again.duration.to_bits(), run.duration.to_bits());
        prop_assert_eq!(again, run);
    }

    #[test]
    fn a_journal_that_was_cut_or_changed_never_holds_more_than_was_there(
        lines in any_lines(),
        cut in any::<prop::sample::Index>(),
        flip in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let place = tempfile::tempdir().unwrap();
        let journal = Journal::begin(&settings(place.path()), beginning());
        for chunk in lines.split_inclusive(|byte| *byte == b'\n') {
            journal.append(&[chunk]);
        }
        drop(journal);
        let folder = only(place.path()).folder;
        let mut bytes = std::fs::read(folder.join("journal")).unwrap();
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Some(flip) = flip && !bytes.is_empty() {
            let at = flip.index(bytes.len());
            bytes[at] ^= 0x55;
        }
        std::fs::write(folder.join("journal"), &bytes).unwrap();
        if let Ok(contents) = Contents::of(&folder) {
            prop_assert!(contents.lines_bytes as usize <= lines.len());
            let mut replay = Replay::default();
            replay.take(&lines[..contents.lines_bytes as usize]);
            let expected = replay.finish().run.finish(Ending::default());
            let run = contents.recover().run;
            prop_assert_eq!(run.cases.unwrap().len(), expected.cases.unwrap().len());
            prop_assert_eq!(run.collected, expected.collected);
        }
    }
}
