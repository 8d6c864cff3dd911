//! What a run leaves on disk, and how it gets to a master later.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use shared::run::{NewRun, ProblemKind};
use shared::status::RunStatus;
use worker::aggregate::Ending;
use worker::config::{Pyproject, Settings};
use worker::journal::{Beginning, Contents, Journal, Kept};

use crate::master::{Answer, Master, refusing_url};
use crate::stage::{Done, Stage, done};

const PASSES: &str = "def test(): pass\n";

/// Passes one test, and then hangs in another.
const HANGS: &str = "import time\ndef test_a(): pass\ndef test_b(): time.sleep(600)\n";

/// A stage with one run that could not be uploaded.
fn with_a_leftover() -> Stage {
    let stage = Stage::with(PASSES);
    let done = done(&mut stage.run(&refusing_url(), &[]));
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(waiting(&stage), 1);
    stage
}

fn waiting(stage: &Stage) -> usize {
    let all = Kept::all(&[stage.state()]);
    all.iter().filter(|kept| kept.fate.is_none()).count()
}

fn journal(stage: &Stage, words: &[&str]) -> Done {
    done(&mut stage.worker(&[&["journal"], words].concat()))
}

/// Starts a run that hangs in its second test, and waits until its journal knows that.
fn hanging(stage: &Stage, master_url: &str) -> Child {
    let mut command = stage.run(master_url, &[]);
    let worker = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_in_second_test(stage) {
        assert!(
            Instant::now() < deadline,
            "it never came to the second test"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    worker.unwrap()
}

fn is_in_second_test(stage: &Stage) -> bool {
    let all = Kept::all(&[stage.state()]);
    let contents = all.first().and_then(|kept| Contents::of(&kept.folder).ok());
    contents.is_some_and(|contents| contents.heard.run.running() == ["test_it.py::test_b"])
}

/// Ends a worker that cannot do anything about it, and its pytest.
fn kill(mut worker: Child) {
    let process = rustix::process::Pid::from_child(&worker);
    let children = format!("/proc/{0}/task/{0}/children", process.as_raw_nonzero());
    let children = std::fs::read_to_string(children).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    for child in children.split_whitespace() {
        let child = rustix::process::Pid::from_raw(child.parse().unwrap()).unwrap();
        // It may be gone with the worker.
        let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
    }
}

#[test]
fn the_next_run_takes_along_what_an_earlier_one_left() {
    let stage = with_a_leftover();
    let master = Master::saving();
    let second = done(&mut stage.run(&master.url, &[]));
    assert!(second.stderr.contains(" and 1 earlier run\n"), "{second:?}");
    assert_eq!(waiting(&stage), 0);
    let runs = master.runs();
    assert_eq!(runs.len(), 2);
    assert_ne!(runs[0].run_id, runs[1].run_id);
    let third = done(&mut stage.run(&master.url, &[]));
    assert!(!third.stderr.contains("earlier"), "{third:?}");
    assert_eq!(master.runs().len(), 3);
}

#[test]
fn an_earlier_run_that_failed_to_arrive_is_sent_again_by_the_same_worker() {
    let stage = with_a_leftover();
    let busy = Answer::Status(503, "retry-after: 3600\r\n", "full");
    let master = Master::answering(&[busy, Answer::Saved]);
    let next = done(&mut stage.run(&master.url, &[]));
    assert!(next.stderr.contains(" and 1 earlier run\n"), "{next:?}");
    let mut run_ids: Vec<String> = master.runs().into_iter().map(|run| run.run_id).collect();
    run_ids.sort();
    run_ids.dedup();
    assert_eq!(run_ids.len(), 2);
    assert_eq!(waiting(&stage), 0);
}

#[test]
fn a_run_for_a_master_elsewhere_waits_for_that_one() {
    let stage = Stage::with(PASSES);
    let elsewhere = "http://master.invalid:8080";
    let done_elsewhere = done(&mut stage.run(elsewhere, &[]));
    assert_eq!(done_elsewhere.code, 0, "{done_elsewhere:?}");
    let master = Master::saving();
    let second = done(&mut stage.run(&master.url, &[]));
    assert!(!second.stderr.contains("earlier"), "{second:?}");
    let flush = |words: &[&str]| {
        done(&mut stage.worker(&[&["flush", "--master-url", &master.url], words].concat()))
    };
    let refused = flush(&[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("meant for http://master.invalid:8080"),
        "{refused:?}"
    );
    assert_eq!(master.runs().len(), 1);
    let moved = flush(&["--any-master"]);
    assert_eq!(moved.code, 0, "{moved:?}");
    assert_eq!(master.runs().len(), 2);
}

#[test]
fn a_run_whose_worker_was_killed_arrives_with_the_next_one() {
    let stage = Stage::with(HANGS);
    kill(hanging(&stage, &refusing_url()));
    stage.write("test_it.py", PASSES);
    let master = Master::saving();
    let next = done(&mut stage.run(&master.url, &[]));
    assert!(next.stderr.contains(" and 1 earlier run\n"), "{next:?}");
    let runs = master.runs();
    let lost = runs
        .iter()
        .find(|run| run.status == Some(RunStatus::Lost))
        .unwrap();
    assert_eq!(lost.running, ["test_it.py::test_b"]);
    assert_eq!(lost.cases.as_ref().unwrap().len(), 2);
    assert!(lost.command.contains("-m pytest"), "{}", lost.command);
    assert!(!lost.project.is_empty());
}

#[test]
fn a_run_that_goes_on_is_left_alone() {
    let stage = Stage::with(HANGS);
    let worker = hanging(&stage, &refusing_url());
    let master = Master::saving();
    let flushed = done(&mut stage.worker(&["flush", "--master-url", &master.url]));
    assert_eq!((flushed.code, master.runs().len()), (0, 0), "{flushed:?}");
    assert!(
        flushed.stderr.contains("1 run still running"),
        "{flushed:?}"
    );
    let listed = journal(&stage, &["list"]);
    assert!(listed.stdout.contains("running"), "{listed:?}");
    let dropped = journal(&stage, &["drop", "--all", "--force"]);
    assert_eq!(dropped.code, 1);
    assert!(
        dropped.stderr.contains("its worker is running"),
        "{dropped:?}"
    );
    kill(worker);
    assert_eq!(Kept::all(&[stage.state()]).len(), 1);
}

#[test]
fn flush_ends_with_success_only_when_nothing_is_left() {
    let stage = with_a_leftover();
    let url = refusing_url();
    let failed = done(&mut stage.worker(&["flush", "--master-url", &url]));
    assert_eq!(failed.code, 1);
    assert!(
        failed.stderr.contains("1 run not uploaded and kept"),
        "{failed:?}"
    );
    let master = Master::saving();
    let flushed = done(&mut stage.worker(&["flush", "--master-url", &master.url]));
    assert_eq!(flushed.code, 0);
    assert!(flushed.stderr.contains("1 run uploaded"), "{flushed:?}");
    assert!(
        !flushed.stderr.contains('\r'),
        "no bar where nobody looks: {flushed:?}"
    );
    let again = done(&mut stage.worker(&["flush", "--master-url", &master.url]));
    assert_eq!((again.code, master.runs().len()), (0, 1));
    assert!(again.stderr.contains("nothing to upload"), "{again:?}");
}

#[test]
fn a_run_that_is_refused_for_good_is_kept_and_not_sent_with_every_run() {
    let stage = Stage::with(PASSES);
    let no = r#"{"status":422,"title":"t","detail":"must be good","code":"invalid_field","field":"project"}"#;
    let refusing = Master::answering(&[Answer::Status(422, "", no)]);
    let refused = done(&mut stage.run(&refusing.url, &[]));
    assert!(refused.stderr.contains("kept"), "{refused:?}");
    let master = Master::saving();
    done(&mut stage.run(&master.url, &[]));
    assert_eq!(master.runs().len(), 1);
    let listed = journal(&stage, &["list"]);
    assert!(
        listed.stdout.contains("project: must be good"),
        "{listed:?}"
    );
    let flushed = done(&mut stage.worker(&["flush", "--master-url", &refusing.url]));
    assert_eq!(flushed.code, 1);
    assert!(
        flushed
            .stderr
            .contains("1 run refused by the master and kept"),
        "{flushed:?}"
    );
}

#[test]
fn a_wrong_token_condemns_no_run() {
    let stage = with_a_leftover();
    let locked = Master::answering(&[Answer::Status(401, "", "")]);
    let flushed = done(&mut stage.worker(&["flush", "--master-url", &locked.url]));
    assert_eq!((flushed.code, waiting(&stage)), (1, 1), "{flushed:?}");
}

#[test]
fn a_late_run_says_so_and_one_that_had_arrived_in_time_is_no_other() {
    let stage = Stage::with("");
    let options = worker::cli::Options {
        state_dir: Some(stage.state()),
        ..worker::cli::Options::default()
    };
    let settings = Settings::resolve(&options, &|_| None, Pyproject::default());
    let hour_ago = chrono::Utc::now() - chrono::TimeDelta::hours(1);
    let journal = Journal::begin(&settings, Beginning::default());
    journal.append(&[b"{\"collected\":0}\n"]);
    let ending = Ending {
        finished_at: Some(hour_ago),
        ..Ending::default()
    };
    journal.end(&ending, "pytest");
    drop(journal);
    let conflict = r#"{"status":409,"title":"t","detail":"other","code":"run_conflict"}"#;
    let master = Master::answering(&[Answer::Status(409, "", conflict), Answer::Saved]);
    let flushed = done(&mut stage.worker(&["flush", "--master-url", &master.url]));
    assert_eq!(flushed.code, 0, "{flushed:?}");
    let runs = master.runs();
    let is_late = |run: &NewRun| run.problems.iter().any(|it| it.kind == ProblemKind::Late);
    assert_eq!(runs.iter().map(is_late).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn journals_are_listed_shown_and_dropped() {
    let stage = with_a_leftover();
    assert_eq!(journal(&stage, &["list"]).stdout.lines().count(), 2);
    let run_id = Contents::of(&Kept::all(&[stage.state()])[0].folder)
        .unwrap()
        .head
        .run_id;
    let shown = journal(&stage, &["show", &run_id[..20]]).stdout;
    for part in [
        run_id.as_str(),
        "waiting",
        "1 passed in",
        "1 of 1 collected",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = journal(&stage, &["show", "--json", &run_id]).stdout;
    let run: NewRun = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (run.run_id.as_str(), run.exit_code),
        (run_id.as_str(), Some(0))
    );
    let unknown = journal(&stage, &["show", "nobody"]);
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.stderr.contains("no journal of a run `nobody`"),
        "{unknown:?}"
    );
    let refused = journal(&stage, &["drop", &run_id]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("or drop it with --force"),
        "{refused:?}"
    );
    assert_eq!(journal(&stage, &["drop", "--uploaded"]).code, 0);
    assert_eq!(waiting(&stage), 1);
    assert_eq!(journal(&stage, &["drop", "--force", &run_id]).code, 0);
    assert_eq!(journal(&stage, &["list"]).stdout, "no journals\n");
}

#[test]
fn a_damaged_journal_is_kept_and_no_master_is_blamed_for_it() {
    let stage = with_a_leftover();
    let master = Master::saving();
    let folder = Kept::all(&[stage.state()])[0].folder.clone();
    std::fs::write(folder.join("journal"), "garbage").unwrap();
    let flushed = done(&mut stage.worker(&["flush", "--master-url", &master.url]));
    assert_eq!(flushed.code, 1, "{flushed:?}");
    assert!(
        flushed.stderr.contains("1 run damaged and kept"),
        "{flushed:?}"
    );
    assert!(
        flushed.stderr.contains("journal drop --force"),
        "{flushed:?}"
    );
    let listed = journal(&stage, &["list"]).stdout;
    assert!(
        listed.ends_with("  nothing in it can be used: it is no journal\n"),
        "{listed}"
    );
    assert!(master.runs().is_empty());
}

#[test]
fn a_run_whose_tests_delete_the_state_folder_is_kept_all_the_same() {
    let stage = Stage::with(
        "import os, shutil\ndef test_a(): shutil.rmtree(os.environ['WORKER_STATE_DIR'])\n",
    );
    let mut command = stage.run(&refusing_url(), &[]);
    command.env("WORKER_STATE_DIR", stage.path().join("of_this_run"));
    let left = done(&mut command);
    assert!(
        left.stderr.contains("was deleted while the run went on"),
        "{left:?}"
    );
    let master = Master::saving();
    let mut flush = stage.worker(&["flush", "--master-url", &master.url]);
    flush.env("WORKER_STATE_DIR", stage.path().join("of_this_run"));
    let flushed = done(&mut flush);
    assert_eq!(flushed.code, 0, "{flushed:?}");
    assert_eq!(master.runs()[0].status, Some(RunStatus::Passed));
}

#[test]
fn a_journal_is_its_owners_alone() {
    let stage = with_a_leftover();
    let folder = Kept::all(&[stage.state()])[0].folder.clone();
    for (path, expected) in [
        (stage.state(), 0o700),
        (folder.clone(), 0o700),
        (folder.join("journal"), 0o600),
    ] {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{}", path.display());
    }
}

#[test]
fn a_place_that_cannot_be_written_is_said_and_stops_nothing() {
    let stage = Stage::with(PASSES);
    let master = Master::saving();
    stage.write("file", "");
    let mut command = stage.run(&master.url, &[]);
    command
        .env("WORKER_STATE_DIR", stage.path().join("file"))
        .env("TMPDIR", stage.home());
    let done = done(&mut command);
    assert_eq!(done.code, 0, "{done:?}");
    let advice = "WARNING: the journal is in ";
    assert!(done.stderr.contains(advice), "{done:?}");
    assert!(done.stderr.contains("set WORKER_STATE_DIR"), "{done:?}");
    let run = &master.runs()[0];
    let warning = &run.problems[0];
    assert_eq!(warning.kind, ProblemKind::Warning);
    assert!(warning.text.contains("set WORKER_STATE_DIR"), "{warning:?}");
}

#[test]
fn a_question_to_pytest_leaves_no_journal() {
    let stage = Stage::with(PASSES);
    done(&mut stage.run(&refusing_url(), &["--version"]));
    assert!(Kept::all(&[stage.state()]).is_empty());
}
