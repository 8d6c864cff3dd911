//! pytest through the worker looks and ends like pytest without it.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use shared::status::RunStatus;

use crate::master::{Master, refusing_url};
use crate::python;
use crate::stage::{Done, Stage, done, told};

const MIXED: &str = r#"
import os, sys, warnings
import pytest

def test_passes():
    print("to stdout")
    print("to stderr", file=sys.stderr)

def test_fails():
    print("shown")
    assert 1 == 2

@pytest.mark.skip(reason="why")
def test_skipped(): pass

def test_warns():
    warnings.warn("careful")

@pytest.mark.xfail
def test_expected(): raise ValueError("é")

def test_error(nowhere): pass
"#;

/// The text without what differs between any two runs.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(" in ") {
        let (before, after) = rest.split_at(at + 4);
        out.push_str(before);
        let number = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
                .len();
        out.push_str(if number > 0 { "#" } else { "" });
        rest = &after[number..];
    }
    out + rest
}

#[test]
fn both_outputs_are_those_of_plain_pytest() {
    let stage = Stage::with(MIXED);
    let master = Master::saving();
    for arguments in [
        &["-rA"][..],
        &["-v", "-s"],
        &["-q", "--color=yes"],
        &["--nonsense"],
    ] {
        let plain = done(&mut stage.plain(arguments));
        let ours = done(stage.run(&master.url, arguments).env("WORKER_QUIET", "1"));
        assert_eq!(masked(&ours.stdout), masked(&plain.stdout), "{arguments:?}");
        assert_eq!(ours.stderr, plain.stderr, "{arguments:?}");
        assert_eq!(ours.code, plain.code, "{arguments:?}");
    }
}

#[test]
fn two_streams_into_one_file_keep_their_order() {
    let stage = Stage::with(
        "import os\ndef test():\n    for n in range(200):\n        os.write(1 + n % 2, b'%d\\n' % n)\n",
    );
    let path = stage.path().join("both.txt");
    let file = std::fs::File::create(&path).unwrap();
    let mut command = stage.run(&Master::saving().url, &["-s", "-q"]);
    let status = command
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(path).unwrap();
    let numbers: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.into_iter().eq(0..200), "{text}");
}

#[test]
fn exit_codes_are_pytests_own() {
    let master = Master::saving();
    let code = |tests: &str, arguments: &[&str]| {
        let stage = Stage::with(tests);
        done(&mut stage.run(&master.url, arguments)).code
    };
    assert_eq!(code("def test(): pass", &[]), 0);
    assert_eq!(code("def test(): assert 0", &[]), 1);
    assert_eq!(code("def test(): raise KeyboardInterrupt", &[]), 2);
    assert_eq!(code("def test(): pass", &["--nonsense"]), 4);
    assert_eq!(code("", &[]), 5);
    assert_eq!(
        code("import pytest\ndef test(): pytest.exit('x', 42)", &[]),
        42
    );
    assert_eq!(code("import os\ndef test(): os._exit(7)", &[]), 7);
    assert_eq!(
        code("import os\ndef test(): os.kill(os.getpid(), 9)", &[]),
        137
    );
}

#[test]
fn standard_input_reaches_the_tests() {
    let stage = Stage::with("import sys\ndef test(): assert sys.stdin.read() == 'hello'\n");
    let mut command = stage.run(&Master::saving().url, &["-s"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    let done = told(&child.wait_with_output().unwrap());
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn tests_see_the_environment_that_they_would_see_without_us() {
    let stage = Stage::with(
        "import json, os, sys\ndef test():\n    print('\\nENV', json.dumps(dict(os.environ)))\n    print('PATH', sys.path)\n",
    );
    let master = Master::saving();
    let environment = |done: Done| {
        let line = done
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("ENV "));
        let json = line.unwrap_or_else(|| panic!("{done:?}"));
        let mut map: std::collections::BTreeMap<String, String> =
            serde_json::from_str(json).unwrap();
        map.remove("PYTEST_CURRENT_TEST");
        map.remove("MASTER_URL");
        map
    };
    for original in [None, Some(""), Some("/one:/two")] {
        let mut plain = stage.plain(&["-s"]);
        let mut ours = stage.run(&master.url, &["-s"]);
        if let Some(original) = original {
            plain.env("PYTHONPATH", original);
            ours.env("PYTHONPATH", original);
        }
        ours.env("MASTER_TOKEN", "secret");
        let mut ours = environment(done(&mut ours));
        // The plugin's word to a pytest that a test starts: this run is reported already.
        ours.remove("PYTEST_PLATFORM_NESTED");
        assert_eq!(ours, environment(done(&mut plain)));
    }
    assert_eq!(
        master.requests()[0].header("authorization"),
        Some("Bearer secret")
    );
}

#[test]
fn a_question_to_pytest_is_answered_and_not_reported() {
    let stage = Stage::with("def test(): pass");
    let master = Master::saving();
    for question in ["--version", "--help", "--fixtures", "--markers"] {
        let ours = done(&mut stage.run(&master.url, &[question]));
        let plain = done(&mut stage.plain(&[question]));
        assert_eq!(
            (ours.code, &ours.stderr),
            (plain.code, &plain.stderr),
            "{question}"
        );
        assert_eq!(masked(&ours.stdout), masked(&plain.stdout), "{question}");
    }
    assert_eq!(master.requests().len(), 0);
}

#[test]
fn a_collection_alone_is_a_run_without_tests() {
    let stage = Stage::with("def test(): pass");
    let master = Master::saving();
    let ours = done(&mut stage.run(&master.url, &["--collect-only", "-q"]));
    assert_eq!(ours.code, 0, "{ours:?}");
    let run = master.run();
    assert_eq!(run.status, Some(RunStatus::NoTests));
    assert_eq!((run.exit_code, run.collected), (Some(0), Some(1)));
    assert_eq!(run.not_run, ["test_it.py::test"]);
}

#[test]
fn an_output_that_cannot_be_written_is_never_a_success() {
    let stage = Stage::with("def test(): pass");
    let master = Master::saving();
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut command = stage.run(&master.url, &["-q"]);
    let output = command
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let done = told(&output);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("No space left on device"), "{done:?}");
    // Whether pytest itself noticed depends on who is faster; its test has passed either way.
    let cases = master.run().cases.unwrap();
    assert_eq!(cases[0].outcome, shared::outcome::Outcome::Passed);
}

#[test]
fn flags_of_the_interpreter_reach_it_and_the_plugin_is_found_all_the_same() {
    let stage = Stage::with(
        "import os, sys\ndef test():\n    print('FLAGS', sys.flags.isolated, sys.flags.ignore_environment, sys.flags.optimize, sys.flags.dev_mode)\n    print('ARGV', sys.argv)\n    print('MAIN', sys.modules['__main__'].__spec__.name)\n    print('PATH', [p for p in sys.path if 'pytest-platform' not in p])\n    print('ENV', os.environ.get('PYTHONPATH'))\n",
    );
    for flags in [
        &["-I"][..],
        &["-E"],
        &["-OO"],
        &["-X", "dev", "-IB"],
        &["-W", "error::ImportWarning"],
    ] {
        let master = Master::saving();
        let mut plain = stage.command(python::with_pytest());
        let words = ["-m", "pytest", "-p", "no:cacheprovider", "-s", "-q"];
        plain
            .args(flags)
            .args(words)
            .env("PYTHONPATH", "/some/where");
        let mut ours = stage.worker(&["run", "--python"]);
        ours.arg(python::with_pytest());
        for flag in flags {
            ours.arg(format!("--python-arg={flag}"));
        }
        ours.arg("--")
            .args(["-p", "no:cacheprovider", "-s", "-q"])
            .env("MASTER_URL", &master.url)
            .env("PYTHONPATH", "/some/where");
        let told = |done: &Done| {
            let lines = done.stdout.lines();
            let words = ["FLAGS", "MAIN", "PATH", "ENV"];
            let lines = lines.filter(|line| words.iter().any(|word| line.contains(word)));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let (plain, ours) = (done(&mut plain), done(&mut ours));
        assert_eq!(told(&ours).len(), 4, "{ours:?}");
        assert_eq!(told(&ours), told(&plain), "{flags:?}");
        let run = master.run();
        assert_eq!(run.status, Some(RunStatus::Passed), "{flags:?}");
        assert!(run.command.contains(flags[0]), "{}", run.command);
    }
}

#[test]
fn a_python_without_pytest_is_named_with_what_to_do() {
    let stage = Stage::with("def test(): pass");
    let master = Master::saving();
    let python = python::without_pytest().to_str().unwrap();
    let mut command = stage.worker(&["run", "--python", python]);
    let done = done(command.env("MASTER_URL", &master.url));
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("-m pip install pytest"), "{done:?}");
    assert!(master.requests().is_empty(), "there is nothing to report");
}

#[test]
fn a_python_that_is_not_there_is_named() {
    let stage = Stage::with("def test(): pass");
    let done = done(&mut stage.worker(&["run", "--python", "/nowhere/python"]));
    assert_eq!(done.code, 127);
    assert!(done.stderr.contains("/nowhere/python"), "{done:?}");
}

#[test]
fn a_process_that_outlives_pytest_holds_nobody_up() {
    let stage = Stage::with(
        "import subprocess\ndef test(): subprocess.Popen(['sleep', '15'], close_fds=False)\n",
    );
    let master = Master::saving();
    let start = Instant::now();
    // The sleeping process holds both output streams of pytest.
    let output = stage.path().join("out.txt");
    let mut command = stage.run(&master.url, &["-s"]);
    let status = command
        .stdout(std::fs::File::create(output).unwrap())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(master.run().cases.unwrap().len(), 1);
}

#[test]
fn whoever_stops_reading_gets_the_broken_pipe_that_plain_pytest_gives() {
    let stage = Stage::with(
        "import os\ndef test():\n    for n in range(100000):\n        os.write(1, b'x' * 100)\n",
    );
    let mut command = stage.run(&refusing_url(), &["-s", "-q"]);
    let mut child = command
        .env("WORKER_UPLOAD_TIMEOUT", "0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = told(&child.wait_with_output().unwrap());
    assert_ne!(done.code, 0, "{done:?}");
}

#[test]
fn a_quiet_worker_says_nothing() {
    let stage = Stage::with("def test(): pass");
    let mut command = stage.worker(&["run", "--quiet", "--python"]);
    command
        .arg(python::with_pytest())
        .env("MASTER_URL", Master::saving().url);
    assert_eq!(done(&mut command).stderr, "");
}

#[test]
fn a_plugin_that_fits_into_no_folder_leaves_the_tests_running_and_says_so() {
    let stage = Stage::with(
        "import os\ndef test_a(): assert 'PYTEST_PLATFORM_FD' not in os.environ\ndef test_b(): assert 0\n",
    );
    let master = Master::saving();
    let mut command = stage.run(&master.url, &[]);
    for name in [
        "HOME",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "XDG_CACHE_HOME",
        "XDG_STATE_HOME",
    ] {
        command.env(name, "/dev/null/x");
    }
    let done = done(&mut command);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("1 failed, 1 passed"), "{done:?}");
    assert!(done.stderr.contains("NOT REPORTED"), "{done:?}");
    assert!(done.stderr.contains("TMPDIR"), "{done:?}");
    assert!(master.requests().is_empty());
}

#[test]
fn a_missing_temporary_folder_is_replaced_by_one_of_the_users_own() {
    let stage = Stage::with("def test_a(): pass");
    let master = Master::saving();
    let mut command = stage.run(&master.url, &[]);
    let done = done(command.env("TMPDIR", "/dev/null/x"));
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(master.run().status, Some(RunStatus::Passed));
    let left: Vec<_> = std::fs::read_dir(stage.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is written to the project: {left:?}");
}
