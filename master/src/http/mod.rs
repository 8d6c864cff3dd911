//! The master's HTTP face: one endpoint a file, JSON in and out.

mod address;
mod answer;
mod app;
mod audit;
mod caller;
mod cross_site;
mod cursor;
mod deadline;
mod endpoints;
mod error;
mod gate;
mod host;
mod intake;
mod needs;
mod observe;
mod openapi;
mod parameters;
mod path;
mod problems;
mod router;
mod security_headers;
mod welcome;

pub use app::{App, Parts};
pub use openapi::document;
pub use router::router;
