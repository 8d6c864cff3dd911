//! `/jobs`: queueing, listing, cancelling, repeating and deleting.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::App;
use crate::job_calls::{git_job, job_in, passed};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_queued_with_its_defaults_and_found_by_both_names() {
    let app = App::start().await;
    let new = json!({"username": " Steve ", "source": {"type": "git", "url": "https://example.org/a.git"}});
    let answer = app.send(Method::POST, "/jobs", &new).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let job = answer.json();
    assert_eq!(answer.header("location"), format!("/jobs/{}", job["id"]));
    for (field, expected) in [
        ("username", json!("Steve")),
        ("state", json!("queued")),
        ("kind", json!("job")),
        ("timeout_s", json!(3_600)),
        ("attempts_max", json!(3)),
        ("wait_max_s", json!(86_400)),
        ("attempt", json!(0)),
        ("run_id", Value::Null),
        ("log_bytes", json!(0)),
    ] {
        assert_eq!(job[field], expected, "{field}: {job}");
    }
    let by_id = app.json(&format!("/jobs/{}", job["id"])).await;
    let uuid = job["uuid"].as_str().unwrap();
    let by_uuid = app.json(&format!("/jobs/{}", uuid.to_uppercase())).await;
    assert_eq!(by_id, by_uuid);
    assert_eq!(by_id["transitions"][0]["state"], "queued");
    let waits_for = by_id["waits_for"].as_str().unwrap();
    assert!(waits_for.contains("an agent"), "{waits_for}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_job_is_refused_with_its_field_and_nothing_is_queued() {
    let app = App::start().await;
    let with = |field: &str, value: Value| {
        let mut job = git_job("Steve");
        job[field] = value;
        job
    };
    for (job, field) in [
        (json!({"username": "Steve"}), "source"),
        (json!({"source": {"type": "git", "url": "x"}}), "username"),
        (with("uuid", json!("7")), "uuid"),
        (with("uuid", json!(7)), "uuid"),
        (with("username", json!("")), "username"),
        (with("username", json!("a\nb")), "username"),
        (with("source", json!({"type": "git"})), "source.url"),
        (
            with("source", json!({"type": "git", "url": ""})),
            "source.url",
        ),
        (with("source", json!({"type": "ftp"})), "source.type"),
        (
            with(
                "source",
                json!({"type": "git", "url": "https://e.org/a", "commit": "main"}),
            ),
            "source.commit",
        ),
        (with("environment", json!("nowhere")), "environment"),
        (with("environment", json!([1])), "environment"),
        (with("timeout_s", json!(0)), "timeout_s"),
        (with("timeout_s", json!(700_000)), "timeout_s"),
        (with("attempts_max", json!(-1)), "attempts_max"),
        (with("priority", json!(1_001)), "priority"),
        (with("tests", json!("tests/")), "tests"),
        (with("tests", json!(["-x"])), "tests[0]"),
        (with("tests", json!(["a", "@file"])), "tests[1]"),
        (with("env", json!({"A=B": "x"})), "env.A=B"),
        (with("labels", json!({"os": 1})), "labels.os"),
    ] {
        let answer = app.send(Method::POST, "/jobs", &job).await;
        let at_fault = answer.problem(422, "invalid_field");
        assert!(
            at_fault == field || field.starts_with(&at_fault) && !at_fault.is_empty(),
            "{field}: {}",
            answer.text()
        );
    }
    let large = json!({"username": "x".repeat(2 * 1024 * 1024)});
    let answer = app.send(Method::POST, "/jobs", &large).await;
    answer.problem(413, "body_too_large");
    let form = [("content-type", "text/plain")];
    let answer = app.request(Method::POST, "/jobs", &form, b"{}".to_vec());
    answer.await.problem(415, "unsupported_media_type");
    assert_eq!(app.json("/jobs").await, json!([]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_job_that_unfolds_beyond_the_limit_is_refused() {
    let app = App::start().await;
    let large = json!({"username": "x".repeat(2 * 1024 * 1024)}).to_string();
    let packed = zstd::encode_all(large.as_bytes(), 3).unwrap();
    assert!(packed.len() < 10_000);
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "zstd"),
    ];
    let answer = app.request(Method::POST, "/jobs", &headers, packed).await;
    answer.problem(413, "body_too_large");
    assert!(answer.text().contains("1048576"), "{}", answer.text());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_job_needs_a_library() {
    let app = App::start().await;
    let mut job = git_job("Steve");
    job["source"] = json!({"type": "library", "files": ["test_a.py"]});
    let answer = app.send(Method::POST, "/jobs", &job).await;
    answer.problem(409, "no_library");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_job_has_are_not_found() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    for name in [
        "2",
        "0",
        "-1",
        "01",
        "1.0",
        "x",
        "9223372036854775808",
        "6b1fd4fc-0000-7000-8000-000000000000",
        "%ff",
        "..%2f1",
        "%00",
    ] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::GET, "/log"),
            (Method::DELETE, ""),
            (Method::POST, "/cancel"),
            (Method::POST, "/rerun"),
        ] {
            let path = format!("/jobs/{name}{rest}");
            let answer = app.send(method, &path, &Value::Null).await;
            answer.problem(404, "job_not_found");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_page_newest_first_and_without_a_repetition() {
    let app = App::start().await;
    for number in 0..7 {
        app.queue(git_job(&format!("user {number}"))).await;
    }
    let mut ids = Vec::new();
    let mut path = Some("/jobs?project=shop&limit=3".to_owned());
    while let Some(next) = path {
        let answer = app.get(&next).await;
        let jobs = answer.json();
        assert!(jobs[0]["transitions"].is_null() && jobs[0]["waits_for"].is_null());
        ids.extend(
            jobs.as_array()
                .unwrap()
                .iter()
                .map(|job| job["id"].as_i64().unwrap()),
        );
        path = answer.next();
    }
    assert_eq!(ids, [7, 6, 5, 4, 3, 2, 1]);
    let runs_cursor = "/jobs?cursor=MXI3";
    let answer = app.get(runs_cursor).await;
    assert_eq!(answer.problem(422, "invalid_parameter"), "cursor");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_large_jobs_ends_early_and_its_link_leads_to_the_rest() {
    let app = App::start().await;
    let mut job = git_job("Steve");
    job["tests"] = vec!["t".repeat(30_000); 30].into();
    for _ in 0..20 {
        app.queue(job.clone()).await;
    }
    let mut page = app.get("/jobs?limit=20").await;
    let mut ids: Vec<i64> = Vec::new();
    let mut pages = 0;
    loop {
        assert_eq!(page.status, 200);
        assert!(page.text().len() < 18_000_000, "{}", page.text().len());
        let jobs = page.json();
        let jobs = jobs.as_array().unwrap();
        ids.extend(jobs.iter().map(|job| job["id"].as_i64().unwrap()));
        pages += 1;
        let Some(next) = page.next() else {
            break;
        };
        page = app.get(&next).await;
    }
    let expected: Vec<i64> = (1..=20).rev().collect();
    assert_eq!(ids, expected);
    assert_eq!(pages, 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered() {
    let app = App::start().await;
    app.queue(job_in("Steve", "7")).await;
    let mut other = git_job("Eve");
    other["project"] = "other".into();
    app.queue(other).await;
    app.send(
        Method::POST,
        "/api/testrun",
        &json!({"username": "Mallory"}),
    )
    .await;
    app.leased("agent-1").await;
    app.posted("/jobs/2/rerun", &Value::Null, 201).await;
    for (query, expected) in [
        ("project=other", vec![4, 2]),
        ("username=Steve", vec![1]),
        ("environment=7", vec![1]),
        ("environment=8", vec![]),
        ("state=running", vec![1]),
        ("agent=agent-1", vec![1]),
        ("agent=agent-2", vec![]),
        ("kind=job", vec![4, 2, 1]),
        ("kind=testrun", vec![3]),
        ("kind=suite", vec![]),
        ("rerun_of=2", vec![4]),
        ("project=", vec![4, 3, 2, 1]),
    ] {
        let jobs = app.json(&format!("/jobs?{query}")).await;
        let ids: Vec<i64> = jobs
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
    for (query, field) in [
        ("state=done", "state"),
        ("kind=x", "kind"),
        ("limit=501", "limit"),
        ("rerun_of=x", "rerun_of"),
    ] {
        let answer = app.get(&format!("/jobs?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), field);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    for path in [
        "/jobs",
        "/jobs/1",
        "/agents",
        "/environments",
        "/environments/7",
    ] {
        let answer = app.get(path).await;
        let known = [("if-none-match", answer.header("etag"))];
        let again = app.get_with(path, &known).await;
        assert_eq!(again.status, 304, "{path}");
        assert!(again.bytes.is_empty());
    }
    let answer = app.get("/jobs").await;
    app.queue(git_job("Eve")).await;
    let known = [("if-none-match", answer.header("etag"))];
    assert_eq!(app.get_with("/jobs", &known).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_is_cancelled_at_once_and_one_that_runs_when_its_agent_says_so() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    app.queue(git_job("Steve")).await;
    let lease = app.leased("agent-1").await;
    let cancelled = app.posted("/jobs/2/cancel", &Value::Null, 200).await;
    assert_eq!(cancelled["state"], "cancelled");
    let asked = app.posted("/jobs/1/cancel", &Value::Null, 200).await;
    assert_eq!(asked["state"], "running");
    assert_eq!(asked["cancel_requested"], true);
    // Asking again is no error.
    app.posted("/jobs/1/cancel", &Value::Null, 200).await;
    let heard = app
        .posted(
            &crate::job_calls::of(&lease, "heartbeat"),
            &Value::Null,
            200,
        )
        .await;
    assert_eq!(heard["cancel"], true);
    let job = app.finished(&lease, &json!({"ending": "cancelled"})).await;
    assert_eq!(job["state"], "cancelled");
    let answer = app.send(Method::POST, "/jobs/1/cancel", &Value::Null).await;
    answer.problem(409, "job_state");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_job_that_is_over_is_deleted() {
    let app = App::start().await;
    app.queue(git_job("Steve")).await;
    let answer = app.send(Method::DELETE, "/jobs/1", &Value::Null).await;
    answer.problem(409, "job_state");
    let lease = app.leased("agent-1").await;
    app.logged(&lease, 0, b"hello\n").await;
    app.send(Method::DELETE, "/jobs/1", &Value::Null)
        .await
        .problem(409, "job_state");
    app.finished(&lease, &passed()).await;
    let answer = app.send(Method::DELETE, "/jobs/1", &Value::Null).await;
    assert_eq!(answer.status, 204);
    assert!(answer.bytes.is_empty());
    app.get("/jobs/1").await.problem(404, "job_not_found");
    app.get("/jobs/1/log").await.problem(404, "job_not_found");
    // Its number is not used again.
    assert_eq!(app.queue(git_job("Eve")).await["id"], 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_repeated_whole_or_where_it_failed() {
    let app = App::start().await;
    app.queue(job_in("Steve", "7")).await;
    let again = json!({"failed_only": true});
    let answer = app.send(Method::POST, "/jobs/1/rerun", &again).await;
    answer.problem(409, "job_state");
    let lease = app.leased("agent-1").await;
    let mut run =
        crate::app::run_with_cases(lease["run_id"].as_str().unwrap(), &["passed", "failed"]);
    run["finished"] = true.into();
    run["exit_code"] = 1.into();
    run["collected"] = 2.into();
    app.save(run).await;
    app.finished(&lease, &json!({"ending": "failed", "exit_code": 1}))
        .await;
    let whole = app.posted("/jobs/1/rerun", &Value::Null, 201).await;
    assert_eq!(whole["rerun_of"], 1);
    assert_eq!(whole["tests"], json!([]));
    assert_eq!(whole["environment"], "7");
    let failed = app.posted("/jobs/1/rerun", &again, 201).await;
    assert_eq!(failed["tests"], json!(["tests/test_a.py::test_1"]));
    let answer = app
        .send(Method::POST, "/jobs/1/rerun", &json!({"failed_only": 1}))
        .await;
    assert_eq!(answer.problem(422, "invalid_field"), "failed_only");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_answer_was_lost_is_sent_again_without_harm() {
    let library = tempfile::tempdir().unwrap();
    let file = library.path().join("test_it.py");
    std::fs::write(&file, "def test_it(): pass\n").unwrap();
    let folder = library.path().to_owned();
    let app = App::start_with(|config| config.tests_dir = Some(folder)).await;
    let new = json!({"uuid": "0198C0DE-5EED-7ABC-9DEF-0123456789AB", "username": "Steve",
        "source": {"type": "library", "files": ["test_it.py"]}});
    let first = app.send(Method::POST, "/jobs", &new).await;
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.json()["uuid"], "0198c0de-5eed-7abc-9def-0123456789ab");
    // What became of the files is of no importance.
    std::fs::remove_file(&file).unwrap();
    let again = app.send(Method::POST, "/jobs", &new).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.json(), first.json());
    let mut other = new.clone();
    other["priority"] = 7.into();
    let answer = app.send(Method::POST, "/jobs", &other).await;
    answer.problem(409, "job_conflict");
    assert_eq!(app.json("/jobs").await.as_array().unwrap().len(), 1);

    let path = format!("/jobs/{}/rerun", first.json()["id"]);
    let rerun = json!({"uuid": "0198c0de-5eed-7abc-9def-0123456789ac"});
    let first = app.posted(&path, &rerun, 201).await;
    assert_eq!(app.posted(&path, &rerun, 200).await, first);
    let bad = json!({"uuid": "1"});
    let answer = app.send(Method::POST, &path, &bad).await;
    assert_eq!(answer.problem(422, "invalid_field"), "uuid");
    app.stop().await;
}
