//! What the six tools answer, asked against a master that knows one run by heart.

#![allow(clippy::unwrap_used)]

mod fake_master;

use mcp_server::client::Master;
use mcp_server::limits::{ANSWER_BYTES_MAX, REPORT_BYTES_MAX};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

async fn call(url: &str, tool: &str, arguments: Value) -> CallToolResult {
    let master = Master::new(url, None).unwrap();
    let arguments = arguments.as_object().cloned();
    mcp_server::tools::call(&master, tool, arguments)
        .await
        .unwrap()
}

fn error_text(result: &CallToolResult) -> &str {
    assert_eq!(result.is_error, Some(true), "{result:?}");
    &result.content[0].as_text().unwrap().text
}

fn structured(result: &CallToolResult) -> &Value {
    assert_ne!(result.is_error, Some(true), "{result:?}");
    result.structured_content.as_ref().unwrap()
}

#[tokio::test]
async fn every_tool_answers_without_arguments_within_eight_kibibytes() {
    for failed in [3, 500] {
        let master = fake_master::with_run(&fake_master::run(failed));
        for tool in mcp_server::tools::list() {
            let result = call(&master.url(), &tool.name, json!({})).await;
            let bytes = serde_json::to_vec(structured(&result)).unwrap().len();
            assert!(
                bytes <= ANSWER_BYTES_MAX,
                "{} answers {bytes} bytes",
                tool.name
            );
        }
    }
}

#[tokio::test]
async fn answers_have_the_fields_that_their_schemas_promise() {
    let master = fake_master::with_run(&fake_master::run(3));
    for tool in mcp_server::tools::list() {
        let result = call(&master.url(), &tool.name, json!({})).await;
        let schema = tool.output_schema.unwrap();
        for name in schema["required"].as_array().unwrap() {
            let answer = structured(&result);
            assert!(
                answer.get(name.as_str().unwrap()).is_some(),
                "{}: {name}",
                tool.name
            );
        }
        for name in structured(&result).as_object().unwrap().keys() {
            assert!(
                schema["properties"].get(name).is_some(),
                "{}: {name}",
                tool.name
            );
        }
    }
}

#[tokio::test]
async fn get_failures_names_the_place_and_what_the_assertion_said() {
    let master = fake_master::with_run(&fake_master::run(3));
    let result = call(&master.url(), "get_failures", json!({"project": "shop"})).await;
    insta::assert_json_snapshot!("get_failures", structured(&result));
}

#[tokio::test]
async fn get_failures_counts_what_it_leaves_out() {
    let master = fake_master::with_run(&fake_master::run(500));
    let result = call(&master.url(), "get_failures", json!({})).await;
    let answer = structured(&result);
    let named = answer["failures"].as_array().unwrap().len() as u64;
    assert_eq!(
        named + answer["truncated"][0]["left_out"].as_u64().unwrap(),
        500
    );
    assert_eq!(answer["groups"][0]["count"], 500);
}

#[tokio::test]
async fn get_report_gives_words_to_the_model_and_a_page_to_the_user() {
    let master = fake_master::with_run(&fake_master::run(3));
    let result = call(&master.url(), "get_report", json!({"run_id": "run-1"})).await;
    let text = &result.content[0].as_text().unwrap().text;
    assert!(text.starts_with("Failed: 3 of 40 tests failed."), "{text}");
    let ContentBlock::Resource(page) = &result.content[1] else {
        panic!("no resource in {result:?}");
    };
    let resource = serde_json::to_value(page).unwrap();
    assert_eq!(resource["annotations"]["audience"], json!(["user"]));
    assert_eq!(resource["resource"]["uri"], "report://run-1");
    assert_eq!(resource["resource"]["mimeType"], "text/html");
    let html = resource["resource"]["text"].as_str().unwrap();
    assert!(html.len() <= REPORT_BYTES_MAX);
    assert!(
        html.contains("assert cart.total() == -1"),
        "the traceback is missing"
    );
    assert_eq!(structured(&result)["report"]["bytes"], html.len());
}

#[tokio::test]
async fn an_unknown_project_is_answered_with_the_nearest_name() {
    let master = fake_master::with_run(&fake_master::run(3));
    for tool in ["get_report", "get_failures", "get_summary", "get_trend"] {
        let result = call(&master.url(), tool, json!({"project": "shopp"})).await;
        let text = error_text(&result);
        assert!(
            text.contains("unknown project `shopp`; did you mean `shop`?"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_unknown_run_is_answered_with_how_to_find_ids() {
    let master = fake_master::with_run(&fake_master::run(3));
    for id in ["nope", "..", "a/b"] {
        let result = call(&master.url(), "get_report", json!({"run_id": id})).await;
        let text = error_text(&result);
        assert!(
            text.contains("unknown run") && text.contains("get_summary"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_master_that_is_down_is_answered_with_the_address_and_how_to_start_one() {
    // The port was free a moment ago, and nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for tool in mcp_server::tools::list() {
        let result = call(&format!("http://{free}"), &tool.name, json!({})).await;
        let text = error_text(&result);
        assert!(text.contains(&free.to_string()), "{text}");
        assert!(text.contains("pytest-platform-master"), "{text}");
    }
}

#[tokio::test]
async fn before_the_first_run_every_tool_says_so_without_an_error() {
    let empty = json!([]);
    let master = fake_master::FakeMaster::start(vec![
        ("/results", empty.clone()),
        ("/trend", empty.clone()),
        ("/workers", empty.clone()),
        ("/failures/stats", empty),
    ]);
    for tool in mcp_server::tools::list() {
        let result = call(&master.url(), &tool.name, json!({})).await;
        let words = structured(&result).to_string();
        let told =
            words.contains("No run has been reported") || words.contains("no test has failed");
        assert!(told, "{}: {words}", tool.name);
    }
}

#[tokio::test]
async fn wrong_arguments_are_refused_with_the_right_ones() {
    let master = fake_master::with_run(&fake_master::run(3));
    for (tool, arguments, words) in [
        (
            "get_summary",
            json!({"projekt": "x"}),
            "expected one of `project`, `worker_id`, `limit`",
        ),
        (
            "get_summary",
            json!({"limit": 0}),
            "limit must be from 1 to 500",
        ),
        ("get_trend", json!({"limit": "many"}), "whole number"),
        (
            "get_workers",
            json!({"project": "x"}),
            "unknown field `project`",
        ),
        ("get_report", json!({"project": 5}), "expected a string"),
    ] {
        let result = call(&master.url(), tool, arguments).await;
        let text = error_text(&result);
        assert!(text.starts_with(tool) && text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn something_else_that_answers_is_not_taken_for_a_master() {
    let other = fake_master::FakeMaster::start(vec![("/results", json!({"hello": "world"}))]);
    let result = call(&other.url(), "get_summary", json!({})).await;
    let text = error_text(&result);
    assert!(text.contains("check MASTER_URL"), "{text}");
}

/// A master with a run that goes on, `run-2`, after one that ended.
fn with_newer_running() -> fake_master::FakeMaster {
    let ended = fake_master::run(3);
    let mut running = fake_master::run(1);
    running["run_id"] = json!("run-2");
    running["status"] = json!("running");
    running["complete"] = json!(false);
    running["collected"] = json!(300);
    running["live"] =
        json!({"heard_at": "2026-11-21T12:00:00Z", "expected_finish_at": "2026-11-21T12:03:10Z"});
    fake_master::FakeMaster::start(vec![
        ("/results", json!([running, ended])),
        ("/results/run-1", ended),
        ("/results/run-2", running),
        ("/results/run-1/cases", json!([])),
        ("/results/run-2/cases", json!([])),
        ("/trend", json!([])),
        ("/workers", json!([])),
        ("/failures/stats", json!([])),
    ])
}

#[tokio::test]
async fn the_last_run_is_one_that_has_ended_and_a_newer_one_is_named() {
    let master = with_newer_running();
    for tool in ["get_report", "get_failures"] {
        let result = call(&master.url(), tool, json!({})).await;
        let answer = structured(&result);
        assert_eq!(answer["run"]["run_id"], "run-1", "{tool}");
        let details = answer["details"].to_string();
        assert!(
            details.contains("A newer run is going on: run-2"),
            "{details}"
        );
        assert!(
            details.contains("expected to end at 12:03:10 UTC"),
            "{details}"
        );
    }
    let result = call(&master.url(), "get_report", json!({"run_id": "run-2"})).await;
    let answer = structured(&result);
    let verdict = answer["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("Running: 38 of 300 tests so far"),
        "{verdict}"
    );
    assert_eq!(answer["run"]["expected_finish_at"], "2026-11-21T12:03:10Z");
    let runs = call(&master.url(), "get_summary", json!({})).await;
    let runs = structured(&runs)["runs"].clone();
    assert_eq!(
        (&runs[0]["status"], &runs[0]["complete"]),
        (&json!("running"), &json!(false))
    );
}
