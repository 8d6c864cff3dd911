//! Virtual environments, made once and kept under the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

/// A Python with pytest and xdist, from the interpreter in `TEST_PYTHON` (python3 when not set).
pub(crate) fn with_pytest() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        make("pytest", &[], |python| {
            let packages = ["pytest", "pytest-xdist"];
            let mut pip = Command::new(python);
            pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]);
            let done = pip.args(packages).output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.success(),
                "these tests need pytest: pip must be able to install {packages:?}\n{said}"
            );
        })
    })
}

/// A Python that has no pytest.
pub(crate) fn without_pytest() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| make("bare", &["--without-pip"], |_| {}))
}

fn make(name: &str, options: &[&str], fill: impl FnOnce(&Path)) -> PathBuf {
    let base = std::env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let label: String = base
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("venv-{name}-{label}"));
    let python = folder.join("bin/python");
    // Two test runs may want to make it at the same time.
    let lock = std::fs::File::create(folder.with_extension("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let ready = folder.join("ready");
    if !ready.exists() {
        let mut venv = Command::new(&base);
        venv.args(["-m", "venv", "--clear"])
            .args(options)
            .arg(&folder);
        let done = venv.output().unwrap_or_else(|error| {
            panic!("{base} does not start ({error}); set TEST_PYTHON to a Python 3.8 or newer")
        });
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{base} -m venv failed: {said}");
        fill(&python);
        std::fs::write(ready, "").unwrap();
    }
    python
}
