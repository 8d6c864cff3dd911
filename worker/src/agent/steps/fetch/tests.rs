//! Tests of git, with a real one and repositories on disk.

use std::path::Path;
use std::process::Command;

use shared::job::GitSource;

use super::*;
use crate::agent::steps::StepOptions;

struct Story {
    folder: tempfile::TempDir,
    site: Site,
}

fn story() -> Story {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("job"), folder.path().join("cache"));
    std::fs::create_dir(site.folder()).unwrap();
    Story { folder, site }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Steve",
            "-c",
            "user.email=steve@example.org",
        ])
        .args([
            "-c",
            "protocol.file.allow=always",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with a commit on `main`; answers with the commit.
fn repository(path: &Path, files: &[(&str, &str)]) -> String {
    std::fs::create_dir_all(path).unwrap();
    git(path, &["init", "--quiet", "--initial-branch=main"]);
    commit(path, files)
}

fn commit(path: &Path, files: &[(&str, &str)]) -> String {
    for (name, text) in files {
        std::fs::write(path.join(name), text).unwrap();
    }
    git(path, &["add", "--all"]);
    git(
        path,
        &["commit", "--quiet", "--allow-empty", "--message", "x"],
    );
    git(path, &["rev-parse", "HEAD"])
}

impl Story {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    /// Fetches from repositories of this story. Answers with the log as well.
    fn fetch(&self, source: GitSource) -> (Result<Fetched, StepFailure>, String) {
        let allow_url = vec![format!("file://{}/*", self.folder.path().display())];
        let options = StepOptions {
            allow_url,
            ..StepOptions::default()
        };
        self.fetch_as(source, &options)
    }

    fn fetch_as(
        &self,
        source: GitSource,
        options: &StepOptions,
    ) -> (Result<Fetched, StepFailure>, String) {
        let rules = FetchRules::of(options, None).unwrap();
        let mut said = Vec::new();
        let mut log = JobLog::new(&mut said);
        let fetched = fetch(&Source::Git(source), &self.site, &rules, &mut log, |_| {
            panic!("git downloads nothing")
        });
        (fetched, String::from_utf8(said).unwrap())
    }

    fn has(&self, name: &str) -> bool {
        self.site.source().join(name).exists()
    }
}

#[test]
fn a_branch_a_tag_and_the_default_are_fetched_without_their_history() {
    let story = story();
    let code = story.path("code");
    repository(&code, &[("first.py", "")]);
    git(&code, &["tag", "v1"]);
    git(&code, &["switch", "--quiet", "--create", "feature/x"]);
    let feature = commit(&code, &[("second.py", "")]);
    git(&code, &["switch", "--quiet", "main"]);
    for (branch, has_second) in [
        (Some("feature/x"), true),
        (Some("v1"), false),
        (None, false),
    ] {
        let _ = std::fs::remove_dir_all(story.site.source());
        let (fetched, log) = story.fetch(GitSource {
            url: story.url("code"),
            branch: branch.map(str::to_owned),
            ..GitSource::default()
        });
        let fetched = fetched.unwrap_or_else(|failure| panic!("{failure}: {log}"));
        assert!(story.has("first.py"), "{log}");
        assert_eq!(story.has("second.py"), has_second, "{log}");
        assert_eq!(fetched.commit.as_deref() == Some(&*feature), has_second);
        assert_eq!(fetched.folder, story.site.source());
        let count = git(&story.site.source(), &["rev-list", "--count", "HEAD"]);
        assert_eq!(count, "1", "{log}");
        assert!(log.contains("== at commit "), "{log}");
    }
}

#[test]
fn a_commit_is_found_by_its_number_or_its_beginning_in_the_history() {
    let story = story();
    let code = story.path("code");
    repository(&code, &[("first.py", "")]);
    let old = commit(&code, &[("old.py", "")]);
    for _ in 0..60 {
        commit(&code, &[]);
    }
    let fetch = |commit: &str, branch: Option<&str>| {
        let _ = std::fs::remove_dir_all(story.site.source());
        story.fetch(GitSource {
            url: story.url("code"),
            commit: Some(commit.to_owned()),
            branch: branch.map(str::to_owned),
            ..GitSource::default()
        })
    };
    for commit in [&*old, &old[..10]] {
        for branch in [None, Some("main")] {
            let (fetched, log) = fetch(commit, branch);
            assert_eq!(fetched.unwrap().commit.as_deref(), Some(&*old), "{log}");
            assert!(story.has("old.py"));
        }
    }
    let (failed, log) = fetch(&"0".repeat(40), None);
    let why = failed.unwrap_err().text;
    assert!(
        why.contains("no commit 0000") || why.contains("git could not"),
        "{why}: {log}"
    );
}

#[test]
fn tests_of_another_repository_lie_beside_the_code() {
    let story = story();
    repository(&story.path("code"), &[("code.py", "")]);
    repository(&story.path("tests-of-it"), &[("test_it.py", "")]);
    let (fetched, log) = story.fetch(GitSource {
        url: story.url("code"),
        tests_url: Some(story.url("tests-of-it")),
        ..GitSource::default()
    });
    assert_eq!(fetched.unwrap().folder, story.site.tests(), "{log}");
    assert!(story.has("code.py") && !story.has("test_it.py"));
    assert!(story.site.tests().join("test_it.py").exists());
}

#[test]
fn what_is_not_there_is_said_in_the_words_of_git() {
    let story = story();
    repository(&story.path("code"), &[("code.py", "")]);
    let (failed, _) = story.fetch(GitSource {
        url: story.url("code"),
        branch: Some("missing".to_owned()),
        ..GitSource::default()
    });
    let why = failed.unwrap_err().text;
    assert!(why.contains("no branch and no tag \"missing\""), "{why}");
    let (failed, log) = story.fetch(GitSource {
        url: story.url("nowhere"),
        ..GitSource::default()
    });
    let why = failed.unwrap_err().text;
    assert!(
        why.contains("does not appear to be a git repository"),
        "{why}"
    );
    assert!(
        log.contains("does not appear to be a git repository"),
        "{log}"
    );
}

#[test]
fn nothing_is_fetched_from_where_the_owner_does_not_say() {
    let story = story();
    repository(&story.path("code"), &[("code.py", "")]);
    let url = story.url("code");
    let why = |options: &StepOptions, source: GitSource| {
        let (failed, log) = story.fetch_as(source, options);
        assert_eq!(log, "", "git was started");
        failed.unwrap_err().text
    };
    let source = |url: &str| GitSource {
        url: url.to_owned(),
        ..GitSource::default()
    };
    let plain = StepOptions::default();
    assert!(why(&plain, source(&url)).starts_with("source.url: this agent takes https and ssh"));
    assert!(why(&plain, source("https://127.0.0.1/x")).contains("the agent's own machine"));
    assert!(why(&plain, source("--upload-pack=x")).starts_with("source.url: "));
    let named = StepOptions {
        allow_url: vec!["https://git.example.org/*".to_owned()],
        ..StepOptions::default()
    };
    assert!(why(&named, source("https://github.com/x")).contains("--allow-url"));
    let tests = GitSource {
        tests_url: Some("https://github.com/x".to_owned()),
        ..source("https://git.example.org/x")
    };
    assert!(why(&named, tests).starts_with("source.tests_url: "));
    let branch = GitSource {
        branch: Some("--upload-pack=x".to_owned()),
        ..source("https://git.example.org/x")
    };
    assert!(why(&named, branch).starts_with("source.branch: "));
    let commit = GitSource {
        commit: Some("HEAD".to_owned()),
        ..source("https://git.example.org/x")
    };
    assert!(why(&named, commit).starts_with("source.commit: "));
}

#[test]
fn submodules_come_only_when_asked_and_only_from_where_they_may() {
    let story = story();
    repository(&story.path("inner"), &[("inner.py", "")]);
    let middle = story.path("middle");
    repository(&middle, &[("middle.py", "")]);
    git(
        &middle,
        &["submodule", "--quiet", "add", "../inner", "inner"],
    );
    commit(&middle, &[]);
    let code = story.path("code");
    repository(&code, &[("code.py", "")]);
    git(
        &code,
        &[
            "submodule",
            "--quiet",
            "add",
            &story.url("middle"),
            "middle",
        ],
    );
    commit(&code, &[]);
    let fetch = |submodules: bool| {
        let _ = std::fs::remove_dir_all(story.site.source());
        story.fetch(GitSource {
            url: story.url("code"),
            submodules,
            ..GitSource::default()
        })
    };
    let (fetched, _) = fetch(false);
    fetched.unwrap();
    assert!(!story.has("middle/middle.py"));
    let (fetched, log) = fetch(true);
    fetched.unwrap_or_else(|failure| panic!("{failure}: {log}"));
    assert!(
        story.has("middle/middle.py") && story.has("middle/inner/inner.py"),
        "{log}"
    );
    for elsewhere in [
        "file:///etc",
        "https://evil.example.org/x",
        "ext::sh -c true",
        "-x",
    ] {
        let text = format!("[submodule \"m\"]\n\tpath = middle\n\turl = {elsewhere}\n");
        std::fs::write(code.join(".gitmodules"), text).unwrap();
        commit(&code, &[]);
        let (failed, log) = fetch(true);
        let why = failed.expect_err(&log).text;
        assert!(
            why.contains("the submodule \"m\"") || why.contains("git could not read"),
            "{why}"
        );
        assert!(!story.has("middle/middle.py"));
    }
}

#[test]
fn hooks_of_a_template_and_filters_of_a_repository_do_not_run() {
    let story = story();
    let code = story.path("code");
    let sign = story.path("sign");
    let evil = format!("#!/bin/sh\ntouch {}\n", sign.display());
    repository(
        &code,
        &[
            (".gitattributes", "* filter=evil\n"),
            ("code.py", ""),
            ("evil.sh", &evil),
        ],
    );
    let (fetched, log) = story.fetch(GitSource {
        url: story.url("code"),
        ..GitSource::default()
    });
    fetched.unwrap_or_else(|failure| panic!("{failure}: {log}"));
    assert!(!sign.exists());
    assert!(!story.site.source().join(".git/hooks").exists());
}

#[test]
fn more_than_the_limits_of_size_and_time_is_ended() {
    let story = story();
    let code = story.path("code");
    // Random enough not to be packed: two numbers after one another.
    let mut number: u64 = 1;
    let mut text = String::new();
    for _ in 0..200_000 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&number.to_string());
    }
    repository(&code, &[("big.txt", &text)]);
    let options = StepOptions {
        allow_url: vec![format!("file://{}/*", story.folder.path().display())],
        fetch_max: Some(1),
        ..StepOptions::default()
    };
    let source = GitSource {
        url: story.url("code"),
        ..GitSource::default()
    };
    let (failed, _) = story.fetch_as(source.clone(), &options);
    let why = failed.unwrap_err().text;
    assert!(why.contains("more than the 1 MiB"), "{why}");
    let options = StepOptions {
        fetch_max: None,
        fetch_timeout: Some(0),
        ..options
    };
    let (failed, _) = story.fetch_as(source, &options);
    let why = failed.unwrap_err().text;
    assert!(why.contains("limit of 0 s"), "{why}");
}
