//! `GET /docs` and `GET /openapi.json`.

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_needs_nothing_from_elsewhere() {
    let app = App::start().await;
    let page = app.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let html = page.text();
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
    let files: Vec<&str> = html
        .split('"')
        .filter(|part| part.starts_with("docs/"))
        .collect();
    assert!(files.len() >= 5, "{html}");
    for file in files {
        let answer = app.get(&format!("/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(!answer.bytes.is_empty());
    }
    let start = app.get("/docs/swagger-initializer.js").await.text();
    assert!(start.contains("openapi.json"), "{start}");
    app.get("/docs/none.js")
        .await
        .problem(404, "path_not_found");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_of_the_document_is_served_with_its_methods() {
    let app = App::start().await;
    let document = app.json("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, operations) in document["paths"].as_object().unwrap() {
        let url = path.replace("{run_id}", "x").replace("{file}", "index.css");
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            if path == "/events" {
                // Its answer has no end; `events.rs` reads it.
                continue;
            }
            let answer = app.request(method, &url, &[], Vec::new()).await;
            let code = if answer.status.is_success() {
                String::new()
            } else {
                answer.json()["code"].to_string()
            };
            assert!(
                !code.contains("path_not_found") && !code.contains("method_not_allowed"),
                "{path}: {code}"
            );
        }
    }
    app.stop().await;
}

#[test]
fn every_operation_and_every_schema_has_a_name_of_its_own() {
    let document = serde_json::to_value(master::http::document()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<&str> = operations
        .map(|one| one["operationId"].as_str().unwrap())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "{ids:?}");
    let schemas = &document["components"]["schemas"];
    assert!(schemas["Problem"]["properties"]["code"].is_object());
    assert!(schemas["RunProblem"]["properties"]["where"].is_object());
}

/// The document is part of the interface: a change of it has to be seen in a review.
#[test]
fn the_document_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let document = master::http::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == document,
        "docs/openapi.json differs: run with UPDATE=1 and review the change"
    );
}
