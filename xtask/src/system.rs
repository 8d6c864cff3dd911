//! Debian packages that the tests need: installed where we may, named where we may not.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// A package, and how to see that it is there already.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Debian's name.
    pub name: &'static str,
    present: fn() -> bool,
}

/// What the whole test run needs.
pub const PACKAGES: [Package; 7] = [
    Package {
        name: "gcc",
        present: || on_path("cc"),
    },
    Package {
        name: "git",
        present: || on_path("git"),
    },
    Package {
        name: "python3-venv",
        present: || crate::python::newest().is_ok(),
    },
    Package {
        name: "postgresql",
        present: || crate::postgres::programs().is_some(),
    },
    Package {
        name: "bubblewrap",
        present: || on_path("bwrap"),
    },
    Package {
        name: "libfaketime",
        present: || crate::places::faketime().is_some(),
    },
    Package {
        name: "chromium",
        present: || on_path("chromium") || on_path("chromium-browser") || on_path("google-chrome"),
    },
];

/// Installs what is missing; answers with the names of what it installed.
pub fn install(packages: &[Package]) -> Result<Vec<&'static str>> {
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(missing);
    }
    let names = missing.join(" ");
    let Some(root) = become_root() else {
        bail!("missing packages; on Debian and Ubuntu: sudo apt-get install {names}");
    };
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(root.first().unwrap_or(&"apt-get"));
        command.args(root.iter().skip(1)).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        process::output(&mut command)
    };
    apt(&["update"]).context("cannot read the package lists")?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments).with_context(|| format!("cannot install {names}"))?;
    let still = self::missing(packages);
    if !still.is_empty() {
        bail!("still missing after installing them: {}", still.join(" "));
    }
    Ok(missing)
}

fn missing(packages: &[Package]) -> Vec<&'static str> {
    let absent = packages.iter().filter(|package| !(package.present)());
    absent.map(|package| package.name).collect()
}

/// The words before apt-get's arguments that run it as root, `None` where we may not.
fn become_root() -> Option<Vec<&'static str>> {
    if !on_path("apt-get") {
        return None;
    }
    if is_root() {
        return Some(vec!["apt-get"]);
    }
    let sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    sudo.is_ok_and(|status| status.success())
        .then(|| vec!["sudo", "-n", "apt-get"])
}

/// Whether this process may do anything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a program of this name is on the PATH.
pub fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
}
