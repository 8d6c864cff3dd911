//! Why somebody is not let in, or something about access cannot be done.

use std::time::Duration;

use shared::validate::Invalid;

use crate::store::StoreError;

/// Why what was presented opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no token of this master.
    #[error("the token is none of this master's: it was made for another one, or is cut off")]
    Unknown,
    /// It was taken out of use.
    #[error("the token `{0}` was revoked")]
    Revoked(String),
    /// Its time is over.
    #[error(
        "the token `{name}` expired on {on}; `pytest-platform-master token create` makes another one"
    )]
    Expired {
        /// Name of the token.
        name: String,
        /// When, as a date and time.
        on: String,
    },
    /// The session it belongs to goes on, but needs a new one.
    #[error(
        "the access token expired; POST /api/v1/auth/refresh gives another one, or log in again"
    )]
    SessionExpired,
}

/// Why something about access cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// What was presented opens nothing.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No account of this name has this password.
    #[error("no account has this name and this password")]
    LoginFailed,
    /// The refresh token cannot be used.
    #[error("the refresh token is of no use any more; log in again")]
    RefreshFailed,
    /// Too many logins failed.
    #[error("too many logins failed; wait {} s", .0.as_secs())]
    TooManyFailures(Duration),
    /// Too many logins wait for their turn.
    #[error("too many logins at the same time; try again")]
    Busy,
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The name belongs to another token or account.
    #[error(
        "there is a token or an account `{0}` already; take another name, or revoke or remove that one"
    )]
    NameTaken(String),
    /// There is no such token.
    #[error("there is no token `{0}` that could be revoked; `token list` lists them")]
    NoToken(String),
    /// There is no such account.
    #[error("there is no account `{0}`; `account list` lists them")]
    NoAccount(String),
    /// A token cannot log out.
    #[error(
        "only a login can be ended like this; `pytest-platform-master token revoke` ends a token"
    )]
    NoLogin,
    /// The system gave no random bytes, or the password could not be hashed.
    #[error("{0}")]
    Failed(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
