//! The faults, one file each, and the table of them.

mod clocks;
mod failing_journal;
mod failing_store;
mod full_disk;
mod jobs;
mod jobs_audit;
mod server_killed;
mod worker_killed;

use anyhow::Result;

use crate::ledger::Row;
use crate::stage::{Engine, Setting};

/// One way of breaking things.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// As on the command line.
    pub(crate) name: &'static str,
    /// Databases on which it makes sense.
    pub(crate) engines: &'static [Engine],
    /// Those of them in the short form: where the database makes no difference, one is enough.
    pub(crate) short: &'static [Engine],
    /// Its share of the time, against those of the others.
    pub(crate) weight: f64,
    /// Whether a crowd of workers and clients keeps the machine busy meanwhile.
    pub(crate) crowd: bool,
    /// Breaks, looks, and writes into the row.
    pub(crate) run: Story,
}

/// How a fault is brought about.
type Story = fn(&Setting, &mut Row) -> Result<()>;

const fn fault(name: &'static str, engines: &'static [Engine], weight: f64, run: Story) -> Fault {
    Fault {
        name,
        engines,
        short: engines,
        weight,
        crowd: false,
        run,
    }
}

const fn with_a_crowd(fault: Fault) -> Fault {
    Fault {
        crowd: true,
        ..fault
    }
}

const fn short_on_sqlite(fault: Fault) -> Fault {
    Fault {
        short: SQLITE,
        ..fault
    }
}

const fn short_on_postgres(fault: Fault) -> Fault {
    Fault {
        short: POSTGRES,
        ..fault
    }
}

const SQLITE: &[Engine] = &[Engine::Sqlite];
const POSTGRES: &[Engine] = &[Engine::Postgres];
const BOTH: &[Engine] = &[Engine::Sqlite, Engine::Postgres];

/// Every fault.
pub(crate) const FAULTS: [Fault; 12] = [
    with_a_crowd(fault("master-killed", BOTH, 26.0, server_killed::master)),
    with_a_crowd(fault(
        "backend-killed",
        POSTGRES,
        8.0,
        server_killed::backend,
    )),
    with_a_crowd(fault(
        "database-killed",
        POSTGRES,
        12.0,
        server_killed::database,
    )),
    short_on_sqlite(fault("worker-killed", BOTH, 8.0, worker_killed::worker)),
    short_on_sqlite(fault("both-killed", BOTH, 6.0, worker_killed::both)),
    fault("pytest-killed", SQLITE, 4.0, worker_killed::pytest),
    fault("failing-store", SQLITE, 14.0, failing_store::run),
    fault("failing-journal", SQLITE, 14.0, failing_journal::run),
    fault("full-disk-store", SQLITE, 2.0, full_disk::store),
    fault("full-disk-journal", SQLITE, 2.0, full_disk::journal),
    short_on_sqlite(fault("clocks", BOTH, 8.0, clocks::run)),
    short_on_postgres(fault("jobs", BOTH, 30.0, jobs::run)),
];
