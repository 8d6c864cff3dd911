//! What a run is told: by flag, environment, pyproject.toml, CI system and git, in this order.
//! Every value remembers where it came from.

mod ci;
mod facts;
mod git;
mod pyproject;
mod seconds;
mod settings;
mod show;
mod source;
mod state;

pub use ci::CiFacts;
pub(crate) use facts::folder_name;
pub use facts::{Facts, FactsBeingFound};
pub use git::GitFacts;
pub use pyproject::Pyproject;
pub use settings::{Environment, Settings, Token};
pub use show::show;
pub use source::{Source, Sourced};
pub use state::STATE_BYTES_MAX_DEFAULT;

/// Where a master is when nobody says otherwise.
pub const MASTER_URL_DEFAULT: &str = "http://localhost:8080";

/// Seconds to wait for the upload when nobody says otherwise.
pub const UPLOAD_TIMEOUT_S_DEFAULT: f64 = 10.0;

/// Longest upload timeout that can be asked for: an hour.
pub const UPLOAD_TIMEOUT_S_MAX: f64 = 3600.0;

/// Longest limit of a run that can be asked for: a month.
pub const RUN_TIMEOUT_S_MAX: f64 = 31.0 * 86_400.0;
