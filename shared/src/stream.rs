//! A run that is reported while it goes on: opened, fed with numbered batches, finished.
//!
//! `PUT /results/{run_id}` takes a [`crate::run::NewRun`] without cases and without a verdict,
//! `POST /results/{run_id}/cases` a [`NewBatch`], `POST /results/{run_id}/finish` a [`Finish`].
//! Every call may be sent again. What the batches and the finish amount to is exactly the run that
//! `POST /results` would have taken whole, and that call is allowed at any time instead.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::case::NewCase;
use crate::run::NewRun;

/// The body of `POST /results/{run_id}/cases`.
///
/// With `cases`, it is the batch of this number, kept for good when it is acknowledged. Without, it
/// only says that the worker lives and what runs now; nothing but the last of these is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewBatch {
    /// From 1, without gaps. Without cases: the number of the last batch that was sent, or 0.
    #[serde(default)]
    pub number: u64,
    /// Made once for a batch and kept when it is sent again; a UUID advised. May be empty without
    /// cases.
    #[serde(default)]
    pub batch_id: String,
    /// Tests that ended since the last batch, at most [`crate::limits::BATCH_CASES_MAX`]. A test
    /// that was in an earlier batch is replaced.
    #[serde(default, deserialize_with = "crate::bounded::batch_cases")]
    pub cases: Vec<NewCase>,
    /// How far the run is.
    #[serde(default)]
    pub progress: Progress,
}

/// How far a run is. What it says replaces what was said before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Tests collected and selected, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<u64>,
    /// Tests collected and deselected.
    #[serde(default)]
    pub deselected: u64,
    /// Nodeids of the tests that run now, at most [`crate::limits::NODEIDS_LISTED_MAX`].
    #[serde(default, deserialize_with = "crate::bounded::nodeids")]
    pub running: Vec<String>,
    /// Full number of `running`.
    #[serde(default)]
    pub running_count: u64,
}

/// The body of `POST /results/{run_id}/finish`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finish {
    /// Number of the last batch: all of them have to be there.
    pub batches: u64,
    /// The run with its verdict, without `cases`: these are in the batches.
    pub run: NewRun,
}

/// Answer to `PUT /results/{run_id}` and to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Streaming {
    /// The id in the path.
    pub run_id: String,
    /// Always `running`.
    pub status: String,
    /// Batches kept so far; the next one has this number plus 1.
    pub batches: u64,
}

/// What is known of the end of a run that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Live {
    /// When its worker was heard last.
    #[serde(with = "crate::time::required")]
    pub heard_at: DateTime<Utc>,
    /// When it ends if it takes as long as the last whole runs of its project and branch; `null`
    /// when there are none.
    #[serde(default, with = "crate::time::optional")]
    pub expected_finish_at: Option<DateTime<Utc>>,
}
