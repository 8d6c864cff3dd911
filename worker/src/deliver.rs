//! The last part of every run: label it, keep it, upload it, say so.

use std::path::Path;
use std::time::{Duration, Instant};

use shared::limits::COMMAND_BYTES_MAX;
use shared::run::NewRun;
use shared::text::cut_in_place;

use crate::config::{self, FactsBeingFound, Settings};
use crate::events::SharedHeard;
use crate::impatience::Impatience;
use crate::journal::Journal;
use crate::leftovers::Leftovers;
use crate::report::Closing;
use crate::stream::{Labels, Source};
use crate::uploader::{Delivered, UploadError, Uploader};
use crate::{client, report, saved, shed};

/// Longest wait for the disk when the journal is all there is of the run.
const SYNC_MAX_KEPT: Duration = Duration::from_millis(700);

/// The same when the master has it.
const SYNC_MAX_UPLOADED: Duration = Duration::from_millis(100);

/// What goes on beside the tests and is needed after them.
#[derive(Debug)]
pub struct Preparations {
    facts: FactsBeingFound,
    journal: Journal,
    leftovers: Leftovers,
    uploader: Uploader,
    impatience: Impatience,
}

impl Preparations {
    /// Starts to ask git and to prepare the client.
    pub fn start(settings: &Settings, journal: Journal) -> Self {
        let token = settings.token.as_ref().map(|token| token.value.clone());
        Self {
            facts: FactsBeingFound::start(settings, journal.clone()),
            leftovers: Leftovers::start(settings, journal.folder()),
            journal,
            uploader: Uploader::start(settings.master_url.value.clone(), token, None),
            impatience: Impatience::none(),
        }
    }

    /// Starts the same, and reports the run while it goes on.
    pub fn start_streaming(labels: Labels, journal: Journal, heard: SharedHeard) -> Self {
        let settings = labels.settings.clone();
        let leftovers = Leftovers::start(&settings, journal.folder());
        let token = settings.token.map(|token| token.value);
        let facts = FactsBeingFound::start(&labels.settings, journal.clone());
        let source = Source {
            heard,
            labels,
            facts: facts.shared(),
        };
        Self {
            facts,
            journal,
            leftovers,
            uploader: Uploader::start(settings.master_url.value, token, Some(source)),
            impatience: Impatience::none(),
        }
    }

    /// Lets signals shorten the wait for the upload from now on, where they do not end the process.
    pub fn hear_impatience(&mut self) {
        self.impatience = Impatience::listen();
    }
}

/// Leaves a run where `--save` says, and nowhere else: for one that no master is to have.
pub fn leave(settings: &Settings, mut run: NewRun, command: &str) {
    label(&mut run, settings, command);
    let facts = FactsBeingFound::start(settings, Journal::none());
    facts.wait().describe(&mut run);
    let _ = save(settings, &run);
}

/// Reports a run. It waits for the upload at most `timeout`, and less once a signal is heard
/// that is meant to end the worker; whatever happens there is said and changes nothing else.
pub fn deliver(
    settings: &Settings,
    preparations: Preparations,
    mut run: NewRun,
    command: &str,
    timeout: Duration,
) {
    let Preparations {
        facts,
        journal,
        leftovers,
        uploader,
        impatience,
    } = preparations;
    label(&mut run, settings, command);
    facts.wait().describe(&mut run);
    let handed_over = Instant::now();
    let (run, upload) = uploader.finish(run, (timeout, impatience.words()), |run| {
        keep(&journal, run);
    });
    note(&journal, &run, &upload);
    let saved = save(settings, &run);
    let (time_left, sync_max) = if upload.is_ok() {
        let left = timeout.saturating_sub(handed_over.elapsed());
        (left, SYNC_MAX_UPLOADED)
    } else {
        (Duration::ZERO, SYNC_MAX_KEPT)
    };
    let earlier = leftovers.finish(time_left);
    journal.close(sync_max);
    impatience.finish();
    if !settings.quiet.value || matches!(upload, Err(UploadError::Panicked(_))) {
        report::say(&report::closing_line(&Closing {
            run: &run,
            link: &client::link(&settings.master_url.value, &run.run_id),
            upload: &upload,
            flush: journal.holds_the_run().then(|| flush_command(settings)),
            saved,
            journal_problem: journal.problem(),
            earlier,
        }));
    }
}

/// Keeps the run as it is where its journal has not taken all of its events.
fn keep(journal: &Journal, run: &NewRun) {
    if !journal.holds_the_run()
        && let Ok(json) = shed::body(run)
    {
        journal.keep(&json);
    }
}

/// Notes in the journal what became of its run.
fn note(journal: &Journal, run: &NewRun, upload: &Result<Delivered, UploadError>) {
    match upload {
        Ok(_) => return journal.uploaded(),
        Err(error) if error.is_for_good() => journal.refused(&error.to_string()),
        Err(_) => {}
    }
    keep(journal, run);
}

/// Writes the file that `--save` asked for, and answers where it is.
fn save<'a>(settings: &'a Settings, run: &NewRun) -> Option<&'a Path> {
    let path = &settings.save.as_ref()?.value;
    let json = shed::body(run).map_err(|error| error.to_string());
    match json.and_then(|json| saved::write(path, &json).map_err(|error| error.to_string())) {
        Ok(()) => Some(path),
        Err(reason) => {
            report::say(&format!("cannot write {}: {reason}", path.display()));
            None
        }
    }
}

/// The command that uploads what this run leaves.
fn flush_command(settings: &Settings) -> String {
    let mut words = vec!["pytest-platform-worker".into(), "flush".into()];
    if matches!(settings.master_url.source, config::Source::Flag(_)) {
        let address = client::address(&settings.master_url.value);
        words.extend(["--master-url".into(), address.into()]);
    }
    if let Some(folder) = &settings.state_dir
        && matches!(folder.source, config::Source::Flag(_))
    {
        words.extend(["--state-dir".into(), folder.value.to_string_lossy()]);
    }
    quoted(words)
}

/// Writes into a run what its settings say of it.
pub fn label(run: &mut NewRun, settings: &Settings, command: &str) {
    run.run_id.clone_from(&settings.run_id.value);
    run.worker_id.clone_from(&settings.worker_id.value);
    run.variant = settings
        .variant
        .iter()
        .map(|(label, value)| (label.clone(), value.value.clone()))
        .collect();
    command.clone_into(&mut run.command);
    cut_in_place(&mut run.command, COMMAND_BYTES_MAX);
}

/// The command line of a pytest of which only its own arguments are known.
pub fn pytest_command(arguments: &[String]) -> String {
    let given = arguments.iter().map(|word| word.as_str().into());
    quoted(std::iter::once("pytest".into()).chain(given))
}

/// A command line as a shell would take it.
pub fn quoted<'a>(words: impl IntoIterator<Item = std::borrow::Cow<'a, str>>) -> String {
    let quote = |word: std::borrow::Cow<str>| {
        let is_plain = |c: char| c.is_alphanumeric() || "-_=+,./:@%[]".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let words: Vec<String> = words.into_iter().map(quote).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_command_line_is_quoted_for_a_shell() {
        let words = ["pytest", "-k", "a or b", "it's", "", "t.py::x[1]"];
        let text = quoted(words.map(std::borrow::Cow::Borrowed));
        assert_eq!(text, r"pytest -k 'a or b' 'it'\''s' '' t.py::x[1]");
    }
}
