//! The list of tools is a contract: its names, its schemas, its size.

#![allow(clippy::unwrap_used)]

use mcp_server::limits::TOOL_LIST_BYTES_MAX;
use serde_json::Value;

fn listed() -> Value {
    serde_json::to_value(mcp_server::tools::list()).unwrap()
}

#[test]
fn the_list_of_tools_is_as_committed() {
    insta::assert_json_snapshot!("tools", listed());
}

#[test]
fn the_list_of_tools_costs_a_model_at_most_three_thousand_tokens() {
    let bytes = serde_json::to_vec(&serde_json::json!({ "tools": listed() }))
        .unwrap()
        .len();
    assert!(
        bytes <= TOOL_LIST_BYTES_MAX,
        "{bytes} bytes, about {} tokens",
        bytes / 4
    );
}

#[test]
fn every_argument_is_optional_and_nothing_else_is_taken() {
    for tool in listed().as_array().unwrap() {
        let schema = &tool["inputSchema"];
        assert_eq!(schema["type"], "object", "{}", tool["name"]);
        assert_eq!(schema["additionalProperties"], false, "{}", tool["name"]);
        assert!(schema.get("required").is_none(), "{}", tool["name"]);
    }
}

#[test]
fn schemas_use_only_what_every_client_understands() {
    fn check(path: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    let is_name = path.ends_with("properties");
                    let exotic = [
                        "$ref", "$defs", "$schema", "oneOf", "anyOf", "allOf", "format",
                    ];
                    assert!(
                        is_name || !exotic.contains(&key.as_str()),
                        "{path} has {key}"
                    );
                    if key == "type" && !is_name {
                        assert!(value.is_string(), "{path} has types {value}");
                    }
                    check(&format!("{path}/{key}"), value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| check(path, item)),
            _ => {}
        }
    }
    for tool in listed().as_array().unwrap() {
        check(&format!("{}/in", tool["name"]), &tool["inputSchema"]);
        check(&format!("{}/out", tool["name"]), &tool["outputSchema"]);
    }
}

#[test]
fn every_tool_only_reads() {
    for tool in listed().as_array().unwrap() {
        assert_eq!(
            tool["annotations"]["readOnlyHint"], true,
            "{}",
            tool["name"]
        );
        assert_eq!(
            tool["annotations"]["openWorldHint"], false,
            "{}",
            tool["name"]
        );
    }
}
