//! Tasks and their results, as existing task backends and runners speak of them.
//!
//! There are two generations of that contract. The earlier one numbers a task with `attempt` and nests a
//! result; the later one numbers it with `id`, says a `status`, and has a flat result with its durations in
//! milliseconds. Both are read ([`mod@read`]), and either is written ([`wire`]). What is between, and all that
//! the rest of the platform sees, is one [`Task`] and one [`TaskResult`].

mod from_run;
pub mod read;
mod to_run;
pub mod wire;

/// The generation of the contract that somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskShape {
    /// `attempt`, and a result that is nested, with texts of seconds.
    Attempt,
    /// `id` and `status`, and a result that is flat, with numbers of milliseconds.
    Id,
}

/// Something to test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its number, which the result repeats.
    pub number: i64,
    /// In which shape it came, and its result is wanted.
    pub shape: TaskShape,
    /// A git repository.
    pub repository_url: String,
    /// Its branch; empty means the repository's own default.
    pub branch: String,
    /// Numbers of the laboratory work that is tested; on the wire absent, a number, or a list.
    pub laboratory_numbers: Vec<i64>,
    /// Names of the tests to run; none means all.
    pub connected_tests: Vec<String>,
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskResult {
    /// The number of the task.
    pub number: i64,
    /// In which shape it came or is to be sent.
    pub shape: TaskShape,
    /// Whether every test passed.
    pub is_passed: bool,
    /// Whether the task could not be carried out, or the run had errors.
    pub is_error: bool,
    /// Why, in words; empty without an error.
    pub error_details: String,
    /// Milliseconds that the tests took.
    pub duration_ms: u64,
    /// The tests.
    pub cases: Vec<TaskCase>,
}

/// What came of one test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskCase {
    /// Module`::`test, such as `test_build::test_successful_make_clean`.
    pub name: String,
    /// Whether it passed.
    pub is_passed: bool,
    /// The text of the failure, or why it was skipped.
    pub description: String,
    /// Milliseconds.
    pub duration_ms: u64,
    /// Peak memory in KiB where it was measured; 0 on the wire where it was not.
    pub memory_kib: Option<u64>,
}

impl TaskResult {
    /// The result of a task that could not be carried out.
    pub fn failure(number: i64, shape: TaskShape, details: impl Into<String>) -> Self {
        let details = details.into();
        let bytes_max = crate::limits::JOB_ERROR_BYTES_MAX;
        Self {
            number,
            shape,
            is_passed: false,
            is_error: true,
            error_details: crate::text::cut(&details, bytes_max).into_owned(),
            duration_ms: 0,
            cases: Vec::new(),
        }
    }
}
