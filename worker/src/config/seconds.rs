//! Settings that are a number of seconds.

use std::time::Duration;

use super::settings::Sources;
use super::{Source, Sourced, UPLOAD_TIMEOUT_S_DEFAULT};
use crate::cli::{self, Options};

/// What a setting of this kind is called in each place.
struct Names {
    words: &'static str,
    flag: &'static str,
    variable: &'static str,
}

type Read = fn(&str) -> Result<f64, String>;

/// Longest wait for the upload.
pub(super) fn upload_timeout(
    options: &Options,
    from: &Sources,
    in_file: Option<f64>,
    problems: &mut Vec<String>,
) -> Sourced<Duration> {
    let names = Names {
        words: "upload timeout",
        flag: "--upload-timeout",
        variable: "WORKER_UPLOAD_TIMEOUT",
    };
    let given = options.upload_timeout;
    found(&names, given, from, in_file, cli::seconds, problems).unwrap_or_else(|| {
        let default = Duration::from_secs_f64(UPLOAD_TIMEOUT_S_DEFAULT);
        Sourced::new(default, Source::Default)
    })
}

/// Longest time that the run may take.
pub(super) fn run_timeout(
    options: &Options,
    from: &Sources,
    in_file: Option<f64>,
    problems: &mut Vec<String>,
) -> Option<Sourced<Duration>> {
    let names = Names {
        words: "run timeout",
        flag: "--run-timeout",
        variable: "WORKER_RUN_TIMEOUT",
    };
    let given = options.run_timeout;
    let limit = found(&names, given, from, in_file, cli::limit_seconds, problems);
    limit.filter(|limit| !limit.value.is_zero())
}

/// Longest time in which nothing happens.
pub(super) fn stall_timeout(
    options: &Options,
    from: &Sources,
    in_file: Option<f64>,
    problems: &mut Vec<String>,
) -> Option<Sourced<Duration>> {
    let names = Names {
        words: "stall timeout",
        flag: "--stall-timeout",
        variable: "WORKER_STALL_TIMEOUT",
    };
    let given = options.stall_timeout;
    let limit = found(&names, given, from, in_file, cli::limit_seconds, problems);
    limit.filter(|limit| !limit.value.is_zero())
}

/// The first place that says something. A value that cannot be used is told and counts as none.
fn found(
    names: &Names,
    given: Option<f64>,
    from: &Sources,
    in_file: Option<f64>,
    read: Read,
    problems: &mut Vec<String>,
) -> Option<Sourced<Duration>> {
    let text = |seconds: f64| seconds.to_string();
    let found = from.pick(
        names.flag,
        given.map(text),
        names.variable,
        in_file.map(text),
    )?;
    match read(&found.value) {
        Ok(seconds) => Some(Sourced::new(Duration::from_secs_f64(seconds), found.source)),
        Err(reason) => {
            problems.push(format!(
                "{} `{}` ({}) was not used: give {reason}",
                names.words, found.value, found.source
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::cli::Options;
    use crate::config::{Pyproject, Settings, Source};

    #[test]
    fn a_limit_comes_from_the_first_place_that_names_one_and_zero_is_none() {
        let file = Pyproject {
            run_timeout: Some(60.0),
            stall_timeout: Some(30.0),
            ..Pyproject::default()
        };
        let options = Options {
            run_timeout: Some(0.0),
            ..Options::default()
        };
        let environment = |name: &str| (name == "WORKER_STALL_TIMEOUT").then(|| "1.5".to_owned());
        let settings = Settings::resolve(&options, &environment, file);
        assert_eq!(settings.run_timeout, None);
        let stall = settings.stall_timeout.unwrap();
        assert_eq!(stall.value, Duration::from_millis(1500));
        assert_eq!(stall.source, Source::Variable("WORKER_STALL_TIMEOUT"));
    }

    #[test]
    fn a_limit_that_is_no_number_is_told_and_not_used() {
        let environment = |name: &str| (name == "WORKER_RUN_TIMEOUT").then(|| "soon".to_owned());
        let settings = Settings::resolve(&Options::default(), &environment, Pyproject::default());
        assert_eq!(settings.run_timeout, None);
        let said = &settings.problems[0];
        assert!(
            said.contains("run timeout `soon` (environment WORKER_RUN_TIMEOUT)"),
            "{said}"
        );
    }
}
