//! `journal`: what is on this machine, and what to do with it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, Utc};

use crate::cli::{JournalCommand, Shelf};
use crate::config::Settings;
use crate::journal::{self, Contents, Fate, Head, Kept, NotClaimed, size};
use crate::{exit, report, shed};

/// Most journals that are named where one was meant.
const NAMES_SHOWN: usize = 5;

/// Does what was asked; what went wrong is said.
pub fn journal(command: &JournalCommand) -> ExitCode {
    let done = match command {
        JournalCommand::List(shelf) => print(&list(&all(shelf))),
        JournalCommand::Show { shelf, run, json } => show(&all(shelf), run, *json),
        JournalCommand::Drop {
            shelf,
            runs,
            uploaded,
            all: every,
            force,
        } => {
            let chosen = choose(all(shelf), runs, *uploaded, *every);
            chosen.and_then(|chosen| drop_all(&chosen, *force))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("{error:#}"));
            ExitCode::from(exit::NOT_DONE)
        }
    }
}

fn all(shelf: &Shelf) -> Vec<Kept> {
    let settings = Settings::of_this_process(&shelf.options());
    Kept::all(&journal::places(&settings))
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// One line a run.
fn list(all: &[Kept]) -> String {
    if all.is_empty() {
        return "no journals\n".to_owned();
    }
    let titles = ["RUN", "PROJECT", "WHEN (UTC)", "TESTS", "SIZE", "STATE"];
    let mut rows = vec![titles.map(str::to_owned)];
    rows.extend(all.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", row[5]);
    }
    text
}

fn row(kept: &Kept) -> [String; 6] {
    let state = state(kept);
    let bytes = size(kept.bytes);
    let contents = match Contents::of(&kept.folder) {
        Ok(contents) => contents,
        Err(error) => {
            let nothing = || "-".to_owned();
            // What a master or a flush said of it says no more.
            let state = match kept.fate {
                Some(Fate::Refused { .. }) => error.to_string(),
                _ => format!("{state}; {error}"),
            };
            return [name(kept), nothing(), nothing(), nothing(), bytes, state];
        }
    };
    let started_at = contents.head.started_at.unwrap_or(contents.written_at);
    let whole = contents.run.as_ref().and_then(|run| run.cases.as_ref());
    let tests = whole.map_or_else(|| contents.heard.run.started(), Vec::len);
    let tests = tests.to_string();
    let run = contents.head.run_id.clone();
    let origin = contents.origin.unwrap_or(contents.head.origin);
    [run, origin.project, moment(started_at), tests, bytes, state]
}

fn state(kept: &Kept) -> String {
    match &kept.fate {
        Some(Fate::Uploaded { .. }) => "uploaded".to_owned(),
        Some(Fate::Refused { reason, .. }) => format!("refused: {reason}"),
        None if kept.is_busy() => "running".to_owned(),
        None => "waiting".to_owned(),
    }
}

fn name(kept: &Kept) -> String {
    let name = kept.folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The one that is meant: by the id of the run, by the beginning of it, or by the folder's name.
fn find<'a>(all: &'a [Kept], run: &str) -> anyhow::Result<&'a Kept> {
    let id = |kept: &Kept| Some(Head::in_folder(&kept.folder).ok()?.run_id);
    let exact = |kept: &&Kept| name(kept) == run || id(kept).is_some_and(|id| id == run);
    let exact: Vec<&Kept> = all.iter().filter(exact).collect();
    let begins = |kept: &&Kept| {
        name(kept).starts_with(run) || id(kept).is_some_and(|id| id.starts_with(run))
    };
    let found = if exact.is_empty() {
        all.iter().filter(begins).collect()
    } else {
        exact
    };
    match found[..] {
        [kept] => Ok(kept),
        [] => Err(anyhow!("there is no journal of a run `{run}`")),
        _ => {
            let shown = found.iter().take(NAMES_SHOWN).copied().map(name);
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = match found.len().saturating_sub(NAMES_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Err(anyhow!("`{run}` may be any of {shown}{more}"))
        }
    }
}

fn show(all: &[Kept], run: &str, json: bool) -> anyhow::Result<()> {
    let kept = find(all, run)?;
    let contents = Contents::of(&kept.folder).with_context(|| kept.folder.display().to_string())?;
    if json {
        let mut text = shed::body(&contents.recover().run)?;
        text.push(b'\n');
        return print(&String::from_utf8(text)?);
    }
    print(&describe(kept, contents))
}

/// What a journal holds, in words.
fn describe(kept: &Kept, contents: Contents) -> String {
    let damage = contents.damage;
    let master_url = contents.head.master_url.clone();
    let lines = size(contents.lines_bytes);
    let seen = if contents.end.is_some() || contents.run.is_some() {
        "yes"
    } else if kept.is_busy() {
        "not yet"
    } else {
        "no: its worker was killed, or its machine stopped"
    };
    let run = contents.recover().run;
    let commit = if run.commit.is_empty() {
        "-"
    } else {
        &run.commit
    };
    let when = run.started_at.map_or_else(|| "-".to_owned(), moment);
    let mut rows = vec![
        ("run", run.run_id.clone()),
        ("state", state(kept)),
        ("master", master_url),
        ("worker", run.worker_id.clone()),
        ("project", run.project.clone()),
        ("branch", format!("{}, commit {commit}", run.branch)),
        ("command", run.command.clone()),
        ("started", when),
        ("end seen", seen.to_owned()),
        ("verdict", report::verdict(&run)),
        (
            "tests",
            format!(
                "{} of {} collected",
                run.cases.as_ref().map_or(0, Vec::len),
                collected(&run)
            ),
        ),
    ];
    rows.extend(run.running.iter().map(|nodeid| ("running", nodeid.clone())));
    let problems = run.problems.iter();
    rows.extend(problems.map(|problem| ("problem", first_line(&problem.text))));
    rows.push(("folder", kept.folder.display().to_string()));
    rows.push((
        "size",
        format!("{}, {lines} of them events", size(kept.bytes)),
    ));
    if let Some((reason, bytes)) = damage {
        rows.push((
            "damage",
            format!("{} at its end cannot be used: {reason}", size(bytes)),
        ));
    }
    let rows = rows
        .iter()
        .map(|(label, value)| format!("{label:<9} {value}\n"));
    rows.collect()
}

fn collected(run: &shared::run::NewRun) -> String {
    run.collected
        .map_or_else(|| "an unknown number".to_owned(), |count| count.to_string())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn choose(
    all: Vec<Kept>,
    runs: &[String],
    uploaded: bool,
    every: bool,
) -> anyhow::Result<Vec<Kept>> {
    if every {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for run in runs {
        chosen.push(find(&all, run)?.clone());
    }
    if uploaded {
        chosen.extend(all.into_iter().filter(Kept::is_uploaded));
    }
    Ok(chosen)
}

/// Deletes these, but for those that must stay, and says so.
fn drop_all(chosen: &[Kept], force: bool) -> anyhow::Result<()> {
    let (mut dropped, mut stayed) = (0, 0);
    for kept in chosen {
        match drop_one(kept, force) {
            Ok(()) => dropped += 1,
            Err(error) => {
                stayed += 1;
                report::say(&format!("{} stays: {error:#}", name(kept)));
            }
        }
    }
    report::say(&format!("{dropped} dropped"));
    if stayed > 0 {
        bail!("{stayed} not dropped");
    }
    Ok(())
}

fn drop_one(kept: &Kept, force: bool) -> anyhow::Result<()> {
    if !kept.is_uploaded() && !force {
        bail!("no master has this run; upload it with `flush`, or drop it with --force");
    }
    match kept.claim() {
        Ok(claimed) => claimed.drop_it().context("it cannot be deleted"),
        Err(NotClaimed::Busy) => bail!("its worker is running"),
        Err(error) => Err(error.into()),
    }
}
