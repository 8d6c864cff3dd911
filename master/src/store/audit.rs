//! Table `audit`: who did what.

use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::{Store, StoreError};

const NEWEST: &str = "select id, at_us, who, action, target, status, address, request_id from audit \
     where id < $1 and at_us >= $2 order by id desc limit $3";

const NEWEST_OF: &str = "select id, at_us, who, action, target, status, address, request_id from audit \
     where id < $1 and at_us >= $2 and who = $4 order by id desc limit $3";

const FORGET: &str = "delete from audit where at_us < $1";

/// Something that somebody did, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewAuditRow {
    pub(crate) at_us: i64,
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) status: i64,
    pub(crate) address: String,
    pub(crate) request_id: String,
}

/// Something that somebody did.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AuditRow {
    pub(crate) id: i64,
    pub(crate) at_us: i64,
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) status: i64,
    pub(crate) address: String,
    pub(crate) request_id: String,
}

/// Adds entries.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    entries: &[NewAuditRow],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        entries,
        "insert into audit (at_us, who, action, target, status, address, request_id) values",
        7,
        "",
        |query, entry| query
            .bind(entry.at_us)
            .bind(entry.who.as_str())
            .bind(entry.action.as_str())
            .bind(entry.target.as_str())
            .bind(entry.status)
            .bind(entry.address.as_str())
            .bind(entry.request_id.as_str())
    );
    Ok(())
}

/// The newest entries before an id and since a moment, of everybody or of one.
pub(crate) async fn newest(
    store: &Store,
    before: i64,
    since_us: i64,
    who: Option<&str>,
    limit: u32,
) -> Result<Vec<AuditRow>, StoreError> {
    let rows = on_read!(store, pool => match who {
        None => sqlx::query_as(NEWEST)
            .bind(before).bind(since_us).bind(i64::from(limit)).fetch_all(pool).await,
        Some(who) => sqlx::query_as(NEWEST_OF)
            .bind(before).bind(since_us).bind(i64::from(limit)).bind(who).fetch_all(pool).await,
    })?;
    Ok(rows)
}

/// Forgets entries from before a moment, and answers how many.
pub(crate) async fn forget(
    transaction: &mut Transacting,
    before_us: i64,
) -> Result<u64, StoreError> {
    let forgotten = on_connection!(transaction, connection => {
        sqlx::query(FORGET).bind(before_us).execute(connection).await?.rows_affected()
    });
    Ok(forgotten)
}
