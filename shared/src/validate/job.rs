//! Rules that jobs, environments and agents must obey.

use std::collections::BTreeMap;

use super::{Invalid, at_most, identifier, long, name, timestamp};
use crate::environment::NewEnvironment;
use crate::job::{GitSource, JobErrorKind, LibrarySource, NewJob, Source, Step};
use crate::lease::{AttemptEnding, FinishAttempt, LeaseRequest};
use crate::limits;

/// Shortest and longest abbreviation of a commit, in hexadecimal digits.
const COMMIT_DIGITS: std::ops::RangeInclusive<usize> = 7..=64;

/// Takes the spaces off that people type around names, and takes an empty name for none.
pub fn trim(job: &mut NewJob) {
    trim_optional(&mut job.uuid);
    if let Some(uuid) = &mut job.uuid {
        uuid.make_ascii_lowercase();
    }
    trim_text(&mut job.username);
    trim_text(&mut job.project);
    trim_optional(&mut job.environment);
    match &mut job.source {
        Source::Git(git) => {
            trim_text(&mut git.url);
            for text in [
                &mut git.branch,
                &mut git.commit,
                &mut git.tests_url,
                &mut git.tests_branch,
            ] {
                trim_optional(text);
            }
        }
        Source::Library(library) => library.files.iter_mut().for_each(trim_folder),
        Source::Archive(_) => {}
    }
}

fn trim_text(text: &mut String) {
    let trimmed = text.trim();
    if trimmed.len() < text.len() {
        *text = trimmed.to_owned();
    }
}

/// A folder is the same with and without a slash behind it.
fn trim_folder(name: &mut String) {
    if name.len() > 1 && name.ends_with('/') && !name.ends_with("//") {
        name.pop();
    }
}

fn trim_optional(text: &mut Option<String>) {
    if let Some(present) = text {
        trim_text(present);
    }
    if text.as_deref() == Some("") {
        *text = None;
    }
}

/// Checks a job that is to be queued. Whether there is such an environment, file or archive is for the
/// master to say, which URLs and arguments are taken for the agent.
pub fn new_job(job: &NewJob) -> Result<(), Invalid> {
    if let Some(uuid) = &job.uuid
        && !is_uuid(uuid)
    {
        let reason = "must be a UUID, made anew for each job, such as \
                      0198c0de-5eed-7abc-9def-0123456789ab; left out, the master makes one";
        return Err(Invalid::new("uuid", reason));
    }
    identifier("username", &job.username, limits::NAME_BYTES_MAX)?;
    if !job.project.is_empty() {
        identifier("project", &job.project, limits::NAME_BYTES_MAX)?;
    }
    source(&job.source)?;
    tests("tests", &job.tests)?;
    at_most("args", job.args.len(), limits::JOB_ARGUMENTS_MAX)?;
    for (index, argument) in job.args.iter().enumerate() {
        long(
            &format!("args[{index}]"),
            argument,
            limits::JOB_TEXT_BYTES_MAX,
        )?;
    }
    variables(&job.env)?;
    labels("labels", &job.labels)?;
    if let Some(environment) = &job.environment {
        environment_name("environment", environment)?;
    }
    within("timeout_s", job.timeout_s, limits::JOB_TIMEOUT_S_MAX)?;
    within("wait_max_s", job.wait_max_s, limits::JOB_WAIT_S_MAX)?;
    within(
        "attempts_max",
        u64::from(job.attempts_max),
        u64::from(limits::JOB_ATTEMPTS_MAX),
    )?;
    if job.priority.unsigned_abs() > limits::JOB_PRIORITY_MAX.unsigned_abs() {
        let most = limits::JOB_PRIORITY_MAX;
        let reason = format!("must be from -{most} to {most}");
        return Err(Invalid::new("priority", reason));
    }
    whole(job)
}

/// With hyphens, in small letters, and of a version that says so (RFC 9562).
fn is_uuid(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => matches!(byte, b'1'..=b'8'),
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

fn source(source: &Source) -> Result<(), Invalid> {
    match source {
        Source::Git(git) => self::git(git),
        Source::Library(library) => self::library(library),
        Source::Archive(archive) => identifier(
            "source.archive",
            &archive.archive,
            limits::SHORT_NAME_BYTES_MAX,
        ),
    }
}

fn git(git: &GitSource) -> Result<(), Invalid> {
    git_word("source.url", &git.url, limits::JOB_TEXT_BYTES_MAX)?;
    for (field, text, bytes_max) in [
        ("source.branch", &git.branch, limits::NAME_BYTES_MAX),
        (
            "source.tests_url",
            &git.tests_url,
            limits::JOB_TEXT_BYTES_MAX,
        ),
        (
            "source.tests_branch",
            &git.tests_branch,
            limits::NAME_BYTES_MAX,
        ),
    ] {
        if let Some(text) = text {
            git_word(field, text, bytes_max)?;
        }
    }
    if git.tests_branch.is_some() && git.tests_url.is_none() {
        let reason = "is the branch of `tests_url`, which is missing";
        return Err(Invalid::new("source.tests_branch", reason));
    }
    if let Some(commit) = &git.commit {
        let is_commit = COMMIT_DIGITS.contains(&commit.len())
            && commit.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_commit {
            let reason = "must be 7 to 64 hexadecimal digits; `branch` takes names";
            return Err(Invalid::new("source.commit", reason));
        }
    }
    Ok(())
}

/// What becomes an argument of git.
fn git_word(field: &str, text: &str, bytes_max: usize) -> Result<(), Invalid> {
    identifier(field, text, bytes_max)?;
    if text.starts_with('-') {
        return Err(Invalid::new(field, "must not begin with `-`"));
    }
    Ok(())
}

fn library(library: &LibrarySource) -> Result<(), Invalid> {
    tests("source.files", &library.files)?;
    match &library.snapshot {
        Some(snapshot) => identifier("source.snapshot", snapshot, limits::SHORT_NAME_BYTES_MAX),
        None => Ok(()),
    }
}

fn tests(field: &str, tests: &[String]) -> Result<(), Invalid> {
    at_most(field, tests.len(), limits::JOB_TESTS_MAX)?;
    for (index, test) in tests.iter().enumerate() {
        let field = || format!("{field}[{index}]");
        if test.is_empty() {
            return Err(Invalid::new(field(), "must not be empty"));
        }
        if test.starts_with(['-', '@']) {
            let reason = "must be a file, a folder or a nodeid; options go into `args`";
            return Err(Invalid::new(field(), reason));
        }
        long(&field(), test, limits::NODEID_BYTES_MAX)?;
        let path = test.split("::").next().unwrap_or_default();
        let is_inside =
            !path.starts_with(['/', '\\']) && !path.split(['/', '\\']).any(|part| part == "..");
        if !is_inside {
            let reason = "must be relative to the root of the source, and stay inside of it";
            return Err(Invalid::new(field(), reason));
        }
    }
    Ok(())
}

fn variables(variables: &BTreeMap<String, String>) -> Result<(), Invalid> {
    at_most("env", variables.len(), limits::JOB_VARIABLES_MAX)?;
    for (name, value) in variables {
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty()
            && name.len() <= limits::NAME_BYTES_MAX;
        if !is_name {
            let reason = format!("`{}` is no name of a variable", name.escape_debug());
            return Err(Invalid::new("env", reason));
        }
        long(&format!("env.{name}"), value, limits::JOB_TEXT_BYTES_MAX)?;
    }
    Ok(())
}

fn labels(field: &str, labels: &BTreeMap<String, String>) -> Result<(), Invalid> {
    at_most(field, labels.len(), limits::VARIANT_LABELS_MAX)?;
    for (label, value) in labels {
        identifier(field, label, limits::SHORT_NAME_BYTES_MAX)?;
        name(field, value)?;
    }
    Ok(())
}

/// Checks the name of an environment, which also is a part of a path.
pub fn environment_name(field: &str, text: &str) -> Result<(), Invalid> {
    identifier(field, text, limits::SHORT_NAME_BYTES_MAX)?;
    if text.contains(['/', '\\']) || text == "." || text == ".." {
        let reason = "must have no `/` and no `\\`, and must not be `.` or `..`";
        return Err(Invalid::new(field, reason));
    }
    if text.trim() != text {
        let reason = "must not begin or end with a space";
        return Err(Invalid::new(field, reason));
    }
    Ok(())
}

/// Checks what an environment is to be.
pub fn new_environment(environment: &NewEnvironment) -> Result<(), Invalid> {
    long(
        "description",
        &environment.description,
        limits::DESCRIPTION_BYTES_MAX,
    )?;
    within(
        "capacity",
        u64::from(environment.capacity),
        u64::from(limits::ENVIRONMENT_CAPACITY_MAX),
    )
}

/// Checks what an agent says about itself.
pub fn lease_request(request: &LeaseRequest) -> Result<(), Invalid> {
    identifier("agent", &request.agent, limits::SHORT_NAME_BYTES_MAX)?;
    labels("labels", &request.labels)?;
    within(
        "slots",
        u64::from(request.slots),
        u64::from(limits::AGENT_SLOTS_MAX),
    )?;
    if request.busy > request.slots {
        return Err(Invalid::new("busy", "must not be more than `slots`"));
    }
    long("version", &request.version, limits::SHORT_NAME_BYTES_MAX)?;
    if request.wait_s > limits::LEASE_WAIT_S_MAX {
        let reason = format!("must be at most {}", limits::LEASE_WAIT_S_MAX);
        return Err(Invalid::new("wait_s", reason));
    }
    Ok(())
}

/// Checks how an attempt ended. What is only said to people is cut, elsewhere.
pub fn finish(finish: &FinishAttempt) -> Result<(), Invalid> {
    let is_error = finish.ending == AttemptEnding::Error;
    match finish.error_kind {
        None if is_error => {
            let reason = "must be there when `ending` is `error`: git, install or subprocess";
            Err(Invalid::new("error_kind", reason))
        }
        Some(JobErrorKind::Lost | JobErrorKind::Waited) => {
            let reason = "is for the master to say; an agent says git, install or subprocess";
            Err(Invalid::new("error_kind", reason))
        }
        Some(_) if !is_error => {
            let reason = "must only be there when `ending` is `error`";
            Err(Invalid::new("error_kind", reason))
        }
        _ => Ok(()),
    }
}

/// Checks what is said about a step of an attempt. Its text is cut, elsewhere.
pub fn step(step: &Step) -> Result<(), Invalid> {
    timestamp("started_at", Some(step.started_at))?;
    timestamp("finished_at", step.finished_at)
}

/// A job is written into one row, and handed out in one answer.
fn whole(job: &NewJob) -> Result<(), Invalid> {
    let files = match &job.source {
        Source::Library(library) => library.files.as_slice(),
        Source::Git(_) | Source::Archive(_) => &[],
    };
    let texts = job.tests.iter().chain(files).chain(&job.args);
    let pairs = job.env.iter().flat_map(|(name, value)| [name, value]);
    let bytes: usize = texts.chain(pairs).map(String::len).sum();
    if bytes > limits::JOB_BODY_BYTES_MAX {
        let reason = format!(
            "with `args` and `env`, must have at most {} bytes, has {bytes}; a folder names all tests \
             in it",
            limits::JOB_BODY_BYTES_MAX
        );
        return Err(Invalid::new("tests", reason));
    }
    Ok(())
}

fn within(field: &str, number: u64, most: u64) -> Result<(), Invalid> {
    if (1..=most).contains(&number) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("must be from 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> NewJob {
        let body =
            r#"{"username": "Steve", "source": {"type": "git", "url": "https://e.org/r.git"}}"#;
        serde_json::from_str(body).unwrap()
    }

    fn field_at_fault(change: impl FnOnce(&mut NewJob)) -> String {
        let mut job = minimal();
        change(&mut job);
        trim(&mut job);
        new_job(&job).expect_err("the job was taken").field
    }

    fn of_git(git: GitSource) -> impl FnOnce(&mut NewJob) {
        move |job| job.source = Source::Git(git)
    }

    fn repository() -> GitSource {
        GitSource {
            url: "https://e.org/r.git".into(),
            ..GitSource::default()
        }
    }

    #[test]
    fn the_two_required_fields_are_enough() {
        assert_eq!(new_job(&minimal()), Ok(()));
    }

    #[test]
    fn spaces_around_names_are_taken_off_and_empty_names_are_none() {
        let mut job = minimal();
        job.username = " Steve ".into();
        job.uuid = Some(String::new());
        job.environment = Some("  ".into());
        job.source = Source::Git(GitSource {
            branch: Some(String::new()),
            ..repository()
        });
        trim(&mut job);
        assert_eq!(job, minimal());
    }

    #[test]
    fn a_uuid_is_taken_in_either_case_and_kept_in_small_letters() {
        let mut job = minimal();
        job.uuid = Some("0198C0DE-5EED-7ABC-9DEF-0123456789AB".into());
        trim(&mut job);
        assert_eq!(new_job(&job), Ok(()));
        let small = "0198c0de-5eed-7abc-9def-0123456789ab";
        assert_eq!(job.uuid.as_deref(), Some(small));
    }

    /// The field that is at fault, and what makes it so.
    type Fault = (&'static str, fn(&mut NewJob));

    #[test]
    fn the_field_at_fault_is_named() {
        let at_fault: [Fault; 23] = [
            ("uuid", |job| job.uuid = Some("job-1".into())),
            ("uuid", |job| job.uuid = Some("0".repeat(36))),
            ("uuid", |job| {
                job.uuid = Some("00000000-0000-0000-0000-000000000000".into());
            }),
            ("username", |job| job.username = "  ".into()),
            ("username", |job| job.username = "a\u{1b}[1m".into()),
            ("project", |job| job.project = "a\nb".into()),
            ("tests[1]", |job| {
                job.tests = vec!["a".into(), "-pevil".into()];
            }),
            ("tests[0]", |job| job.tests = vec!["@file".into()]),
            ("tests[0]", |job| job.tests = vec![String::new()]),
            ("tests[0]", |job| job.tests = vec!["/etc/passwd".into()]),
            ("tests[0]", |job| job.tests = vec!["a/../../b.py::c".into()]),
            ("source.files[0]", |job| {
                job.source = Source::Library(LibrarySource {
                    files: vec!["../a.py".into()],
                    snapshot: None,
                });
            }),
            ("args[0]", |job| job.args = vec!["a\0b".into()]),
            ("env", |job| {
                job.env.insert("A=B".into(), String::new());
            }),
            ("env.A", |job| {
                job.env.insert("A".into(), "\0".into());
            }),
            ("labels", |job| {
                job.labels.insert(String::new(), String::new());
            }),
            ("environment", |job| job.environment = Some("a/b".into())),
            ("environment", |job| job.environment = Some("..".into())),
            ("timeout_s", |job| job.timeout_s = 0),
            ("wait_max_s", |job| job.wait_max_s = u64::MAX),
            ("attempts_max", |job| job.attempts_max = 21),
            ("priority", |job| job.priority = i32::MIN),
            ("tests", |job| {
                job.tests = vec!["x".repeat(30_000); 40];
            }),
        ];
        for (field, change) in at_fault {
            assert_eq!(field_at_fault(change), field);
        }
    }

    #[test]
    fn what_a_nodeid_has_behind_its_file_is_its_own_affair() {
        let mut job = minimal();
        job.tests = vec!["a/t.py::Test::b[../x -y @z]".into(), "a..b/t.py".into()];
        assert_eq!(new_job(&job), Ok(()));
    }

    #[test]
    fn a_source_that_git_would_take_for_an_option_is_refused() {
        let branch = |branch: &str| GitSource {
            branch: Some(branch.into()),
            ..repository()
        };
        let commit = |commit: &str| GitSource {
            commit: Some(commit.into()),
            ..repository()
        };
        assert_eq!(
            field_at_fault(of_git(branch("--upload-pack=x"))),
            "source.branch"
        );
        assert_eq!(field_at_fault(of_git(branch("a\nb"))), "source.branch");
        assert_eq!(field_at_fault(of_git(commit("main"))), "source.commit");
        assert_eq!(field_at_fault(of_git(commit("abc"))), "source.commit");
        let no_url = GitSource::default();
        assert_eq!(field_at_fault(of_git(no_url)), "source.url");
        let only_branch = GitSource {
            tests_branch: Some("main".into()),
            ..repository()
        };
        assert_eq!(field_at_fault(of_git(only_branch)), "source.tests_branch");
    }

    #[test]
    fn an_agent_does_not_say_what_only_the_master_knows() {
        let ending = |ending, error_kind| FinishAttempt {
            ending,
            error_kind,
            error: None,
            exit_code: None,
        };
        for (said, is_right) in [
            (ending(AttemptEnding::Passed, None), true),
            (ending(AttemptEnding::Error, Some(JobErrorKind::Git)), true),
            (ending(AttemptEnding::Error, None), false),
            (
                ending(AttemptEnding::Error, Some(JobErrorKind::Lost)),
                false,
            ),
            (
                ending(AttemptEnding::Passed, Some(JobErrorKind::Git)),
                false,
            ),
        ] {
            assert_eq!(finish(&said).is_ok(), is_right, "{said:?}");
        }
    }
}
