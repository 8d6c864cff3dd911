//! Reads a body, away from the threads that answer requests.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::budget::{Budget, Room};
use super::headers::Packing;
use super::receive::Received;
use super::shape::Shape;
use super::{expand, explain, surrogates};
use crate::http::error::ApiError;

/// Bodies up to this size are read where they arrive: a few microseconds, less than a change of
/// threads costs.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// A body as it was sent, and the room that it takes until it is stored.
#[derive(Debug)]
pub(in crate::http) struct Decoded<T> {
    pub(in crate::http) body: T,
    pub(in crate::http) room: Room,
}

/// Unpacks and parses a body. `extra_bytes` are for what will be read from the database to go with it:
/// room is asked for once, so that no request waits for more while it holds some.
pub(in crate::http) async fn decode<T: DeserializeOwned + Send + 'static>(
    received: Received,
    budget: &Arc<Budget>,
    extra_bytes: usize,
) -> Result<Decoded<T>, ApiError> {
    if received.packing == Packing::Identity && received.bytes.len() <= INLINE_BYTES_MAX {
        let shape = Shape::of(&received.bytes).check()?;
        let room = budget.decoded(shape.memory_bytes() + extra_bytes).await?;
        return Ok(Decoded {
            body: parse(&received.bytes)?,
            room,
        });
    }
    let turn = budget.parser().await?;
    let budget = Arc::clone(budget);
    let runtime = Handle::current();
    let work = move || {
        let _turn = turn;
        let expanded = expand::expand(&received.bytes, received.packing)?;
        if expanded.len() > received.bytes_max {
            return Err(ApiError::body_larger_than(received.bytes_max));
        }
        let shape = Shape::of(&expanded).check()?;
        let room = runtime.block_on(budget.decoded(shape.memory_bytes() + extra_bytes))?;
        Ok(Decoded {
            body: parse(&expanded)?,
            room,
        })
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ApiError::internal)?
}

/// Parses a body: fast when it is good, thoroughly when it is not.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let json = std::str::from_utf8(bytes).map_err(|error| {
        let detail = format!(
            "the body is not UTF-8: see its byte {}",
            error.valid_up_to()
        );
        ApiError::malformed("invalid_json", detail)
    })?;
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    let error = match serde_json::from_str(json) {
        Ok(body) => return Ok(body),
        Err(error) => error,
    };
    let spelled = if error.is_data() {
        None
    } else {
        surrogates::spell_out(json)
    };
    match spelled {
        Some(spelled) => {
            serde_json::from_str(&spelled).map_err(|_| explain::explain::<T>(&spelled))
        }
        None => Err(explain::explain::<T>(json)),
    }
}

#[cfg(test)]
mod tests {
    use shared::run::NewRun;

    use super::Shape;
    use crate::http::error::ApiError;

    fn parse(bytes: &[u8]) -> Result<NewRun, ApiError> {
        super::parse(bytes)
    }

    fn refused(json: &str) -> (u16, Option<String>, String) {
        let shape = Shape::of(json.as_bytes()).check();
        let outcome = shape.and_then(|_| parse(json.as_bytes()));
        let problem = outcome.expect_err(json).problem("");
        (problem.status, problem.field, problem.detail)
    }

    fn field(json: &str) -> Option<String> {
        let (status, field, detail) = refused(json);
        assert_eq!(status, 422, "{json}: {detail}");
        field
    }

    #[test]
    fn a_wrong_value_is_named_by_its_path() {
        let run = |rest: &str| format!(r#"{{"run_id": "r", "worker_id": "w", {rest}}}"#);
        for (rest, expected) in [
            (r#""passed": -1"#, "passed"),
            (r#""passed": "1""#, "passed"),
            (r#""passed": 1.5"#, "passed"),
            (r#""duration": 1e999"#, "duration"),
            (r#""timestamp": "yesterday""#, "timestamp"),
            (
                r#""cases": [{"nodeid": "a", "outcome": "passed"}, {"nodeid": "b", "outcome": "green"}]"#,
                "cases[1].outcome",
            ),
            (
                r#""cases": [{"nodeid": "a", "outcome": "passed", "duration": "x"}]"#,
                "cases[0].duration",
            ),
            (r#""cases": [{"outcome": "passed"}]"#, "cases[0].nodeid"),
            (r#""failures": [{"nodeid": 1}]"#, "failures[0].nodeid"),
            (r#""project": "a", "project": "b""#, "project"),
        ] {
            assert_eq!(field(&run(rest)).as_deref(), Some(expected), "{rest}");
        }
        assert_eq!(field(r#"{"worker_id": "w"}"#).as_deref(), Some("run_id"));
        assert_eq!(field("[]"), None);
        assert_eq!(field(&"[".repeat(100_000)), None);
    }

    #[test]
    fn what_is_not_json_is_malformed_and_python_s_numbers_are_explained() {
        for json in [
            "",
            "{",
            r#"{"run_id": "r", "worker_id": "w"} x"#,
            r#"{"run_id": "\x"}"#,
        ] {
            assert_eq!(refused(json).0, 400, "{json}");
        }
        assert_eq!(refused("NaN").0, 400);
        assert_eq!(refused(r#"{"project": "NaN", x}"#).0, 400);
        let text = parse(b"{\"run_id\": \"\xff\"}").expect_err("it was taken");
        assert_eq!(text.problem("").status, 400);
    }

    #[test]
    fn python_s_unreal_numbers_are_explained_with_their_field() {
        for number in ["NaN", "Infinity", "-Infinity"] {
            for (rest, expected) in [
                (format!(r#""duration": {number}"#), "duration"),
                (format!(r#""pass_rate":{number}, "passed": 1"#), "pass_rate"),
                (
                    format!(
                        "\"cases\": [{{\"nodeid\": \"a\", \"outcome\": \"passed\",\n \"call\": {number}}}]"
                    ),
                    "cases[0].call",
                ),
                (format!(r#""unknown": {number}"#), "unknown"),
            ] {
                let json = format!(r#"{{"run_id": "r", "worker_id": "w", {rest}}}"#);
                let (status, field, detail) = refused(&json);
                assert_eq!(status, 422, "{json}: {detail}");
                assert_eq!(field.as_deref(), Some(expected), "{json}");
                assert!(detail.contains("leave the field out"), "{detail}");
            }
        }
    }

    #[test]
    fn a_lone_surrogate_does_not_lose_the_run() {
        let run = parse(br#"{"run_id": "r", "worker_id": "w", "project": "\ud800"}"#).unwrap();
        assert_eq!(run.project, r"\ud800");
    }
}
