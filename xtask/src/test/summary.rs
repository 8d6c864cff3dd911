//! The table at the end of `cargo xtask test`, and its last line.

use std::process::ExitCode;
use std::time::Duration;

use super::tally::Tally;
use crate::console;

/// What became of one step.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) tally: Tally,
    pub(super) time: Duration,
}

/// Prints the table and the total; the exit code says whether everything passed.
pub(super) fn print(rows: &[Row]) -> ExitCode {
    console::heading("── summary ──");
    console::line(format_args!(
        "  {:<10}{:<9}{:>7}{:>9}{:>9}{:>14}",
        "step", "result", "passed", "failed", "skipped", "time"
    ));
    let mut total = Tally::default();
    for Row { name, tally, time } in rows {
        total += *tally;
        console::line(format_args!(
            "  {name:<10}{:<9}{:>7}{:>9}{:>9}{:>14}",
            if tally.failed == 0 { "ok" } else { "FAILED" },
            tally.passed,
            tally.failed,
            tally.skipped,
            console::seconds(*time)
        ));
    }
    console::line(format_args!("\n{}", last_line(total)));
    if total.failed == 0 && total.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A form that machines know too: `N passed, N failed`, and `, N skipped` where there are any.
fn last_line(total: Tally) -> String {
    let Tally {
        passed,
        failed,
        skipped,
    } = total;
    if skipped == 0 {
        format!("{passed} passed, {failed} failed")
    } else {
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, last_line};

    #[test]
    fn the_last_line_names_skipped_tests_only_where_there_are_some() {
        let mut total = Tally {
            passed: 3,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(last_line(total), "3 passed, 1 failed");
        total.skipped = 2;
        assert_eq!(last_line(total), "3 passed, 1 failed, 2 skipped");
    }
}
