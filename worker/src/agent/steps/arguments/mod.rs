//! What pytest is started with: the tests and arguments that a job names, as far as they are allowed.
//!
//! Arguments come from whoever may create jobs, and pytest's own can read files (`@file`), write and
//! delete them (`--basetemp`) and load code (`-p`). So every word is read as pytest would read it,
//! looked up in a list, and written anew in a spelling that can be read in one way only.

mod allowed;
mod known;
mod known_plugins;
mod places;
mod reading;
mod shape;

use std::ffi::OsString;

use super::{Fetched, Site, StepFailure};

pub use allowed::AllowedArguments;
use places::Places;
use reading::{Given, Reading};

/// What pytest gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// In order; the tests first, then options.
    pub words: Vec<OsString>,
    /// What was changed, in words for the job's log.
    pub notes: Vec<String>,
}

/// Checks the `tests` and `args` of a job. Reports that an option would write anywhere are written
/// below the job's folder. Returns an error that names the argument and the way out.
pub fn pytest_arguments(
    tests: &[String],
    args: &[String],
    fetched: &Fetched,
    site: &Site,
    allowed: &AllowedArguments,
) -> Result<Arguments, StepFailure> {
    arranged(tests, args, fetched, site, allowed).map_err(StepFailure::subprocess)
}

fn arranged(
    tests: &[String],
    args: &[String],
    fetched: &Fetched,
    site: &Site,
    allowed: &AllowedArguments,
) -> Result<Arguments, String> {
    let places = Places::of(fetched, site)?;
    let tests = if tests.is_empty() {
        &fetched.default_tests
    } else {
        tests
    };
    let mut arguments = Arguments::default();
    for test in tests {
        places
            .check_test(test)
            .map_err(|why| format!("tests: {test:?} is refused: {why}"))?;
        arguments.words.push(test.into());
    }
    if allowed.is_everything() {
        arguments.words.extend(args.iter().map(OsString::from));
        return Ok(arguments);
    }
    let mut options = Vec::new();
    for given in Reading::of(args, allowed) {
        match given? {
            Given::Test(test) => {
                places
                    .check_test(&test)
                    .map_err(|why| format!("args: {test:?} is refused: {why}"))?;
                arguments.words.push(test.into());
            }
            Given::Option(option) => {
                options.push(option.written(&places, &mut arguments.notes)?.into());
            }
        }
    }
    arguments.words.extend(options);
    Ok(arguments)
}

#[cfg(test)]
mod tests;
