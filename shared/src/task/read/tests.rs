//! Tasks and results of both shapes, with the contract's examples.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NESTED: &str = r#"{"testResults": {"isPassed": false, "isError": false, "errorDetails": "", "duration": "15.866", "testCases": [{"name": "test_build::test_successful_make_clean", "isPassed": true, "description": "", "duration": "0.487", "memoryUsed": 1772}]}, "attempt": 21}"#;

const FLAT: &str = r#"{"id": 21, "isPassed": false, "isError": false, "errorDetails": "", "duration": 15866, "testResults": [{"name": "test_build::test_successful_make_clean", "isPassed": true, "description": "", "duration": 487, "memoryUsed": 1772}]}"#;

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The contract's examples have a space after each comma and colon; there are none in their texts.
fn dense(text: &str) -> String {
    text.replace(": ", ":").replace(", ", ",")
}

#[test]
fn the_contracts_results_are_read_and_written_byte_for_byte() {
    for (text, shape) in [(NESTED, TaskShape::Attempt), (FLAT, TaskShape::Id)] {
        let result = result(&value(text)).unwrap();
        assert_eq!((result.number, result.shape), (21, shape));
        assert_eq!(result.duration_ms, 15_866);
        assert_eq!(result.cases[0].duration_ms, 487);
        assert_eq!(result.cases[0].memory_kib, Some(1772));
        assert_eq!(serde_json::to_string(&result).unwrap(), dense(text));
    }
}

#[test]
fn a_task_of_the_earlier_generation_is_read() {
    let text = r#"{"attempt": 21, "repositoryUrl": "https://h/r.git", "branch": "main", "laboratoryNumber": 1, "connectedTests": ["test1", "test2"]}"#;
    let task = task(&value(text)).unwrap().unwrap();
    assert_eq!((task.number, task.shape), (21, TaskShape::Attempt));
    assert_eq!(task.repository_url, "https://h/r.git");
    assert_eq!(task.laboratory_numbers, [1]);
    assert_eq!(task.connected_tests, ["test1", "test2"]);
}

#[test]
fn a_task_of_the_later_generation_is_read_with_any_laboratory_number() {
    for (number, expected) in [
        (json!(3), vec![3]),
        (json!([3, 4]), vec![3, 4]),
        (Value::Null, vec![]),
    ] {
        let given = json!({"id": 21, "status": "AVAILABLE", "repositoryUrl": "u", "laboratoryNumber": number});
        let task = task(&given).unwrap().unwrap();
        assert_eq!((task.number, task.shape), (21, TaskShape::Id));
        assert_eq!(task.laboratory_numbers, expected);
        assert_eq!((task.branch.as_str(), task.connected_tests.len()), ("", 0));
    }
}

#[test]
fn an_unavailable_task_is_none() {
    assert_eq!(task(&json!({"status": "UNAVAILABLE"})), Ok(None));
    let whole = json!({"id": 0, "status": "UNAVAILABLE", "repositoryUrl": null});
    assert_eq!(task(&whole), Ok(None));
}

#[test]
fn a_served_task_has_both_names_of_its_number() {
    let given = json!({"attempt": 7, "repositoryUrl": "u", "branch": "b", "laboratoryNumber": 1});
    let served = task(&given).unwrap().unwrap().to_served();
    assert_eq!(
        serde_json::to_string(&served).unwrap(),
        r#"{"attempt":7,"id":7,"status":"AVAILABLE","repositoryUrl":"u","branch":"b","laboratoryNumber":1,"connectedTests":[]}"#
    );
    let none = serde_json::to_string(&super::super::wire::NoTask::default()).unwrap();
    assert_eq!(none, r#"{"status":"UNAVAILABLE"}"#);
}

#[test]
fn what_is_wrong_is_named() {
    let field = |outcome: Result<TaskResult, Invalid>| outcome.unwrap_err().field;
    let case = json!({"name": "a", "isPassed": true, "duration": -1});
    assert_eq!(field(result(&json!({}))), "attempt");
    assert_eq!(field(result(&json!({"id": "x"}))), "id");
    assert_eq!(field(result(&json!({"id": 1}))), "isPassed");
    assert_eq!(
        field(result(&json!({"id": 1, "testResults": 2}))),
        "testResults"
    );
    let flat = json!({"id": 1, "isPassed": true, "testResults": [case]});
    assert_eq!(field(result(&flat)), "testResults[0].duration");
    let nested =
        json!({"attempt": 1, "testResults": {"isPassed": true, "testCases": [{"name": ""}]}});
    assert_eq!(field(result(&nested)), "testResults.testCases[0].name");
    let nested = json!({"attempt": 1, "testResults": {"isPassed": "yes"}});
    assert_eq!(field(result(&nested)), "testResults.isPassed");
    assert_eq!(task(&json!([])).unwrap_err().field, "body");
    assert_eq!(task(&json!({"id": 1})).unwrap_err().field, "repositoryUrl");
    let tests = json!({"id": 1, "repositoryUrl": "u", "connectedTests": ["a", 2]});
    assert_eq!(task(&tests).unwrap_err().field, "connectedTests[1]");
}

proptest! {
    #[test]
    fn any_result_is_read_back_from_either_shape(
        number: i64, is_passed: bool, is_error: bool, duration_ms in 0u64..1_000_000_000,
        cases in proptest::collection::vec(
            ("[a-z]{1,5}::[a-z]{1,5}", any::<bool>(), "\\PC{0,20}", 0u64..1_000_000, 0u64..100_000),
            0..5,
        ),
        flat: bool,
    ) {
        let shape = if flat { TaskShape::Id } else { TaskShape::Attempt };
        let cases = cases.into_iter().map(|(name, is_passed, description, duration_ms, kib)| TaskCase {
            name, is_passed, description, duration_ms, memory_kib: Some(kib).filter(|kib| *kib > 0),
        }).collect();
        let whole = TaskResult {
            number, shape, is_passed, is_error, error_details: "why".to_owned(), duration_ms, cases,
        };
        let text = serde_json::to_string(&whole).unwrap();
        prop_assert_eq!(result(&value(&text)), Ok(whole));
    }
}
