//! The run arrives; and when it does not, the tests do not notice and somebody is told.

use std::time::{Duration, Instant};

use shared::outcome::Outcome;
use shared::run::NewRun;
use shared::status::RunStatus;
use worker::journal::{Contents, Kept};

use crate::master::{Answer, Master, refusing_url};
use crate::stage::{Done, Stage, done};

const PASSES: &str = "def test(): pass\n";

fn against(url: &str, options: &[(&str, &str)]) -> (Done, Duration, Stage) {
    let stage = Stage::with(PASSES);
    let mut command = stage.run(url, &[]);
    for (name, value) in options {
        command.env(name, value);
    }
    let start = Instant::now();
    let done = done(&mut command);
    (done, start.elapsed(), stage)
}

/// The journals of runs that no master has.
fn kept(stage: &Stage) -> Vec<Kept> {
    let mut kept = Kept::all(&[stage.state()]);
    kept.retain(|kept| !kept.is_uploaded());
    kept
}

/// The runs that were sent whole. A run that takes long on a slow machine is sent in parts as well.
fn whole(master: &Master) -> Vec<NewRun> {
    let requests = master.requests();
    let whole = requests
        .iter()
        .filter(|request| request.line.starts_with("POST /results HTTP"));
    whole.map(crate::master::Request::run).collect()
}

#[test]
fn a_run_arrives_with_its_labels() {
    let stage = Stage::with(PASSES);
    let master = Master::saving();
    let mut command = stage.run(&master.url, &["-q", "-k", "test or x"]);
    command
        .env("WORKER_ID", "w7")
        .env("PROJECT", "shop")
        .env("BRANCH", "feature/é")
        .env("COMMIT", "abc")
        .env("VARIANT", "python=3.12,db=sqlite");
    let done = done(&mut command);
    let request = &master.requests()[0];
    assert!(request.line.contains(" /results"), "{}", request.line);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("content-encoding"), Some("zstd"));
    assert_eq!(request.header("authorization"), None);
    let run = master.run();
    assert_eq!(
        (run.worker_id.as_str(), run.project.as_str()),
        ("w7", "shop")
    );
    assert_eq!(
        (run.branch.as_str(), run.commit.as_str()),
        ("feature/é", "abc")
    );
    assert_eq!(run.variant["db"], "sqlite");
    assert!(
        run.command
            .ends_with("-m pytest -p no:cacheprovider -q -k 'test or x'"),
        "{}",
        run.command
    );
    assert_eq!(
        uuid::Uuid::parse_str(&run.run_id)
            .unwrap()
            .get_version_num(),
        7
    );
    assert_eq!(
        (run.exit_code, run.status),
        (Some(0), Some(RunStatus::Passed))
    );
    assert!(run.log_tail.contains("1 passed"));
    let line = format!(
        "1 passed in {:.1} s, uploaded {}/results/{} (",
        run.duration, master.url, run.run_id
    );
    assert!(done.stderr.contains(&line), "{done:?}");
}

#[test]
fn a_master_that_is_not_there_costs_little_and_loses_nothing() {
    let (done, elapsed, stage) = against(&refusing_url(), &[]);
    assert_eq!(done.code, 0);
    assert!(elapsed < Duration::from_secs(6), "{elapsed:?}");
    assert!(
        done.stderr.contains("NOT uploaded: cannot connect"),
        "{done:?}"
    );
    assert_eq!(kept(&stage).len(), 1);
    let advice = "kept, the next run takes it along, or send it with: pytest-platform-worker flush";
    assert!(done.stderr.contains(advice), "{done:?}");

    let master = Master::saving();
    let sent = crate::stage::done(&mut stage.worker(&["flush", "--master-url", &master.url]));
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(master.run().cases.unwrap().len(), 1);
}

#[test]
fn a_master_that_hangs_costs_the_upload_timeout_and_no_more() {
    let master = Master::answering(&[Answer::Hang]);
    let (done, elapsed, stage) = against(&master.url, &[("WORKER_UPLOAD_TIMEOUT", "1.5")]);
    assert_eq!(done.code, 0);
    assert!(
        elapsed >= Duration::from_millis(1500) && elapsed < Duration::from_secs(6),
        "{elapsed:?}"
    );
    assert!(done.stderr.contains("did not answer within 1."), "{done:?}");
    assert_eq!(kept(&stage).len(), 1);
}

#[test]
fn a_worker_that_is_killed_while_it_waits_for_the_master_has_kept_the_run() {
    let master = Master::answering(&[Answer::Hang]);
    let stage = Stage::with(PASSES);
    let mut command = stage.run(&master.url, &[]);
    command.env("WORKER_UPLOAD_TIMEOUT", "30");
    let mut worker = command.spawn().unwrap();
    let start = Instant::now();
    while whole(&master).is_empty() && start.elapsed() < Duration::from_secs(25) {
        std::thread::sleep(Duration::from_millis(50));
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    let kept = kept(&stage);
    assert_eq!(kept.len(), 1);
    let run = Contents::of(&kept[0].folder).unwrap().recover().run;
    // Times have fewer digits on the wire.
    let as_sent: NewRun = serde_json::from_slice(&serde_json::to_vec(&run).unwrap()).unwrap();
    assert_eq!(as_sent, master.run());
}

#[test]
fn a_master_that_fails_for_a_moment_is_asked_again() {
    for failure in [
        Answer::Status(500, "", "oops"),
        Answer::Status(429, "retry-after: 1\r\n", ""),
        Answer::Reset,
    ] {
        let master = Master::answering(&[failure.clone(), failure.clone(), Answer::Saved]);
        let (done, _, stage) = against(&master.url, &[]);
        assert_eq!(done.code, 0, "{failure:?} {done:?}");
        assert!(done.stderr.contains(", uploaded "), "{done:?}");
        assert!(master.requests().len() >= 3, "{failure:?}");
        let runs = whole(&master);
        assert!(runs.iter().all(|run| *run == runs[0]), "it is the same run");
        assert!(kept(&stage).is_empty());
    }
}

#[test]
fn a_wait_that_the_master_asks_for_is_kept() {
    // Twice: a session that takes long on a slow machine asks once while it goes on.
    let busy = Answer::Status(503, "retry-after: 2\r\n", "");
    let master = Master::answering(&[busy.clone(), busy, Answer::Saved]);
    let (done, elapsed, _) = against(&master.url, &[]);
    assert!(done.stderr.contains(", uploaded "), "{done:?}");
    assert!(elapsed >= Duration::from_secs(2), "{elapsed:?}");
    // One that asks for more than there is time gives the time back.
    let master = Master::answering(&[Answer::Status(503, "retry-after: 3600\r\n", "full")]);
    let (done, elapsed, _) = against(&master.url, &[]);
    assert!(done.stderr.contains("answered 503: full"), "{done:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}

#[test]
fn a_refusal_is_final_and_told_in_the_masters_words() {
    let field = r#"{"status":422,"title":"t","detail":"must be good","code":"invalid_field","field":"project"}"#;
    let conflict = r#"{"status":409,"title":"t","detail":"other content","code":"conflict"}"#;
    for (status, body, told) in [
        (422, field, "answered 422: project: must be good"),
        (409, conflict, "other content (this run id was already used"),
        (401, "", "check MASTER_TOKEN"),
        (404, "<html>not here", "answered 404: <html>not here"),
    ] {
        let master = Master::answering(&[Answer::Status(status, "", body)]);
        let (done, _, stage) = against(&master.url, &[]);
        assert_eq!((done.code, whole(&master).len()), (0, 1), "{status}");
        assert!(done.stderr.contains(told), "{done:?}");
        assert_eq!(kept(&stage).len(), 1);
    }
}

#[test]
fn something_that_is_no_master_is_not_believed() {
    let master = Master::answering(&[Answer::Status(200, "", "<html>welcome to nginx")]);
    let (done, _, _) = against(&master.url, &[]);
    assert!(done.stderr.contains("NOT uploaded"), "{done:?}");
    assert!(
        done.stderr.contains("no pytest-platform master"),
        "{done:?}"
    );
    // A repeated run is answered with 200, and has arrived.
    let master = Master::answering(&[Answer::SavedBefore]);
    let (done, _, _) = against(&master.url, &[]);
    assert!(done.stderr.contains(", uploaded "), "{done:?}");
}

#[test]
fn an_address_that_is_none_is_told_and_the_tests_run() {
    let (done, elapsed, stage) = against("localhost:8080", &[]);
    assert_eq!(done.code, 0);
    assert!(done.stdout.contains("1 passed"));
    assert!(done.stderr.contains("check MASTER_URL"), "{done:?}");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(kept(&stage).len(), 1);
}

#[test]
fn a_pytest_that_crashes_is_reported_with_its_last_words() {
    let stage = Stage::with(
        "import os\ndef test_a(): pass\ndef test_b(): os.abort()\ndef test_c(): pass\n",
    );
    let master = Master::saving();
    let done = done(&mut stage.run(&master.url, &[]));
    assert_eq!(done.code, 134);
    let run = master.run();
    assert_eq!(run.status, Some(RunStatus::Crashed));
    assert_eq!(run.signal.as_deref(), Some("SIGABRT"));
    assert!(!run.finished);
    assert!(
        run.log_tail.contains("Fatal Python error: Aborted"),
        "{}",
        run.log_tail
    );
    let crashed = run.cases.unwrap();
    let crashed = crashed.iter().find(|case| case.outcome == Outcome::Crashed);
    assert_eq!(crashed.unwrap().nodeid, "test_it.py::test_b");
    assert!(
        done.stderr
            .contains("crashed (SIGABRT): 1 crashed, 1 passed"),
        "{done:?}"
    );
}

#[test]
fn a_command_line_that_pytest_refuses_is_reported_with_what_it_said() {
    let stage = Stage::with(PASSES);
    let master = Master::saving();
    let done = done(&mut stage.run(&master.url, &["--nonsense"]));
    assert_eq!(done.code, 4);
    let run = master.run();
    assert_eq!(run.status, Some(RunStatus::UsageError));
    assert!(run.log_tail.contains("--nonsense"), "{}", run.log_tail);
}

#[test]
fn a_run_can_be_saved_to_a_file_as_it_is_sent() {
    let stage = Stage::with(PASSES);
    let master = Master::saving();
    let file = stage.path().join("run.json");
    let done = done(stage.run(&master.url, &[]).env("WORKER_SAVE", &file));
    assert_eq!(done.code, 0);
    let saved: shared::run::NewRun = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(saved, master.run());
    assert!(kept(&stage).is_empty());
}
