//! `/library`: test files on the master's file system.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::access::Scope;
use shared::limits::{LIBRARY_FILE_BYTES_MAX, LIBRARY_VERSIONS_MAX};
use tempfile::TempDir;

use crate::app::{Answer, App};

/// A master with a library, in a folder beside which is something that nobody may reach.
struct Shelf {
    app: App,
    folder: TempDir,
}

impl Shelf {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("library")).unwrap();
        fs::write(folder.path().join("secret.py"), "secret").unwrap();
        let library = folder.path().join("library");
        let app = App::start_with(|config| config.tests_dir = Some(library)).await;
        Self { app, folder }
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("library").join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    async fn put(&self, path: &str, content: &[u8]) -> Answer {
        let path = format!("/library/{path}");
        self.app
            .request(Method::PUT, &path, &[], content.to_vec())
            .await
    }

    async fn delete(&self, path: &str) -> Answer {
        let path = format!("/library/{path}");
        self.app
            .request(Method::DELETE, &path, &[], Vec::new())
            .await
    }

    async fn paths(&self) -> Vec<String> {
        let listed = self.app.json("/library?limit=1000").await;
        let path = |file: &Value| file["path"].as_str().unwrap().to_owned();
        listed.as_array().unwrap().iter().map(path).collect()
    }

    /// Sends a form; a part without a file name is a text.
    async fn form(
        &self,
        parts: &[(&str, Option<&str>, &[u8])],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut body = Vec::new();
        for (name, file, content) in parts {
            let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
            let head =
                format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
            body.extend(head.into_bytes());
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        let mut all = vec![("content-type", "multipart/form-data; boundary=edge")];
        all.extend(headers);
        self.app.request(Method::POST, "/library", &all, body).await
    }

    /// Nothing outside was touched, and nothing unfinished was left.
    fn is_intact(&self) {
        assert_eq!(
            fs::read_to_string(self.folder.path().join("secret.py")).unwrap(),
            "secret"
        );
        let beside: Vec<_> = fs::read_dir(self.folder.path()).unwrap().collect();
        assert_eq!(beside.len(), 2, "{beside:?}");
        assert_eq!(
            unfinished(&self.folder.path().join("library")),
            Vec::<PathBuf>::new()
        );
    }
}

fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if item.file_type().unwrap().is_dir() {
            found.extend(unfinished(&item.path()));
        } else if item.file_name().to_string_lossy().starts_with('.') {
            found.push(item.path());
        }
    }
    found
}

#[tokio::test]
async fn what_lies_in_the_folder_is_listed_and_read() {
    let shelf = Shelf::start().await;
    assert_eq!(shelf.app.json("/library").await, json!([]));
    shelf.write("test_b.py", "b = 1\n");
    shelf.write("deep/er/test_a.py", "a = 1\n");
    shelf.write("deep/data.unknown", "by hand, any name goes");
    let listed = shelf.app.json("/library").await;
    let modified = listed[0]["modified_at"].as_str().unwrap();
    shared::time::parse(modified).expect(modified);
    let short: Vec<Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|file| json!([file["path"], file["bytes"], file["is_test"]]))
        .collect();
    assert_eq!(
        json!(short),
        json!([
            ["deep/data.unknown", 22, false],
            ["deep/er/test_a.py", 6, true],
            ["test_b.py", 6, true]
        ])
    );
    let answer = shelf.app.get("/library/deep/er/test_a.py").await;
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (200, "a = 1\n".to_owned())
    );
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let known = [("if-none-match", answer.header("etag"))];
    let again = shelf
        .app
        .get_with("/library/deep/er/test_a.py", &known)
        .await;
    assert_eq!(again.status, 304);
    shelf.app.stop().await;
}

#[tokio::test]
async fn what_is_hidden_or_leads_elsewhere_is_neither_listed_nor_read() {
    let shelf = Shelf::start().await;
    shelf.write("test_a.py", "");
    shelf.write(".hidden/test_b.py", "");
    shelf.write(".env", "");
    shelf.write("__pycache__/test_a.pyc", "");
    symlink(
        shelf.folder.path().join("secret.py"),
        shelf.file("test_link.py"),
    )
    .unwrap();
    symlink(shelf.folder.path(), shelf.file("up")).unwrap();
    symlink("test_a.py", shelf.file("test_inner_link.py")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        shelf.file("pipe.py"),
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    assert_eq!(shelf.paths().await, ["test_a.py"]);
    for (path, reason) in [
        ("test_link.py", "symbolic link"),
        ("test_inner_link.py", "symbolic link"),
        ("up/secret.py", "symbolic link"),
        (".env", "hidden"),
        (".hidden/test_b.py", "hidden"),
        ("__pycache__/test_a.pyc", "compiled"),
        ("pipe.py", "not a regular file"),
        ("test_a.py/more.py", "is a file, not a folder"),
    ] {
        let answer = shelf.app.get(&format!("/library/{path}")).await;
        assert_eq!(answer.problem(422, "invalid_field"), "path", "{path}");
        assert!(answer.text().contains(reason), "{path}: {}", answer.text());
    }
    let answer = shelf.app.get("/library/test_none.py").await;
    answer.problem(404, "file_not_found");
    shelf.app.stop().await;
}

#[tokio::test]
async fn a_list_pages_by_path_and_goes_on_where_it_was() {
    let shelf = Shelf::start().await;
    for number in 0..25 {
        shelf.write(&format!("dir{}/test_{number:02}.py", number % 3), "");
    }
    let mut seen: Vec<String> = Vec::new();
    let mut next = Some("/library?limit=10".to_owned());
    while let Some(path) = next {
        let answer = shelf.app.get(&path).await;
        let files = answer.json();
        seen.extend(
            files
                .as_array()
                .unwrap()
                .iter()
                .map(|file| file["path"].as_str().unwrap().to_owned()),
        );
        next = answer.next();
        // What comes before what was shown does not move the rest.
        shelf.write(&format!("dir0/test_0{}.py", seen.len()), "");
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted());
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=MXI3", "cursor"),
    ] {
        let answer = shelf.app.get(&format!("/library?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_parameter"), field);
    }
    shelf.app.stop().await;
}

#[tokio::test]
async fn an_upload_is_created_replaced_or_unchanged_and_its_versions_are_kept() {
    let shelf = Shelf::start().await;
    let mut hashes = Vec::new();
    for (content, status, code) in [
        (&b"one"[..], "created", 201),
        (b"one", "unchanged", 200),
        (b"two", "replaced", 200),
        (b"", "replaced", 200),
    ] {
        let answer = shelf.put("new/folder/test_a.py", content).await;
        assert_eq!(answer.status, code, "{}", answer.text());
        let hash = blake3::hash(content).to_hex().to_string();
        let expected = json!({"path": "new/folder/test_a.py", "bytes": content.len(), "hash": hash, "status": status});
        assert_eq!(answer.json(), expected);
        assert_eq!(
            fs::read(shelf.file("new/folder/test_a.py")).unwrap(),
            content
        );
        hashes.push(hash);
    }
    let versions = shelf
        .app
        .json("/library/new/folder/test_a.py?versions=true")
        .await;
    let listed: Vec<&str> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["hash"].as_str().unwrap())
        .collect();
    assert_eq!(listed, [&hashes[3], &hashes[2], &hashes[0]]);
    assert_eq!(versions[0]["uploaded_by"], "");
    let path = format!("/library/new/folder/test_a.py?version={}", hashes[0]);
    assert_eq!(shelf.app.get(&path).await.text(), "one");
    let other = shelf.put("test_other.py", b"other").await.json();
    let path = format!(
        "/library/new/folder/test_a.py?version={}",
        other["hash"].as_str().unwrap()
    );
    shelf.app.get(&path).await.problem(404, "file_not_found");
    let wrong = shelf.app.get("/library/test_other.py?version=../x").await;
    assert_eq!(wrong.problem(422, "invalid_field"), "version");
    shelf.is_intact();
    shelf.app.stop().await;
}

#[tokio::test]
async fn a_file_that_was_put_there_by_hand_is_kept_as_a_version_when_it_is_replaced_or_deleted() {
    let shelf = Shelf::start().await;
    shelf.write("dir/test_a.py", "by hand");
    shelf.write("dir/test_b.py", "by hand too");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(shelf.file("dir/test_a.py"), mode).unwrap();
    assert_eq!(
        shelf.app.json("/library/dir/test_a.py?versions=true").await,
        json!([])
    );
    assert_eq!(
        shelf.put("dir/test_a.py", b"uploaded").await.json()["status"],
        "replaced"
    );
    let mode = fs::metadata(shelf.file("dir/test_a.py"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(shelf.delete("dir/test_b.py").await.status, 204);
    for (path, content) in [
        ("dir/test_a.py", "by hand"),
        ("dir/test_b.py", "by hand too"),
    ] {
        let versions = shelf
            .app
            .json(&format!("/library/{path}?versions=true"))
            .await;
        let oldest = versions.as_array().unwrap().last().unwrap().clone();
        let hash = oldest["hash"].as_str().unwrap();
        assert_eq!(hash, blake3::hash(content.as_bytes()).to_hex().as_str());
        let answer = shelf
            .app
            .get(&format!("/library/{path}?version={hash}"))
            .await;
        assert_eq!(answer.text(), content);
    }
    shelf.app.stop().await;
}

#[tokio::test]
async fn only_so_many_versions_of_a_file_are_kept() {
    let shelf = Shelf::start().await;
    for number in 0..LIBRARY_VERSIONS_MAX + 3 {
        let answer = shelf
            .put("test_a.py", format!("content {number}").as_bytes())
            .await;
        assert!(answer.status.is_success());
    }
    let versions = shelf.app.json("/library/test_a.py?versions=true").await;
    let versions = versions.as_array().unwrap();
    assert_eq!(versions.len(), LIBRARY_VERSIONS_MAX);
    let oldest = blake3::hash(b"content 3").to_hex().to_string();
    assert_eq!(versions.last().unwrap()["hash"], oldest);
    shelf.app.stop().await;
}

#[tokio::test]
async fn a_deleted_file_takes_its_empty_folders_along() {
    let shelf = Shelf::start().await;
    shelf.put("a/b/c/test_a.py", b"a").await;
    shelf.put("a/test_b.py", b"b").await;
    assert_eq!(
        shelf.delete("a/b").await.problem(422, "invalid_field"),
        "path"
    );
    assert_eq!(shelf.delete("a/b/c/test_a.py").await.status, 204);
    assert!(!shelf.file("a/b").exists());
    assert_eq!(shelf.paths().await, ["a/test_b.py"]);
    shelf
        .delete("a/b/c/test_a.py")
        .await
        .problem(404, "file_not_found");
    // A file can be where a folder was.
    assert_eq!(shelf.put("a/b.py", b"b").await.status, 201);
    shelf.is_intact();
    shelf.app.stop().await;
}

#[tokio::test]
async fn no_path_leads_out_of_the_library_however_it_is_spelled() {
    let shelf = Shelf::start().await;
    for path in [
        "%2e%2e%2fsecret.py",
        "..%2fsecret.py",
        "a%2f..%2f..%2fsecret.py",
        "%2e%2e/secret.py",
        "%2e/secret.py",
        "%2fetc%2fpasswd.py",
        "a//secret.py",
        "a%5c..%5csecret.py",
        "a%00.py",
        "a%0a.py",
        "%2ehidden.py",
        "C:%5Ca.py",
    ] {
        // Not through a client that tidies paths up.
        for method in ["GET", "PUT", "DELETE"] {
            let answer = raw(&shelf.app, method, &format!("/library/{path}")).await;
            assert!(
                answer.starts_with("HTTP/1.1 422"),
                "{method} {path}: {answer}"
            );
            assert!(answer.contains("\"field\":\"path\""), "{answer}");
        }
    }
    let answer = raw(&shelf.app, "PUT", "/library/../secret.py").await;
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    let answer = raw(&shelf.app, "PUT", "/library/%ff.py").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    shelf.is_intact();
    assert_eq!(shelf.paths().await, Vec::<String>::new());
    shelf.app.stop().await;
}

async fn raw(app: &App, method: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
        app.address()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn every_refused_upload_says_why_and_writes_nothing() {
    let shelf = Shelf::start().await;
    shelf.write("Dir/Test_A.py", "there");
    shelf.write("file.py", "there");
    symlink(shelf.folder.path(), shelf.file("up")).unwrap();
    symlink(shelf.folder.path().join("secret.py"), shelf.file("link.py")).unwrap();
    fs::create_dir(shelf.file("folder.py")).unwrap();
    for (path, reason) in [
        ("Dir/test_a.py", "differs by case alone"),
        ("dir/test_b.py", "differs by case alone"),
        ("FILE.py", "differs by case alone"),
        ("file.py/test_a.py", "is a file, not a folder"),
        ("folder.py", "not a regular file"),
        ("up/secret.py", "symbolic link"),
        ("up/new.py", "symbolic link"),
        ("link.py", "symbolic link"),
        ("CON.py", "device"),
        ("x/nul.txt", "device"),
        ("a.exe", "must end in one of"),
        ("Makefile", "must end in one of"),
        ("a%20", "begins or ends with a space"),
        ("dir./a.py", "ends with a dot"),
        ("__pycache__/a.py", "compiled"),
        (".github/a.yml", "hidden"),
    ] {
        let answer = shelf.put(path, b"new").await;
        assert_eq!(answer.problem(422, "invalid_field"), "path", "{path}");
        assert!(answer.text().contains(reason), "{path}: {}", answer.text());
    }
    let large = vec![b'x'; LIBRARY_FILE_BYTES_MAX + 1];
    shelf
        .put("test_large.py", &large)
        .await
        .problem(413, "body_too_large");
    assert_eq!(shelf.put("test_large.py", &large[1..]).await.status, 201);
    assert_eq!(
        shelf.paths().await,
        ["Dir/Test_A.py", "file.py", "test_large.py"]
    );
    assert_eq!(
        fs::read_to_string(shelf.file("Dir/Test_A.py")).unwrap(),
        "there"
    );
    shelf.is_intact();
    shelf.app.stop().await;
}

#[tokio::test]
async fn a_form_puts_files_into_a_folder() {
    let shelf = Shelf::start().await;
    let answer = shelf
        .form(
            &[
                ("file", Some("test_a.py"), b"a\r\n"),
                ("directory", None, b"new/dir"),
                ("file", Some("data.bin"), &[0, 255]),
            ],
            &[],
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let paths: Vec<Value> = answer
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].clone())
        .collect();
    assert_eq!(
        json!(paths),
        json!(["new/dir/test_a.py", "new/dir/data.bin"])
    );
    assert_eq!(fs::read(shelf.file("new/dir/test_a.py")).unwrap(), b"a\r\n");
    assert_eq!(
        shelf
            .app
            .get("/library/new/dir/data.bin")
            .await
            .header("content-type"),
        "application/octet-stream"
    );
    let again = shelf
        .form(
            &[
                ("directory", None, b"new/dir/"),
                ("file", Some("test_a.py"), b"b"),
            ],
            &[],
        )
        .await;
    assert_eq!(
        (again.status.as_u16(), again.json()[0]["status"].as_str()),
        (200, Some("replaced"))
    );

    shelf.is_intact();
    shelf.app.stop().await;
}

/// A part of a form: its name, its file's name, its content.
type Part = (&'static str, Option<&'static str>, &'static [u8]);

/// Parts that are refused beside a good one, the field at fault, and why.
const BAD_PARTS: [(Part, &str, &str); 13] = [
    (
        ("file", Some("../test_bad.py"), b""),
        "file[1]",
        "part `..`",
    ),
    (
        ("file", Some("/test_bad.py"), b""),
        "file[1]",
        "begin with `/`",
    ),
    (
        ("file", Some("TEST_GOOD.py"), b""),
        "file[1]",
        "differ by case alone",
    ),
    (("file", Some("test_good.py"), b""), "file[1]", "twice"),
    (
        ("file", Some("test_good.py/a.py"), b""),
        "file[1]",
        "a file and a folder",
    ),
    (
        ("file", Some("New/dir.py"), b""),
        "file[1]",
        "differs by case alone",
    ),
    (
        ("file", Some("new.py/bad.exe"), b""),
        "file[1]",
        "must end in one of",
    ),
    (("file", None, b""), "file", "with a name"),
    (("directory", None, b"../x"), "directory", "part `..`"),
    (("directory", None, b"/etc"), "directory", "begin with `/`"),
    (("directory", None, b".ssh"), "directory", "hidden"),
    (("directory", Some("x.py"), b""), "directory", "one text"),
    (("dir", None, b"x"), "dir", "unknown"),
];

#[tokio::test]
async fn of_a_form_with_a_bad_part_nothing_is_taken() {
    let shelf = Shelf::start().await;
    shelf.write("new/dir/test_a.py", "there");
    let before = shelf.paths().await;
    let good = ("file", Some("test_good.py"), &b"good"[..]);
    for (bad, field, reason) in BAD_PARTS {
        let answer = shelf.form(&[good, bad], &[]).await;
        assert_eq!(
            answer.problem(422, "invalid_field"),
            field,
            "{bad:?}: {}",
            answer.text()
        );
        assert!(answer.text().contains(reason), "{bad:?}: {}", answer.text());
    }
    let empty = shelf.form(&[("directory", None, b"x")], &[]).await;
    assert_eq!(empty.problem(422, "invalid_field"), "file");
    let cut = [("content-type", "multipart/form-data; boundary=edge")];
    let cut = shelf
        .app
        .request(
            Method::POST,
            "/library",
            &cut,
            b"--edge\r\ncontent-disp".to_vec(),
        )
        .await;
    cut.problem(400, "invalid_form");
    let json = [("content-type", "application/json")];
    let json = shelf
        .app
        .request(Method::POST, "/library", &json, b"{}".to_vec())
        .await;
    json.problem(415, "unsupported_media_type");
    assert_eq!(shelf.paths().await, before);
    shelf.is_intact();
    shelf.app.stop().await;
}

#[tokio::test]
async fn no_page_of_another_origin_makes_a_browser_upload_something() {
    let shelf = Shelf::start().await;
    let file = [("file", Some("test_a.py"), &b"evil"[..])];
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
    ] {
        let answer = shelf.form(&file, &[("origin", origin)]).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    assert_eq!(shelf.paths().await, Vec::<String>::new());
    let own = shelf.app.url.clone();
    let answer = shelf.form(&file, &[("origin", &own)]).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    shelf.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_at_the_same_time_never_mix() {
    let shelf = Shelf::start().await;
    let contents: Vec<Vec<u8>> = (0..8u8)
        .map(|number| vec![b'a' + number; 300_000])
        .collect();
    let files: Vec<_> = contents
        .iter()
        .map(|content| async { shelf.put("dir/test_a.py", content).await.status })
        .collect();
    let reader = async {
        let mut seen = 0;
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline && seen < 50 {
            if let Ok(content) = fs::read(shelf.file("dir/test_a.py")) {
                assert!(
                    contents.contains(&content),
                    "a mixed file of {} bytes",
                    content.len()
                );
                seen += 1;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let (statuses, ()) = tokio::join!(futures_util::future::join_all(files), reader);
    assert!(statuses.iter().all(StatusCode::is_success), "{statuses:?}");
    assert_eq!(
        statuses
            .iter()
            .filter(|status| status.as_u16() == 201)
            .count(),
        1
    );
    // The last version is what is there.
    let versions = shelf.app.json("/library/dir/test_a.py?versions=true").await;
    let there = fs::read(shelf.file("dir/test_a.py")).unwrap();
    assert_eq!(versions[0]["hash"], blake3::hash(&there).to_hex().as_str());
    assert_eq!(versions.as_array().unwrap().len(), 8);
    shelf.is_intact();
    shelf.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_names_that_differ_by_case_one_wins_when_they_come_at_the_same_time() {
    let shelf = Shelf::start().await;
    let names = ["test_a.py", "Test_a.py", "TEST_A.py", "test_A.py"];
    let puts = names.map(|name| shelf.put(name, name.as_bytes()));
    let answers = futures_util::future::join_all(puts).await;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(taken, 1);
    assert_eq!(shelf.paths().await.len(), 1);
    shelf.app.stop().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_says_so() {
    let shelf = Shelf::start().await;
    fs::remove_dir(shelf.file("")).unwrap();
    let answer = shelf.put("test_a.py", b"a").await;
    answer.problem(503, "library_unavailable");
    assert!(
        !answer
            .text()
            .contains(shelf.folder.path().to_str().unwrap()),
        "{}",
        answer.text()
    );
    shelf
        .app
        .get("/library")
        .await
        .problem(503, "library_unavailable");
    shelf.app.stop().await;
}

#[tokio::test]
async fn without_a_folder_there_is_no_library() {
    let app = App::start().await;
    assert_eq!(app.json("/library").await, json!([]));
    app.get("/library/test_a.py")
        .await
        .problem(409, "no_library");
    let put = app
        .request(Method::PUT, "/library/test_a.py", &[], b"a".to_vec())
        .await;
    put.problem(409, "no_library");
    let delete = app
        .request(Method::DELETE, "/library/test_a.py", &[], Vec::new())
        .await;
    delete.problem(409, "no_library");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_becomes_a_link_at_the_wrong_moment_leads_nowhere() {
    let shelf = Shelf::start().await;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("test_there.py"), "outside").unwrap();
    let (folder, link) = (shelf.file("dir"), shelf.file("link"));
    fs::create_dir(&folder).unwrap();
    symlink(outside.path(), &link).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            let mut count = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, &folder, here, &link, exchange).unwrap();
                std::thread::yield_now();
                count += 1;
            }
            count
        })
    };
    let mut statuses = BTreeSet::new();
    for number in 0..200 {
        let name = format!("dir/test_{number}.py");
        statuses.insert(shelf.put(&name, b"inside").await.status.as_u16());
        let read = shelf.app.get("/library/dir/test_there.py").await;
        assert_ne!(read.status, 200, "{}", read.text());
    }
    stop.store(true, Ordering::Relaxed);
    assert!(swapping.join().unwrap() > 200);
    // Whatever became of each: nothing went outside, and nobody was told that the master is broken.
    let outside: Vec<_> = fs::read_dir(outside.path()).unwrap().collect();
    assert_eq!(outside.len(), 1, "{outside:?}");
    assert_eq!(statuses, BTreeSet::from([201, 422]));
    shelf.app.stop().await;
}

#[tokio::test]
async fn the_library_is_read_uploaded_to_and_deleted_from_by_those_who_may() {
    let shelf = Shelf::start().await;
    shelf.write("test_a.py", "a");
    let tokens = [
        shelf.app.token("reader", &[Scope::Read], None).await,
        shelf.app.token("runner", &[Scope::Run], None).await,
        shelf.app.token("owner", &[Scope::Admin], None).await,
        shelf
            .app
            .token("bound", &[Scope::Read, Scope::Run], Some("shop"))
            .await,
    ];
    shelf.app.knows().await;
    let [reader, runner, owner, bound] = tokens.map(|token| format!("Bearer {token}"));
    let ask = async |who: &str, method: Method, body: &[u8]| {
        let headers = [("authorization", who)];
        let answer = shelf
            .app
            .request(method, "/library/test_b.py", &headers, body.to_vec());
        answer.await.status.as_u16()
    };
    for (who, method, status) in [
        (&reader, Method::PUT, 403),
        (&runner, Method::PUT, 201),
        (&runner, Method::GET, 403),
        (&reader, Method::GET, 200),
        (&bound, Method::GET, 200),
        (&bound, Method::PUT, 403),
        (&bound, Method::DELETE, 403),
        (&runner, Method::DELETE, 403),
        (&owner, Method::DELETE, 204),
    ] {
        let body: &[u8] = if method == Method::PUT { b"b" } else { b"" };
        assert_eq!(ask(who, method.clone(), body).await, status, "{method}");
    }
    let headers = [("authorization", bound.as_str())];
    let answer = shelf
        .app
        .request(Method::PUT, "/library/test_c.py", &headers, b"c".to_vec())
        .await;
    answer.problem(403, "project_forbidden");
    assert!(
        answer.text().contains("shared by all projects"),
        "{}",
        answer.text()
    );
    let headers = [("authorization", reader.as_str())];
    let path = "/library/test_b.py?versions=true";
    let versions = shelf.app.get_with(path, &headers).await.json();
    assert_eq!(versions[0]["uploaded_by"], "runner");
    shelf.app.stop().await;
}
