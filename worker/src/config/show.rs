//! `config`: every setting, its value and where it came from.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use super::{Facts, Settings, Source, Sourced};
use crate::pytest::Interpreter;

/// Writes the table. The token itself is never written.
pub fn show(settings: &Settings, to: &mut dyn Write) -> io::Result<()> {
    let facts = Facts::find(settings);
    let token = settings
        .token
        .as_ref()
        .map(|token| Sourced::new("(set, not shown)", token.source.clone()));
    let python = Interpreter::find(settings.python.as_ref());
    let timeout = format!("{} s", settings.upload_timeout.value.as_secs_f64());

    row(to, "master-url", Some(&settings.master_url))?;
    row(to, "token", token.as_ref())?;
    row(to, "worker-id", Some(&settings.worker_id))?;
    row(to, "project", facts.project.as_ref())?;
    row(to, "branch", facts.branch.as_ref())?;
    row(to, "commit", facts.commit.as_ref())?;
    row(to, "dirty", facts.dirty.as_ref())?;
    for (label, value) in &settings.variant {
        row(to, &format!("variant.{label}"), Some(value))?;
    }
    match &python {
        Ok(python) => line(to, "python", &python.path.display(), Some(&python.source))?,
        Err(error) => line(to, "python", &error, None)?,
    }
    for (name, limit) in [
        ("run-timeout", &settings.run_timeout),
        ("stall-timeout", &settings.stall_timeout),
    ] {
        let text = |limit: &Sourced<Duration>| format!("{} s", limit.value.as_secs_f64());
        let limit = limit
            .as_ref()
            .map(|limit| Sourced::new(text(limit), limit.source.clone()));
        row(to, name, limit.as_ref())?;
    }
    let source = &settings.upload_timeout.source;
    line(to, "upload-timeout", &timeout, Some(source))?;
    match &settings.save {
        Some(save) => line(to, "save", &save.value.display(), Some(&save.source))?,
        None => row::<String>(to, "save", None)?,
    }
    match &settings.state_dir {
        Some(folder) => line(
            to,
            "state-dir",
            &folder.value.display(),
            Some(&folder.source),
        )?,
        None => row::<String>(to, "state-dir", None)?,
    }
    row(to, "state-bytes-max", Some(&settings.state_bytes_max))?;
    row(to, "memory", Some(&settings.memory))?;
    row(to, "quiet", Some(&settings.quiet))?;
    if let Some(ci) = &facts.ci {
        line(to, "ci", &format!("{} {}", ci.name, ci.url).trim(), None)?;
    }
    for problem in &settings.problems {
        writeln!(to, "warning: {problem}")?;
    }
    Ok(())
}

fn row<T: Display>(to: &mut dyn Write, name: &str, found: Option<&Sourced<T>>) -> io::Result<()> {
    match found {
        Some(found) => line(to, name, &found.value, Some(&found.source)),
        None => line(to, name, &"-", None),
    }
}

fn line(
    to: &mut dyn Write,
    name: &str,
    value: &dyn Display,
    source: Option<&Source>,
) -> io::Result<()> {
    match source {
        Some(source) => writeln!(to, "{name:<16} {value}  ({source})"),
        None => writeln!(to, "{name:<16} {value}"),
    }
}
