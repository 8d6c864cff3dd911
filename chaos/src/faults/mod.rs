//! The faults, one file each, and the table of them.

mod server_killed;

use anyhow::Result;

use crate::ledger::Row;
use crate::stage::{Engine, Setting};

/// One way of breaking things.
#[derive(Debug)]
pub(crate) struct Fault {
    /// As on the command line.
    pub(crate) name: &'static str,
    /// Databases on which it makes sense.
    pub(crate) engines: &'static [Engine],
    /// Its share of the time, against those of the others.
    pub(crate) weight: f64,
    /// Breaks, looks, and writes into the row.
    pub(crate) run: fn(&Setting, &mut Row) -> Result<()>,
}

const SQLITE: &[Engine] = &[Engine::Sqlite];
const POSTGRES: &[Engine] = &[Engine::Postgres];
const BOTH: &[Engine] = &[Engine::Sqlite, Engine::Postgres];

/// Every fault.
pub(crate) const FAULTS: [Fault; 3] = [
    Fault {
        name: "master-killed",
        engines: BOTH,
        weight: 24.0,
        run: server_killed::master,
    },
    Fault {
        name: "backend-killed",
        engines: POSTGRES,
        weight: 8.0,
        run: server_killed::backend,
    },
    Fault {
        name: "database-killed",
        engines: POSTGRES,
        weight: 12.0,
        run: server_killed::database,
    },
];
