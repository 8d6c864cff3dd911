//! The yardstick for ingest: one process that inserts the same cases as rows into SQLite.
//!
//! No network, no JSON, no questions asked; one prepared statement, one transaction a run, as
//! durable as the master's own (WAL, synchronous FULL).

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::{Connection, params};

use crate::bodies::Case;

const SCHEMA: &str = "
    create table tests (id integer primary key, nodeid text not null unique);
    create table runs (id integer primary key, run_id text not null unique);
    create table cases (
        run integer not null,
        test integer not null,
        outcome integer not null,
        setup real not null,
        call real not null,
        teardown real not null,
        started_at integer not null,
        primary key (run, test)
    ) without rowid;
";

/// A database of rows.
#[derive(Debug)]
pub(crate) struct Rows {
    connection: Connection,
    test_ids: HashMap<String, i64>,
}

impl Rows {
    /// Makes the database.
    pub(crate) fn create(file: &Path) -> Result<Self> {
        let connection = Connection::open(file).context("cannot open the yardstick's database")?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection,
            test_ids: HashMap::new(),
        })
    }

    /// Inserts runs, one transaction each; answers with the time it took.
    pub(crate) fn insert(
        &mut self,
        first_run: u64,
        runs: &[Vec<Case>],
        nodeids: &[String],
    ) -> Result<Duration> {
        let started = Instant::now();
        for (number, cases) in (first_run..).zip(runs) {
            self.insert_run(number as i64, cases, nodeids)?;
        }
        Ok(started.elapsed())
    }

    fn insert_run(&mut self, run: i64, cases: &[Case], nodeids: &[String]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "insert into runs (id, run_id) values (?1, ?2)",
            params![run, crate::bodies::run_id(run as u64)],
        )?;
        {
            let mut insert_test = transaction.prepare("insert into tests (nodeid) values (?1)")?;
            let mut insert_case = transaction.prepare(
                "insert into cases (run, test, outcome, setup, call, teardown, started_at) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for case in cases {
                let nodeid = &nodeids[case.test];
                let test = if let Some(&id) = self.test_ids.get(nodeid) {
                    id
                } else {
                    let id = insert_test.insert(params![nodeid])?;
                    self.test_ids.insert(nodeid.clone(), id);
                    id
                };
                insert_case.execute(params![
                    run,
                    test,
                    case.outcome as u8,
                    case.setup,
                    case.call,
                    case.teardown,
                    case.started_at.timestamp_micros(),
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Rows that are stored.
    pub(crate) fn count(&self) -> Result<u64> {
        let count: i64 = self
            .connection
            .query_row("select count(*) from cases", [], |row| row.get(0))?;
        Ok(count as u64)
    }
}
