//! A disk of which some call fails: the run arrives all the same, and it is said.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::run::{NewRun, Problem, ProblemKind};
use worker::aggregate::Ending;
use worker::cli::Options;
use worker::config::{Pyproject, Settings};
use worker::deliver::{Preparations, deliver};
use worker::events::Replay;
use worker::journal::{Beginning, Contents, Disk, DiskFile, Journal, SystemDisk};

use crate::master::Master;

const COMMAND: &str = "python -m pytest";

/// What a plugin says of two tests that pass.
const LINES: &str = r#"{"hello":{"version":1,"python":"3.12","platform":"linux","pid":1}}
{"session":{"pytest":"9","args":["-q"]}}
{"tests":{"first":0,"tests":[["t.py::a","t.py",1,[]],["t.py::b","t.py",2,[]]]}}
{"collected":2}
{"start":[0,1795230001.5]}
{"passed":[0,0.1,0.2]}
{"end":[0,0.1]}
{"start":[1,1795230002.5]}
{"passed":[1,0.1,0.2]}
{"end":[1,0.1]}
{"finish":{"exit_status":0,"stats":{"passed":2}}}
{"goodbye":0}
"#;

/// A disk of which the Nth call fails, and after that one more or all.
#[derive(Debug, Default)]
struct FailingDisk {
    calls: AtomicU64,
    nth: u64,
    for_good: bool,
    happened: AtomicBool,
    /// What each file had when it was last synced with success.
    synced: Mutex<u64>,
    written: Mutex<u64>,
}

impl FailingDisk {
    fn may(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call == self.nth || (self.for_good && call > self.nth) {
            self.happened.store(true, Ordering::SeqCst);
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FailingFile(Arc<FailingDisk>, Arc<dyn DiskFile>);

/// The trait is for what is shared, and the file needs it too.
#[derive(Debug)]
struct Shared(Arc<FailingDisk>);

impl Disk for Shared {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.0.may()?;
        SystemDisk.create_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.may()?;
        let file = SystemDisk.create(path)?;
        Ok(Arc::new(FailingFile(Arc::clone(&self.0), file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.may()?;
        SystemDisk.rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.0.may()?;
        SystemDisk.sync_folder(path)
    }
}

impl DiskFile for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.0.may() {
            // Half of it arrives, as on a disk that is full.
            self.1.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        self.1.write_at(bytes, offset)?;
        *self.0.written.lock().unwrap() = offset + bytes.len() as u64;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let written = *self.0.written.lock().unwrap();
        self.0.may()?;
        self.1.sync()?;
        *self.0.synced.lock().unwrap() = written;
        Ok(())
    }
}

/// One session on a disk whose Nth call fails, reported to a master. Answers whether it came to that.
fn session(nth: u64, for_good: bool) -> bool {
    let place = tempfile::tempdir().unwrap();
    let master = Master::saving();
    let options = Options {
        state_dir: Some(place.path().to_path_buf()),
        master_url: Some(master.url.clone()),
        quiet: true,
        ..Options::default()
    };
    let settings = Settings::resolve(&options, &|_| None, Pyproject::default());
    let failing = Arc::new(FailingDisk {
        nth,
        for_good,
        ..FailingDisk::default()
    });
    let disk: Arc<dyn Disk> = Arc::new(Shared(Arc::clone(&failing)));
    let journal = Journal::begin_on(&disk, &settings, Beginning::default());
    let preparations = Preparations::start(&settings, journal.clone());
    let mut replay = Replay::default();
    for line in LINES.split_inclusive('\n') {
        journal.append(&[line.as_bytes()]);
        replay.take(line.as_bytes());
    }
    let ending = Ending {
        exit_code: Some(0),
        duration_s: 0.1 + 0.2,
        reader_problems: journal.problem().map(warning).into_iter().collect(),
        ..Ending::default()
    };
    journal.end(&ending, COMMAND);
    let run = replay.finish().run.finish(ending);
    deliver(
        &settings,
        preparations,
        run,
        COMMAND,
        Duration::from_secs(20),
    );
    journal.close(Duration::from_secs(20));

    let arrived = master.run();
    assert_eq!(arrived.cases.as_ref().unwrap().len(), 2, "call {nth}");
    let happened = failing.happened.load(Ordering::SeqCst);
    let problem = journal.problem();
    assert!(happened || problem.is_none(), "{problem:?}");
    assert!(
        !happened || !for_good || problem.is_some(),
        "call {nth}: nothing was said"
    );
    check(&journal, &failing, &arrived);
    journal.discard();
    happened
}

/// What was synced can be read, one failure is made good, and what can be read whole is the run
/// that arrived.
fn check(journal: &Journal, failing: &FailingDisk, arrived: &NewRun) {
    let nth = failing.nth;
    let Some(folder) = journal.folder() else {
        assert!(journal.problem().is_some(), "call {nth}");
        return;
    };
    let synced = *failing.synced.lock().unwrap();
    let bytes = folder.join("journal").metadata().unwrap().len();
    match Contents::of(folder) {
        Ok(contents) => {
            let dropped = contents.damage.map_or(0, |(_, dropped)| dropped);
            assert!(bytes - dropped >= synced, "call {nth}");
            // Whether git's answer comes before the end or after it is its own affair.
            let is_whole =
                contents.end.as_ref().is_some_and(|end| end.whole) && contents.origin.is_some();
            assert!(
                failing.for_good || is_whole,
                "call {nth}: one failure is made good"
            );
            if is_whole {
                assert_eq!(&contents.recover().run, arrived, "call {nth}");
            }
        }
        Err(error) => assert_eq!(synced, 0, "call {nth}: {error}"),
    }
}

fn warning(text: String) -> Problem {
    Problem {
        kind: ProblemKind::Warning,
        place: String::new(),
        text,
    }
}

#[test]
fn whichever_call_to_the_disk_fails_the_run_arrives_and_what_was_synced_can_be_read() {
    for for_good in [false, true] {
        let mut nth = 1;
        while session(nth, for_good) {
            nth += 1;
        }
        assert!(nth > 15, "only {nth} calls were tried");
    }
}
