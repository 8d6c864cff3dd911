//! The end of everything that descends from this process, wherever it went.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, waitpid};

use super::tree;

/// How long it is tried; a process in an uninterruptible call dies later.
const KILL_MAX: Duration = Duration::from_secs(5);

/// Between two looks at who is still there.
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// From here on, a descendant whose parent ends becomes a child of this process.
pub(crate) fn adopt_orphans() {
    // Where that is not known, only children are found, and documents say so.
    let _ = tree::adopt_orphans();
}

/// Kills everything below this process. Answers whether nothing is left.
pub(crate) fn kill_below() -> bool {
    kill_under(getpid())
}

/// Kills a child of this process and everything below it. The child is left to be collected by whoever
/// started it.
pub(crate) fn kill_with_all(child: Pid) -> bool {
    // It is stopped first, so that it starts nothing more, and killed last: until then, what is below it
    // stays there.
    tree::signal_each(&[child], Signal::STOP);
    let is_done = kill_under(child);
    tree::signal_each(&[child], Signal::KILL);
    is_done
}

/// Kills and collects the orphans that this process adopted, with all below them, but for the `spared`:
/// children that it started itself and that made sessions of their own.
pub(crate) fn end_adopted(spared: &BTreeSet<i32>) -> bool {
    let deadline = Instant::now() + KILL_MAX;
    loop {
        let mut adopted = tree::adopted();
        adopted.retain(|process| !spared.contains(&process.as_raw_pid()));
        for process in &adopted {
            if !tree::has_ended(*process) {
                kill_with_all(*process);
            }
            let _ = waitpid(Some(*process), WaitOptions::NOHANG);
        }
        if adopted.is_empty() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(KILL_PAUSE);
    }
}

fn kill_under(root: Pid) -> bool {
    let deadline = Instant::now() + KILL_MAX;
    let mut stopped = HashSet::new();
    // Stopped first, so that nobody starts another while the others are killed.
    loop {
        let mut living = tree::below(root);
        living.retain(|process| stopped.insert(*process));
        tree::signal_each(&living, Signal::STOP);
        if living.is_empty() || Instant::now() >= deadline {
            break;
        }
    }
    loop {
        let living = tree::below(root);
        if living.is_empty() {
            return true;
        }
        tree::signal_each(&living, Signal::KILL);
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(KILL_PAUSE);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_goes_with_what_it_started_in_another_session() {
        use std::io::{BufRead, BufReader};
        let mut shell = Command::new("sh")
            .args(["-c", "setsid sleep 60 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(shell.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let sleeper = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        assert!(!tree::has_ended(sleeper));
        assert!(kill_with_all(Pid::from_child(&shell)));
        assert!(tree::has_ended(sleeper));
        assert!(!shell.wait().unwrap().success());
    }
}
