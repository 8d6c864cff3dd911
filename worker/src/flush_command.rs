//! `flush`: uploads what earlier runs left.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::cli::FlushArguments;
use crate::client::{self, Client};
use crate::config::Settings;
use crate::journal::{self, Claimed, Kept, NotClaimed, size};
use crate::late::{self, LateError};
use crate::{exit, report};

/// Characters of the bar.
const BAR_WIDTH: usize = 24;

/// Uploads every run that no master has, and says what became of each.
pub fn flush(arguments: &FlushArguments) -> ExitCode {
    let settings = Settings::of_this_process(&arguments.options);
    let token = settings.token.as_ref().map(|token| token.value.clone());
    let client = match Client::new(&settings.master_url.value, token) {
        Ok(client) => client,
        Err(error) => {
            report::say(&error.to_string());
            return ExitCode::from(exit::USAGE);
        }
    };
    let mut waiting = Kept::all(&journal::places(&settings));
    waiting.retain(|kept| !kept.is_uploaded());
    let mut flush = Flush {
        client,
        settings: &settings,
        any_master: arguments.any_master,
        progress: Progress::new(&waiting, settings.quiet.value),
        done: Done::default(),
    };
    for kept in &waiting {
        flush.take(kept);
        flush.progress.advance(kept.bytes);
    }
    flush.progress.clear();
    if !settings.quiet.value {
        report::say(&flush.done.sentence());
    }
    if flush.done.is_nothing_left() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_SENT)
    }
}

struct Flush<'a> {
    client: Client,
    settings: &'a Settings,
    any_master: bool,
    progress: Progress,
    done: Done,
}

impl Flush<'_> {
    fn send(&self, claimed: &Claimed) -> Result<String, LateError> {
        if !self.any_master {
            late::check_destination(&claimed.kept, &self.settings.master_url.value)?;
        }
        late::send(&self.client, claimed, self.settings.upload_timeout.value)
    }

    fn take(&mut self, kept: &Kept) {
        if self.done.unreachable {
            self.done.left += 1;
            return;
        }
        let name = kept.folder.display();
        let claimed = match kept.claim() {
            Ok(claimed) => claimed,
            Err(NotClaimed::Busy) => {
                self.done.running += 1;
                return;
            }
            Err(NotClaimed::Done) => return,
            Err(error @ NotClaimed::System(_)) => {
                self.done.left += 1;
                self.progress.say(&format!("{name} NOT uploaded: {error}"));
                return;
            }
        };
        match self.send(&claimed) {
            Ok(run_id) => {
                self.done.uploaded += 1;
                if !self.settings.quiet.value {
                    let link = client::link(&self.settings.master_url.value, &run_id);
                    self.progress.say(&format!("uploaded {link}"));
                }
            }
            // What cannot be deleted is found again.
            Err(LateError::Empty) => drop(claimed.drop_it()),
            Err(error @ LateError::Elsewhere(_)) => {
                self.done.elsewhere += 1;
                self.progress.say(&format!("{name} NOT uploaded: {error}"));
            }
            Err(error) => {
                match error {
                    LateError::Refused(_) => self.done.refused += 1,
                    LateError::Damaged(_) => self.done.damaged += 1,
                    _ => self.done.left += 1,
                }
                if let LateError::Send(error) = &error {
                    self.done.unreachable = error.is_unreachable();
                }
                self.progress.say(&format!("{name} NOT uploaded: {error}"));
            }
        }
    }
}

/// What was done.
#[derive(Debug, Default)]
struct Done {
    uploaded: usize,
    refused: usize,
    damaged: usize,
    left: usize,
    running: usize,
    /// Meant for a master on another host.
    elsewhere: usize,
    /// There is nobody to talk to, so the rest need not be tried.
    unreachable: bool,
}

impl Done {
    const fn is_nothing_left(&self) -> bool {
        self.refused + self.damaged + self.left + self.elsewhere == 0
    }

    fn sentence(&self) -> String {
        let told: Vec<String> = [
            (self.uploaded, "uploaded"),
            (self.refused, "refused by the master and kept"),
            (self.damaged, "damaged and kept"),
            (self.left, "not uploaded and kept"),
            (self.elsewhere, "for another master and kept"),
            (self.running, "still running"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| match count {
            1 => format!("1 run {words}"),
            _ => format!("{count} runs {words}"),
        })
        .collect();
        if told.is_empty() {
            "nothing to upload: no run is waiting".to_owned()
        } else {
            told.join(", ")
        }
    }
}

/// A bar on a terminal, and nothing elsewhere.
struct Progress {
    shown: bool,
    runs: usize,
    runs_done: usize,
    bytes: u64,
    bytes_done: u64,
}

impl Progress {
    fn new(waiting: &[Kept], quiet: bool) -> Self {
        let mut progress = Self {
            shown: !quiet && !waiting.is_empty() && io::stderr().is_terminal(),
            runs: waiting.len(),
            runs_done: 0,
            bytes: waiting.iter().map(|kept| kept.bytes).sum(),
            bytes_done: 0,
        };
        progress.draw();
        progress
    }

    fn advance(&mut self, bytes: u64) {
        self.runs_done += 1;
        self.bytes_done += bytes;
        self.draw();
    }

    /// Says a line above the bar.
    fn say(&mut self, text: &str) {
        self.clear();
        report::say(text);
        self.draw();
    }

    fn clear(&mut self) {
        self.write("\r\x1b[K");
    }

    fn draw(&mut self) {
        let line = format!("\r\x1b[K{}", self.line());
        self.write(&line);
    }

    fn line(&self) -> String {
        let part = self.bytes_done as f64 / self.bytes.max(1) as f64;
        let full = ((part * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
        let (full_part, rest) = ("#".repeat(full), ".".repeat(BAR_WIDTH - full));
        let (done, all) = (size(self.bytes_done), size(self.bytes));
        let (runs_done, runs) = (self.runs_done, self.runs);
        format!("[{full_part}{rest}] {runs_done} of {runs} runs, {done} of {all}")
    }

    fn write(&mut self, text: &str) {
        if self.shown {
            let mut stderr = io::stderr().lock();
            // A terminal that has gone is not drawn on again.
            self.shown = stderr
                .write_all(text.as_bytes())
                .and_then(|()| stderr.flush())
                .is_ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_in_one_sentence() {
        let done = Done {
            uploaded: 2,
            refused: 1,
            ..Done::default()
        };
        let expected = "2 runs uploaded, 1 run refused by the master and kept";
        assert_eq!(done.sentence(), expected);
        let done = Done {
            damaged: 1,
            ..Done::default()
        };
        assert_eq!(done.sentence(), "1 run damaged and kept");
        assert!(!done.is_nothing_left() && Done::default().is_nothing_left());
        assert!(Done::default().sentence().starts_with("nothing to upload"));
    }

    #[test]
    fn the_bar_grows_with_the_bytes() {
        let mut progress = Progress {
            shown: false,
            runs: 2,
            runs_done: 0,
            bytes: 4096,
            bytes_done: 0,
        };
        progress.advance(1024);
        let expected = "[######..................] 1 of 2 runs, 1 KiB of 4 KiB";
        assert_eq!(progress.line(), expected);
    }
}
