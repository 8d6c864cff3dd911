//! A lean load generator: threads with one kept-alive connection each, bodies made before.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use xtask::http::Connection;

/// A body ready to send.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Their content encoding.
    pub(crate) encoding: Option<&'static str>,
}

/// Sends every body once, from so many connections at a time; answers with the time it took until
/// the last was acknowledged.
pub(crate) fn post_all(url: &str, bodies: &[Prepared], connections: usize) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(url)?);
    }
    let started = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = open
            .into_iter()
            .map(|mut connection| {
                let next = &next;
                scope.spawn(move || -> Result<()> {
                    while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                        post(&mut connection, body)?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| anyhow!("a sending thread panicked"))?
        })
    })?;
    Ok(started.elapsed())
}

/// Sends one body; anything but 201 is an error.
pub(crate) fn post(connection: &mut Connection, body: &Prepared) -> Result<()> {
    let answer = connection.post("/results", &body.bytes, body.encoding)?;
    if answer.status != 201 {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        bail!("POST /results answered {}: {text}", answer.status);
    }
    Ok(())
}
