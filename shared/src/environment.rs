//! Something that only so many jobs may use at a time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The body of `PUT /environments/{name}`: makes it, or changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewEnvironment {
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Jobs that may use it at a time.
    #[serde(default = "one")]
    pub capacity: u32,
}

const fn one() -> u32 {
    1
}

/// An environment, as `GET /environments` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Environment {
    /// Its name. `1` to `100` are there from the start.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Jobs that may use it at a time.
    pub capacity: u32,
    /// Who uses it now.
    pub holders: Vec<Holder>,
    /// Jobs that wait for it.
    pub queued: u64,
}

/// A job that uses an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holder {
    /// The job.
    pub job: i64,
    /// Who wanted it.
    pub username: String,
    /// Since when.
    pub since: DateTime<Utc>,
}
