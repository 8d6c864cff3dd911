//! Query parameters, each error with the parameter's name.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use shared::limits;

use super::error::ApiError;

/// The parameters of a request. Unknown ones are ignored, an empty one is an absent one.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(parts.uri.query().unwrap_or("")))
    }
}

impl Parameters {
    fn read(query: &str) -> Self {
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// A text of at most `bytes_max` bytes.
    pub(super) fn text(&self, name: &str, bytes_max: usize) -> Result<Option<String>, ApiError> {
        let mut given = self
            .0
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value);
        let Some(value) = given.next() else {
            return Ok(None);
        };
        let refused = |reason: &str| {
            Err(ApiError::invalid_parameter(
                name,
                format!("{name}: {reason}"),
            ))
        };
        if given.next().is_some() {
            return refused("is given more than once");
        }
        if value.len() > bytes_max {
            return refused(&format!(
                "must be at most {bytes_max} bytes, has {}",
                value.len()
            ));
        }
        if value.contains('\0') {
            return refused("must not contain the character U+0000");
        }
        Ok((!value.is_empty()).then(|| value.clone()))
    }

    /// A short name: worker, project, branch, commit.
    pub(super) fn name(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.text(name, limits::NAME_BYTES_MAX)
    }

    /// A value that `read` understands; `expected` says in words what that is.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.name(name)? else {
            return Ok(None);
        };
        read(&text).map(Some).ok_or_else(|| {
            let detail = format!("{name}: must be {expected}, is `{text}`");
            ApiError::invalid_parameter(name, detail)
        })
    }

    /// A number of items from 1 to `max`.
    pub(super) fn limit(&self, default: u32, max: u32) -> Result<u32, ApiError> {
        let expected = format!("a whole number from 1 to {max}");
        let in_range = |number: &u32| (1..=max).contains(number);
        let read = |text: &str| text.parse().ok().filter(in_range);
        Ok(self.parsed("limit", &expected, read)?.unwrap_or(default))
    }

    /// A date and time. A `+` that was not encoded has become a space; it is meant as a `+`.
    pub(super) fn moment(&self, name: &str) -> Result<Option<DateTime<Utc>>, ApiError> {
        let expected = "a date from 1970 to 9999 such as 2026-11-21 or 2026-11-21T10:00:00+02:00";
        let in_range = |moment: &DateTime<Utc>| {
            (limits::TIMESTAMP_S_MIN..=limits::TIMESTAMP_S_MAX).contains(&moment.timestamp())
        };
        let with_plus = |text: &str| {
            let (before, after) = text.rsplit_once(' ')?;
            shared::time::parse(&format!("{before}+{after}"))
        };
        self.parsed(name, expected, |text| {
            shared::time::parse(text)
                .or_else(|| with_plus(text))
                .filter(in_range)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_an_absent_one() {
        let parameters = Parameters::read("project=&limit=");
        assert_eq!(parameters.name("project").unwrap(), None);
        assert_eq!(parameters.limit(50, 500).unwrap(), 50);
    }

    #[test]
    fn a_limit_is_a_number_in_its_range() {
        assert_eq!(Parameters::read("limit=500").limit(50, 500).unwrap(), 500);
        for bad in [
            "0",
            "501",
            "-1",
            "1.5",
            "x",
            "99999999999999999999",
            "1&limit=2",
        ] {
            let error = Parameters::read(&format!("limit={bad}"))
                .limit(50, 500)
                .unwrap_err();
            assert_eq!(error.problem("").field.as_deref(), Some("limit"), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_read_with_its_plus_encoded_or_not() {
        let plain = Parameters::read("since=2026-11-21T10:00:00+02:00")
            .moment("since")
            .unwrap();
        let encoded = Parameters::read("since=2026-11-21T10:00:00%2B02:00")
            .moment("since")
            .unwrap();
        assert_eq!(plain, encoded);
        assert!(plain.is_some());
        assert!(
            Parameters::read("since=1969-12-31")
                .moment("since")
                .is_err()
        );
        assert!(Parameters::read("since=yesterday").moment("since").is_err());
    }
}
