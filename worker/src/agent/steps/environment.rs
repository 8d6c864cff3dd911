//! What the processes of a job see of the agent's environment: named variables, and nothing else.

use std::ffi::{OsStr, OsString};

use super::Site;

/// A variable and its value.
pub(super) type Variable = (OsString, OsString);

/// Where programs are, when the agent was not told.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Said to everything that runs for a job, tests included: none of it is a secret.
const PLAIN: [&str; 12] = [
    "CURL_CA_BUNDLE",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
];

/// The way to the network. It is passed to tests only where it holds no password.
const PROXIES: [&str; 8] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What the agent's owner says to git. `HOME` is where its configuration and keys are.
const GIT: [&str; 14] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "HOME",
    "SSH_AUTH_SOCK",
    "XDG_CONFIG_HOME",
];

/// What the agent's owner says to uv and pip. Addresses of indexes may hold passwords: only prepare
/// gets them.
const INDEXES: [&str; 27] = [
    "ALL_PROXY",
    "NETRC",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "UV_CONCURRENT_DOWNLOADS",
    "UV_DEFAULT_INDEX",
    "UV_EXCLUDE_NEWER",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_TIMEOUT",
    "UV_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_NO_INDEX",
    "UV_OFFLINE",
    "UV_SYSTEM_CERTS",
    "SSL_CLIENT_CERT",
];

/// Beginnings of further names that say which index a password is for.
const INDEX_PASSWORDS: &str = "UV_INDEX_";

/// What everything that runs for a job sees: tests, build scripts, pytest itself.
pub(super) fn of_tests(site: &Site) -> Vec<Variable> {
    let mut variables = taken(&PLAIN);
    variables.extend(
        taken(&PROXIES)
            .into_iter()
            .filter(|(_, value)| !holds_password(value)),
    );
    default(&mut variables, "PATH", PATH);
    default(&mut variables, "LANG", "C.UTF-8");
    variables.push(("HOME".into(), site.home().into()));
    variables.push(("TMPDIR".into(), site.temporary().into()));
    variables
}

/// What git sees.
pub(super) fn of_git(site: &Site) -> Vec<Variable> {
    let mut variables = taken(&PLAIN);
    variables.extend(taken(&PROXIES));
    variables.extend(taken(&GIT));
    default(&mut variables, "PATH", PATH);
    variables.push(("TMPDIR".into(), site.temporary().into()));
    // Its messages are looked at.
    set(&mut variables, "LC_ALL", "C.UTF-8");
    set(&mut variables, "LANGUAGE", "");
    variables
}

/// What uv and pip see, and with them the build scripts that they start.
pub(super) fn of_uv(site: &Site) -> Vec<Variable> {
    let mut variables = of_tests(site);
    variables.extend(taken(&PROXIES));
    variables.extend(taken(&INDEXES));
    variables.extend(std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name.starts_with(INDEX_PASSWORDS) && !INDEXES.contains(&&*name)
    }));
    if let Some(folder) = own_configuration() {
        set(&mut variables, "XDG_CONFIG_HOME", folder);
    }
    // Most who set up an index did it for pip.
    for (pip, uv) in [
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
    ] {
        let said = variables
            .iter()
            .any(|(name, _)| name.to_string_lossy().starts_with("UV_INDEX") || name == uv);
        if let (false, Some(value)) = (said, std::env::var_os(pip)) {
            set(&mut variables, uv, value);
        }
    }
    variables
}

/// Where the agent's user keeps uv.toml: `HOME` of a job is another.
fn own_configuration() -> Option<OsString> {
    let folder = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
    folder.or_else(|| {
        let home = std::env::home_dir()?;
        Some(home.join(".config").into_os_string())
    })
}

fn taken(names: &[&str]) -> Vec<Variable> {
    let all = names.iter();
    all.filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)))
        .collect()
}

/// An address with something before an `@`.
fn holds_password(value: &OsStr) -> bool {
    value.to_string_lossy().contains('@')
}

/// Gives a variable that has none, or an empty one, a value.
fn default(variables: &mut Vec<Variable>, name: &str, value: &str) {
    let has = |(known, value): &Variable| known == name && !value.is_empty();
    if !variables.iter().any(has) {
        set(variables, name, value);
    }
}

/// Gives a variable a value, in place of the one it may have.
pub(super) fn set(variables: &mut Vec<Variable>, name: &str, value: impl Into<OsString>) {
    variables.retain(|(known, _)| known != name);
    variables.push((name.into(), value.into()));
}

/// The value of a variable.
pub(super) fn value<'a>(variables: &'a [Variable], name: &str) -> Option<&'a OsStr> {
    let named = variables.iter().rev().find(|(known, _)| known == name);
    named.map(|(_, value)| value.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_passed_on_that_is_not_named() {
        let site = Site::new("/job", "/cache");
        let mut named: Vec<&str> = PLAIN.iter().chain(&PROXIES).copied().collect();
        named.extend(["HOME", "TMPDIR"]);
        for (name, _) in of_tests(&site) {
            assert!(named.contains(&name.to_str().unwrap()), "{name:?}");
        }
        // cargo sets many more for a test.
        assert!(std::env::vars_os().count() > 20);
        assert_eq!(
            value(&of_tests(&site), "HOME"),
            Some(OsStr::new("/job/home"))
        );
    }

    #[test]
    fn a_proxy_with_a_password_is_known_by_its_at() {
        assert!(holds_password(OsStr::new("http://me:secret@proxy:3128")));
        assert!(!holds_password(OsStr::new("http://proxy:3128")));
    }
}
