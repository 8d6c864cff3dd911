//! Every limit of the wire, by name, unit last. `docs/api.md` lists them for readers.
//!
//! A value over a limit is refused with an error that names the field (counts, ids, bodies), or cut
//! with a visible marker (texts that tests produced; see [`crate::text::cut`]).

/// Largest request body after decompression.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest run id.
pub const RUN_ID_BYTES_MAX: usize = 200;

/// Longest worker id, project, branch, commit, and any other short name.
pub const NAME_BYTES_MAX: usize = 500;

/// Longest nodeid. pytest itself has been seen to make ids of 10,000 characters.
pub const NODEID_BYTES_MAX: usize = 32 * 1024;

/// Most cases in one run.
pub const RUN_CASES_MAX: usize = 500_000;

/// Most cases in one batch of a run that is streamed.
pub const BATCH_CASES_MAX: usize = 500;

/// Largest opening of a run that is streamed, as JSON. It is read again with every batch.
pub const OPENING_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of the nodeids in `progress.running`, all together; those beyond are only counted.
pub const PROGRESS_BYTES_MAX: usize = 1024 * 1024;

/// Most batches of one run that is streamed.
pub const RUN_BATCHES_MAX: u64 = 100_000;

/// Most attempts or executions that one case may list in `outcomes`.
pub const CASE_OUTCOMES_MAX: usize = 1_000;

/// Most failures that one case keeps; later ones are dropped and a problem says so.
pub const CASE_FAILURES_MAX: usize = 100;

/// Most markers that one case keeps.
pub const CASE_MARKERS_MAX: usize = 50;

/// Most items in a run's `failures` list when a client sends counts and failures only.
pub const RUN_FAILURES_MAX: usize = 100_000;

/// Largest count a client may claim.
pub const COUNT_MAX: u64 = 1_000_000_000;

/// Longest duration, of a run or a phase: ten years.
pub const DURATION_S_MAX: f64 = 315_360_000.0;

/// Earliest timestamp, as seconds since 1970: the epoch itself.
pub const TIMESTAMP_S_MIN: i64 = 0;

/// Latest timestamp, as seconds since 1970: the end of the year 9999.
pub const TIMESTAMP_S_MAX: i64 = 253_402_300_799;

/// Longest message of a failure.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Longest message in a list of cases or of a run's failures; the whole is under `/case`.
pub const MESSAGE_SHORT_BYTES_MAX: usize = 2 * 1024;

/// Longest traceback of a failure.
pub const TRACEBACK_BYTES_MAX: usize = 256 * 1024;

/// Longest captured stdout, stderr or log of a failure, each.
pub const CAPTURED_BYTES_MAX: usize = 64 * 1024;

/// Longest text of one entry in `problems`.
pub const PROBLEM_TEXT_BYTES_MAX: usize = 16 * 1024;

/// Most entries in `problems`.
pub const PROBLEMS_MAX: usize = 200;

/// Most nodeids listed in `running` and in `not_run`, each; the full number stands beside.
pub const NODEIDS_LISTED_MAX: usize = 1_000;

/// Longest `log_tail`.
pub const LOG_TAIL_BYTES_MAX: usize = 64 * 1024;

/// Longest `command`.
pub const COMMAND_BYTES_MAX: usize = 16 * 1024;

/// Most labels in `variant`.
pub const VARIANT_LABELS_MAX: usize = 50;

/// Most entries in `plugins`.
pub const PLUGINS_MAX: usize = 500;

/// Most objects in a JSON body: cases, failures and everything else in braces. A short text can
/// name so many of them that they would fill the memory.
pub const BODY_OBJECTS_MAX: usize = 1_000_000;

/// Deepest nesting of a JSON body.
pub const JSON_DEPTH_MAX: usize = 16;

/// `limit` of `GET /results`: most, and when absent.
pub const RESULTS_LIMIT_MAX: u32 = 500;
/// `limit` of `GET /results` when absent.
pub const RESULTS_LIMIT_DEFAULT: u32 = 50;

/// `limit` of `GET /trend`, most.
pub const TREND_LIMIT_MAX: u32 = 100;
/// `limit` of `GET /trend` when absent.
pub const TREND_LIMIT_DEFAULT: u32 = 10;

/// `limit` of `GET /failures/stats`, most.
pub const FAILURE_STATS_LIMIT_MAX: u32 = 500;
/// `limit` of `GET /failures/stats` when absent.
pub const FAILURE_STATS_LIMIT_DEFAULT: u32 = 100;

/// `limit` of `GET /results/{run_id}/cases`, most.
pub const CASES_LIMIT_MAX: u32 = 1_000;
/// `limit` of `GET /results/{run_id}/cases` when absent.
pub const CASES_LIMIT_DEFAULT: u32 = 100;

/// Longest cursor that a client may send back.
pub const CURSOR_BYTES_MAX: usize = 512;

/// Longest `q`.
pub const QUERY_TEXT_BYTES_MAX: usize = 1_000;

/// Largest body of `POST /jobs`.
pub const JOB_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Most items in a job's `tests`, and in the `files` of a library.
pub const JOB_TESTS_MAX: usize = 10_000;

/// Most items in a job's `args`.
pub const JOB_ARGUMENTS_MAX: usize = 200;

/// Most variables in a job's `env`.
pub const JOB_VARIABLES_MAX: usize = 200;

/// Longest text of a job: an argument, a URL, the value of a variable.
pub const JOB_TEXT_BYTES_MAX: usize = 32 * 1024;

/// A job's `timeout_s`, most: a week.
pub const JOB_TIMEOUT_S_MAX: u64 = 604_800;
/// A job's `timeout_s` when absent: an hour.
pub const JOB_TIMEOUT_S_DEFAULT: u64 = 3_600;

/// A job's `attempts_max`, most.
pub const JOB_ATTEMPTS_MAX: u32 = 20;
/// A job's `attempts_max` when absent.
pub const JOB_ATTEMPTS_DEFAULT: u32 = 3;

/// How often agents may give one job back before that counts as an attempt.
pub const JOB_RELEASES_MAX: u32 = 20;

/// A job's `wait_max_s`, most: thirty days.
pub const JOB_WAIT_S_MAX: u64 = 2_592_000;
/// A job's `wait_max_s` when absent: a day.
pub const JOB_WAIT_S_DEFAULT: u64 = 86_400;

/// A job's `priority`, most; least is the same below 0.
pub const JOB_PRIORITY_MAX: i32 = 1_000;

/// Most jobs that may wait at a time.
pub const JOBS_QUEUED_MAX: u64 = 100_000;

/// Longest text in a job's `error`.
pub const JOB_ERROR_BYTES_MAX: usize = 8 * 1024;

/// Longest log of a job.
pub const JOB_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Largest piece of a log that an agent sends at a time.
pub const LOG_PIECE_BYTES_MAX: usize = 1024 * 1024;

/// `limit` of `GET /jobs`, most.
pub const JOBS_LIMIT_MAX: u32 = 500;
/// `limit` of `GET /jobs` when absent.
pub const JOBS_LIMIT_DEFAULT: u32 = 50;

/// A list of jobs ends behind the job with which what they ask for is longer than this, in bytes; the
/// others are on the next page.
pub const JOB_LIST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `limit` of `GET /test_history`, most and when absent.
pub const SUITES_LIMIT_MAX: u32 = 10_000;

/// `results_per_page` of `GET /api/testrun`, most.
pub const TESTRUNS_PER_PAGE_MAX: u32 = 100;
/// `results_per_page` of `GET /api/testrun` when absent.
pub const TESTRUNS_PER_PAGE_DEFAULT: u32 = 10;

/// Longest `logs` of `GET /api/testrun/{id}`: the end of the log.
pub const TESTRUN_LOG_BYTES_MAX: usize = 1024 * 1024;
/// Longest `logs` of a testrun in `GET /api/testrun`, in characters: the end of the log.
pub const TESTRUN_LOG_CHARACTERS_LISTED: usize = 2_000;

/// Most jobs that an agent carries out at a time.
pub const AGENT_SLOTS_MAX: u32 = 100;

/// Longest wait for a job in one call, in seconds.
pub const LEASE_WAIT_S_MAX: u32 = 30;

/// An agent that was heard within so many seconds is online.
pub const AGENT_ONLINE_S: u64 = 60;

/// Most jobs that may use one environment at a time.
pub const ENVIRONMENT_CAPACITY_MAX: u32 = 1_000;

/// Longest description of an environment.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;

/// Longest name of an environment, an agent, a token or an account.
pub const SHORT_NAME_BYTES_MAX: usize = 100;

/// Largest file of the test library.
pub const LIBRARY_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most files of the test library, and its greatest size altogether.
pub const LIBRARY_FILES_MAX: usize = 20_000;
/// See [`LIBRARY_FILES_MAX`].
pub const LIBRARY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Longest path of a file in the test library.
pub const LIBRARY_PATH_BYTES_MAX: usize = 1_024;

/// Longest name of a file or a folder in the test library.
pub const LIBRARY_NAME_BYTES_MAX: usize = 200;

/// Most folders around a file of the test library.
pub const LIBRARY_DEPTH_MAX: usize = 32;

/// Most contents of one file of the test library that are remembered; the oldest is forgotten first.
pub const LIBRARY_VERSIONS_MAX: usize = 50;

/// Most files in one upload to the test library.
pub const LIBRARY_UPLOADS_MAX: usize = 500;

/// `limit` of `GET /library`, most.
pub const LIBRARY_LIMIT_MAX: u32 = 1_000;
/// `limit` of `GET /library` when absent.
pub const LIBRARY_LIMIT_DEFAULT: u32 = 200;

/// Largest archive that is uploaded.
pub const ARCHIVE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest password.
pub const PASSWORD_BYTES_MAX: usize = 1_000;

/// Largest body of a login.
pub const LOGIN_BODY_BYTES_MAX: usize = 16 * 1024;

/// `limit` of `GET /audit`, most.
pub const AUDIT_LIMIT_MAX: u32 = 500;
/// `limit` of `GET /audit` when absent.
pub const AUDIT_LIMIT_DEFAULT: u32 = 50;
