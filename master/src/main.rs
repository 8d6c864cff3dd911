//! The master's binary.

fn main() -> std::process::ExitCode {
    master::cli::run()
}
