//! pytest in a terminal, through the worker.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::master::Master;
use crate::stage::Stage;

/// Both ends of a new terminal of this width.
fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    resize(&ours, columns);
    (ours, theirs)
}

fn resize(terminal: &OwnedFd, columns: u16) {
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

/// What the command shows in a terminal of 61 columns.
fn shown(mut command: Command) -> String {
    let (ours, theirs) = terminal(61);
    command
        .env("TERM", "xterm")
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    let mut screen = File::from(ours);
    // EIO is the end of a terminal.
    while let Ok(count @ 1..) = screen.read(&mut buffer) {
        text.extend_from_slice(&buffer[..count]);
    }
    child.wait().unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn colours_width_and_line_ends_are_those_of_plain_pytest() {
    let stage = Stage::with(
        "import sys\ndef test_a(): print('x')\ndef test_b():\n    both = (sys.stdin.isatty(), sys.stdout.isatty())\n    assert both == 0\n",
    );
    let master = Master::saving();
    let mut ours = stage.run(&master.url, &["-s", "--no-header"]);
    ours.env("WORKER_QUIET", "1");
    let (ours, plain) = (shown(ours), shown(stage.plain(&["-s", "--no-header"])));
    let mask = |text: &str| {
        let (before, after) = text.rsplit_once(" in ").unwrap();
        let ends = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        format!("{before} in #{ends}")
    };
    assert_eq!(mask(&ours), mask(&plain));
    assert!(ours.contains("\u{1b}[32m"), "{ours}");
    assert!(ours.contains("(True, True)"), "{ours}");
    assert!(
        ours.contains("\r\n") && !ours.contains("\r\r\n"),
        "{ours:?}"
    );
    let tail = master.run().log_tail;
    assert!(
        tail.contains("test_it.py") && !tail.contains('\u{1b}'),
        "{tail}"
    );
}

#[test]
fn a_terminal_that_changes_its_size_changes_pytests_too() {
    let stage = Stage::with(
        "import os, time\ndef test():\n    print('ready', flush=True)\n    end = time.time() + 10\n    while os.get_terminal_size(1).columns != 99:\n        assert time.time() < end\n        time.sleep(0.02)\n",
    );
    let (ours, theirs) = terminal(61);
    let mut command = stage.run(&Master::saving().url, &["-s"]);
    command
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut screen = File::from(ours.try_clone().unwrap());
    let mut text = String::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !text.contains("ready") {
        assert!(Instant::now() < deadline, "{text}");
        let mut buffer = [0; 4096];
        let count = screen.read(&mut buffer).unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    resize(&ours, 99);
    // The kernel tells the terminal's foreground group; this terminal is nobody's own.
    let worker = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(worker, rustix::process::Signal::WINCH).unwrap();
    let rest = std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = screen.read_to_end(&mut rest);
    });
    assert!(child.wait().unwrap().success());
    drop(ours);
    rest.join().unwrap();
}
