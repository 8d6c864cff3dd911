//! Runs pytest with the plugin on a pipe and prints what the aggregate makes of it as JSON.
//!
//! `aggregate PYTHON LIMIT_S PYTHON_ARGS... -- PYTEST_ARGS...`; a limit of 0 is none. It uploads
//! nothing and knows no configuration: it is how `worker/python/tests/run_cases.py` looks at plugin
//! and aggregate alone. The environment is passed on, with the plugin's folder as `PYTHONPATH`.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use shared::event::Event;
use shared::run::{Problem, ProblemKind};
use worker::aggregate::{Ending, Run};

/// How much of pytest's output is kept.
const TAIL_BYTES: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let python = arguments.next().ok_or("which python?")?;
    let limit_s: f64 = arguments.next().ok_or("which limit?")?.parse()?;
    let before: Vec<String> = arguments.by_ref().take_while(|word| word != "--").collect();
    let plugin = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/python");
    let plugin = std::env::var("PLUGIN_FOLDER").unwrap_or_else(|_| plugin.to_owned());

    let (events, writing) = std::io::pipe()?;
    rustix::io::fcntl_setfd(&writing, rustix::io::FdFlags::empty())?;
    let (output, output_writing) = std::io::pipe()?;
    let started_at = chrono::Utc::now();
    let started = Instant::now();
    let mut command = Command::new(python);
    command
        .args(before)
        .args(["-m", "pytest", "-p", "pytest_platform.plugin"])
        .args(arguments)
        .env("PYTEST_PLATFORM_FD", writing.as_raw_fd().to_string())
        .env("PYTHONPATH", plugin)
        .env_remove("PLUGIN_FOLDER")
        .stdin(Stdio::null())
        .stdout(output_writing.try_clone()?)
        .stderr(output_writing)
        .process_group(0);
    let child = command.spawn()?;
    drop((command, writing));
    let reader = std::thread::spawn(move || read(events));
    let tail = std::thread::spawn(move || tail(output));
    let (status, timed_out) = wait(child, limit_s)?;
    let (run, reader_problems) = reader.join().map_err(|_| "the reader panicked")?;
    let ending = Ending {
        exit_code: status.code(),
        signal: status.signal().map(name_of),
        timed_out,
        started_at: Some(started_at),
        finished_at: Some(chrono::Utc::now()),
        duration_s: started.elapsed().as_secs_f64(),
        log_tail: tail.join().map_err(|_| "the tail panicked")?,
        reader_problems,
        ..Ending::default()
    };
    let finishing = Instant::now();
    let run = run.finish(ending);
    let finish_ms = finishing.elapsed().as_secs_f64() * 1e3;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &run)?;
    writeln!(out)?;
    writeln!(std::io::stderr(), "finish took {finish_ms:.1} ms")?;
    Ok(())
}

fn wait(mut child: Child, limit_s: f64) -> Result<(ExitStatus, bool), Box<dyn Error>> {
    if limit_s <= 0.0 {
        return Ok((child.wait()?, false));
    }
    let until = Instant::now() + Duration::from_secs_f64(limit_s);
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    Ok((child.wait()?, true))
}

fn read(events: impl Read) -> (Run, Vec<Problem>) {
    let mut run = Run::new();
    let mut bad_lines = 0_u64;
    let mut lines = BufReader::with_capacity(1 << 16, events);
    let mut line = Vec::new();
    while lines
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        match serde_json::from_slice::<Event>(&line) {
            Ok(event) => run.apply(event),
            Err(_) => bad_lines += 1,
        }
        line.clear();
    }
    let problem = (bad_lines > 0).then(|| Problem {
        kind: ProblemKind::Contradiction,
        place: "pipe".to_owned(),
        text: format!("{bad_lines} lines of the plugin were not understood"),
    });
    (run, problem.into_iter().collect())
}

fn tail(mut output: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read) = output.read(&mut buffer)
        && read > 0
    {
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > 4 * TAIL_BYTES {
            kept.drain(..kept.len() - TAIL_BYTES);
        }
    }
    String::from_utf8_lossy(&kept[kept.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}

fn name_of(signal: i32) -> String {
    match signal {
        2 => "SIGINT".to_owned(),
        6 => "SIGABRT".to_owned(),
        9 => "SIGKILL".to_owned(),
        11 => "SIGSEGV".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("signal {other}"),
    }
}
