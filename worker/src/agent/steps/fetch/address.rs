//! Addresses of repositories, and patterns of those that are taken.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};
use wildmatch::WildMatch;

use crate::agent::steps::words::Secrets;

/// Schemes that git has and an address may have; which of them are taken is another question.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

/// What the names of many repositories end with.
const SUFFIX: &str = ".git";

/// Longest address.
const ADDRESS_BYTES_MAX: usize = 4 * 1024;

/// Where a repository is. What is checked is what git gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// As a URL, also where it was written as `git@host:path`. Without a password.
    url: Url,
    /// As git gets it.
    given: String,
    user: String,
    password: Option<String>,
    /// Its password as it was written.
    password_raw: Option<String>,
}

impl Address {
    /// Reads `https://host/path`, `ssh://git@host/path`, `git@host:path` and the like.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an address is needed, such as https://host/team/project.git".to_owned());
        }
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(format!("longer than {ADDRESS_BYTES_MAX} bytes"));
        }
        if text.starts_with('-') {
            return Err("an address cannot begin with a dash".to_owned());
        }
        if text
            .chars()
            .any(|one| one.is_control() || one.is_whitespace() || one == '\\')
        {
            return Err("an address has no spaces, backslashes or control characters".to_owned());
        }
        match text.split_once("://") {
            Some(_) => Self::of_url(text),
            None => Self::of_short_form(text),
        }
    }

    fn of_url(text: &str) -> Result<Self, String> {
        // What follows may hold a password, and is not said again.
        let mut url = Url::parse(text).map_err(|error| format!("no address: {error}"))?;
        let scheme = url.scheme().to_owned();
        if !SCHEMES.contains(&scheme.as_str()) {
            return Err(format!(
                "git is asked by {} only, not by {scheme}",
                SCHEMES.join(", ")
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("an address of a repository has no ? and no #".to_owned());
        }
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        if has_host == (scheme == "file") {
            return Err("needs a host, but a file:// address has none".to_owned());
        }
        if url
            .host_str()
            .is_some_and(|host| host.starts_with(['-', '%']))
        {
            return Err("no host has such a name".to_owned());
        }
        check_path(&decoded(url.path()))?;
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        if [Some(&user), password.as_ref()]
            .into_iter()
            .flatten()
            .any(|word| word.starts_with('-') || word.chars().any(char::is_control))
        {
            return Err("no user has such a name or password".to_owned());
        }
        let password_raw = url.password().map(str::to_owned);
        if password.is_some() && scheme != "https" {
            return Err("a password is only sent by https".to_owned());
        }
        if password.is_some() && url.set_password(None).is_err() {
            return Err("cannot take the password out of it".to_owned());
        }
        // A token may stand alone before the @; over ssh it is the user's name.
        let is_token = scheme == "https" && !user.is_empty();
        let mut bare = url.clone();
        if is_token && bare.set_username("").is_err() {
            return Err("cannot take the user out of it".to_owned());
        }
        Ok(Self {
            given: bare.as_str().to_owned(),
            url: bare,
            user,
            password,
            password_raw,
        })
    }

    /// `git@host:path`, as ssh takes it.
    fn of_short_form(text: &str) -> Result<Self, String> {
        let unknown = || "neither a URL such as https://host/path nor git@host:path".to_owned();
        let (place, path) = text.split_once(':').ok_or_else(unknown)?;
        let (user, host) = place.split_once('@').unwrap_or(("", place));
        let is_name = |word: &str| {
            let plain = |one: char| one.is_ascii_alphanumeric() || "._-".contains(one);
            !word.starts_with('-') && word.chars().all(plain)
        };
        if host.is_empty() || !is_name(host) || !is_name(user) || path.is_empty() {
            return Err(unknown());
        }
        if path.starts_with(['-', ':']) {
            return Err("no repository has such a path".to_owned());
        }
        check_path(path)?;
        let at = if user.is_empty() { "" } else { "@" };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = Url::parse(&format!("ssh://{user}{at}{host}{slash}{path}"))
            .map_err(|error| format!("no address: {error}"))?;
        Ok(Self {
            url,
            given: text.to_owned(),
            user: user.to_owned(),
            password: None,
            password_raw: None,
        })
    }

    /// As git gets it: without a password.
    pub(super) fn as_str(&self) -> &str {
        &self.given
    }

    /// The same with `.git` at its end, where a server may have sent one on to; none where it is there.
    pub(super) fn with_suffix(&self) -> Option<Self> {
        let bare = self.given.trim_end_matches('/');
        (!self.given.ends_with(SUFFIX)).then(|| Self {
            given: format!("{bare}{SUFFIX}"),
            ..self.clone()
        })
    }

    /// For people: without a password.
    pub(super) fn shown(&self) -> &str {
        &self.given
    }

    pub(super) fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// A header that logs in with what stood before the `@`, and what it is sent to: nothing below
    /// another host or port.
    pub(super) fn login(&self) -> Option<(String, String)> {
        if self.scheme() != "https" || self.user.is_empty() {
            return None;
        }
        let password = self.password.as_deref().unwrap_or_default();
        let word = STANDARD.encode(format!("{}:{password}", self.user));
        let mut place = self.url.clone();
        place.set_path("/");
        Some((place.into(), format!("Authorization: Basic {word}")))
    }

    /// What must not get into a log.
    pub(super) fn secrets(&self, secrets: &mut Secrets) {
        for password in [&self.password, &self.password_raw].into_iter().flatten() {
            secrets.add(password);
        }
        if self.scheme() == "https" && self.password.is_none() {
            secrets.add(&self.user);
        }
        if let Some((_, header)) = self.login()
            && let Some(word) = header.rsplit(' ').next()
        {
            secrets.add(word);
        }
    }

    /// Whether it names this machine, or the link it is on, where a cloud tells machines their secrets.
    pub(super) fn is_local(&self) -> bool {
        // Only the hosts of http and its like are read as numbers, but all may be written as such.
        let name = self
            .url
            .host_str()
            .unwrap_or_default()
            .trim_end_matches('.');
        let as_http = Url::parse(&format!("http://{name}/"));
        match as_http.as_ref().ok().and_then(Url::host) {
            Some(Host::Ipv4(address)) => is_local(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => is_local(IpAddr::V6(address)),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => true,
        }
    }
}

fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback()
        || address.is_unspecified()
        || match address {
            IpAddr::V4(address) => {
                address.is_link_local() || address.is_broadcast() || address.octets()[0] == 0
            }
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
}

/// git decodes the path of an address, and a server may follow `..` in it.
fn check_path(path: &str) -> Result<(), String> {
    if path.split('/').any(|part| part == "..") {
        return Err("a path with `..` in it is not followed".to_owned());
    }
    if path.chars().any(|one| one.is_control() || one == '\\') {
        return Err("no repository has such a path".to_owned());
    }
    Ok(())
}

/// Text with its `%xx` decoded. What is no text then stays as it was.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits
            .filter(|digits| *first == b'%' && digits.bytes().all(|one| one.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte {
            bytes.push(byte);
            rest = others.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Addresses that are taken: `https://git.example.org/team/*`. A `*` in the host stands for anything
/// within it, one in the path for anything. Without a port, the scheme's own is meant.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    scheme: String,
    host: WildMatch,
    port: Option<u16>,
    path: WildMatch,
}

impl Pattern {
    /// Reads a pattern of `--allow-url`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "--allow-url {text}: {why}; a pattern looks like https://git.example.org/team/*, \
                 ssh://git.example.org/* or file:///srv/git/*"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        if !SCHEMES.contains(&scheme) {
            return Err(wrong(&format!(
                "the scheme is one of {}",
                SCHEMES.join(", ")
            )));
        }
        let (place, path) = rest
            .split_once('/')
            .ok_or_else(|| wrong("no slash after the host"))?;
        if place.contains('@') {
            return Err(wrong("users are not part of a pattern"));
        }
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().map_err(|_| wrong("the port is no number"))?;
                (host, Some(port))
            }
            _ => (place, None),
        };
        if host.is_empty() != (scheme == "file") {
            return Err(wrong("a host is needed, and a file:// address has none"));
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            host: WildMatch::new(&host.to_ascii_lowercase()),
            port: port.filter(|port| Some(*port) != default_port(scheme)),
            path: WildMatch::new(&format!("/{path}")),
        })
    }

    pub(super) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether the address is such a one.
    pub(super) fn matches(&self, address: &Address) -> bool {
        let url = &address.url;
        let port = url
            .port()
            .filter(|port| Some(*port) != default_port(url.scheme()));
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        self.scheme == url.scheme()
            && self.port == port
            && self.host.matches(&host)
            && self.path.matches(&decoded(url.path()))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        "ssh" => Some(22),
        "git" => Some(9418),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn ordinary_addresses_are_taken_as_they_are() {
        for text in [
            "https://github.com/team/project.git",
            "https://host:8443/a/b",
            "http://host/a",
            "ssh://git@host:2222/team/project.git",
            "git@github.com:team/project.git",
            "host:project",
            "git://host/project",
            "file:///srv/git/project.git",
        ] {
            assert_eq!(address(text).as_str(), text);
        }
    }

    #[test]
    fn what_git_would_read_otherwise_is_refused() {
        for text in [
            "",
            "--upload-pack=touch /tmp/x",
            "-u",
            "ext::sh -c touch% /tmp/x",
            "ext::sh",
            "fd::17/foo",
            "https://-oProxyCommand=x/path",
            "ssh://-oProxyCommand=x/path",
            "ssh://%2doProxyCommand=x/path",
            "ssh://-l@host/path",
            "ssh://%2dl@host/path",
            "-oProxyCommand=x:path",
            "host:-path",
            "host::path",
            "/etc/passwd",
            "../other",
            "path/with:colon",
            "file://host/path",
            "ftp://host/path",
            "https://host/a b",
            "https://host/a\nb",
            "https://host/a\\b",
            "https://host/a%0ab",
            "https://host/a?b=c",
            "https://host/a#b",
            "ssh://host/a/..%2fb",
            "ssh://host/%2e%2e%2fb",
            "host:../b",
            "http://me:secret@host/x",
            "ssh://me:secret@host/x",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_sent_as_a_header_to_its_host_alone_and_shown_nowhere() {
        let with = address("https://me:p%40ss@host:8443/team/x.git");
        assert_eq!(with.as_str(), "https://host:8443/team/x.git");
        let (place, header) = with.login().unwrap();
        assert_eq!(place, "https://host:8443/");
        assert_eq!(header, "Authorization: Basic bWU6cEBzcw==");
        let mut secrets = Secrets::default();
        with.secrets(&mut secrets);
        assert_eq!(secrets.taken_out("p@ss p%40ss bWU6cEBzcw=="), "*** *** ***");
        let mut secrets = Secrets::default();
        address("https://token123@host/x").secrets(&mut secrets);
        assert_eq!(secrets.taken_out("token123"), "***");
        assert!(address("ssh://git@host/x").login().is_none());
    }

    #[test]
    fn a_pattern_matches_no_other_host_however_it_is_written() {
        let pattern = Pattern::parse("https://git.example.org/team/*").unwrap();
        let matches = |text: &str| pattern.matches(&address(text));
        assert!(matches("https://git.example.org/team/a.git"));
        assert!(matches("https://GIT.example.org:443/team/a/b"));
        assert!(matches("https://me:secret@git.example.org/team/a"));
        for text in [
            "https://git.example.org.evil.com/team/a",
            "https://git.example.org@evil.com/team/a",
            "https://evil.com/git.example.org/team/a",
            "https://git.example.org/other/a",
            "https://git.example.org/team/../other/a",
            "https://git.example.org/team/%2e%2e/other/a",
            "https://git.example.org:444/team/a",
            "http://git.example.org/team/a",
            "git@git.example.org:team/a",
        ] {
            assert!(!matches(text), "{text}");
        }
        let sub = Pattern::parse("https://*.example.org/*").unwrap();
        assert!(sub.matches(&address("https://a.b.example.org/x")));
        assert!(!sub.matches(&address("https://evil.com/.example.org/x")));
        let short = Pattern::parse("ssh://host/team/*").unwrap();
        assert!(short.matches(&address("git@host:team/a")));
        assert!(short.matches(&address("ssh://git@host/team/a")));
        let file = Pattern::parse("file:///srv/git/*").unwrap();
        assert!(file.matches(&address("file:///srv/git/a")));
        assert!(!file.matches(&address("file:///srv/git/../secret")));
    }

    #[test]
    fn a_pattern_that_would_match_too_much_is_refused() {
        for text in [
            "*",
            "https://git.example.org*",
            "git.example.org/*",
            "ext::*",
            "*://host/*",
            "https://me@host/*",
            "file://host/*",
            "https://host:x/*",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_own_machine_and_link_are_known_in_every_spelling() {
        for text in [
            "https://localhost/x",
            "https://LOCALHOST./x",
            "https://a.localhost/x",
            "https://127.0.0.1/x",
            "https://127.1/x",
            "https://2130706433/x",
            "https://0x7f.0.0.1/x",
            "https://0/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://169.254.169.254/x",
            "https://[fe80::1]/x",
            "ssh://127.1/x",
            "ssh://0x7f000001/x",
            "git@127.1:x",
            "localhost:x",
        ] {
            assert!(address(text).is_local(), "{text}");
        }
        for text in [
            "https://10.0.0.1/x",
            "https://192.168.1.1/x",
            "git@github.com:x",
            "ssh://h/x",
        ] {
            assert!(!address(text).is_local(), "{text}");
        }
    }
}
