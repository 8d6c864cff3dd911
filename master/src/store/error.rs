//! What can go wrong in the store. Whether it may go better later is data, not a guess from text.

use super::columns::ColumnsError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL cannot be used.
    #[error("database URL: {0}")]
    Url(String),
    /// The folder of the database file cannot be made.
    #[error("folder `{path}` of the database: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The database server cannot be reached, or lets nobody in.
    #[error("no connection to PostgreSQL at {server}: {reason}")]
    Unreachable {
        /// Host and port, or the socket.
        server: String,
        /// Why not.
        reason: String,
    },
    /// Something that was stored cannot be read back.
    #[error("stored {what} cannot be read: {reason}")]
    Damaged {
        /// Which value, such as `columns of run 7`.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database refused, or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migrations: {0}")]
    Migrations(#[from] sqlx::migrate::MigrateError),
    /// Another run in the same transaction failed, so this one was not written either.
    #[error("the transaction failed: {0}")]
    Batch(std::sync::Arc<StoreError>),
    /// The writer has stopped.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may succeed later: the disk is full, the database is locked, read-only
    /// or gone.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error)
            | Self::Migrations(sqlx::migrate::MigrateError::Execute(error)) => is_transient(error),
            Self::Batch(error) => error.is_transient(),
            Self::Closed | Self::Unreachable { .. } => true,
            _ => false,
        }
    }

    /// Whether the transaction lost against another one and should be tried again at once.
    pub(crate) fn is_collision(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("40001" | "40P01"))
            }
            _ => false,
        }
    }

    pub(crate) fn damaged(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Damaged {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn columns(what: &str, run: i64, error: ColumnsError) -> Self {
        Self::damaged(format!("{what} of run {run}"), error)
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        // A connection that ends in the middle of a message is a broken protocol to sqlx.
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_transient_code(&code)),
        _ => false,
    }
}

/// Codes of PostgreSQL are five characters; SQLite's are numbers, the lowest byte being the kind.
fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 && !code.starts_with(|first: char| first.is_ascii_digit() && first > '5') {
        // Connection lost, out of resources, operator intervention, I/O of the server, collisions,
        // lock not available, read-only transaction, transaction idle for too long.
        return ["08", "53", "57", "58", "40"].contains(&&code[..2])
            || ["55P03", "25006", "25P03"].contains(&code);
    }
    // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
    let kind = code.parse::<u32>().map(|code| code & 0xff);
    kind.is_ok_and(|kind| [5, 6, 8, 10, 13, 14, 15].contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::is_transient_code;

    #[test]
    fn a_full_disk_may_have_room_later_and_a_broken_rule_stays_broken() {
        for code in [
            "13", "5", "261", "8", "778", "53100", "57P01", "08006", "40001",
        ] {
            assert!(is_transient_code(code), "{code}");
        }
        for code in ["19", "2067", "1", "23505", "42P01", "22021"] {
            assert!(!is_transient_code(code), "{code}");
        }
    }
}
