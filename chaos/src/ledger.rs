//! The ledger: of each fault what was acknowledged, and what of it was found, lost and doubled.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use xtask::console;

use crate::stage::Engine;

/// Most sentences about wrongs that a fault may have in the ledger; the full number stands beside.
const WRONGS_SHOWN_MAX: usize = 12;

/// What came of one fault on one database.
#[derive(Debug)]
pub(crate) struct Row {
    /// Name of the fault, as on the command line.
    pub(crate) fault: &'static str,
    /// The database.
    pub(crate) engine: Engine,
    /// How often the fault was brought about.
    pub(crate) rounds: u64,
    /// Runs that were sent or attempted.
    pub(crate) runs: u64,
    /// Results that were acknowledged: cases, and one for each run.
    pub(crate) acknowledged: u64,
    /// Those of them that were found again, with the right content.
    pub(crate) found: u64,
    /// Those of them that were not.
    pub(crate) lost: u64,
    /// Results that were there more than once, in a list or in a counter.
    pub(crate) doubled: u64,
    /// Everything else that should not be, in sentences.
    pub(crate) wrongs: Vec<String>,
    /// What is worth knowing about how it was done.
    pub(crate) notes: Vec<String>,
    /// How long it took.
    pub(crate) time: Duration,
}

impl Row {
    /// An empty row.
    pub(crate) const fn new(fault: &'static str, engine: Engine) -> Self {
        Self {
            fault,
            engine,
            rounds: 0,
            runs: 0,
            acknowledged: 0,
            found: 0,
            lost: 0,
            doubled: 0,
            wrongs: Vec::new(),
            notes: Vec::new(),
            time: Duration::ZERO,
        }
    }

    /// Writes down something that should not be.
    pub(crate) fn wrong(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.wrongs.len() < WRONGS_SHOWN_MAX {
            console::line(format_args!(
                "{} ({}) WRONG: {text}",
                self.fault, self.engine
            ));
        }
        self.wrongs.push(text);
    }

    /// Writes down how something was done, once.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn is_good(&self) -> bool {
        self.lost == 0
            && self.doubled == 0
            && self.wrongs.is_empty()
            && self.rounds > 0
            && self.acknowledged > 0
            && self.found == self.acknowledged
    }
}

/// Prints the ledger. The last line has the form in which test runners count; the exit code says
/// whether every row is good. A row in which nothing was acknowledged proves nothing and is bad.
pub(crate) fn print(rows: &[Row], seed: u64, started: Instant) -> ExitCode {
    console::heading("── ledger ──");
    console::line(format_args!(
        "  {:<18}{:<10}{:>7}{:>7}{:>14}{:>10}{:>8}{:>9}{:>7}{:>14}",
        "fault",
        "database",
        "rounds",
        "runs",
        "acknowledged",
        "found",
        "lost",
        "doubled",
        "wrong",
        "time"
    ));
    for row in rows {
        line(row);
    }
    let sum = |field: fn(&Row) -> u64| rows.iter().map(field).sum::<u64>();
    console::line(format_args!(
        "  {:<18}{:<10}{:>7}{:>7}{:>14}{:>10}{:>8}{:>9}{:>7}{:>14}",
        "all",
        "",
        sum(|row| row.rounds),
        sum(|row| row.runs),
        sum(|row| row.acknowledged),
        sum(|row| row.found),
        sum(|row| row.lost),
        sum(|row| row.doubled),
        sum(|row| row.wrongs.len() as u64),
        console::seconds(started.elapsed())
    ));
    console::line("\n  acknowledged, found, lost, doubled: runs and the cases in them");
    for row in rows {
        for note in &row.notes {
            console::line(format_args!("  {} ({}): {note}", row.fault, row.engine));
        }
    }
    for row in rows.iter().filter(|row| !row.is_good()) {
        explain(row, seed);
    }
    let good = rows.iter().filter(|row| row.is_good()).count();
    let bad = rows.len() - good;
    console::line(format_args!(
        "\n  seed {seed}; the same faults again: cargo xtask chaos --seed {seed}\n\n\
         {good} passed, {bad} failed in {:.2}s",
        started.elapsed().as_secs_f64()
    ));
    if bad == 0 && good > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn line(row: &Row) {
    console::line(format_args!(
        "  {:<18}{:<10}{:>7}{:>7}{:>14}{:>10}{:>8}{:>9}{:>7}{:>14}",
        row.fault,
        row.engine.name(),
        row.rounds,
        row.runs,
        row.acknowledged,
        row.found,
        row.lost,
        row.doubled,
        row.wrongs.len(),
        console::seconds(row.time)
    ));
}

fn explain(row: &Row, seed: u64) {
    console::line(format_args!(
        "\n  {} ({}) is NOT good; again: cargo xtask chaos --seed {seed} --engine {} --only {}",
        row.fault,
        row.engine,
        row.engine.name(),
        row.fault
    ));
    if row.rounds == 0 || row.acknowledged == 0 {
        console::line("    nothing was broken or nothing acknowledged, so nothing is proven");
    }
    for wrong in row.wrongs.iter().take(WRONGS_SHOWN_MAX) {
        console::line(format_args!("    {wrong}"));
    }
    let more = row.wrongs.len().saturating_sub(WRONGS_SHOWN_MAX);
    if more > 0 {
        console::line(format_args!("    and {more} more"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let mut row = Row::new("fault", Engine::Sqlite);
        (row.rounds, row.acknowledged, row.found) = (1, 2, 2);
        row
    }

    #[test]
    fn a_row_is_good_only_when_everything_was_found_and_nothing_was_wrong() {
        assert!(row().is_good());
        let mut lost = row();
        (lost.found, lost.lost) = (1, 1);
        assert!(!lost.is_good());
        let mut doubled = row();
        doubled.doubled = 1;
        assert!(!doubled.is_good());
        let mut wrong = row();
        wrong.wrong("something");
        assert!(!wrong.is_good());
    }

    #[test]
    fn a_row_in_which_nothing_happened_proves_nothing() {
        assert!(!Row::new("fault", Engine::Sqlite).is_good());
        let mut unbroken = row();
        unbroken.rounds = 0;
        assert!(!unbroken.is_good());
    }
}
