//! What the commands print: steps with their times, plain text, errors.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

/// Columns kept for the name of a step.
const NAME_COLUMNS: usize = 16;
/// Columns kept for what a step has to say, before its time.
const DETAIL_COLUMNS: usize = 72;

/// Writes a line to standard output. A reader that went away ends nothing.
pub fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Writes a heading with an empty line before it.
pub fn heading(text: impl Display) {
    line(format_args!("\n{text}\n"));
}

/// Writes an error with its causes to standard error.
pub fn error(error: &anyhow::Error) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "\nerror: {error:#}");
}

/// A step under way; it prints its line when it is done.
#[derive(Debug)]
pub struct Step {
    name: String,
    started: Instant,
}

impl Step {
    /// Starts the clock.
    pub fn start(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            started: Instant::now(),
        }
    }

    /// Prints the step with what it found.
    pub fn done(self, detail: impl Display) {
        let (name, detail) = (self.name, detail.to_string());
        let time = seconds(self.started.elapsed());
        line(format_args!(
            "  {name:<NAME_COLUMNS$}{detail:<DETAIL_COLUMNS$} {time:>9}"
        ));
    }
}

/// A line that belongs to the step before it.
pub fn detail(text: impl Display) {
    line(format_args!("  {:<NAME_COLUMNS$}{text}", ""));
}

/// A duration as a person reads it.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;
    use std::time::Duration;

    #[test]
    fn durations_read_like_a_person_says_them() {
        assert_eq!(seconds(Duration::from_millis(7)), "7 ms");
        assert_eq!(seconds(Duration::from_millis(4_250)), "4.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
