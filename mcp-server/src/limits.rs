//! Every limit of the rendering layer, by name, unit last.

/// Largest JSON answer of a tool that was called with its default limit.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// Largest JSON answer of a tool, however large a limit was asked for.
pub const ANSWER_ASKED_BYTES_MAX: usize = 128 * 1024;

/// Largest list of tools: 3,000 tokens at four bytes each.
pub const TOOL_LIST_BYTES_MAX: usize = 12_000;

/// Largest HTML report inside an MCP answer.
pub const REPORT_BYTES_MAX: usize = 64 * 1024;

/// Largest HTML report written to a file.
pub const REPORT_FILE_BYTES_MAX: usize = 1024 * 1024;

/// Largest answer of the master that is read.
pub const MASTER_ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long connecting to the master may take.
pub const MASTER_CONNECT_MS: u64 = 3_000;

/// How long one answer of the master may take.
pub const MASTER_ANSWER_MS: u64 = 20_000;

/// How long fetching full tracebacks for one answer may take, all together.
pub const DETAILS_MS: u64 = 3_000;

/// How many slow tests, and how many that needed a rerun, a report has.
pub const SLOWEST_KEPT: u32 = 15;

/// Full tracebacks fetched for a report inside an MCP answer.
pub const REPORT_DETAILS_MAX: usize = 12;

/// Full tracebacks fetched for a report written to a file.
pub const REPORT_FILE_DETAILS_MAX: usize = 60;

/// Full tracebacks fetched for `get_failures`.
pub const FAILURES_DETAILS_MAX: usize = 5;

/// Runs in the trend of a report.
pub const REPORT_TREND_RUNS: u32 = 30;

/// Most frequent failures in a report.
pub const REPORT_STATS_ROWS: u32 = 15;

/// Names offered when a name is unknown.
pub const NAMES_OFFERED_MAX: usize = 10;

/// Longest nodeid shown to a model; the rest is cut from its middle.
pub const MODEL_ID_BYTES_MAX: usize = 400;

/// Runs that `resources/list` offers as reports.
pub const RESOURCES_LISTED: u32 = 10;

/// How long a client may keep the list of tools: it changes only with a new version.
pub const TOOL_LIST_FRESH_MS: u64 = 3_600_000;
