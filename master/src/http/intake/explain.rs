//! Says what is wrong with a body and where: a second, slower reading of it.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::http::error::ApiError;

/// The error of a body that could not be read.
pub(super) fn explain<T: DeserializeOwned>(json: &str) -> ApiError {
    let mut from = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, T>(&mut from) {
        Ok(_) => match from.end() {
            Err(error) => not_json(None, &error),
            Ok(()) => ApiError::internal("a body could be read the second time only"),
        },
        Err(error) => {
            let path = error.path().to_string();
            let field = (path != ".").then_some(path);
            let error = error.into_inner();
            // A number such as 1e999 is JSON, only too large.
            let is_number = error.to_string().starts_with("number out of range");
            match (error.classify(), number_that_json_lacks(json, &error)) {
                (Category::Data, _) => wrong(field, &error),
                (Category::Syntax, _) if is_number => wrong(field, &error),
                (Category::Syntax, Some(number)) if field.is_some() => unreal(field, number),
                _ => not_json(field, &error),
            }
        }
    }
}

fn wrong(field: Option<String>, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let field = match (field, named(&text)) {
        (Some(parent), Some(name)) => Some(format!("{parent}.{name}")),
        (None, Some(name)) => Some(name.to_owned()),
        (field, None) => field,
    };
    let detail = field
        .as_ref()
        .map_or_else(|| text.clone(), |field| format!("{field}: {text}"));
    ApiError::invalid_field(field, detail)
}

fn not_json(field: Option<String>, error: &serde_json::Error) -> ApiError {
    let mut detail = format!("the body is not JSON: {error}");
    if let Some(field) = field {
        detail = format!("{detail}, in {field}");
    }
    ApiError::malformed("invalid_json", detail)
}

/// The field's name in those messages of serde whose path is that of the object around it.
fn named(text: &str) -> Option<&str> {
    let start = ["missing field `", "duplicate field `"];
    let (name, _) = start
        .into_iter()
        .find_map(|start| text.strip_prefix(start))?
        .split_once('`')?;
    Some(name)
}

/// Python's `json.dumps` writes `NaN` and `Infinity` unless told not to. Such a body is no JSON, but
/// its writer needs to know the field, like that of any other wrong value.
fn unreal(field: Option<String>, number: &str) -> ApiError {
    let name = field.as_deref().unwrap_or_default();
    let detail = format!("{name}: JSON has no {number}; leave the field out");
    ApiError::invalid_field(field, detail)
}

/// The parser stops at the first letter, or one or two bytes before it.
fn number_that_json_lacks(json: &str, error: &serde_json::Error) -> Option<&'static str> {
    let line = json.split('\n').nth(error.line().checked_sub(1)?)?;
    let near = error.column().saturating_sub(2)..=error.column();
    let near: Vec<&str> = near.filter_map(|from| line.get(from..)).collect();
    ["NaN", "Infinity"]
        .into_iter()
        .find(|number| near.iter().any(|rest| rest.starts_with(number)))
}
