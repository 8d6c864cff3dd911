//! What the command line says about a task backend.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::address::Address;

/// Seconds between two questions for a task when nobody says otherwise.
const POLL_INTERVAL_S_DEFAULT: f64 = 5.0;

/// Longest time between two questions.
const POLL_INTERVAL_S_MAX: f64 = 3_600.0;

/// Flags of `agent` about an existing task backend.
#[derive(Clone, Args)]
pub struct BackendOptions {
    /// Take tasks from this task backend instead of jobs from a master
    #[arg(long, value_name = "URL", help_heading = "Task backend")]
    pub backend_url: Option<Address>,
    /// Log in at the backend (see `--login`)
    #[arg(long, requires = "backend_url", help_heading = "Task backend")]
    pub auth: bool,
    /// Name of the account for `--auth`
    #[arg(
        long,
        value_name = "NAME",
        env = "BACKEND_LOGIN",
        help_heading = "Task backend"
    )]
    pub login: Option<String>,
    /// Its password; rather set `BACKEND_PASSWORD`, other users can see command lines
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "BACKEND_PASSWORD",
        hide_env_values = true,
        help_heading = "Task backend"
    )]
    pub password: Option<String>,
    /// Least important messages that are logged
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        help_heading = "Task backend"
    )]
    pub logger_level: Level,
    /// File to append the log to [default: standard output]
    #[arg(long, value_name = "FILE", help_heading = "Task backend")]
    pub logger_output: Option<OsString>,
    /// Seconds between two questions for a task
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = POLL_INTERVAL_S_DEFAULT,
        value_parser = interval,
        help_heading = "Task backend"
    )]
    pub poll_interval: f64,
    /// Seconds that one task may take
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = shared::limits::JOB_TIMEOUT_S_DEFAULT,
        value_parser = clap::value_parser!(u64).range(1..=shared::limits::JOB_TIMEOUT_S_MAX),
        help_heading = "Task backend"
    )]
    pub task_timeout: u64,
}

impl std::fmt::Debug for BackendOptions {
    /// Shows no secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendOptions")
            .field("backend_url", &self.backend_url)
            .field("auth", &self.auth)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// What the tests print.
    Debug,
    /// Tasks that are taken and finished.
    Info,
    /// What is tried again.
    Warning,
    /// What went wrong.
    Error,
    /// What ends the agent.
    Critical,
}

impl Level {
    /// The word in the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

fn interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=POLL_INTERVAL_S_MAX).contains(&seconds) => Ok(seconds),
        _ => Err(format!(
            "a number of seconds from 0.1 to {POLL_INTERVAL_S_MAX}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        backend: BackendOptions,
    }

    fn read(words: &str) -> Result<BackendOptions, clap::Error> {
        Line::try_parse_from(words.split(' ')).map(|line| line.backend)
    }

    #[test]
    fn the_contracts_command_line_is_understood() {
        let options = read(
            "agent --backend-url http://localhost:5000 --auth --login dora_explorer \
             --password dora_explorer --logger-level error --logger-output agent.log",
        )
        .unwrap();
        assert!(options.auth);
        assert_eq!(options.login.as_deref(), Some("dora_explorer"));
        assert_eq!(options.logger_level, Level::Error);
        assert_eq!(options.logger_output.as_deref().unwrap(), "agent.log");
        assert_eq!(
            read("agent --logger-output ")
                .unwrap()
                .logger_output
                .unwrap(),
            ""
        );
        for level in ["debug", "info", "warning", "error", "critical"] {
            assert!(read(&format!("agent --logger-level {level}")).is_ok());
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(read("agent --auth").is_err());
        assert!(read("agent --backend-url localhost:5000").is_err());
        assert!(read("agent --poll-interval 0").is_err());
        assert!(read("agent --task-timeout 0").is_err());
        assert!(read("agent --logger-level loud").is_err());
    }

    #[test]
    fn no_password_is_shown() {
        let options = read("agent --backend-url http://u:hidden@h --password secret").unwrap();
        let shown = format!("{options:?}");
        assert!(
            !shown.contains("hidden") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
