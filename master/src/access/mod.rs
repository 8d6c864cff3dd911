//! Who may do what: tokens, accounts, sessions, the audit log. Knows no HTTP.

pub mod accounts;
pub mod audit;
mod caller;
mod error;
mod failures;
mod gate;
mod granted;
mod passwords;
mod secret;
mod sessions;
pub mod tokens;

pub use audit::AuditTask;
pub use caller::Caller;
pub use error::{AccessError, Refused};
pub use failures::{ACCOUNT_FAILURES_MAX, ADDRESS_FAILURES_MAX, FAILURES_WINDOW};
pub use gate::Access;
pub use granted::Granted;
pub use passwords::PASSWORD_CHARACTERS_MIN;
pub use sessions::{ACCESS_LIVES, REFRESH_LIVES};
