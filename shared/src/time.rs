//! Timestamps on the wire: ISO 8601, read leniently, written as UTC with microseconds.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// Reads an ISO 8601 date and time. Without an offset it is UTC; a date alone is its midnight.
///
/// ```
/// use shared::time::parse;
/// assert_eq!(parse("2026-11-21T10:00:00+02:00"), parse("2026-11-21 08:00:00"));
/// assert!(parse("yesterday").is_none());
/// ```
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    for form in [
        "%Y-%m-%dT%H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f%#z",
        "%Y-%m-%dT%H:%M%#z",
    ] {
        if let Ok(moment) = DateTime::parse_from_str(text, form) {
            return Some(moment.with_timezone(&Utc));
        }
    }
    for form in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y%m%dT%H%M%S",
    ] {
        if let Ok(moment) = NaiveDateTime::parse_from_str(text, form) {
            return Some(moment.and_utc());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc())
}

/// Writes a moment the one way this project writes them: `2026-11-21T08:00:00.000000Z`.
pub fn format(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// `#[serde(with = "shared::time::required")]` for a moment that must be there.
pub mod required {
    use super::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the moment.
    pub fn serialize<S: Serializer>(moment: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::format(*moment))
    }

    /// Reads the moment.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        super::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no ISO 8601 date and time")))
    }
}

/// `#[serde(with = "shared::time::optional")]` for a moment that may be absent or null.
pub mod optional {
    use super::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    /// Writes the moment or null.
    pub fn serialize<S: Serializer>(
        moment: &Option<DateTime<Utc>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        moment.map(super::format).serialize(to)
    }

    /// Reads the moment, null as `None`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else {
            return Ok(None);
        };
        match super::parse(&text) {
            Some(moment) => Ok(Some(moment)),
            None => Err(D::Error::custom(format!(
                "`{text}` is no ISO 8601 date and time"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn a_time_without_an_offset_is_utc() {
        for text in [
            "2026-11-21T08:00:00",
            "2026-11-21T08:00:00.000000",
            "2026-11-21 08:00:00",
            "2026-11-21T08:00",
            "2026-11-21T08:00:00Z",
            "2026-11-21T10:00:00+02:00",
            "2026-11-21T10:00:00+0200",
        ] {
            let moment = parse(text).unwrap_or_else(|| panic!("{text} was refused"));
            assert_eq!(format(moment), "2026-11-21T08:00:00.000000Z", "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "now", "2026-13-01", "21.11.2026", "1732176000"] {
            assert!(parse(text).is_none(), "{text} was taken");
        }
    }
}
