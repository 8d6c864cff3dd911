//! Arguments as models send them: numbers as texts, nulls, empty texts and limits too large.

use serde::{Deserialize, Deserializer, de::Error};

use crate::ask::AskError;

/// A number of rows, given as a number or as digits in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limit(Option<i64>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        let number = match &value {
            serde_json::Value::Null => return Ok(Self(None)),
            serde_json::Value::Number(number) => number.as_i64().or_else(|| {
                let float = number.as_f64()?;
                (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
            }),
            serde_json::Value::String(text) if text.is_empty() => return Ok(Self(None)),
            serde_json::Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Ok(Self(Some(number))),
            None => Err(D::Error::custom("limit must be a whole number, such as 10")),
        }
    }
}

impl schemars::JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer"})
    }
}

/// A limit that is kept to, and what to say when it is not the one that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) limit: u32,
    pub(super) remark: Option<String>,
}

impl Limit {
    /// The limit to use. Below 1 is refused, above `most` is brought down and said so.
    pub(super) fn keep(self, usual: u32, most: u32) -> Result<Kept, AskError> {
        let asked = self.0.unwrap_or(i64::from(usual));
        if asked < 1 {
            return Err(AskError::BadArguments(format!(
                "limit must be from 1 to {most}, was {asked}"
            )));
        }
        let remark = (asked > i64::from(most))
            .then(|| format!("limit {asked} is more than the most, {most}; {most} was used"));
        let limit = u32::try_from(asked).unwrap_or(most).min(most);
        Ok(Kept { limit, remark })
    }
}

/// Reads a tool's arguments; the words of a refusal name the field and the tool's own arguments.
pub(super) fn read<T: for<'de> Deserialize<'de>>(
    arguments: Option<rmcp::model::JsonObject>,
) -> Result<T, AskError> {
    let value = serde_json::Value::Object(arguments.unwrap_or_default());
    serde_json::from_value(value).map_err(|error| {
        AskError::BadArguments(format!(
            "bad arguments: {error}; correct them and call again"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::{Kept, Limit};

    fn keep(json: &str) -> Result<Kept, String> {
        let limit: Limit = serde_json::from_str(json).map_err(|error| error.to_string())?;
        limit.keep(10, 100).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_read_as_models_write_them() {
        for (json, limit) in [
            ("null", 10),
            ("7", 7),
            ("\"7\"", 7),
            ("7.0", 7),
            ("\"\"", 10),
        ] {
            assert_eq!(keep(json).unwrap().limit, limit, "{json}");
        }
    }

    #[test]
    fn a_limit_too_large_is_brought_down_and_said_so() {
        let kept = keep("5000").unwrap();
        assert_eq!(kept.limit, 100);
        assert!(kept.remark.unwrap().contains("100 was used"));
        assert_eq!(keep("99999999999").unwrap().limit, 100);
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        assert_eq!(keep("0").unwrap_err(), "limit must be from 1 to 100, was 0");
        assert!(keep("-3").unwrap_err().contains("from 1 to 100"));
        assert!(keep("\"many\"").unwrap_err().contains("whole number"));
        assert!(keep("[]").unwrap_err().contains("whole number"));
    }
}
