//! Who may do what: tokens, accounts, sessions, the audit log. Knows no HTTP.

mod caller;
mod gate;

pub use caller::Caller;
pub use gate::Access;
