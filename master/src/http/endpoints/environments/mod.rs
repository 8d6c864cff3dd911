//! Environments: what only so many jobs may use at a time.

pub(in crate::http) mod delete;
pub(in crate::http) mod get;
pub(in crate::http) mod list;
pub(in crate::http) mod put;

/// Why a caller who is bound to a project changes no environment.
const SHARED: &str = "environments are shared by all projects; a token or account that is bound to one cannot \
                      change them";
