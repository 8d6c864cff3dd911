//! The binary itself: what it prints, what it refuses, how it ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn master(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pytest-platform-master"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for name in [
        "LISTEN",
        "DATABASE_URL",
        "RUST_LOG",
        "STATE_DIRECTORY",
        "XDG_DATA_HOME",
        "CORS_ORIGIN",
        "LOG_FORMAT",
        "WORKER_SILENCE_MAX",
    ] {
        command.env_remove(name);
    }
    command
}

/// The line that names the address, and the child that printed it.
fn started(command: &mut Command) -> (String, Child) {
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap());
    let mut lines = lines.lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("listening on http://"));
    // The rest is read too, so that the child never blocks on a full pipe.
    std::thread::spawn(move || lines.count());
    (
        line.expect("the master did not say where it listens"),
        child,
    )
}

fn ended(mut child: Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the master does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    let killed = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
}

fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn it_says_where_it_listens_and_where_results_go_and_ends_on_both_signals() {
    for (name, arguments) in [
        ("TERM", vec!["serve", "--listen", "127.0.0.1:0"]),
        ("INT", vec!["--listen", "127.0.0.1:0"]),
    ] {
        let home = tempfile::tempdir().unwrap();
        let (line, child) = started(
            master(&arguments)
                .env("HOME", home.path())
                .env("RUST_LOG", "off"),
        );
        let database = home
            .path()
            .join(".local/share/pytest-platform/pytest-platform.db");
        assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
        assert!(!line.contains(":0,"), "{line}");
        assert!(
            line.ends_with(&format!("database sqlite://{}", database.display())),
            "{line}"
        );
        assert!(database.exists());
        signal(&child, name);
        assert!(ended(child).success());
    }
}

#[test]
fn the_environment_configures_it_too_and_log_lines_can_be_json() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("a.db").display());
    let (line, child) = started(
        master(&["serve", "--log-format", "json"])
            .env("LISTEN", "127.0.0.1:0")
            .env("DATABASE_URL", &database),
    );
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(
        line["message"].as_str().unwrap().ends_with(&database),
        "{line}"
    );
    signal(&child, "TERM");
    assert!(ended(child).success());
}

#[test]
fn a_listener_that_others_can_reach_needs_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("a.db").display());
    let arguments = ["--listen", "0.0.0.0:0", "--database-url", &database];
    let message = refused(&mut master(&arguments));
    assert!(
        message.contains("--insecure-allow-anonymous") && message.contains("read every result"),
        "{message}"
    );
    let (line, child) = started(master(&arguments).arg("--insecure-allow-anonymous"));
    assert!(line.contains("listening on http://0.0.0.0:"), "{line}");
    signal(&child, "TERM");
    assert!(ended(child).success());
}

#[test]
fn what_cannot_work_is_said_in_one_line_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, expected) in [
        (vec!["--listen", "nonsense"], "--listen nonsense"),
        (
            vec![
                "--listen",
                &address,
                "--database-url",
                "sqlite:///tmp/never.db",
            ],
            "cannot listen on",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--database-url", "mysql://x"],
            "must begin with sqlite:// or postgres://",
        ),
        (
            vec![
                "--listen",
                "127.0.0.1:0",
                "--database-url",
                "postgres://u:secret@127.0.0.1:1/x",
            ],
            "127.0.0.1",
        ),
        (vec!["--cors-origin", "nonsense"], "--cors-origin nonsense"),
        (vec!["--worker-silence-max", "0"], "--worker-silence-max"),
    ] {
        let message = refused(&mut master(&arguments));
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_postgresql_that_is_not_there_is_named_within_seconds() {
    // One that refuses, and one that takes the connection and never says a word.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    for (server, seconds_max) in [("127.0.0.1:1", 3), (&*silent, 8)] {
        let url = format!("postgres://u:secret@{server}/x");
        let begun = Instant::now();
        let message = refused(&mut master(&[
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            &url,
        ]));
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(seconds_max), "{waited:?}");
        let expected = format!("no connection to PostgreSQL at {server}");
        assert!(message.contains(&expected), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn it_knows_its_version() {
    let output = master(&["--version"])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        line.trim(),
        concat!("pytest-platform-master ", env!("CARGO_PKG_VERSION"))
    );
}
