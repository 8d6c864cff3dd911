//! The Host header: a page of another name cannot reach a master on loopback.

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_another_name_is_misdirected() {
    let app = App::start_with(|config| config.allowed_hosts = vec!["ci.example.org".into()]).await;
    for host in [
        "localhost",
        "localhost:1",
        "127.0.0.1",
        "[::1]:8080",
        "CI.example.org",
    ] {
        assert_eq!(
            app.get_with("/health", &[("host", host)]).await.status,
            200,
            "{host}"
        );
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
    ] {
        let answer = app.get_with("/results", &[("host", host)]).await;
        answer.problem(421, "host_not_allowed");
    }
    app.stop().await;
}
