//! The last part of every run: label it, keep it, upload it, say so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::limits::COMMAND_BYTES_MAX;
use shared::run::NewRun;
use shared::text::cut_in_place;

use crate::config::{FactsBeingFound, Settings};
use crate::events::SharedHeard;
use crate::journal::Journal;
use crate::stream::{Labels, Source};
use crate::uploader::{UploadError, Uploader};
use crate::{client, report, saved, shed};

/// What goes on beside the tests and is needed after them.
#[derive(Debug)]
pub struct Preparations {
    facts: FactsBeingFound,
    journal: Journal,
    uploader: Uploader,
}

impl Preparations {
    /// Starts to ask git and to prepare the client.
    pub fn start(settings: &Settings, journal: Journal) -> Self {
        let token = settings.token.as_ref().map(|token| token.value.clone());
        Self {
            facts: FactsBeingFound::start(settings, journal.clone()),
            journal,
            uploader: Uploader::start(settings.master_url.value.clone(), token, None),
        }
    }

    /// Starts the same, and reports the run while it goes on.
    pub fn start_streaming(labels: Labels, journal: Journal, heard: SharedHeard) -> Self {
        let settings = labels.settings.clone();
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
            uploader: Uploader::start(settings.master_url.value, token, Some(source)),
        }
    }
}

/// Reports a run. It waits for the upload at most `timeout`; whatever happens there is said and
/// changes nothing else.
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
        uploader,
    } = preparations;
    label(&mut run, settings, command);
    facts.wait().describe(&mut run);
    let mut kept = match (journal.folder(), journal.problem()) {
        (Some(_), None) => Kept::InJournal,
        _ => Kept::Nowhere,
    };
    let (run, upload) = uploader.finish(run, timeout, |run| kept.unless_kept(run));
    match &upload {
        Ok(_) => {
            journal.uploaded();
            kept.forget();
        }
        Err(_) => kept.unless_kept(&run),
    }
    if let Some(save) = &settings.save {
        match body(&run).and_then(|json| saved::write(&save.value, &json).map_err(told)) {
            Ok(()) => kept.also_in(&save.value),
            Err(reason) => {
                report::say(&format!("cannot write {}: {reason}", save.value.display()));
            }
        }
    }
    if !settings.quiet.value || matches!(upload, Err(UploadError::Panicked(_))) {
        let link = client::link(&settings.master_url.value, &run.run_id);
        report::say(&report::closing_line(&run, &link, &upload, &kept));
    }
}

/// Where a run is that the master does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In the journal, from which the next run takes it along.
    InJournal,
    /// In a file, because there is no journal or because somebody asked for it.
    InFile(PathBuf),
    /// Only in memory.
    Nowhere,
}

impl Kept {
    /// Keeps the run in a file, if the journal does not have it. Where that fails too, it is said.
    fn unless_kept(&mut self, run: &NewRun) {
        if *self != Self::Nowhere {
            return;
        }
        let kept = body(run).and_then(|json| saved::keep_unsent(&run.run_id, &json).map_err(told));
        match kept {
            Ok(path) => *self = Self::InFile(path),
            Err(reason) => {
                report::say(&format!("the run could not be kept in a file: {reason}"));
            }
        }
    }

    fn also_in(&mut self, file: &Path) {
        if *self == Self::Nowhere {
            *self = Self::InFile(file.to_owned());
        }
    }

    /// The run arrived. A file that stays would only be sent once more, without harm.
    fn forget(&mut self) {
        if let Self::InFile(path) = std::mem::replace(self, Self::Nowhere) {
            let _ = std::fs::remove_file(path);
        }
    }
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

fn body(run: &NewRun) -> Result<Vec<u8>, String> {
    shed::body(run).map_err(|error| error.to_string())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where map_err gives the error away"
)]
fn told(error: std::io::Error) -> String {
    error.to_string()
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
