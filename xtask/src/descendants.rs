//! The processes below a process, as `/proc` shows them, and their end.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// How long killed processes may take to disappear.
const END_TIME_MAX: Duration = Duration::from_secs(5);

/// Process ids of everything below this process, nearest first. Where there is no `/proc`, none.
pub fn of(ancestor: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = Vec::new();
    let mut front = vec![ancestor];
    while !front.is_empty() {
        front = parents
            .iter()
            .filter(|(_, parent)| front.contains(parent))
            .map(|&(process, _)| process)
            .collect();
        found.extend(&front);
    }
    found
}

/// Sends SIGKILL to each of them. They are stopped first, so that none can start another meanwhile.
pub fn kill(processes: &[u32]) {
    for signal in [Signal::STOP, Signal::KILL] {
        for &process in processes {
            if let Some(process) = pid(process) {
                let _ = kill_process(process, signal);
            }
        }
    }
}

/// Kills everything below this process, orphans that it adopted included, and waits for their end.
pub fn end_own() {
    let deadline = Instant::now() + END_TIME_MAX;
    loop {
        let left = of(std::process::id());
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        kill(&left);
        for process in left.into_iter().filter_map(pid) {
            let _ = waitpid(Some(process), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn pid(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}

/// Each process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // `12 (name) S 1 ...`; the name may hold anything.
            let (_, rest) = stat.rsplit_once(')')?;
            let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
            Some((process, parent))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn a_grandchild_is_found_and_killed() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sh -c 'sleep 100 & echo $!; wait' & wait"]);
        let mut child = shell.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        let mut output = BufReader::new(output);
        output.read_line(&mut line).unwrap();
        let below = super::of(child.id());
        assert!(below.contains(&line.trim().parse().unwrap()), "{below:?}");
        super::kill(&below);
        child.wait().unwrap();
        // The pipe ends when the last of them is gone.
        line.clear();
        assert_eq!(output.read_line(&mut line).unwrap(), 0);
    }
}
