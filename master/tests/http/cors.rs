//! CORS: by flag only.

use master::config::CorsOrigins;
use reqwest::Method;

use crate::app::App;

const ORIGIN: (&str, &str) = ("origin", "https://ci.example.org");

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_no_page_may_read() {
    let app = App::start().await;
    let answer = app.get_with("/results", &[ORIGIN]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_flag_the_listed_page_may_read_and_no_other() {
    let app = App::start_with(|config| {
        config.cors = CorsOrigins::Listed(vec![ORIGIN.1.parse().unwrap()]);
    })
    .await;
    let answer = app.get_with("/results", &[ORIGIN]).await;
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN.1);
    let exposed = answer
        .header("access-control-expose-headers")
        .to_lowercase();
    assert!(
        exposed.contains("link") && exposed.contains("etag"),
        "{exposed}"
    );
    let other = app
        .get_with("/results", &[("origin", "https://evil.example")])
        .await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    let preflight = [
        ORIGIN,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = app
        .request(Method::OPTIONS, "/results", &preflight, Vec::new())
        .await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("content-type")
    );
    let error = app.get_with("/results/none", &[ORIGIN]).await;
    error.problem(404, "run_not_found");
    assert_eq!(error.header("access-control-allow-origin"), ORIGIN.1);
    app.stop().await;
}
