//! Environments: what only so many jobs may use at a time.

pub(in crate::http) mod delete;
pub(in crate::http) mod get;
pub(in crate::http) mod list;
pub(in crate::http) mod put;
