//! What the plugin tells the worker: one JSON line an event.
//!
//! A line is an object with one key, the event's name: `{"start":[12,1795230000.25]}`. The frequent
//! events are arrays, because the plugin formats them by hand; the rare ones are objects, so that
//! they can grow. A test is announced once, with its number, and is that number from then on.
//! `worker/python/PROTOCOL.md` tells the same from the plugin's side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line. Times are seconds since 1970, durations seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The plugin was loaded; always the first line.
    Hello(Hello),
    /// pytest is configured.
    Session(Session),
    /// Names for the numbers of tests. Comes before any other event that uses them.
    Tests(Tests),
    /// This many tests are collected and selected. With xdist, once for each of its workers.
    Collected(u64),
    /// This many more tests were deselected.
    Deselected(u64),
    /// A file or folder could not be collected, or was skipped as a whole.
    Collect(Collect),
    /// A test starts: its number, and when.
    Start(u32, f64),
    /// A test's setup and call passed: its number, seconds in setup, seconds in call.
    Passed(u32, f64, f64),
    /// A test's teardown passed, so it has ended: its number, seconds in teardown.
    End(u32, f64),
    /// A test runs on this worker of xdist.
    On(u32, String),
    /// A test's peak memory: its number, KiB. Comes with the report of its teardown, where it is measured.
    Memory(u32, u64),
    /// Where a test is that was announced by its id alone, as xdist does: its number, file, line
    /// from 1 and markers. What is empty or 0 is still unknown.
    Place(u32, String, u32, Vec<String>),
    /// Any phase that is not a plain pass.
    Report(Box<Report>),
    /// A warning that pytest recorded.
    Warning(Warning),
    /// This many warnings were not sent, because the plugin's limit was reached.
    WarningsDropped(u64),
    /// pytest, a plugin or a conftest raised outside of a test: the traceback.
    InternalError(String),
    /// The session was stopped.
    Interrupt(Interrupt),
    /// A process of xdist died.
    WorkerDown(WorkerDown),
    /// The session has ended; hooks of other plugins may still run.
    Finish(Finish),
    /// The last hook ran: the session's exit status by then.
    Goodbye(i32),
    /// The interpreter ends in an orderly way: the traceback that ends it, or an empty text.
    Exit(String),
}

/// See [`Event::Hello`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::version::EVENT_VERSION`] of the plugin.
    pub version: u32,
    /// Version of Python, such as `3.12.1`.
    pub python: String,
    /// Operating system and machine, as Python names them.
    pub platform: String,
    /// pytest's process.
    pub pid: u32,
}

/// See [`Event::Session`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Version of pytest.
    pub pytest: String,
    /// Installed plugins with versions, such as `xdist-3.8.0`.
    pub plugins: Vec<String>,
    /// pytest's arguments as given.
    pub args: Vec<String>,
    /// The folder that nodeids are relative to.
    pub rootdir: String,
    /// Flags of the interpreter that change what tests do, such as `-OO`.
    pub python_flags: Vec<String>,
    /// Whether xdist runs the tests in other processes.
    pub distributed: bool,
}

/// See [`Event::Tests`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tests {
    /// The number of the first; the others follow.
    pub first: u32,
    /// The tests.
    pub tests: Vec<Announced>,
}

/// One test's name and place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced(
    /// pytest's id of the test.
    pub String,
    /// Its file, relative to the rootdir; empty when unknown.
    pub String,
    /// Its line, from 1; 0 when unknown.
    pub u32,
    /// Names of its markers.
    pub Vec<String>,
);

/// See [`Event::Collect`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collect {
    /// The file or folder.
    pub nodeid: String,
    /// `failed` or `skipped`.
    pub outcome: String,
    /// The traceback or the reason.
    pub text: String,
}

/// See [`Event::Report`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The test's number.
    pub test: u32,
    /// `setup`, `call`, `teardown`, or `???` from xdist for a test whose process died.
    pub when: String,
    /// The report's own outcome: `passed`, `failed`, `skipped`, or a plugin's word.
    pub outcome: String,
    /// What pytest's terminal counts it as; empty when it counts nothing.
    pub category: String,
    /// Seconds of the phase.
    pub duration: f64,
    /// Seconds of the passed setup that was held back until this report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<f64>,
    /// The subtest's description, when the report is about one.
    pub subtest: Option<String>,
    /// The exception or the reason, in short.
    pub message: String,
    /// The traceback as pytest prints it.
    pub traceback: String,
    /// Captured standard output.
    pub stdout: String,
    /// Captured standard error.
    pub stderr: String,
    /// Captured log records.
    pub log: String,
}

/// See [`Event::Warning`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Warning {
    /// The test, or empty.
    pub nodeid: String,
    /// Category, text and place, as Python words them.
    pub text: String,
}

/// See [`Event::Interrupt`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interrupt {
    /// Class of the exception: `KeyboardInterrupt`, `Interrupted`, `Failed` or `Exit`.
    pub kind: String,
    /// Its text.
    pub reason: String,
}

/// See [`Event::WorkerDown`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerDown {
    /// Such as `gw0`.
    pub worker: String,
    /// What xdist says of it.
    pub text: String,
}

/// See [`Event::Finish`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finish {
    /// The session's exit status when its end began.
    pub exit_status: i32,
    /// What pytest's terminal counted, by category.
    pub stats: BTreeMap<String, u64>,
    /// Why the session stopped early, or empty.
    pub stopped: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frequent_events_are_short_arrays() {
        let line = serde_json::to_string(&Event::Start(12, 1.5)).unwrap();
        assert_eq!(line, r#"{"start":[12,1.5]}"#);
        let event: Event = serde_json::from_str(r#"{"passed":[3,0.000021,0.5]}"#).unwrap();
        assert_eq!(event, Event::Passed(3, 0.000_021, 0.5));
    }

    #[test]
    fn a_report_needs_only_what_it_has_to_say() {
        let line = r#"{"report":{"test":3,"when":"call","outcome":"failed","category":"failed","from_the_future":1}}"#;
        let Event::Report(report) = serde_json::from_str(line).unwrap() else {
            panic!("not a report");
        };
        assert_eq!((report.test, report.category.as_str()), (3, "failed"));
        assert_eq!(report.message, "");
    }

    #[test]
    fn tests_are_announced_as_rows() {
        let line =
            r#"{"tests":{"first":0,"tests":[["t.py::a","t.py",3,["slow"]],["t.py::b","",0,[]]]}}"#;
        let Event::Tests(tests) = serde_json::from_str(line).unwrap() else {
            panic!("not an announcement");
        };
        assert_eq!(tests.tests[0].3, ["slow"]);
        assert_eq!(serde_json::to_string(&Event::Tests(tests)).unwrap(), line);
    }
}
