//! The golden fixture of the wire: what a worker of version 1 sends must be understood for ever.

use serde_json::Value;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn the_golden_run_is_read_back_as_it_was_sent() {
    let sent: Value = serde_json::from_str(include_str!("fixtures/run.v1.json")).unwrap();
    let app = App::start().await;
    app.save(sent.clone()).await;
    let run = app.json("/results/golden-1").await;
    for (field, value) in sent.as_object().unwrap() {
        if field != "cases" {
            assert_eq!(&run[field], value, "{field}");
        }
    }
    let mut answered = run;
    answered["received_at"] = "(time)".into();
    answered["id"] = 0.into();
    let answered = serde_json::to_string_pretty(&answered).unwrap() + "\n";
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/http/fixtures/run.v1.answer.json"
    );
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &answered).unwrap();
    }
    assert_eq!(answered, std::fs::read_to_string(path).unwrap());
    let cases = app.json("/results/golden-1/cases").await;
    for sent in sent["cases"].as_array().unwrap() {
        let listed = cases
            .as_array()
            .unwrap()
            .iter()
            .find(|case| case["nodeid"] == sent["nodeid"])
            .unwrap();
        for (field, value) in sent.as_object().unwrap() {
            if field != "failures" {
                assert_eq!(&listed[field], value, "{field} of {}", sent["nodeid"]);
            }
        }
        let nodeid: String =
            url::form_urlencoded::byte_serialize(sent["nodeid"].as_str().unwrap().as_bytes())
                .collect();
        let case = app
            .json(&format!("/results/golden-1/case?nodeid={nodeid}"))
            .await;
        let none = Value::Array(Vec::new());
        assert_eq!(
            &without_defaults(&case["failures"]),
            sent.get("failures").unwrap_or(&none)
        );
    }
    app.stop().await;
}

/// Texts that are empty may be left out on the wire.
fn without_defaults(failures: &Value) -> Value {
    let mut failures = failures.clone();
    for failure in failures.as_array_mut().unwrap() {
        failure
            .as_object_mut()
            .unwrap()
            .retain(|_, value| *value != "" && !value.is_null());
    }
    failures
}
