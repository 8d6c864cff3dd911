//! From a task to what an attempt carries out.

use std::collections::BTreeMap;

use shared::job::{GitSource, Source};
use shared::task::Task;
use uuid::Uuid;

use super::expression;
use crate::agent::attempt::Work;

/// The variable in which tests find the numbers of the laboratory work, joined by commas.
const LABORATORY_NUMBER: &str = "LABORATORY_NUMBER";

/// What is to be done for a task. An error says why it cannot be.
pub(super) fn of(task: &Task, timeout_s: u64) -> Result<Work, String> {
    let run_id = Uuid::now_v7().to_string();
    let expression = expression::of_names(&task.connected_tests)?;
    let args = expression.map(|names| vec!["-k".to_owned(), names]);
    Ok(Work {
        name: format!("task-{run_id}"),
        run_id,
        project: project(&task.repository_url),
        source: Source::Git(GitSource {
            url: task.repository_url.clone(),
            branch: Some(task.branch.clone()).filter(|branch| !branch.is_empty()),
            ..GitSource::default()
        }),
        tests: Vec::new(),
        args: args.unwrap_or_default(),
        env: environment(&task.laboratory_numbers),
        timeout_s,
    })
}

fn environment(numbers: &[i64]) -> BTreeMap<String, String> {
    if numbers.is_empty() {
        return BTreeMap::new();
    }
    let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
    BTreeMap::from([(LABORATORY_NUMBER.to_owned(), words.join(","))])
}

/// The repository's own name.
fn project(url: &str) -> String {
    let end = url.trim_end_matches('/');
    let name = end.rsplit(['/', ':']).next().unwrap_or_default();
    let name = name.strip_suffix(".git").unwrap_or(name);
    let printable: String = name.chars().filter(|c| !c.is_control()).collect();
    printable[..printable.floor_char_boundary(shared::limits::NAME_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use shared::task::TaskShape;

    use super::*;

    fn task() -> Task {
        Task {
            number: 21,
            shape: TaskShape::Attempt,
            repository_url: "https://example.org/students/lab-1.git".into(),
            branch: "main".into(),
            laboratory_numbers: vec![1, 2],
            connected_tests: vec!["test1".into(), "test2".into()],
        }
    }

    #[test]
    fn a_task_becomes_work_for_an_attempt() {
        let work = of(&task(), 60).unwrap();
        assert_eq!(work.args, ["-k", "test1 or test2"]);
        assert_eq!(work.env["LABORATORY_NUMBER"], "1,2");
        assert_eq!((work.project.as_str(), work.timeout_s), ("lab-1", 60));
        let Source::Git(git) = work.source else {
            panic!("not git");
        };
        assert_eq!(git.branch.as_deref(), Some("main"));
        assert_ne!(work.name, of(&task(), 60).unwrap().name);
    }

    #[test]
    fn what_is_left_out_is_not_made_up() {
        let bare = Task {
            branch: String::new(),
            laboratory_numbers: vec![],
            connected_tests: vec![],
            repository_url: "git@example.org:lab".into(),
            ..task()
        };
        let work = of(&bare, 60).unwrap();
        assert!(work.args.is_empty() && work.env.is_empty());
        assert_eq!(work.project, "lab");
        let Source::Git(git) = work.source else {
            panic!("not git");
        };
        assert_eq!(git.branch, None);
    }
}
