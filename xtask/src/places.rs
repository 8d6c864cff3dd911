//! Where things are in this checkout, and the programs that cargo builds in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Root of the checkout.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Cargo's target folder, where everything that the commands make is kept.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || root().join("target"),
        |set| std::path::absolute(&set).unwrap_or_else(|_| PathBuf::from(set)),
    )
}

/// How a program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run.
    Release,
}

impl Profile {
    const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// The folder that holds the programs of a profile.
pub fn programs(profile: Profile) -> PathBuf {
    target().join(profile.folder())
}

/// Path of the master's program.
pub fn master(profile: Profile) -> PathBuf {
    programs(profile).join("pytest-platform-master")
}

/// Path of the worker's program.
pub fn worker(profile: Profile) -> PathBuf {
    programs(profile).join("pytest-platform-worker")
}

/// Path of the MCP server's program.
pub fn mcp_server(profile: Profile) -> PathBuf {
    programs(profile).join("pytest-platform-mcp")
}

/// Path of the program that breaks things on purpose.
pub fn chaos(profile: Profile) -> PathBuf {
    programs(profile).join("pytest-platform-chaos")
}

/// The library that lies to a program about the time, where the system has it.
pub fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let architectures = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    let nested = architectures.map(|entry| entry.path());
    folders
        .into_iter()
        .chain(nested)
        .map(|folder| folder.join("faketime/libfaketime.so.1"))
        .find(|library| library.is_file())
}

/// Builds every program; cargo's own progress goes to standard error.
///
/// All of them at once, always: cargo builds a dependency again for each set of features that the
/// chosen packages ask of it.
pub fn build(profile: Profile) -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--workspace", "--bins", "--locked"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    process::succeed(&mut command).context("cannot build the programs")
}

/// The cargo that started this command, run at the root.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // Set by the outer `cargo run`; build scripts that look at them would be built again.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command.env_remove("CARGO_MANIFEST_PATH");
    command
}
