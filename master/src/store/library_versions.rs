//! Table `library_versions`: the contents that files of the test library had.

use chrono::{DateTime, Utc};

use super::engine::{on_connection, on_read};
use super::{Store, StoreError, changes};

const LATEST: &str =
    "select hash, bytes, uploaded_us, uploaded_by from library_versions where path = $1
    order by id desc limit 1";

const INSERT: &str = "insert into library_versions (path, hash, bytes, uploaded_us, uploaded_by)
    values ($1, $2, $3, $4, $5)";

const FORGET_OLDEST: &str = "delete from library_versions where path = $1 and id <= (
    select id from library_versions where path = $1 order by id desc limit 1 offset $2)";

const OF_PATH: &str =
    "select hash, bytes, uploaded_us, uploaded_by from library_versions where path = $1
    order by id desc";

/// A content that a file had.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct VersionRow {
    pub(crate) hash: String,
    pub(crate) bytes: i64,
    pub(crate) uploaded_us: i64,
    pub(crate) uploaded_by: String,
}

/// A content to be remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewVersion<'a> {
    pub(crate) path: &'a str,
    pub(crate) hash: &'a str,
    pub(crate) bytes: u64,
    pub(crate) uploaded_at: DateTime<Utc>,
    pub(crate) uploaded_by: &'a str,
}

/// Remembers a content unless it is the last one already, and forgets the oldest beyond `kept_max`. Its
/// blob must be there.
pub(crate) async fn remember(
    store: &Store,
    version: NewVersion<'_>,
    kept_max: usize,
) -> Result<(), StoreError> {
    let mut transaction = store.pools().begin().await?;
    let known = on_connection!(&mut transaction, connection => {
        let latest: Option<VersionRow> = sqlx::query_as(LATEST)
            .bind(version.path)
            .fetch_optional(&mut *connection)
            .await?;
        let known = latest.is_some_and(|latest| latest.hash == version.hash);
        if !known {
            sqlx::query(INSERT)
                .bind(version.path)
                .bind(version.hash)
                .bind(version.bytes as i64)
                .bind(version.uploaded_at.timestamp_micros())
                .bind(version.uploaded_by)
                .execute(&mut *connection)
                .await?;
            sqlx::query(FORGET_OLDEST)
                .bind(version.path)
                .bind(kept_max as i64)
                .execute(connection)
                .await?;
        }
        known
    });
    if known {
        return Ok(());
    }
    changes::commit(store, transaction, &[]).await
}

/// The contents that a file had, the last first.
pub(crate) async fn of_path(store: &Store, path: &str) -> Result<Vec<VersionRow>, StoreError> {
    Ok(on_read!(store, pool => {
        sqlx::query_as(OF_PATH).bind(path).fetch_all(pool).await
    })?)
}
