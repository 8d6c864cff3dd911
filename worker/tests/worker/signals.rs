//! Signals to the worker reach pytest, and the run is reported all the same.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use shared::status::RunStatus;

use crate::master::{Answer, Master};
use crate::python;
use crate::stage::{Done, Stage, done, told};

const SLEEPS: &str = "
import time
def test_before(): pass
def test_sleeps():
    print('asleep', flush=True)
    time.sleep(30)
";

/// Starts the tests and waits until one sleeps.
fn asleep(stage: &Stage, master: &Master) -> Child {
    let mut command = stage.run(&master.url, &["-s"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("asleep") {
        line.clear();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "pytest ended early"
        );
    }
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut output, &mut rest);
    });
    child
}

fn stop(child: Child, signal: Signal) -> (Done, Duration) {
    let start = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    (told(&child.wait_with_output().unwrap()), start.elapsed())
}

#[test]
fn an_interrupt_is_passed_on_and_pytest_ends_in_order() {
    let (stage, master) = (Stage::with(SLEEPS), Master::saving());
    let (done, elapsed) = stop(asleep(&stage, &master), Signal::INT);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    let run = master.run();
    assert_eq!(
        (run.status, run.exit_code),
        (Some(RunStatus::Interrupted), Some(2))
    );
    assert!(
        run.log_tail.contains("KeyboardInterrupt"),
        "{}",
        run.log_tail
    );
    let message = run.cases.as_ref().unwrap()[1].message.as_deref().unwrap();
    assert!(
        message.contains("KeyboardInterrupt") && !message.contains("crash"),
        "{message}"
    );
    assert!(
        done.stderr
            .contains("interrupted: 1 interrupted, 1 passed in"),
        "{done:?}"
    );
}

#[test]
fn a_termination_ends_pytest_and_the_run_is_reported() {
    let (stage, master) = (Stage::with(SLEEPS), Master::saving());
    let (done, _) = stop(asleep(&stage, &master), Signal::TERM);
    assert_eq!(done.code, 143, "{done:?}");
    let run = master.run();
    assert_eq!(run.signal.as_deref(), Some("SIGTERM"));
    assert_eq!(run.status, Some(RunStatus::Interrupted));
    assert!(
        run.problems[0]
            .text
            .contains("the worker was stopped with SIGTERM"),
        "{:?}",
        run.problems
    );
    assert_eq!(run.running, ["test_it.py::test_sleeps"]);
}

#[test]
fn a_pytest_that_ignores_termination_is_killed_after_the_grace() {
    let stage = Stage::with(
        "import signal, time\ndef test():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    print('asleep', flush=True)\n    time.sleep(30)\n",
    );
    let master = Master::saving();
    let (done, elapsed) = stop(asleep(&stage, &master), Signal::TERM);
    assert_eq!(done.code, 137, "{done:?}");
    assert!(
        elapsed > Duration::from_secs(2) && elapsed < Duration::from_secs(12),
        "{elapsed:?}"
    );
    assert_eq!(master.run().signal.as_deref(), Some("SIGKILL"));
}

#[test]
fn whoever_stops_the_worker_waits_five_seconds_for_a_hung_master_at_most() {
    let (stage, master) = (Stage::with(SLEEPS), Master::answering(&[Answer::Hang]));
    let (done, elapsed) = stop(asleep(&stage, &master), Signal::TERM);
    assert!(done.stderr.contains("NOT uploaded"), "{done:?}");
    assert!(elapsed < Duration::from_secs(8), "{elapsed:?}");
}

/// Runs a command in a terminal of its own, and presses Ctrl-C each time it says `asleep`.
const PRESS_CTRL_C: &str = r#"
import os, pty, sys
process, terminal = pty.fork()
if process == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen, pressed = b"", 0
while True:
    try:
        seen += os.read(terminal, 4096)
    except OSError:
        break
    if seen.count(b"asleep") > pressed:
        pressed += 1
        os.write(terminal, b"\x03")
sys.stdout.buffer.write(seen)
sys.exit(os.WEXITSTATUS(os.waitpid(process, 0)[1]))
"#;

fn in_terminal(stage: &Stage, master: &Master) -> Done {
    let inner = stage.run(&master.url, &["-s"]);
    let mut command = stage.command(python::with_pytest());
    command
        .args(["-c", PRESS_CTRL_C])
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap());
    }
    done(&mut command)
}

#[test]
fn ctrl_c_reaches_pytest_from_the_terminal_and_not_again_from_the_worker() {
    // Python merges signals that come close together, so the test takes them from the kernel one
    // by one. Those of a terminal have no sender.
    let stage = Stage::with(
        "
import signal
def test():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    senders = []
    for _ in range(25):
        print('asleep', flush=True)
        patience = 20
        while True:
            info = signal.sigtimedwait({signal.SIGINT}, patience)
            if info is None: break
            senders.append(info.si_pid)
            patience = 0.05
    assert senders == [0] * 25
",
    );
    let master = Master::saving();
    let done = in_terminal(&stage, &master);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(master.run().status, Some(RunStatus::Passed));
}

#[test]
fn ctrl_c_interrupts_once_and_leaves_teardowns_their_time() {
    let stage = Stage::with(
        "
import time, pytest
@pytest.fixture
def room():
    yield
    end = time.monotonic() + 1
    while time.monotonic() < end:
        time.sleep(0.01)
    print('tidied up')
def test(room):
    print('asleep', flush=True)
    time.sleep(30)
",
    );
    let master = Master::saving();
    let done = in_terminal(&stage, &master);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stdout.contains("tidied up"), "{done:?}");
    assert!(done.stdout.contains(", uploaded "), "{done:?}");
    assert_eq!(master.run().status, Some(RunStatus::Interrupted));
}
