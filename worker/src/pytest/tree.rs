//! Everything that pytest started, and its end.
//!
//! On Linux a descendant is found wherever it went: `/proc` names every process's parent, and the
//! worker adopts those whose own parent has ended, into whatever session they went. Elsewhere only
//! pytest and its process group can be reached.

use rustix::process::{Pid, Signal, kill_process};

#[cfg(target_os = "linux")]
pub(super) use linux::{adopt_orphans, adopted, below, descendants, has_ended};

/// Sends a signal to each; some may have ended in this very moment.
pub(super) fn signal_each(processes: &[Pid], signal: Signal) {
    for process in processes {
        let _ = kill_process(*process, signal);
    }
}

/// Whether a process is gone.
#[cfg(not(target_os = "linux"))]
pub(super) fn has_ended(process: Pid) -> bool {
    rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH)
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub(super) fn adopt_orphans() -> bool {
    false
}

/// Nobody tells here.
#[cfg(not(target_os = "linux"))]
pub(super) fn descendants(_root: Option<Pid>, _with_orphans: bool) -> Vec<Descendant> {
    Vec::new()
}

/// Nobody tells here.
#[cfg(not(target_os = "linux"))]
pub(super) fn below(_root: Pid) -> Vec<Pid> {
    Vec::new()
}

/// There are none here.
#[cfg(not(target_os = "linux"))]
pub(super) fn adopted() -> Vec<Pid> {
    Vec::new()
}

/// A process that descends from pytest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descendant {
    /// Its number.
    pub(super) process: Pid,
    /// Number of its process group.
    pub(super) group: i32,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{HashMap, HashSet};

    use rustix::process::{Pid, getpid, set_child_subreaper};

    use super::Descendant;

    /// A line of `/proc/PID/stat`, as far as it matters.
    struct Stat {
        parent: i32,
        group: i32,
        session: i32,
        has_ended: bool,
    }

    /// From here on, a descendant whose parent ends becomes the worker's own child. The worker's
    /// first thread has to collect it when it ends.
    pub(in super::super) fn adopt_orphans() -> bool {
        set_child_subreaper(Some(getpid())).is_ok()
    }

    /// `root` and all that descend from it; with `with_orphans`, also those that the worker adopted.
    /// Who has ended is not among them.
    pub(in super::super) fn descendants(root: Option<Pid>, with_orphans: bool) -> Vec<Descendant> {
        let stats = stats();
        let mut wanted: Vec<i32> = root.iter().map(|root| root.as_raw_pid()).collect();
        if with_orphans {
            wanted.extend(children_of_first_thread());
        }
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for (number, stat) in &stats {
            children.entry(stat.parent).or_default().push(*number);
        }
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        while let Some(number) = wanted.pop() {
            if !seen.insert(number) {
                continue;
            }
            wanted.extend(children.get(&number).into_iter().flatten());
            if let Some(stat) = stats.get(&number)
                && !stat.has_ended
                && let Some(process) = Pid::from_raw(number)
            {
                let group = stat.group;
                found.push(Descendant { process, group });
            }
        }
        found
    }

    /// Everything below `root` that lives.
    pub(in super::super) fn below(root: Pid) -> Vec<Pid> {
        let found = descendants(Some(root), false).into_iter();
        let below = found.map(|one| one.process);
        below.filter(|process| *process != root).collect()
    }

    /// Children of this process in another session than its own, whether they live or wait to be
    /// collected. What this process starts is in its session until it says otherwise.
    pub(in super::super) fn adopted() -> Vec<Pid> {
        let stats = stats();
        let own = getpid().as_raw_pid();
        let Some(session) = stats.get(&own).map(|stat| stat.session) else {
            return Vec::new();
        };
        let children = stats
            .iter()
            .filter(|(_, stat)| stat.parent == own && stat.session != session);
        children
            .filter_map(|(number, _)| Pid::from_raw(*number))
            .collect()
    }

    /// Whether a process is gone, or only waits to be collected by whoever adopted it.
    pub(in super::super) fn has_ended(process: Pid) -> bool {
        let path = format!("/proc/{}/stat", process.as_raw_pid());
        match std::fs::read(path) {
            Ok(line) => parse(&String::from_utf8_lossy(&line)).is_none_or(|stat| stat.has_ended),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Orphans come to the first thread, as pytest is its child; what other threads start, such as
    /// git, is no affair of pytest.
    fn children_of_first_thread() -> Vec<i32> {
        let own = getpid().as_raw_pid();
        let list = std::fs::read_to_string(format!("/proc/self/task/{own}/children"));
        let list = list.unwrap_or_default();
        list.split_ascii_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect()
    }

    fn stats() -> HashMap<i32, Stat> {
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return HashMap::new();
        };
        processes
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let number: i32 = entry.file_name().to_str()?.parse().ok()?;
                let bytes = std::fs::read(entry.path().join("stat")).ok()?;
                Some((number, parse(&String::from_utf8_lossy(&bytes))?))
            })
            .collect()
    }

    /// The name in parentheses may hold anything, parentheses included.
    fn parse(line: &str) -> Option<Stat> {
        let (_, fields) = line.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        Some(Stat {
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
            has_ended: matches!(state, "Z" | "X" | "x"),
        })
    }

    #[cfg(test)]
    mod tests {
        use std::process::Command;

        use super::*;

        #[test]
        fn a_name_with_parentheses_and_spaces_is_passed_over() {
            let stat = parse("7 (a) R 1) S 42 43 44 0 -1").unwrap();
            assert_eq!((stat.parent, stat.group, stat.has_ended), (42, 43, false));
            assert!(parse("7 (zombie) Z 1 1 1").unwrap().has_ended);
            assert!(parse("nonsense").is_none());
        }

        #[test]
        fn a_grandchild_in_a_session_of_its_own_is_found() {
            let script = "setsid sleep 30 & echo ready; wait";
            let mut shell = Command::new("sh")
                .args(["-c", script])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let root = Pid::from_child(&shell);
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            let mut found = descendants(Some(root), false);
            while !found
                .iter()
                .any(|one| one.process != root && one.group != found[0].group)
            {
                assert!(std::time::Instant::now() < deadline, "{found:?}");
                std::thread::sleep(std::time::Duration::from_millis(10));
                found = descendants(Some(root), false);
            }
            let all: Vec<Pid> = found.iter().map(|one| one.process).collect();
            super::super::signal_each(&all, rustix::process::Signal::KILL);
            assert!(!has_ended(rustix::process::getpid()));
            shell.wait().unwrap();
            assert!(has_ended(root));
            assert_eq!(descendants(Some(root), false), []);
        }
    }
}
