//! The master's HTTP face: one endpoint a file, JSON in and out.

mod answer;
mod app;
mod caller;
mod cursor;
mod deadline;
mod endpoints;
mod error;
mod gate;
mod host;
mod intake;
mod observe;
mod openapi;
mod parameters;
mod path;
mod router;
mod security_headers;

pub use app::{App, Parts};
pub use openapi::document;
pub use router::router;
