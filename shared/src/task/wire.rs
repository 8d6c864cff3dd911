//! Tasks and results as they are written. Their keys stand in the contract's order.

use serde::{Serialize, Serializer};

use super::{Task, TaskCase, TaskResult, TaskShape};

/// A task as the master serves it: readable by either generation of runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServedTask {
    /// The number of the task, for the earlier generation.
    pub attempt: i64,
    /// The same, for the later.
    pub id: i64,
    /// `AVAILABLE`.
    pub status: &'static str,
    /// A git repository.
    pub repository_url: String,
    /// Its branch.
    pub branch: String,
    /// Which laboratory work is tested, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laboratory_number: Option<LaboratoryNumber>,
    /// Names of the tests to run; none means all.
    pub connected_tests: Vec<String>,
}

/// One number, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = Vec<i64>))]
pub struct LaboratoryNumber(pub Vec<i64>);

impl Serialize for LaboratoryNumber {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [number] => to.serialize_i64(*number),
            numbers => numbers.serialize(to),
        }
    }
}

/// There is no task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NoTask {
    /// `UNAVAILABLE`.
    pub status: &'static str,
}

impl Default for NoTask {
    fn default() -> Self {
        Self {
            status: UNAVAILABLE,
        }
    }
}

/// `status` of a task that is there.
pub(super) const AVAILABLE: &str = "AVAILABLE";

/// `status` of no task.
pub(super) const UNAVAILABLE: &str = "UNAVAILABLE";

/// A result in the earlier shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NestedResult {
    /// What came of it.
    pub test_results: NestedResults,
    /// The number of the task.
    pub attempt: i64,
}

/// See [`NestedResult`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NestedResults {
    /// Whether every test passed.
    pub is_passed: bool,
    /// Whether the task could not be carried out, or the run had errors.
    pub is_error: bool,
    /// Why.
    pub error_details: String,
    /// Seconds, as a text with three decimals.
    pub duration: String,
    /// The tests.
    pub test_cases: Vec<NestedCase>,
}

/// See [`NestedResult`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NestedCase {
    /// Module`::`test.
    pub name: String,
    /// Whether it passed.
    pub is_passed: bool,
    /// The text of the failure.
    pub description: String,
    /// Seconds, as a text with three decimals.
    pub duration: String,
    /// Peak memory in KiB, 0 where it was not measured.
    pub memory_used: u64,
}

/// A result in the later shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FlatResult {
    /// The number of the task.
    pub id: i64,
    /// Whether every test passed.
    pub is_passed: bool,
    /// Whether the task could not be carried out, or the run had errors.
    pub is_error: bool,
    /// Why.
    pub error_details: String,
    /// Milliseconds.
    pub duration: u64,
    /// The tests.
    pub test_results: Vec<FlatCase>,
}

/// See [`FlatResult`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FlatCase {
    /// Module`::`test.
    pub name: String,
    /// Whether it passed.
    pub is_passed: bool,
    /// The text of the failure.
    pub description: String,
    /// Milliseconds.
    pub duration: u64,
    /// Peak memory in KiB, 0 where it was not measured.
    pub memory_used: u64,
}

impl Task {
    /// The task as either generation of runner reads it; its own shape does not matter.
    pub fn to_served(&self) -> ServedTask {
        let numbers = &self.laboratory_numbers;
        ServedTask {
            attempt: self.number,
            id: self.number,
            status: AVAILABLE,
            repository_url: self.repository_url.clone(),
            branch: self.branch.clone(),
            laboratory_number: (!numbers.is_empty()).then(|| LaboratoryNumber(numbers.clone())),
            connected_tests: self.connected_tests.clone(),
        }
    }
}

impl TaskResult {
    /// The result in the earlier shape.
    pub fn to_nested(&self) -> NestedResult {
        NestedResult {
            test_results: NestedResults {
                is_passed: self.is_passed,
                is_error: self.is_error,
                error_details: self.error_details.clone(),
                duration: seconds(self.duration_ms),
                test_cases: self.cases.iter().map(TaskCase::to_nested).collect(),
            },
            attempt: self.number,
        }
    }

    /// The result in the later shape.
    pub fn to_flat(&self) -> FlatResult {
        FlatResult {
            id: self.number,
            is_passed: self.is_passed,
            is_error: self.is_error,
            error_details: self.error_details.clone(),
            duration: self.duration_ms,
            test_results: self.cases.iter().map(TaskCase::to_flat).collect(),
        }
    }
}

/// In its own shape.
impl Serialize for TaskResult {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.shape {
            TaskShape::Attempt => self.to_nested().serialize(to),
            TaskShape::Id => self.to_flat().serialize(to),
        }
    }
}

impl TaskCase {
    fn to_nested(&self) -> NestedCase {
        NestedCase {
            name: self.name.clone(),
            is_passed: self.is_passed,
            description: self.description.clone(),
            duration: seconds(self.duration_ms),
            memory_used: self.memory_kib.unwrap_or(0),
        }
    }

    fn to_flat(&self) -> FlatCase {
        FlatCase {
            name: self.name.clone(),
            is_passed: self.is_passed,
            description: self.description.clone(),
            duration: self.duration_ms,
            memory_used: self.memory_kib.unwrap_or(0),
        }
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}
