//! Where journals are kept, and how much room they may take.

use std::path::{Path, PathBuf};

use super::settings::Sources;
use super::{Source, Sourced};
use crate::cli::Options;

/// Room for all journals when nobody says otherwise: 2 GiB.
pub const STATE_BYTES_MAX_DEFAULT: u64 = 2 * 1024 * 1024 * 1024;

/// The folder that was set, else `pytest-platform` in the user's state folder; nothing for a user
/// without a home.
pub(super) fn state_dir(
    options: &Options,
    from: &Sources,
    in_file: Option<PathBuf>,
) -> Option<Sourced<PathBuf>> {
    let set = from.path(
        "--state-dir",
        options.state_dir.clone(),
        "WORKER_STATE_DIR",
        in_file,
    );
    if set.is_some() {
        return set;
    }
    let below = |folder: PathBuf, source| Sourced::new(folder.join("pytest-platform"), source);
    if let Some(state) = from.variable("XDG_STATE_HOME")
        && Path::new(&state.value).is_absolute()
    {
        return Some(below(PathBuf::from(state.value), state.source));
    }
    let home = from.variable("HOME").map(|home| PathBuf::from(home.value));
    let home = home.filter(|home| home.is_absolute())?;
    Some(below(home.join(".local/state"), Source::Default))
}

/// Bytes that all journals together may take.
pub(super) fn state_bytes_max(
    from: &Sources,
    in_file: Option<u64>,
    problems: &mut Vec<String>,
) -> Sourced<u64> {
    let default = Sourced::new(STATE_BYTES_MAX_DEFAULT, Source::Default);
    let Some(found) = from.variable("WORKER_STATE_BYTES_MAX") else {
        return in_file.map_or(default, |bytes| Sourced::new(bytes, from.file()));
    };
    if let Ok(bytes) = found.value.trim().parse() {
        return Sourced::new(bytes, found.source);
    }
    problems.push(format!(
        "WORKER_STATE_BYTES_MAX `{}` was not used: give a whole number of bytes",
        found.value
    ));
    default
}

#[cfg(test)]
mod tests {
    use crate::cli::Options;
    use crate::config::{Pyproject, Settings, Source};

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::resolve(&Options::default(), &environment, Pyproject::default())
    }

    #[test]
    fn journals_are_kept_where_the_user_keeps_state() {
        let place = |variables: &[(&str, &str)]| {
            let found = settings(variables).state_dir?;
            Some(found.value.to_str()?.to_owned())
        };
        let home = ("HOME", "/home/a");
        let expected = "/home/a/.local/state/pytest-platform";
        assert_eq!(place(&[home]).as_deref(), Some(expected));
        let relative = ("XDG_STATE_HOME", "state");
        assert_eq!(place(&[home, relative]).as_deref(), Some(expected));
        let state = ("XDG_STATE_HOME", "/s");
        assert_eq!(place(&[home, state]).as_deref(), Some("/s/pytest-platform"));
        let set = ("WORKER_STATE_DIR", "/j");
        assert_eq!(place(&[home, state, set]).as_deref(), Some("/j"));
        assert_eq!(place(&[]), None);
    }

    #[test]
    fn the_room_for_journals_is_a_number_of_bytes() {
        let set = |value| settings(&[("WORKER_STATE_BYTES_MAX", value)]);
        assert_eq!(set("1000000").state_bytes_max.value, 1_000_000);
        let bad = set("much");
        assert_eq!(bad.state_bytes_max.source, Source::Default);
        assert_eq!(bad.problems.len(), 1);
    }
}
