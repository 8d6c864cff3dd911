//! The few things that a journal asks of a file system, so that a test can let each of them fail.

use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use rustix::fs::{FlockOperation, flock};

/// A file system.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder that is its owner's alone; one that exists is an error.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a file that is its owner's alone, and locks it for as long as it is open; one that
    /// exists is an error.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a folder its name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes what a folder lists survive a power cut.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Writes all of it at this place. After an error any part of it may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// The real one.
#[derive(Debug)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        survive_the_file_size_limit();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some file systems keep folders in order without being asked, and cannot be asked.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A write past `RLIMIT_FSIZE` kills whoever has no handler for SIGXFSZ. With one, the write fails
/// like any other. A program that is started gets back the default.
fn survive_the_file_size_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let noted = Arc::new(AtomicBool::new(false));
        // Without it the limit is as deadly as it was.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noted);
    });
}
