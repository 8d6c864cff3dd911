//! What each endpoint needs, read out of the OpenAPI document: so that the document, which is made of the
//! handlers, cannot say anything else than what the gate does.

use std::collections::HashMap;

use axum::http::Method;
use serde_json::Value;
use shared::access::Scope;

use super::openapi;

/// What is not in the document, because it is of no interest there, and where it belongs to.
const BELONGS_TO: [(&str, &str); 1] = [("/docs/{file}", "/docs")];

/// What a caller needs for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// To be known.
    ToBeKnown,
    /// One of these scopes.
    OneOf(Vec<Scope>),
}

/// What is needed for everything that the document says nothing about.
const UNSAID: [Scope; 1] = [Scope::Admin];

/// What each endpoint needs, by path and method.
#[derive(Debug)]
pub(super) struct Needs(HashMap<String, HashMap<Method, Need>>);

impl Needs {
    /// Reads the document.
    pub(super) fn read() -> Self {
        let document = serde_json::to_value(openapi::document()).unwrap_or_default();
        let paths = document["paths"].as_object().cloned().unwrap_or_default();
        let needs = paths.into_iter().map(|(path, operations)| {
            let operations = operations.as_object().cloned().unwrap_or_default();
            let by_method = operations.iter().filter_map(|(method, operation)| {
                let method = method.to_uppercase().parse().ok()?;
                Some((method, need(&operation["security"])))
            });
            (path, by_method.collect())
        });
        Self(needs.collect())
    }

    /// What a request needs. `path` is that of the route, `None` when there is no such route; then, and
    /// when the route takes no such method, it is enough to be known in order to be told.
    pub(super) fn of(&self, path: Option<&str>, method: &Method) -> Need {
        let Some(path) = path else {
            return Need::ToBeKnown;
        };
        let belongs_to = BELONGS_TO.iter().find(|(part, _)| *part == path);
        let path = belongs_to.map_or(path, |(_, whole)| whole);
        let Some(by_method) = self.0.get(&openapi::written(path)) else {
            return Need::OneOf(UNSAID.to_vec());
        };
        let method = match *method {
            Method::HEAD => &Method::GET,
            _ => method,
        };
        by_method.get(method).cloned().unwrap_or(Need::ToBeKnown)
    }
}

/// A list of alternatives, each an object: `{}` asks for nothing, `{"bearer": []}` for somebody known,
/// `{"bearer": ["read"]}` for a scope.
fn need(security: &Value) -> Need {
    let mut scopes = Vec::new();
    for alternative in security.as_array().unwrap_or(&Vec::new()) {
        let Some(alternative) = alternative.as_object() else {
            continue;
        };
        if alternative.is_empty() {
            return Need::Nothing;
        }
        match alternative.get("bearer").and_then(Value::as_array) {
            Some(words) if words.is_empty() => return Need::ToBeKnown,
            // Two scopes at once are in no document so far, and would not be understood.
            Some(words) if words.len() == 1 => {
                scopes.extend(words[0].as_str().and_then(Scope::parse));
            }
            _ => {}
        }
    }
    if scopes.is_empty() {
        scopes.extend(UNSAID);
    }
    Need::OneOf(scopes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_understood_needs_everything() {
        let admin = Need::OneOf(vec![Scope::Admin]);
        for security in [
            json!(null),
            json!([]),
            json!([{"bearer": ["write"]}]),
            json!([{"bearer": ["read", "report"]}]),
            json!([{"basic": []}]),
            json!(["read"]),
        ] {
            assert_eq!(need(&security), admin, "{security}");
        }
        assert_eq!(need(&json!([{}])), Need::Nothing);
        assert_eq!(need(&json!([{"bearer": []}])), Need::ToBeKnown);
        let both = need(&json!([{"bearer": ["run"]}, {"bearer": ["read"]}]));
        assert_eq!(both, Need::OneOf(vec![Scope::Run, Scope::Read]));
    }

    #[test]
    fn only_health_and_what_leads_to_a_token_is_open() {
        let needs = Needs::read();
        let open = |(path, by_method): (&String, &HashMap<Method, Need>)| {
            let open = by_method.values().any(|need| *need == Need::Nothing);
            open.then(|| path.clone())
        };
        let mut open: Vec<String> = needs.0.iter().filter_map(open).collect();
        open.sort();
        assert_eq!(open, ["/api/v1/auth/refresh", "/api/v1/login", "/health"]);
    }

    #[test]
    fn every_route_is_found_by_the_path_that_the_router_has_for_it() {
        let needs = Needs::read();
        let get = |path| needs.of(Some(path), &Method::GET);
        assert_eq!(get("/results/{run_id}"), Need::OneOf(vec![Scope::Read]));
        assert_eq!(get("/docs/{file}"), Need::ToBeKnown);
        assert_eq!(get("/a/new/one"), Need::OneOf(vec![Scope::Admin]));
        let head = needs.of(Some("/results"), &Method::HEAD);
        assert_eq!(head, Need::OneOf(vec![Scope::Read]));
        assert_eq!(needs.of(None, &Method::GET), Need::ToBeKnown);
        let post = needs.of(Some("/results"), &Method::POST);
        assert_eq!(post, Need::OneOf(vec![Scope::Report]));
    }
}
