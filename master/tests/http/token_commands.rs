//! `pytest-platform-master token` and `account`: on a database that a master uses at the same time.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::app::{App, sqlite_url};

fn master(arguments: &[&str], database_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pytest-platform-master"));
    command
        .args(arguments)
        .env("DATABASE_URL", database_url)
        .env("RUST_LOG", "off")
        .env("USER", "tester")
        .env_remove("SUDO_USER")
        .env_remove("LISTEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str], database_url: &str) -> Output {
    master(arguments, database_url).output().unwrap()
}

/// Standard output of a command that has to go well.
fn printed(arguments: &[&str], database_url: &str) -> String {
    let output = run(arguments, database_url);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command says that has to fail. It prints nothing.
fn refused(arguments: &[&str], database_url: &str) -> String {
    let output = run(arguments, database_url);
    assert!(!output.status.success(), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn with_password(arguments: &[&str], database_url: &str, password: &str) -> Output {
    let mut child = master(arguments, database_url)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(password.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn database(folder: &Path) -> String {
    sqlite_url(folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_printed_once_and_opens_a_running_master_until_it_is_revoked() {
    let app = App::start().await;
    let url = app.database_url();
    let create = [
        "token",
        "create",
        "--name",
        "ci",
        "--scope",
        "report",
        "--scope",
        "read",
        "--project",
        "shop",
        "--expires",
        "90d",
    ];
    let token = printed(&create, &url);
    let token = token.strip_suffix('\n').unwrap();
    assert!(
        token.starts_with("ptp_1_") && token.len() == 6 + 64,
        "{token}"
    );
    app.knows().await;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", &*authorization)];
    let who = app.get_with("/whoami", &headers).await.json();
    assert_eq!(
        who,
        serde_json::json!({"name": "ci", "scopes": ["report", "read"], "project": "shop"})
    );

    let list = printed(&["token", "list"], &url);
    let line = list.lines().find(|line| line.starts_with("ci ")).unwrap();
    assert!(
        line.contains("report,read") && line.contains("shop") && line.contains("good"),
        "{line}"
    );
    assert!(
        !list.contains(&token[6..]) && !list.contains("ptp_"),
        "{list}"
    );

    let output = run(&["token", "revoke", "ci"], &url);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("warning: it was the last one"), "{said}");
    // Another one keeps the master shut, so that what became of the first can be seen.
    printed(
        &["token", "create", "--name", "other", "--scope", "read"],
        &url,
    );
    app.knows().await;
    app.get_with("/whoami", &headers)
        .await
        .problem(401, "token_invalid");
    assert!(printed(&["token", "list"], &url).contains("revoked"));
    // The name is free again.
    printed(
        &["token", "create", "--name", "ci", "--scope", "read"],
        &url,
    );
    // Nobody finds the secret in the files of the database.
    for file in std::fs::read_dir(app.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let secret = &token.as_bytes()[6..];
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_listed_changed_and_removed() {
    let app = App::start().await;
    let url = app.database_url();
    let create = [
        "account",
        "create",
        "--name",
        "dora_explorer",
        "--scope",
        "run",
        "--password-stdin",
    ];
    let output = with_password(&create, &url, "dora_explorer\n");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.is_empty());
    let list = printed(&["account", "list"], &url);
    assert!(
        list.contains("dora_explorer  run") && !list.contains("argon2"),
        "{list}"
    );
    let again = with_password(&create, &url, "dora_explorer\n");
    assert!(String::from_utf8_lossy(&again.stderr).contains("already"));
    let change = ["account", "password", "dora_explorer", "--password-stdin"];
    assert!(
        with_password(&change, &url, "another password")
            .status
            .success()
    );
    printed(&["account", "remove", "dora_explorer"], &url);
    let gone = with_password(&change, &url, "another password");
    assert!(String::from_utf8_lossy(&gone.stderr).contains("there is no account `dora_explorer`"));
    app.stop().await;
}

/// Commands that break a rule, and what is said about it.
const BAD: [(&str, &str); 9] = [
    (
        "token create --name taken --scope read",
        "a token or an account `taken` already",
    ),
    ("token create --name a/b --scope read", "name"),
    ("token create --name x", "--scope"),
    (
        "token create --name x --scope write",
        "possible values: report, read, run, admin",
    ),
    (
        "token create --name x --scope read --expires soon",
        "such as 90d",
    ),
    (
        "token create --name x --scope admin --project p",
        "cannot be bound to a project",
    ),
    ("token revoke nothing", "there is no token `nothing`"),
    ("account create --name x --scope read", "--password-stdin"),
    ("account remove nothing", "there is no account `nothing`"),
];

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn what_breaks_a_rule_is_refused_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let url = database(folder.path());
    printed(&words("token create --name taken --scope read"), &url);
    for (line, expected) in BAD {
        let said = refused(&words(line), &url);
        assert!(said.contains(expected), "{line}: {said}");
    }
    let create = words("account create --name taken --scope read --password-stdin");
    for (password, expected) in [
        ("short\n", "at least 8"),
        ("", "at least 8"),
        ("long enough\n", "already"),
    ] {
        let output = with_password(&create, &url, password);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(printed(&["token", "list"], &url).lines().count(), 2);
    assert_eq!(printed(&["account", "list"], &url).lines().count(), 1);
}

#[test]
fn a_master_that_others_can_reach_starts_when_somebody_can_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = database(folder.path());
    let said = refused(&["--listen", "0.0.0.0:0"], &url);
    assert!(
        said.contains("token create") && said.contains("--insecure-allow-anonymous"),
        "{said}"
    );
    printed(
        &["token", "create", "--name", "admin", "--scope", "admin"],
        &url,
    );
    let mut child = master(&["--listen", "0.0.0.0:0"], &url)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut lines = lines.map_while(Result::ok);
    let started = lines.any(|line| line.contains("listening on http://0.0.0.0:"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(started);
}
