//! Environment variables: those of the tests, and those of the worker that runs them.
//!
//! Neither gets the agent's environment. The steps say what the tests need; what a job asks for comes on
//! top, but for names that are not the tests' business.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::agent::steps::{Prepared, Site, StepFailure};

/// Names that begin so belong to the worker and its plugin.
const RESERVED: [&str; 4] = ["MASTER_", "WORKER_", "PYTEST_PLATFORM_", "GUARDED_"];

/// What the worker needs of the agent's environment to find the master, and nothing else.
const WORKERS_OWN: [&str; 14] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Variables by which the dynamic loader, C libraries and shells are told what to load and start: around a
/// sandbox they would reach what makes it.
const LOADERS: [&str; 6] = ["LD_", "GLIBC_", "GCONV_", "BASH", "SHELLOPTS", "PS4"];

/// All variables of the tests.
pub(super) fn of_tests(
    prepared: &Prepared,
    env: &BTreeMap<String, String>,
    is_sandboxed: bool,
) -> Result<Vec<(OsString, OsString)>, StepFailure> {
    let mut all: BTreeMap<OsString, OsString> = prepared.variables.iter().cloned().collect();
    // A line is in the log when it was printed, not when a buffer was full.
    all.insert("PYTHONUNBUFFERED".into(), "1".into());
    for (name, value) in env {
        check(name, value, is_sandboxed)?;
        all.insert(name.into(), value.into());
    }
    Ok(all.into_iter().collect())
}

fn check(name: &str, value: &str, is_sandboxed: bool) -> Result<(), StepFailure> {
    let refused = |why: &str| Err(StepFailure::subprocess(format!("env: `{name}` {why}")));
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return refused("is no variable: a name has no `=`, and neither part has a NUL");
    }
    let upper = name.to_uppercase();
    if RESERVED.iter().any(|prefix| upper.starts_with(prefix)) {
        return refused(
            "is refused: names that begin with MASTER_, WORKER_, PYTEST_PLATFORM_ or GUARDED_ belong \
             to the worker; choose another name",
        );
    }
    if is_sandboxed && LOADERS.iter().any(|prefix| name.starts_with(prefix)) {
        return refused(
            "is refused: in a sandbox, no variable may tell the loader what to load; set it in a \
             conftest.py for what the tests start",
        );
    }
    Ok(())
}

/// All variables of the worker.
pub(super) fn of_worker(site: &Site) -> Vec<(OsString, OsString)> {
    let own = WORKERS_OWN
        .iter()
        .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    own.chain([
        ("HOME".into(), site.home().into_os_string()),
        ("TMPDIR".into(), site.temporary().into_os_string()),
        // The tests can write into its home, and what git finds there can name programs.
        ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
    ])
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(
        env: &[(&str, &str)],
        is_sandboxed: bool,
    ) -> Result<Vec<(OsString, OsString)>, String> {
        let prepared = Prepared {
            python: "python".into(),
            variables: vec![("PATH".into(), "/bin".into())],
        };
        let env = env
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        of_tests(&prepared, &env.collect(), is_sandboxed).map_err(|failure| failure.text)
    }

    #[test]
    fn a_job_adds_to_what_the_steps_say_and_may_change_it() {
        let all = tests(&[("PATH", "/mine"), ("LD_PRELOAD", "x.so")], false).unwrap();
        let expected = [
            ("LD_PRELOAD", "x.so"),
            ("PATH", "/mine"),
            ("PYTHONUNBUFFERED", "1"),
        ];
        assert_eq!(
            all,
            expected.map(|(name, value)| (name.into(), value.into()))
        );
    }

    #[test]
    fn what_the_worker_goes_by_is_refused_with_the_reason() {
        let names = [
            "MASTER_TOKEN",
            "master_url",
            "WORKER_ID",
            "PYTEST_PLATFORM_FD",
            "GUARDED_A",
        ];
        for name in names {
            let text = tests(&[(name, "x")], false).unwrap_err();
            assert!(
                text.contains(name) && text.contains("choose another name"),
                "{text}"
            );
        }
        for (name, value) in [("", "x"), ("A=B", "x"), ("A", "x\0")] {
            assert!(tests(&[(name, value)], false).is_err());
        }
        assert!(tests(&[("LD_PRELOAD", "x.so")], true).is_err());
    }
}
