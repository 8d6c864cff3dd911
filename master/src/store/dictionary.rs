//! Table `tests`: the dictionary of nodeids.

use rustc_hash::FxHashMap;

use super::engine::{Transacting, insert_rows, on_connection, on_read, read_by_keys};
use super::hash::Hash16;
use super::{Store, StoreError};

/// Stands for all projects together.
pub(crate) const ALL_PROJECTS: i64 = 0;

#[derive(sqlx::FromRow)]
struct IdRow {
    hash: Vec<u8>,
    id: i64,
}

#[derive(sqlx::FromRow)]
struct NodeidRow {
    id: i64,
    nodeid: String,
}

/// Ids of the nodeids with these hashes; those never seen are missing.
pub(crate) async fn ids(
    store: &Store,
    project: i64,
    hashes: &[Hash16],
) -> Result<Vec<(Hash16, i64)>, StoreError> {
    let rows = read_by_keys!(
        store,
        IdRow,
        "select hash, id from tests where project_id = $1 and hash in",
        [project],
        hashes,
        |hash| hash.bytes()
    );
    rows.into_iter()
        .map(|row| match Hash16::from_stored(&row.hash) {
            Some(hash) => Ok((hash, row.id)),
            None => Err(StoreError::damaged("test", "its hash is not 16 bytes")),
        })
        .collect()
}

/// Adds nodeids; those that another master added meanwhile stay as they are.
pub(crate) async fn add(
    transaction: &mut Transacting,
    project: i64,
    tests: &[(Hash16, &str)],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        tests,
        "insert into tests (project_id, hash, nodeid) values",
        3,
        "on conflict do nothing",
        |query, test| query.bind(project).bind(test.0.bytes()).bind(test.1)
    );
    Ok(())
}

/// The nodeids of tests.
pub(crate) async fn nodeids(
    store: &Store,
    tests: &[i64],
) -> Result<FxHashMap<i64, String>, StoreError> {
    let rows = read_by_keys!(
        store,
        NodeidRow,
        "select id, nodeid from tests where id in",
        [],
        tests,
        |test| *test
    );
    Ok(rows.into_iter().map(|row| (row.id, row.nodeid)).collect())
}
