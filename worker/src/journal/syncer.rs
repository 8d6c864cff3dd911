//! The thread that brings a journal to the disk, so that no other has to wait for it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::disk::Disk;
use super::writer::Writer;

/// Longest time that a line is not on disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What the thread and the writers of lines share.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) writer: Mutex<Writer>,
    /// Why the disk did not keep what it was given, if that ever happened: it may then lack any
    /// part of it after a power cut, whatever it says later.
    pub(super) unsynced: Mutex<Option<String>>,
}

/// The thread.
#[derive(Debug)]
pub(super) struct Syncer {
    now: Sender<()>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Syncer {
    /// Starts it. These folders are synced first: the file's name is in them.
    pub(super) fn start(written: Arc<Written>, disk: Arc<dyn Disk>, folders: Vec<PathBuf>) -> Self {
        let (now, asked) = bounded::<()>(1);
        let (tell, done) = bounded::<()>(1);
        let thread = std::thread::spawn(move || {
            for folder in folders {
                written.note(disk.sync_folder(&folder));
            }
            let mut synced_bytes = 0;
            loop {
                let asked = asked.recv_timeout(SYNC_EVERY);
                written.sync(&mut synced_bytes);
                if asked == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
            }
            // Whoever waited may have gone.
            let _ = tell.send(());
        });
        Self { now, done, thread }
    }

    /// Asks for a sync now, without waiting for it.
    pub(super) fn sync(&self) {
        // When one is asked for already, that is enough.
        let _ = self.now.try_send(());
    }

    /// Syncs once more and ends the thread, unless the disk takes longer than this.
    pub(super) fn finish(self, longest: Duration) {
        drop(self.now);
        if self.done.recv_timeout(longest) != Err(RecvTimeoutError::Timeout) {
            // A panic there has lost a sync, and nothing else.
            let _ = self.thread.join();
        }
    }
}

impl Written {
    fn sync(&self, synced_bytes: &mut u64) {
        let (file, written_bytes) = {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            // What goes wrong here is remembered there.
            let _ = writer.write();
            (writer.file(), writer.written_bytes())
        };
        // A journal that was made again may be the shorter one.
        if written_bytes != *synced_bytes {
            // Lines go on arriving meanwhile.
            self.note(file.sync());
            *synced_bytes = written_bytes;
        }
    }

    fn note(&self, synced: io::Result<()>) {
        if let Err(error) = synced {
            let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
            unsynced.get_or_insert_with(|| error.to_string());
        }
    }
}
