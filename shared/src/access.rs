//! Who may do what.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a token or an account is allowed to do. None includes another one, but for `admin`, which
/// includes all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Report runs.
    Report,
    /// Ask questions.
    Read,
    /// Queue jobs, upload what they are made of, and carry them out.
    Run,
    /// Everything.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Report, Self::Read, Self::Run, Self::Admin];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }

    /// The scope of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// Whether somebody with these scopes may do what asks for this one.
    pub fn is_in(self, granted: &BTreeSet<Self>) -> bool {
        granted.contains(&self) || granted.contains(&Self::Admin)
    }
}

/// The body of `POST /api/v1/login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Login {
    /// Name of the account.
    pub username: String,
    /// Its password.
    pub password: String,
}

/// The body of `POST /api/v1/auth/refresh`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// What the last login or refresh answered. It can be used once.
    pub refresh_token: String,
}

/// Answer to a login and to a refresh.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoggedIn {
    /// Always `Bearer`.
    pub r#type: String,
    /// For the `Authorization` header.
    pub access_token: String,
    /// For a refresh.
    pub refresh_token: String,
}

/// Answer to `GET /whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WhoAmI {
    /// Name of the token or account, empty when the master asks nobody.
    pub name: String,
    /// What it is allowed to do.
    pub scopes: BTreeSet<Scope>,
    /// The only project it sees.
    pub project: Option<String>,
}

/// Something that somebody did, as `GET /audit` lists it, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Name of the token or account, empty when the master asks nobody.
    pub who: String,
    /// What, such as `POST /jobs/{id}/cancel` or `token create`.
    pub action: String,
    /// On what, such as `/jobs/7/cancel`.
    pub target: String,
    /// What came of it: an HTTP status, or 0 for a command.
    pub status: u16,
    /// Address of the client, empty for a command.
    pub address: String,
    /// The id under which the master logged it, empty for a command.
    pub request_id: String,
}

macro_rules! hidden {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            /// Shows no secret.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

hidden! { Login Refresh LoggedIn }
