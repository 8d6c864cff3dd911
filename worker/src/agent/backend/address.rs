//! Where a task backend is.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Address of a task backend.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// What is below it, such as `["api", "task", "result"]`.
    pub(super) fn below(&self, place: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(place);
        }
        url
    }

    /// A name for a folder that is this backend's alone.
    pub(super) fn folder_name(&self) -> String {
        let port = self.0.port_or_known_default().unwrap_or_default();
        let host = self.0.host_str().unwrap_or_default();
        let whole = format!("{host}-{port}{}", self.0.path().trim_end_matches('/'));
        let plain = |c: char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => c,
            _ => '_',
        };
        whole.chars().map(plain).take(FOLDER_NAME_MAX).collect()
    }

    /// Whether others on the way can read a password that is sent there.
    pub(super) fn is_open_to_others(&self) -> bool {
        let is_local = match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.0.scheme() == "http" && !is_local
    }
}

/// Most characters of a name of a folder.
const FOLDER_NAME_MAX: usize = 100;

/// Without what it may hold of a password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // Neither can fail for http and https.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        f.write_str(url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "an address such as http://localhost:5000";
        let mut url = Url::parse(text.trim()).map_err(|error| format!("{error}; give {wanted}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("give {wanted}"));
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_below_whatever_path_there_is() {
        let place = &["api", "task", "available"];
        let below = |text: &str| address(text).below(place).to_string();
        assert_eq!(below("http://h:5000"), "http://h:5000/api/task/available");
        assert_eq!(
            below("https://h/base/?x=1"),
            "https://h/base/api/task/available"
        );
    }

    #[test]
    fn a_password_is_not_shown_and_http_to_others_is_known_as_open() {
        assert_eq!(address("http://u:secret@h:1/").to_string(), "http://h:1");
        assert!(address("http://h").is_open_to_others());
        assert!(!address("https://h").is_open_to_others());
        assert!(!address("http://localhost:5000").is_open_to_others());
        assert!(!address("http://[::1]:5000").is_open_to_others());
    }

    #[test]
    fn each_backend_has_a_folder_of_its_own() {
        assert_eq!(address("http://h:5000").folder_name(), "h-5000");
        assert_eq!(address("https://h/a/../b/").folder_name(), "h-443_b");
        assert_ne!(
            address("http://h/a").folder_name(),
            address("http://h/b").folder_name()
        );
        assert!("localhost:5000".parse::<Address>().is_err());
        assert!("file:///etc".parse::<Address>().is_err());
    }
}
