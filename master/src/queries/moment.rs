//! Times as they are stored, and as they are answered.

use chrono::{DateTime, Utc};

use crate::store::StoreError;

/// A moment out of microseconds since 1970.
pub(super) fn moment(microseconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(microseconds)
        .ok_or_else(|| StoreError::damaged("time", format!("{microseconds} µs is no date")))
}
