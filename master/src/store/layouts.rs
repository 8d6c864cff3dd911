//! Table `layouts`: which tests a run had, shared by all runs of the same tests.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::columns::{Layout, Sections};
use super::engine::{Transacting, insert_rows, on_connection, on_read};
use super::hash::Hash16;
use super::{Store, StoreError};

const DATA: &str = "select data from layouts where hash = $1";

/// Memory that decoded layouts may take.
const DECODED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Layouts that are remembered as stored.
const STORED_MAX: usize = 20_000;

/// Layouts that need not be read or written again.
#[derive(Debug)]
pub(crate) struct LayoutCache {
    decoded: Cache<Hash16, Arc<Layout>, ByWeight>,
    stored: Cache<Hash16, ()>,
}

#[derive(Debug, Clone)]
struct ByWeight;

impl Weighter<Hash16, Arc<Layout>> for ByWeight {
    fn weight(&self, _: &Hash16, layout: &Arc<Layout>) -> u64 {
        layout.weight()
    }
}

impl Default for LayoutCache {
    fn default() -> Self {
        Self {
            decoded: Cache::with_weighter(100, DECODED_BYTES_MAX, ByWeight),
            stored: Cache::new(STORED_MAX),
        }
    }
}

impl LayoutCache {
    /// Whether a layout is known to be in the database.
    pub(crate) fn is_stored(&self, hash: Hash16) -> bool {
        self.stored.get(&hash).is_some()
    }

    /// Remembers a layout whose transaction was committed.
    pub(crate) fn remember_stored(&self, hash: Hash16) {
        self.stored.insert(hash, ());
    }
}

/// Adds layouts that are not there yet.
pub(crate) async fn insert(
    transaction: &mut Transacting,
    layouts: &[(Hash16, &[u8])],
) -> Result<(), StoreError> {
    insert_rows!(
        transaction,
        layouts,
        "insert into layouts (hash, data) values",
        2,
        "on conflict do nothing",
        |query, layout| query.bind(layout.0.bytes()).bind(layout.1)
    );
    Ok(())
}

/// A layout, read back.
pub(crate) async fn get(store: &Store, hash: Hash16) -> Result<Arc<Layout>, StoreError> {
    if let Some(layout) = store.layouts().decoded.get(&hash) {
        return Ok(layout);
    }
    let data: Vec<u8> = on_read!(store, pool => {
        sqlx::query_scalar(DATA).bind(hash.bytes()).fetch_one(pool).await
    })?;
    let layout = Sections::unpack(&data)
        .and_then(|sections| Layout::decode(&sections))
        .map_err(|error| StoreError::damaged("layout", error))?;
    let layout = Arc::new(layout);
    store.layouts().decoded.insert(hash, Arc::clone(&layout));
    Ok(layout)
}
