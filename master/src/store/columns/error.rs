//! What can be wrong with stored columns.

/// Stored columns cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// Written by a later version of the master, or not written by a master.
    #[error("version {0} of the columns is unknown")]
    Version(u8),
    /// The bytes end too early.
    #[error("the columns end too early")]
    Short,
    /// A length, number or code that no writer writes.
    #[error("the columns hold an impossible {0}")]
    Impossible(&'static str),
}
