//! What the CI system says of the run: its name, the page of the job, branch and head commit.
//!
//! `ci_env` knows which system it is and its variables; what it answers is corrected here where it
//! differs from what those systems document.

use ci_env::{CiEnvironment, CiProvider};
use serde::Deserialize;
use shared::run::Ci;

use super::settings::{Environment, printable, process_variable};

/// Largest event file of GitHub that is read.
const EVENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a CI system says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiFacts {
    /// Its name and the page of the job.
    pub ci: Ci,
    /// The branch, for a pull request the one that is to be merged.
    pub branch: Option<String>,
    /// The newest commit of that branch, not a merge that the CI system made.
    pub commit: Option<String>,
}

impl CiFacts {
    /// Asks the environment of this process. `None` outside of a CI system.
    pub fn of_this_process() -> Option<Self> {
        // The detector reads every variable as Unicode and panics at one that is not.
        if std::env::vars_os()
            .any(|(name, value)| name.to_str().is_none() || value.to_str().is_none())
        {
            return None;
        }
        if process_variable("CI").as_deref() == Some("false") {
            return None;
        }
        Self::from_detected(&ci_env::get_environment()?, &process_variable)
    }

    fn from_detected(found: &CiEnvironment, variable: Environment) -> Option<Self> {
        if is_mistaken(found.provider, variable) {
            return None;
        }
        let url = job_url(found.provider, variable).or_else(|| found.url.clone());
        Some(Self {
            ci: Ci {
                name: display_name(found.provider),
                url: url.unwrap_or_default(),
            },
            branch: branch(found, variable),
            commit: commit(found, variable),
        })
    }
}

/// A variable that other programs set as well proves nothing by itself.
fn is_mistaken(provider: CiProvider, variable: Environment) -> bool {
    let none_of = |names: &[&str]| names.iter().all(|name| variable(name).is_none());
    match provider {
        CiProvider::Jenkins => none_of(&["JENKINS_URL", "JENKINS_HOME", "BUILD_URL"]),
        CiProvider::Codefresh => none_of(&["CF_BUILD_ID"]),
        _ => false,
    }
}

fn display_name(provider: CiProvider) -> String {
    match provider {
        CiProvider::GithubActions => "GitHub Actions".to_owned(),
        CiProvider::GiteaActions => "Gitea Actions".to_owned(),
        CiProvider::ForgejoActions => "Forgejo Actions".to_owned(),
        CiProvider::Gitlab => "GitLab CI".to_owned(),
        CiProvider::Jenkins => "Jenkins".to_owned(),
        CiProvider::CircleCI => "CircleCI".to_owned(),
        CiProvider::Buildkite => "Buildkite".to_owned(),
        CiProvider::Azure => "Azure Pipelines".to_owned(),
        CiProvider::TeamCity => "TeamCity".to_owned(),
        CiProvider::TravisCI => "Travis CI".to_owned(),
        CiProvider::Bitbucket => "Bitbucket Pipelines".to_owned(),
        other => other.to_string(),
    }
}

fn job_url(provider: CiProvider, variable: Environment) -> Option<String> {
    match provider {
        CiProvider::GithubActions | CiProvider::GiteaActions | CiProvider::ForgejoActions => {
            let server = variable("GITHUB_SERVER_URL")?;
            let repository = variable("GITHUB_REPOSITORY")?;
            let run = variable("GITHUB_RUN_ID")?;
            Some(format!("{server}/{repository}/actions/runs/{run}"))
        }
        CiProvider::Gitlab => variable("CI_JOB_URL"),
        CiProvider::Buildkite => {
            let build = variable("BUILDKITE_BUILD_URL")?;
            Some(format!("{build}#{}", variable("BUILDKITE_JOB_ID")?))
        }
        CiProvider::Bitbucket => {
            let repository = variable("BITBUCKET_REPO_FULL_NAME")?;
            let build = variable("BITBUCKET_BUILD_NUMBER")?;
            let page = "pipelines/results";
            Some(format!("https://bitbucket.org/{repository}/{page}/{build}"))
        }
        CiProvider::Cirrus => {
            let task = variable("CIRRUS_TASK_ID")?;
            Some(format!("https://cirrus-ci.com/task/{task}"))
        }
        CiProvider::TeamCity => variable("BUILD_URL"),
        _ => None,
    }
}

fn branch(found: &CiEnvironment, variable: Environment) -> Option<String> {
    let name = match found.provider {
        // BUILD_SOURCEBRANCHNAME is only what follows the last slash of the branch's name.
        CiProvider::Azure => variable("SYSTEM_PULLREQUEST_SOURCEBRANCH")
            .or_else(|| variable("BUILD_SOURCEBRANCH"))
            .unwrap_or_default(),
        // A run of a tag has a ref, but no branch.
        CiProvider::GithubActions | CiProvider::GiteaActions | CiProvider::ForgejoActions
            if variable("GITHUB_REF_TYPE").as_deref() == Some("tag") =>
        {
            String::new()
        }
        _ => found.branch.clone(),
    };
    let name = name.strip_prefix("refs/heads/").unwrap_or(&name);
    let name = match found.provider {
        // The Git plugin of Jenkins gives the branch of the remote.
        CiProvider::Jenkins => name.strip_prefix("origin/").unwrap_or(name),
        _ => name,
    };
    Some(printable(name)).filter(|name| !name.is_empty())
}

fn commit(found: &CiEnvironment, variable: Environment) -> Option<String> {
    let head = match found.provider {
        // GITHUB_SHA of a pull request is a merge that exists only there.
        CiProvider::GithubActions | CiProvider::GiteaActions | CiProvider::ForgejoActions => {
            variable("GITHUB_EVENT_PATH").and_then(|path| pull_request_head(&path))
        }
        // Set in pipelines of merged results only, where CI_COMMIT_SHA is the merge.
        CiProvider::Gitlab => variable("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"),
        _ => None,
    };
    head.or_else(|| found.head_revision.clone())
        .or_else(|| Some(found.revision.clone()))
        .map(|commit| printable(&commit))
        .filter(|commit| !commit.is_empty())
}

/// The head of the pull request in GitHub's event file.
fn pull_request_head(path: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        pull_request: PullRequest,
    }
    #[derive(Deserialize)]
    struct PullRequest {
        head: Head,
    }
    #[derive(Deserialize)]
    struct Head {
        sha: String,
    }
    if std::fs::metadata(path).ok()?.len() > EVENT_BYTES_MAX {
        return None;
    }
    let event: Event = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    Some(event.pull_request.head.sha)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(
        provider: CiProvider,
        detected: (&str, &str),
        set: &[(&str, &str)],
    ) -> Option<CiFacts> {
        let found = CiEnvironment {
            provider,
            branch: detected.0.to_owned(),
            revision: detected.1.to_owned(),
            ..CiEnvironment::default()
        };
        let variable = |name: &str| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        CiFacts::from_detected(&found, &variable)
    }

    #[test]
    fn a_pull_request_on_github_is_known_by_its_head_and_not_by_the_merge() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            &file,
            r#"{"pull_request": {"head": {"sha": "abc"}, "number": 1}}"#,
        )
        .unwrap();
        let found = facts(
            CiProvider::GithubActions,
            ("feature", "merge"),
            &[
                ("GITHUB_EVENT_PATH", file.path().to_str().unwrap()),
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_REPOSITORY", "owner/repo"),
                ("GITHUB_RUN_ID", "7"),
            ],
        )
        .unwrap();
        assert_eq!(found.commit.as_deref(), Some("abc"));
        assert_eq!(found.branch.as_deref(), Some("feature"));
        assert_eq!(found.ci.name, "GitHub Actions");
        assert_eq!(found.ci.url, "https://github.com/owner/repo/actions/runs/7");
    }

    #[test]
    fn a_merged_result_of_gitlab_is_known_by_its_source_branch() {
        let set = [
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "head"),
            ("CI_JOB_URL", "https://gitlab.com/j/1"),
        ];
        let found = facts(CiProvider::Gitlab, ("b", "merge"), &set).unwrap();
        assert_eq!(found.commit.as_deref(), Some("head"));
        assert_eq!(found.ci.url, "https://gitlab.com/j/1");
    }

    #[test]
    fn branches_are_named_in_full_and_without_their_remote() {
        let azure = [("BUILD_SOURCEBRANCH", "refs/heads/feature/basket")];
        let found = facts(CiProvider::Azure, ("basket", "c"), &azure).unwrap();
        assert_eq!(found.branch.as_deref(), Some("feature/basket"));
        let jenkins = [("JENKINS_URL", "http://j")];
        let found = facts(CiProvider::Jenkins, ("origin/main", "c"), &jenkins).unwrap();
        assert_eq!(found.branch.as_deref(), Some("main"));
    }

    #[test]
    fn a_build_id_alone_is_no_jenkins() {
        assert_eq!(
            facts(CiProvider::Jenkins, ("", ""), &[("BUILD_ID", "1")]),
            None
        );
    }
}
