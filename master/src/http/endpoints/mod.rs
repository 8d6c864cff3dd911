//! One endpoint, one file: parameters, handler, answer.

pub(super) mod append_cases;
pub(super) mod audit;
pub(super) mod case;
pub(super) mod cases;
pub(super) mod docs;
pub(super) mod events;
pub(super) mod failure_stats;
pub(super) mod finish_run;
pub(super) mod health;
pub(super) mod index;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod open_run;
pub(super) mod openapi_json;
pub(super) mod post_results;
pub(super) mod projects;
pub(super) mod refresh;
pub(super) mod results;
pub(super) mod run;
pub(super) mod trend;
pub(super) mod whoami;
pub(super) mod workers;
