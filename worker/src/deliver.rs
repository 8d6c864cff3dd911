//! The last part of every run: label it, keep it, upload it, say so.

use std::path::PathBuf;
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
    label(&mut run, settings, command);
    preparations.facts.wait().describe(&mut run);
    let mut unsent = None;
    let keep_before_waiting = |run: &NewRun| unsent = keep(run);
    let (run, upload) = preparations
        .uploader
        .finish(run, timeout, keep_before_waiting);
    if upload.is_ok() {
        preparations.journal.uploaded();
    }
    let mut kept = None;
    if let Some(save) = &settings.save {
        match body(&run).and_then(|json| saved::write(&save.value, &json).map_err(told)) {
            Ok(()) => kept = Some(save.value.clone()),
            Err(reason) => {
                report::say(&format!("cannot write {}: {reason}", save.value.display()));
            }
        }
    }
    match (&upload, unsent) {
        (Ok(_), Some(path)) => {
            // It arrived after all. A file that stays would only be sent once more, without harm.
            let _ = std::fs::remove_file(path);
        }
        (Err(_), unsent) if kept.is_none() => kept = unsent.or_else(|| keep(&run)),
        _ => {}
    }
    if !settings.quiet.value || matches!(upload, Err(UploadError::Panicked(_))) {
        let link = client::link(&settings.master_url.value, &run.run_id);
        report::say(&report::closing_line(&run, &link, &upload, kept.as_deref()));
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

fn keep(run: &NewRun) -> Option<PathBuf> {
    let kept = body(run).and_then(|json| saved::keep_unsent(&run.run_id, &json).map_err(told));
    kept.map_err(|reason| report::say(&format!("the run could not be kept in a file: {reason}")))
        .ok()
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
