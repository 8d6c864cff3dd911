//! The other commands, and the words of the command line.

use std::path::Path;

use crate::master::Master;
use crate::python;
use crate::stage::{Stage, done};

#[test]
fn the_help_is_worth_reading() {
    let stage = Stage::with("");
    let help = |words: &[&str]| done(stage.worker(words).env("COLUMNS", "100")).stdout;
    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help_run", help(&["run", "--help"]));
    insta::assert_snapshot!("help_agent", help(&["agent", "--help"]));
    insta::assert_snapshot!("help_send", help(&["send", "--help"]));
    insta::assert_snapshot!("help_flush", help(&["flush", "--help"]));
    insta::assert_snapshot!("help_journal", help(&["journal", "--help"]));
    insta::assert_snapshot!("help_journal_drop", help(&["journal", "drop", "--help"]));
}

#[test]
fn a_wrong_command_line_ends_as_pytests_does() {
    let stage = Stage::with("");
    let done = done(&mut stage.worker(&["run", "--upload-timeout", "soon"]));
    assert_eq!(done.code, 4);
    assert!(done.stderr.contains("a number of seconds"), "{done:?}");
}

#[test]
fn config_tells_every_value_and_its_source_but_never_the_token() {
    let stage = Stage::with("");
    stage.write(
        "pyproject.toml",
        "[tool.pytest-platform]\nproject = \"shop\"\nvariant = { os = \"linux\" }\n",
    );
    let mut command = stage.worker(&["config", "--branch", "b1"]);
    let done = done(command.env("MASTER_TOKEN", "secret").env("WORKER_ID", "w7"));
    assert_eq!(done.code, 0, "{done:?}");
    for line in [
        "master-url       http://localhost:8080  (default)",
        "token            (set, not shown)  (environment MASTER_TOKEN)",
        "worker-id        w7  (environment WORKER_ID)",
        "branch           b1  (--branch)",
        "commit           -",
    ] {
        assert!(
            done.stdout.contains(&format!("{line}\n")),
            "{line}\n{}",
            done.stdout
        );
    }
    let project = done
        .stdout
        .lines()
        .find(|line| line.starts_with("project"))
        .unwrap();
    assert!(
        project.contains("shop") && project.ends_with("pyproject.toml)"),
        "{project}"
    );
    assert!(!format!("{done:?}").contains("secret"));
}

#[test]
fn ci_and_git_are_asked_where_nobody_said_anything() {
    let stage = Stage::with("");
    let mut command = stage.worker(&["config"]);
    command
        .env("CI", "true")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_REPOSITORY", "team/shop")
        .env("GITHUB_RUN_ID", "7")
        .env("GITHUB_REF_NAME", "main")
        .env("GITHUB_SHA", "abc");
    let told = done(&mut command).stdout;
    assert!(
        told.contains("branch           main  (GitHub Actions)\n"),
        "{told}"
    );
    assert!(
        told.contains("commit           abc  (GitHub Actions)\n"),
        "{told}"
    );
    assert!(
        told.contains("GitHub Actions https://github.com/team/shop/actions/runs/7\n"),
        "{told}"
    );
}

#[test]
fn an_environment_that_is_no_unicode_is_survived() {
    use std::os::unix::ffi::OsStrExt;
    let stage = Stage::with("def test(): pass");
    let master = Master::saving();
    let bad = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let mut command = stage.run(&master.url, &[]);
    let done = done(command.env("ODD", bad).env("BRANCH", bad));
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(master.run().branch, "");
}

#[test]
fn plain_pytest_with_the_plugin_installed_is_reported_by_a_sidecar() {
    let stage = Stage::with("def test_a(): pass\ndef test_b(): assert 0\n");
    let master = Master::saving();
    let binary = Path::new(env!("CARGO_BIN_EXE_pytest-platform-worker"));
    let path = std::env::join_paths(
        std::iter::once(binary.parent().unwrap().to_path_buf())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let mut command = stage.plain(&["-p", "pytest_platform.plugin", "-q"]);
    command
        .env("PATH", path.unwrap())
        .env("PYTHONPATH", plugin)
        .env("MASTER_URL", &master.url)
        .env("MASTER_TOKEN", "secret")
        .env("PROJECT", "shop");
    let done = done(&mut command);
    assert_eq!(done.code, 1, "{done:?}");
    let run = master.run_soon();
    assert_eq!((run.project.as_str(), run.exit_code), ("shop", Some(1)));
    assert_eq!(run.cases.unwrap().len(), 2);
    assert!(
        run.command.starts_with("pytest -p no:cacheprovider"),
        "{}",
        run.command
    );
    assert_eq!(
        master.requests()[0].header("authorization"),
        Some("Bearer secret")
    );
    assert!(done.stderr.contains("1 failed, 1 passed in "), "{done:?}");
}

#[test]
fn a_sidecar_whose_pytest_was_killed_reports_the_test_that_ran() {
    let stage = Stage::with(
        "import os, subprocess\ndef test():\n    subprocess.Popen(['sleep', '10'], close_fds=False)\n    os.kill(os.getpid(), 9)\n",
    );
    let master = Master::saving();
    let binary = Path::new(env!("CARGO_BIN_EXE_pytest-platform-worker"));
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let mut path = binary.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = stage.plain(&["-p", "pytest_platform.plugin"]);
    command
        .env("PATH", path)
        .env("PYTHONPATH", plugin)
        .env("MASTER_URL", &master.url)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    assert!(!command.status().unwrap().success());
    let run = master.run_soon();
    assert_eq!(run.running, ["test_it.py::test"]);
    assert!(!run.finished);
}

#[test]
fn the_python_of_the_active_environment_is_used() {
    let stage = Stage::with("def test(): pass");
    let master = Master::saving();
    let folder = python::with_pytest().parent().unwrap().parent().unwrap();
    let mut command = stage.worker(&["run", "--", "-q"]);
    command
        .env("VIRTUAL_ENV", folder)
        .env("MASTER_URL", &master.url);
    assert_eq!(done(&mut command).code, 0);
    assert!(master.run().command.starts_with(folder.to_str().unwrap()));
}
