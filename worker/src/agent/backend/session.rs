//! What a login at a task backend gave.

use reqwest::header::HeaderValue;
use serde_json::Value;

use super::error::BackendError;

/// Longest token that is kept.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// An account.
#[derive(Clone)]
pub(super) struct Credentials {
    /// Its name.
    pub(super) login: String,
    /// Its password.
    pub(super) password: String,
}

/// What a login or a refresh answered last.
#[derive(Default)]
pub(super) struct Session {
    /// For the `Authorization` header.
    pub(super) access: Option<HeaderValue>,
    /// For the next refresh.
    pub(super) refresh: Option<String>,
}

impl Session {
    /// Reads an answer.
    pub(super) fn of(answer: &Value) -> Result<Self, BackendError> {
        let text = |name: &str| {
            let text = answer.get(name).and_then(Value::as_str).map(str::trim);
            text.filter(|text| !text.is_empty() && text.len() <= TOKEN_BYTES_MAX)
        };
        let unusable =
            || BackendError::NotUnderstood("a login without an `accessToken`".to_owned());
        let access = text("accessToken").ok_or_else(unusable)?;
        let mut access =
            HeaderValue::from_str(&format!("Bearer {access}")).map_err(|_| unusable())?;
        access.set_sensitive(true);
        Ok(Self {
            access: Some(access),
            refresh: text("refreshToken").map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_contracts_answer_is_read() {
        let answer = json!({"type": "Bearer", "accessToken": "abc", "refreshToken": "def"});
        let session = Session::of(&answer).unwrap();
        assert_eq!(session.access.unwrap(), "Bearer abc");
        assert_eq!(session.refresh.as_deref(), Some("def"));
        assert_eq!(
            Session::of(&json!({"accessToken": "a"})).unwrap().refresh,
            None
        );
    }

    #[test]
    fn an_answer_without_a_usable_token_is_none() {
        let long = "a".repeat(TOKEN_BYTES_MAX + 1);
        for token in [json!(null), json!(""), json!(7), json!("a\nb"), json!(long)] {
            assert!(Session::of(&json!({"accessToken": token})).is_err());
        }
        assert!(Session::of(&json!([])).is_err());
    }
}
