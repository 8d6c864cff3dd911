//! Tasks and results as they arrive, in either shape. What is wrong is named with its field.

use serde_json::{Map, Value};

use super::wire::UNAVAILABLE;
use super::{Task, TaskCase, TaskResult, TaskShape};
use crate::limits;
use crate::validate::Invalid;

/// Longest duration, in milliseconds.
const DURATION_MS_MAX: f64 = limits::DURATION_S_MAX * 1_000.0;

/// Largest memory that is believed: 2^50 KiB.
const MEMORY_KIB_MAX: u64 = 1 << 50;

/// Reads a task. `None` means that there is none (`"status": "UNAVAILABLE"`).
///
/// A task with both `id` and `attempt` is one of the later shape.
pub fn task(value: &Value) -> Result<Option<Task>, Invalid> {
    let object = object("", value)?;
    let status = object.get("status").and_then(Value::as_str);
    if status.is_some_and(|status| status.eq_ignore_ascii_case(UNAVAILABLE)) {
        return Ok(None);
    }
    let (number, shape) = required_number(object)?;
    let repository_url = text(object, "repositoryUrl", limits::JOB_TEXT_BYTES_MAX)?;
    if repository_url.is_empty() {
        return Err(Invalid::new("repositoryUrl", "must not be empty"));
    }
    Ok(Some(Task {
        number,
        shape,
        repository_url,
        branch: text(object, "branch", limits::NAME_BYTES_MAX)?,
        laboratory_numbers: laboratory_numbers(object)?,
        connected_tests: connected_tests(object)?,
    }))
}

/// Reads the number alone, and in which shape it is: to be able to say that the rest is wrong.
pub fn number(value: &Value) -> Option<(i64, TaskShape)> {
    required_number(value.as_object()?).ok()
}

/// Reads a result.
pub fn result(value: &Value) -> Result<TaskResult, Invalid> {
    let outer = object("", value)?;
    let (number, _) = required_number(outer)?;
    match outer.get("testResults") {
        Some(Value::Object(inner)) => read_result(
            number,
            TaskShape::Attempt,
            inner,
            "testResults.",
            "testCases",
        ),
        Some(Value::Array(_) | Value::Null) | None => {
            read_result(number, TaskShape::Id, outer, "", "testResults")
        }
        Some(_) => Err(Invalid::new(
            "testResults",
            "must be an object (with `testCases` in it) or a list of tests",
        )),
    }
}

fn read_result(
    number: i64,
    shape: TaskShape,
    object: &Map<String, Value>,
    prefix: &str,
    list: &str,
) -> Result<TaskResult, Invalid> {
    let within = |invalid: Invalid| below(prefix, invalid);
    let is_passed = flag(object, "isPassed")
        .and_then(|flag| flag.ok_or_else(|| Invalid::new("isPassed", "is missing")))
        .map_err(within)?;
    let cases = match object.get(list) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => cases(items, shape, &format!("{prefix}{list}"))?,
        Some(_) => return Err(within(Invalid::new(list, "must be a list of tests"))),
    };
    let details = text(object, "errorDetails", usize::MAX).map_err(within)?;
    Ok(TaskResult {
        number,
        shape,
        is_passed,
        is_error: flag(object, "isError").map_err(within)?.unwrap_or(false),
        error_details: crate::text::cut(&details, limits::JOB_ERROR_BYTES_MAX).into_owned(),
        duration_ms: duration_ms(object, shape).map_err(within)?,
        cases,
    })
}

fn cases(items: &[Value], shape: TaskShape, place: &str) -> Result<Vec<TaskCase>, Invalid> {
    if items.len() > limits::RUN_CASES_MAX {
        let reason = format!("must have at most {} items", limits::RUN_CASES_MAX);
        return Err(Invalid::new(place, reason));
    }
    let one = |(index, item)| {
        case(item, shape).map_err(|invalid| below(&format!("{place}[{index}]."), invalid))
    };
    items.iter().enumerate().map(one).collect()
}

fn case(value: &Value, shape: TaskShape) -> Result<TaskCase, Invalid> {
    let object = object("", value)?;
    let name = text(object, "name", limits::NODEID_BYTES_MAX)?;
    if name.is_empty() {
        return Err(Invalid::new("name", "must not be empty"));
    }
    let description = text(object, "description", usize::MAX)?;
    let description = crate::text::cut(&description, limits::TRACEBACK_BYTES_MAX);
    Ok(TaskCase {
        name,
        is_passed: flag(object, "isPassed")?
            .ok_or_else(|| Invalid::new("isPassed", "is missing"))?,
        description: description.into_owned(),
        duration_ms: duration_ms(object, shape)?,
        memory_kib: memory_kib(object)?,
    })
}

fn object<'a>(field: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Invalid> {
    value.as_object().ok_or_else(|| {
        let field = if field.is_empty() { "body" } else { field };
        Invalid::new(field, "must be an object")
    })
}

fn below(prefix: &str, invalid: Invalid) -> Invalid {
    Invalid::new(format!("{prefix}{}", invalid.field), invalid.reason)
}

fn required_number(object: &Map<String, Value>) -> Result<(i64, TaskShape), Invalid> {
    for (field, shape) in [("id", TaskShape::Id), ("attempt", TaskShape::Attempt)] {
        if let Some(value) = object.get(field).filter(|value| !value.is_null()) {
            let number = value.as_i64();
            let number = number.ok_or_else(|| Invalid::new(field, "must be a whole number"))?;
            return Ok((number, shape));
        }
    }
    Err(Invalid::new("attempt", "is missing, and so is `id`"))
}

/// A text; absent and null are empty.
fn text(object: &Map<String, Value>, field: &str, bytes_max: usize) -> Result<String, Invalid> {
    let text = match object.get(field) {
        None | Some(Value::Null) => return Ok(String::new()),
        Some(Value::String(text)) => text,
        Some(_) => return Err(Invalid::new(field, "must be a text")),
    };
    if text.len() > bytes_max {
        let reason = format!("must be at most {bytes_max} bytes, has {}", text.len());
        return Err(Invalid::new(field, reason));
    }
    Ok(text.replace('\0', "\u{fffd}"))
}

fn flag(object: &Map<String, Value>, field: &str) -> Result<Option<bool>, Invalid> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Invalid::new(field, "must be true or false")),
    }
}

fn duration_ms(object: &Map<String, Value>, shape: TaskShape) -> Result<u64, Invalid> {
    let given = match object.get("duration") {
        None | Some(Value::Null) => return Ok(0),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_f64(),
    };
    let (unit, factor) = match shape {
        TaskShape::Attempt => ("seconds, such as \"15.866\"", 1_000.0),
        TaskShape::Id => ("milliseconds, such as 15866", 1.0),
    };
    given
        .map(|number: f64| (number * factor).round())
        .filter(|milliseconds| (0.0..=DURATION_MS_MAX).contains(milliseconds))
        .map(|milliseconds| milliseconds as u64)
        .ok_or_else(|| Invalid::new("duration", format!("must be {unit}, and not below 0")))
}

fn memory_kib(object: &Map<String, Value>) -> Result<Option<u64>, Invalid> {
    match object.get("memoryUsed") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_f64()
            .filter(|kib| (0.0..=MEMORY_KIB_MAX as f64).contains(kib))
            .map(|kib| Some(kib.round() as u64).filter(|kib| *kib > 0))
            .ok_or_else(|| Invalid::new("memoryUsed", "must be a number of KiB, not below 0")),
    }
}

fn laboratory_numbers(object: &Map<String, Value>) -> Result<Vec<i64>, Invalid> {
    const FIELD: &str = "laboratoryNumber";
    let wrong = || Invalid::new(FIELD, "must be a whole number or a list of them");
    match object.get(FIELD) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() > limits::NODEIDS_LISTED_MAX => {
            let reason = format!("must have at most {} items", limits::NODEIDS_LISTED_MAX);
            Err(Invalid::new(FIELD, reason))
        }
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_i64().ok_or_else(wrong))
            .collect(),
        Some(value) => Ok(vec![value.as_i64().ok_or_else(wrong)?]),
    }
}

fn connected_tests(object: &Map<String, Value>) -> Result<Vec<String>, Invalid> {
    const FIELD: &str = "connectedTests";
    let items = match object.get(FIELD) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Invalid::new(FIELD, "must be a list of names")),
    };
    if items.len() > limits::JOB_TESTS_MAX {
        let reason = format!("must have at most {} items", limits::JOB_TESTS_MAX);
        return Err(Invalid::new(FIELD, reason));
    }
    let one = |(index, item): (usize, &Value)| {
        let wrong = || Invalid::new(format!("{FIELD}[{index}]"), "must be a text");
        item.as_str().map(str::to_owned).ok_or_else(wrong)
    };
    items.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests;
