//! The rendering layer of pytest-platform: small JSON for AI tools and HTML for people.
//!
//! It stores nothing. [`client`] asks the master, [`views`] turn what it said into view models
//! (pure functions), [`tools`] answer models with them, [`page`] draws them as one HTML file, and
//! [`server`] speaks MCP.

pub mod ask;
pub mod cli;
pub mod client;
pub mod gather;
pub mod limits;
pub mod page;
pub mod server;
pub mod tools;
pub mod untrusted;
pub mod views;
