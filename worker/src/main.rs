//! The `pytest-platform-worker` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main()
}
