//! The log of an agent that works for a task backend.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::{SecondsFormat, Utc};

use super::options::Level;

/// Longest line of what tests print.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Lines of the end of what a task prints that a result tells.
const LAST_LINES_MAX: usize = 20;

/// Writes lines that are important enough, each whole.
#[derive(Debug)]
pub(super) struct Logger {
    level: Level,
    to: Mutex<To>,
}

#[derive(Debug)]
enum To {
    StandardOutput,
    File(File),
}

impl Logger {
    /// To a file, which is appended to, or to standard output when `path` is empty.
    pub(super) fn new(level: Level, path: &Path) -> io::Result<Self> {
        let to = if path.as_os_str().is_empty() {
            To::StandardOutput
        } else {
            To::File(OpenOptions::new().append(true).create(true).open(path)?)
        };
        Ok(Self {
            level,
            to: Mutex::new(to),
        })
    }

    /// Says something on one line. A log that cannot be written stops nothing.
    pub(super) fn say(&self, level: Level, text: &str) {
        if level < self.level {
            return;
        }
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let line = format!("{at} {} {}\n", level.as_str(), on_one_line(text));
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = match &mut *to {
            To::StandardOutput => {
                let mut stdout = io::stdout().lock();
                stdout
                    .write_all(line.as_bytes())
                    .and_then(|()| stdout.flush())
            }
            To::File(file) => file.write_all(line.as_bytes()),
        };
    }

    /// A place for what a task prints.
    pub(super) const fn output(&self) -> Output<'_> {
        Output {
            logger: self,
            rest: Vec::new(),
            last: VecDeque::new(),
        }
    }
}

/// What a task prints: line by line for whoever debugs, and its end for whoever wants to know why it
/// could not be carried out.
#[derive(Debug)]
pub(super) struct Output<'a> {
    logger: &'a Logger,
    rest: Vec<u8>,
    last: VecDeque<String>,
}

impl Output<'_> {
    /// Takes the next piece.
    pub(super) fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            if *byte == b'\n' || self.rest.len() == LINE_BYTES_MAX {
                self.end();
            }
            if *byte != b'\n' {
                self.rest.push(*byte);
            }
        }
    }

    fn end(&mut self) {
        let line = on_one_line(&String::from_utf8_lossy(&std::mem::take(&mut self.rest)));
        if line.is_empty() {
            return;
        }
        self.logger.say(Level::Debug, &line);
        if self.last.len() == LAST_LINES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The last lines.
    pub(super) fn finish(mut self) -> String {
        // It may have no end.
        self.end();
        Vec::from(self.last).join("\n")
    }
}

/// Nothing that comes from outside may look like a line of the agent's own, or move a cursor.
fn on_one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_appended_to_with_what_is_important_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.log");
        std::fs::write(&path, "before\n").unwrap();
        let logger = Logger::new(Level::Warning, &path).unwrap();
        logger.say(Level::Info, "not wanted");
        logger.say(Level::Warning, "kept");
        logger.say(Level::Critical, "also kept");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "before");
        assert!(lines[1].ends_with(" WARNING kept"));
    }

    #[test]
    fn only_the_last_lines_are_remembered() {
        let logger = Logger::new(Level::Critical, Path::new("")).unwrap();
        let mut output = logger.output();
        for number in 0..1000 {
            output.take(format!("line {number}\n").as_bytes());
        }
        let last = output.finish();
        assert_eq!(last.lines().count(), LAST_LINES_MAX);
        assert!(last.starts_with("line 980\n") && last.ends_with("line 999"));
    }

    #[test]
    fn what_tests_print_is_one_line_each_and_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.log");
        let logger = Logger::new(Level::Debug, &path).unwrap();
        let mut output = logger.output();
        output.take(b"a\x1b[2Jb\n\nc");
        output.take(b"d");
        assert_eq!(output.finish(), "a [2Jb\ncd");
        logger.say(Level::Error, "one\n2030-01-01 ERROR two");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("DEBUG a [2Jb\n") && text.contains("DEBUG cd\n"));
        assert!(text.ends_with("ERROR one 2030-01-01 ERROR two\n"));
    }
}
