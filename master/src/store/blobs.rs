//! Tables `blobs` and `blob_parts`: contents by their hash, in pieces.
//!
//! A content is there when its row says when it was stored. Until then its pieces arrive one by one, each
//! in a transaction of its own; two masters that store the same content help one another.

use chrono::{DateTime, Utc};

use super::engine::{on_connection, on_read};
use super::{Store, StoreError, changes, texts};

const FIND: &str =
    "select hash, bytes, format, used_us from blobs where hash = $1 and stored_us is not null";

const BEGIN: &str =
    "insert into blobs (hash, bytes, format, stored_us, used_us) values ($1, $2, $3, null, $4)
    on conflict (hash) do update set used_us = excluded.used_us";

const ADD_PART: &str =
    "insert into blob_parts (hash, number, data) values ($1, $2, $3) on conflict do nothing";

/// A format is never taken back: the same bytes can be a file of the library and an archive.
const END: &str = "update blobs set stored_us = coalesce(stored_us, $2), used_us = $2,
    format = coalesce($3, format) where hash = $1";

const TOUCH: &str = "update blobs set used_us = $2 where hash = $1 and stored_us is not null";

const PART: &str = "select data from blob_parts where hash = $1 and number = $2";

/// What a job or a file of the library still names is in use, however old it is.
const UNUSED: &str = "select hash from blobs where used_us < $1
    and not exists (select 1 from library_versions v where v.hash = blobs.hash)
    and not exists (select 1 from jobs j where j.source_blob = blobs.hash)
    order by used_us limit 100";

const REMOVE_UNUSED: &str = "delete from blobs where hash = $1 and used_us < $2
    and not exists (select 1 from library_versions v where v.hash = blobs.hash)
    and not exists (select 1 from jobs j where j.source_blob = blobs.hash)";

/// A content that is there.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct BlobRow {
    pub(crate) hash: String,
    pub(crate) bytes: i64,
    pub(crate) format: Option<String>,
    pub(crate) used_us: i64,
}

/// The content with a hash, if all of it is there.
pub(crate) async fn find(store: &Store, hash: &str) -> Result<Option<BlobRow>, StoreError> {
    Ok(on_read!(store, pool => {
        sqlx::query_as(FIND).bind(hash).fetch_optional(pool).await
    })?)
}

/// Announces a content, whose pieces follow.
pub(crate) async fn begin(
    store: &Store,
    hash: &str,
    bytes: u64,
    format: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut transaction = store.pools().begin().await?;
    on_connection!(&mut transaction, connection => {
        sqlx::query(BEGIN)
            .bind(hash)
            .bind(bytes as i64)
            .bind(format)
            .bind(now.timestamp_micros())
            .execute(connection)
            .await?;
    });
    changes::commit(store, transaction, &[]).await
}

/// Adds a piece of a content that was announced.
pub(crate) async fn add_part(
    store: &Store,
    hash: &str,
    number: i64,
    packed: &[u8],
) -> Result<(), StoreError> {
    let mut transaction = store.pools().begin().await?;
    on_connection!(&mut transaction, connection => {
        sqlx::query(ADD_PART).bind(hash).bind(number).bind(packed).execute(connection).await?;
    });
    changes::commit(store, transaction, &[]).await
}

/// All pieces are there.
pub(crate) async fn end(
    store: &Store,
    hash: &str,
    format: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut transaction = store.pools().begin().await?;
    on_connection!(&mut transaction, connection => {
        sqlx::query(END)
            .bind(hash)
            .bind(now.timestamp_micros())
            .bind(format)
            .execute(connection)
            .await?;
    });
    changes::commit(store, transaction, &[]).await
}

/// Notes that a content was made use of; `false` when it is not there.
pub(crate) async fn touch(
    store: &Store,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut transaction = store.pools().begin().await?;
    let touched = on_connection!(&mut transaction, connection => {
        sqlx::query(TOUCH)
            .bind(hash)
            .bind(now.timestamp_micros())
            .execute(connection)
            .await?
            .rows_affected()
    });
    changes::commit(store, transaction, &[]).await?;
    Ok(touched > 0)
}

/// A piece of a content, unpacked.
pub(crate) async fn part(
    store: &Store,
    hash: &str,
    number: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let data: Option<Vec<u8>> = on_read!(store, pool => {
        sqlx::query_scalar(PART).bind(hash).bind(number).fetch_optional(pool).await
    })?;
    data.map(|data| texts::unpack(&data)).transpose()
}

/// Some contents that nothing names and nobody made use of since.
pub(crate) async fn unused(store: &Store, since: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
    Ok(on_read!(store, pool => {
        sqlx::query_scalar(UNUSED).bind(since.timestamp_micros()).fetch_all(pool).await
    })?)
}

/// Forgets a content unless it has come into use meanwhile.
pub(crate) async fn remove_unused(
    store: &Store,
    hash: &str,
    since: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut transaction = store.pools().begin().await?;
    let removed = on_connection!(&mut transaction, connection => {
        sqlx::query(REMOVE_UNUSED)
            .bind(hash)
            .bind(since.timestamp_micros())
            .execute(connection)
            .await?
            .rows_affected()
    });
    changes::commit(store, transaction, &[]).await?;
    Ok(removed > 0)
}
