//! Table `run_bodies`: the columns of a run's cases, and what only the answer about one run needs.

use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::hash::Hash16;
use super::{Store, StoreError};

const BY_RUN: &str = "select columns, details from run_bodies where run = $1";

const COLUMNS_BY_RUN: &str = "select layout, columns from run_bodies where run = $1";

/// A body to be stored.
#[derive(Debug)]
pub(crate) struct NewBody<'a> {
    pub(crate) run: i64,
    pub(crate) layout: Option<Hash16>,
    pub(crate) columns: Option<&'a [u8]>,
    pub(crate) details: &'a [u8],
}

/// A body as it is stored.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct BodyRow {
    pub(crate) columns: Option<Vec<u8>>,
    pub(crate) details: Vec<u8>,
}

/// The columns as they are stored; nothing when the run came without cases.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ColumnsRow {
    pub(crate) layout: Option<Vec<u8>>,
    pub(crate) columns: Option<Vec<u8>>,
}

/// Adds bodies of runs just added.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    bodies: &[NewBody<'_>],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        bodies,
        "insert into run_bodies (run, layout, columns, details) values",
        4,
        "",
        |query, body| query
            .bind(body.run)
            .bind(body.layout.as_ref().map(Hash16::bytes))
            .bind(body.columns)
            .bind(body.details)
    );
    Ok(())
}

/// Forgets the body of a run.
pub(crate) async fn remove(transaction: &mut Transacting, run: i64) -> Result<(), StoreError> {
    on_connection!(transaction, connection => {
        sqlx::query("delete from run_bodies where run = $1").bind(run).execute(connection).await?;
    });
    Ok(())
}

/// The body of a run.
pub(crate) async fn by_run(store: &Store, run: i64) -> Result<BodyRow, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(BY_RUN).bind(run).fetch_one(pool).await
    })?;
    Ok(row)
}

/// The columns of a run.
pub(crate) async fn columns(store: &Store, run: i64) -> Result<ColumnsRow, StoreError> {
    let row = on_read!(store, pool => {
        sqlx::query_as(COLUMNS_BY_RUN).bind(run).fetch_one(pool).await
    })?;
    Ok(row)
}
