//! Everybody at once: workers with real suites and clients at speed, until they are told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::random::Random;

use super::client::Client;
use super::suite::Shape;
use super::{Setting, Suite, Worker};
use crate::book::{Book, Entry};
use crate::ledger::Row;

/// How many workers run at the same time.
const WORKERS: u64 = 8;
/// How many clients send at the same time.
const CLIENTS: u64 = 3;
/// Rest of a client between two runs: the audit reads everything they send.
const CLIENT_PAUSE: Duration = Duration::from_millis(70);
/// Folders of journals: workers of one machine share theirs.
const STATE_FOLDERS: u64 = 2;

/// What the crowd shares.
pub(crate) struct Crowd<'a> {
    setting: &'a Setting,
    url: &'a str,
    book: &'a Book,
    stop: &'a AtomicBool,
}

/// The crowd at work: what each of them found wrong.
pub(crate) struct AtWork<'scope> {
    threads: Vec<ScopedJoinHandle<'scope, Result<Vec<String>>>>,
}

impl<'a> Crowd<'a> {
    /// A crowd that is not at work yet.
    pub(crate) const fn new(
        setting: &'a Setting,
        url: &'a str,
        book: &'a Book,
        stop: &'a AtomicBool,
    ) -> Self {
        Self {
            setting,
            url,
            book,
            stop,
        }
    }

    /// Sets everybody to work.
    pub(crate) fn start<'scope>(self, scope: &'scope Scope<'scope, '_>) -> AtWork<'scope>
    where
        'a: 'scope,
    {
        let Self {
            setting,
            url,
            book,
            stop,
        } = self;
        let workers =
            (0..WORKERS).map(|number| scope.spawn(move || work(setting, url, book, stop, number)));
        let mut threads: Vec<_> = workers.collect();
        threads.extend((0..CLIENTS).map(|number| {
            scope.spawn(move || {
                let random = setting.random(1_000_000 + number);
                let mut client = Client::new(url, &format!("client-{number}"), book, random);
                client.stop = Some(stop);
                Ok(client.work(CLIENT_PAUSE))
            })
        }));
        AtWork { threads }
    }
}

impl AtWork<'_> {
    /// Waits until everybody has come to an end.
    pub(crate) fn finish(self, row: &mut Row) -> Result<()> {
        for thread in self.threads {
            let wrongs = thread.join().map_err(|_| anyhow!("a thread panicked"))??;
            for wrong in wrongs {
                row.wrong(wrong);
            }
        }
        Ok(())
    }
}

/// The worker with this number.
pub(crate) fn worker(setting: &Setting, url: &str, number: u64) -> Result<Worker> {
    let folder = setting.folder(&format!("machine-{}", number % STATE_FOLDERS))?;
    let mut worker = Worker::new(setting, url, &folder)?;
    worker.name = format!("worker-{number}");
    Ok(worker)
}

/// Sends what is left in every folder of journals.
pub(crate) fn flush(setting: &Setting, url: &str, row: &mut Row) -> Result<()> {
    for number in 0..STATE_FOLDERS {
        if let Err(error) = worker(setting, url, number)?.flush() {
            row.wrong(format!("{error:#}"));
        }
    }
    Ok(())
}

fn work(
    setting: &Setting,
    url: &str,
    book: &Book,
    stop: &AtomicBool,
    number: u64,
) -> Result<Vec<String>> {
    let mut random = setting.random(2_000_000 + number);
    let suite = suite(setting, number, &mut random)?;
    let worker = worker(setting, url, number)?;
    let mut wrongs = Vec::new();
    let mut round = 0;
    while !stop.load(Ordering::Acquire) {
        round += 1;
        let run_id = format!("{}-{round}", worker.name);
        let entry = Entry::of_suite(&worker.name, &suite.expected);
        book.intend(&run_id, entry);
        let ended = worker.run(&suite, &run_id)?;
        if ended.uploaded() {
            book.saved(&run_id);
        }
        wrongs.extend(ended.unlike(&suite).map(|why| format!("{run_id}: {why}")));
        if !ended.uploaded() && !ended.output.contains("kept") {
            wrongs.push(format!(
                "{run_id}: neither uploaded nor kept: {}",
                ended.closing_line()
            ));
        }
    }
    Ok(wrongs)
}

/// Most suites are quick; two run in several processes, two are long enough to be streamed.
fn suite(setting: &Setting, number: u64, random: &mut Random) -> Result<Suite> {
    let shape = match number % 4 {
        1 => Shape {
            tests: 24,
            sleep_ms: 10,
            processes: 2,
            failures: true,
        },
        2 => Shape {
            tests: 60,
            sleep_ms: 60,
            processes: 0,
            failures: true,
        },
        _ => Shape {
            tests: 30,
            sleep_ms: 0,
            processes: 0,
            failures: number != 0,
        },
    };
    let folder = setting.folder.join(format!("suite-{number}"));
    Suite::write(&folder, shape, random)
}
