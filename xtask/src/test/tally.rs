//! How many tests passed, failed and were skipped, read from what the test runners print.

use std::ops::AddAssign;

/// The counts of one or more test runners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Tally {
    /// One check that succeeded or did not.
    pub(super) fn check(succeeded: bool) -> Self {
        Self {
            passed: u64::from(succeeded),
            failed: u64::from(!succeeded),
            skipped: 0,
        }
    }

    /// A step that could not be carried out.
    pub(super) fn broken() -> Self {
        Self::check(false)
    }

    /// The counts of a test runner that ended well or not: a failure without a failed test, such as
    /// a compile error, counts as one.
    pub(super) fn of_a_run_that(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// Adds what a line of output counts; other lines count nothing.
    pub(super) fn add_line(&mut self, line: &str) {
        let plain = without_colours(line);
        let plain = plain.trim();
        if let Some(counts) = plain.strip_prefix("test result: ") {
            // cargo: `test result: ok. 3 passed; 0 failed; 1 ignored; ...; finished in 0.1s`
            let counts = counts.split_once(". ").map_or("", |(_, rest)| rest);
            self.add_counts(counts.split("; "));
        } else if let Some(counts) = pytest_counts(plain) {
            self.add_counts(counts.split(", "));
        }
    }

    fn add_counts<'a>(&mut self, counts: impl Iterator<Item = &'a str>) {
        for count in counts {
            let Some((number, word)) = count.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match word {
                "passed" | "xfailed" => self.passed += number,
                "failed" | "error" | "errors" | "xpassed" => self.failed += number,
                "skipped" | "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

/// pytest: `===== 2 passed, 1 failed in 0.12s (0:01:02) =====`, the frame only when it is not quiet.
fn pytest_counts(line: &str) -> Option<&str> {
    let (counts, time) = line.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    let seconds = time.split_whitespace().next()?.strip_suffix('s')?;
    seconds.parse::<f64>().ok()?;
    let starts_with_a_count = counts.split(' ').next()?.parse::<u64>().is_ok();
    starts_with_a_count.then_some(counts)
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(line: &str) -> (u64, u64, u64) {
        let mut tally = Tally::default();
        tally.add_line(line);
        (tally.passed, tally.failed, tally.skipped)
    }

    #[test]
    fn the_last_line_of_cargo_test_is_counted() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; \
                    4 filtered out; finished in 0.01s";
        assert_eq!(tally(line), (3, 2, 1));
    }

    #[test]
    fn the_last_line_of_pytest_is_counted() {
        let line =
            "==== 1 failed, 10 passed, 2 skipped, 1 xfailed, 3 errors in 65.10s (0:01:05) ===";
        assert_eq!(tally(line), (11, 4, 2));
        assert_eq!(tally("219 passed in 0.68s"), (219, 0, 0));
        assert_eq!(
            tally("\x1b[32m\x1b[1m4 passed\x1b[0m\x1b[32m in 0.68s\x1b[0m"),
            (4, 0, 0)
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "",
            "running 3 tests",
            "5 apples in a basket",
            "test a ... ok",
        ] {
            assert_eq!(tally(line), (0, 0, 0), "{line}");
        }
    }
}
