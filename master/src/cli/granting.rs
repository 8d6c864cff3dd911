//! Options that say what a token or an account may do.

use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use shared::access::Scope;

use crate::access::Granted;

/// Longest life of a token: a hundred years.
const LIFE_SECONDS_MAX: u64 = 36_525 * 86_400;

/// What is granted to whom.
#[derive(Debug, Clone, Args)]
pub(super) struct GrantOptions {
    /// Its name, unlike that of any other token or account.
    #[arg(long, value_name = "NAME")]
    name: String,

    /// What it may do: `report` runs, `read` everything, `run` tests (queue jobs, upload files, be an
    /// agent), or `admin`: everything. Can be repeated.
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope())]
    scopes: Vec<Scope>,

    /// The only project that it sees, reports for and runs tests of.
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
}

impl GrantOptions {
    pub(super) fn granted(&self) -> Granted {
        Granted {
            name: self.name.clone(),
            scopes: self.scopes.iter().copied().collect(),
            project: self.project.clone(),
        }
    }
}

fn scope() -> impl TypedValueParser<Value = Scope> {
    let words = Scope::ALL.map(Scope::as_str);
    // The words are those of scopes, so the fallback is never taken.
    PossibleValuesParser::new(words).map(|word| Scope::parse(&word).unwrap_or(Scope::Read))
}

/// Reads how long something lives, such as `90d`.
pub(super) fn life(text: &str) -> Result<Duration, String> {
    let wrong = || {
        "must be a number and one of s, m, h, d, w or y, such as 90d, and at most 100y".to_owned()
    };
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number = &text[..text.len() - unit.len_utf8()];
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'y' => 365 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let life = number.checked_mul(seconds).ok_or_else(wrong)?;
    if (1..=LIFE_SECONDS_MAX).contains(&life) {
        return Ok(Duration::from_secs(life));
    }
    Err(wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_number_and_a_unit() {
        assert_eq!(life("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(life("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(life("2y"), Ok(Duration::from_hours(2 * 365 * 24)));
        for bad in [
            "",
            "d",
            "0d",
            "90",
            "-1d",
            "1.5h",
            "90D",
            "101y",
            "99999999999999999999y",
            "5ä",
        ] {
            assert!(life(bad).is_err(), "{bad}");
        }
    }
}
