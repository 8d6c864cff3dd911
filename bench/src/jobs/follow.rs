//! From a line that an agent sends to whoever reads the log live.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use xtask::console;

use super::Stage;
use super::client::{Client, FILE};
use crate::command_line::Setting;
use crate::figures::{Figure, Target};
use crate::statistics::{median, percentile};

/// Longest time for any line, milliseconds.
const MAX_MS: f64 = 500.0;
/// From one line to the next.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest silence of a log that goes on.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// Begins a line that says when it was written, in nanoseconds of the time of day.
const MARK: &str = "written at ";

/// An agent that only speaks the protocol sends a line every now and then, and one reader follows.
pub(super) fn measure(stage: &Stage, setting: &Setting) -> Result<Vec<Figure>> {
    let lines = if setting.quick { 50 } else { 500 };
    let job = Client::open(&stage.front.url)?.create(FILE, None)?;
    let mut agent = Client::open(stage.agents_url())?;
    let lease = agent.lease("writer", 20)?.context("no lease")?;
    if lease.job != job {
        bail!("job {} was there before job {job}", lease.job);
    }
    let times = std::thread::scope(|scope| {
        let (ready, is_ready) = mpsc::sync_channel(1);
        let reader = scope.spawn(move || follow(&stage.front.url, job, &ready));
        is_ready.recv().context("the log cannot be read")?;
        let mut offset = 0;
        for _ in 0..lines {
            let line = format!("{MARK}{}\n", now_ns()?);
            offset = agent.log(&lease, offset, line.as_bytes())?;
            std::thread::sleep(PAUSE);
        }
        agent.finish(&lease)?;
        reader.join().map_err(|_| anyhow!("the reader panicked"))?
    })?;
    if times.len() != lines {
        bail!("{lines} lines were sent, {} were read", times.len());
    }
    Ok(figures(
        &format!("line of a log, agent's request to reader, {}", stage.engine),
        &times,
    ))
}

/// Times of the lines in which `MARK` stands, read to the end of the log, in milliseconds.
pub(super) fn follow(url: &str, job: i64, ready: &mpsc::SyncSender<()>) -> Result<Vec<f64>> {
    let host = url.trim_start_matches("http://");
    let stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    // Nothing is chunked for HTTP/1.0: what comes are the lines.
    let head = format!(
        "GET /jobs/{job}/log HTTP/1.0\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n"
    );
    (&stream).write_all(head.as_bytes())?;
    let mut lines = BufReader::new(stream).lines();
    let status = lines.next().context("no answer")??;
    if !status.contains(" 200 ") {
        bail!("the live log answered {status}");
    }
    ready.send(()).context("nobody waits")?;
    let mut times = Vec::new();
    let mut rest = String::new();
    for line in lines {
        let line = line?;
        if line == "event: end" {
            return Ok(times);
        }
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let data: Value = serde_json::from_str(data).context("an event that is no JSON")?;
        rest.push_str(data["text"].as_str().unwrap_or_default());
        let arrived = now_ns()?;
        while let Some((line, after)) = rest.split_once('\n') {
            if let Some(written) = line.strip_prefix(MARK) {
                let written: u128 = written.trim().parse()?;
                times.push(arrived.saturating_sub(written) as f64 / 1e6);
            }
            rest = after.to_owned();
        }
    }
    bail!("the live log ended without saying so")
}

/// The figures of these times.
pub(super) fn figures(name: &str, times: &[f64]) -> Vec<Figure> {
    let most = times.iter().copied().fold(0.0, f64::max);
    let note = format!(
        "p50 {:.1} ms, p95 {:.1} ms",
        median(times),
        percentile(times, 0.95)
    );
    console::line(format_args!("jobs: {name}: {most:.1} ms, {note}"));
    let figure = Figure::new(format!("{name}, longest"), most, "ms").note(note);
    vec![figure.with(Target::AtMost(MAX_MS))]
}

fn now_ns() -> Result<u128> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.context("the clock stands before 1970")?.as_nanos())
}

/// Waits until a condition holds.
pub(super) fn wait<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + SILENCE_MAX;
    while Instant::now() < deadline {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("waited {SILENCE_MAX:?} for {what}")
}
