//! Project, branch, commit and CI system of a run: what was set, else what CI and git say.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use shared::run::{Ci, NewRun};

use super::settings::printable;
use super::{CiFacts, GitFacts, Settings, Source, Sourced};
use crate::journal::Journal;

/// The origin of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is tested.
    pub project: Option<Sourced<String>>,
    /// The branch under test.
    pub branch: Option<Sourced<String>>,
    /// The commit under test.
    pub commit: Option<Sourced<String>>,
    /// Whether the working tree differs from the commit.
    pub dirty: Option<Sourced<bool>>,
    /// The CI system.
    pub ci: Option<Ci>,
}

impl Facts {
    /// Asks everybody. Takes as long as git does, which is bounded.
    pub fn find(settings: &Settings) -> Self {
        let folder = std::env::current_dir().unwrap_or_default();
        let (ci, git) = if settings.asks_around {
            (CiFacts::of_this_process(), GitFacts::of(&folder))
        } else {
            (None, GitFacts::default())
        };
        Self::choose(settings, ci, git, &folder)
    }

    fn choose(settings: &Settings, ci: Option<CiFacts>, git: GitFacts, folder: &Path) -> Self {
        let from_git = |value: Option<String>| value.map(|value| Sourced::new(value, Source::Git));
        let from_ci = |value: Option<String>| {
            let name = ci.as_ref()?.ci.name.clone();
            Some(Sourced::new(value?, Source::Ci(name)))
        };
        let (ci_branch, ci_commit) = match &ci {
            Some(ci) => (ci.branch.clone(), ci.commit.clone()),
            None => (None, None),
        };
        let branch = settings.branch.clone().or_else(|| from_ci(ci_branch));
        let commit = settings.commit.clone().or_else(|| from_ci(ci_commit));
        Self {
            project: settings
                .project
                .clone()
                .or_else(|| from_git(git.remote))
                .or_else(|| folder_name(folder)),
            branch: branch.or_else(|| from_git(git.branch)),
            commit: commit.or_else(|| from_git(git.commit)),
            dirty: git.dirty.map(|dirty| Sourced::new(dirty, Source::Git)),
            ci: ci.map(|found| found.ci),
        }
    }

    /// Writes what is known of the run's origin into it.
    pub fn describe(self, run: &mut NewRun) {
        let text = |found: Option<Sourced<String>>| found.map(|found| found.value);
        run.project = text(self.project).unwrap_or_default();
        run.branch = text(self.branch).unwrap_or_default();
        run.commit = text(self.commit).unwrap_or_default();
        run.dirty = self.dirty.map(|found| found.value);
        run.ci = self.ci;
    }
}

/// The search for [`Facts`], which goes on beside the tests.
#[derive(Debug)]
pub struct FactsBeingFound {
    thread: JoinHandle<()>,
    found: Arc<OnceLock<Facts>>,
}

impl FactsBeingFound {
    /// Starts to ask. The journal learns the answer as soon as it is there.
    pub fn start(settings: &Settings, journal: Journal) -> Self {
        let settings = settings.clone();
        let found = Arc::new(OnceLock::new());
        let answer = Arc::clone(&found);
        let thread = std::thread::spawn(move || {
            let facts = Facts::find(&settings);
            journal.facts(&facts);
            // Nobody else sets it.
            let _ = answer.set(facts);
        });
        Self { thread, found }
    }

    /// Where the answer will be.
    pub fn shared(&self) -> Arc<OnceLock<Facts>> {
        Arc::clone(&self.found)
    }

    /// Waits for the answer. A search that panicked found nothing: the run counts, not its label.
    pub fn wait(self) -> Facts {
        let _ = self.thread.join();
        self.found.get().cloned().unwrap_or_default()
    }
}

/// The name of a folder, where it has one that can be stored.
pub(crate) fn folder_name(folder: &Path) -> Option<Sourced<String>> {
    let name = printable(&folder.file_name()?.to_string_lossy());
    (!name.is_empty()).then(|| Sourced::new(name, Source::Folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Options;
    use crate::config::Pyproject;

    fn settings(options: &Options) -> Settings {
        Settings::resolve(options, &|_| None, Pyproject::default())
    }

    fn git() -> GitFacts {
        GitFacts {
            commit: Some("merge".into()),
            branch: Some("detached-work".into()),
            dirty: Some(true),
            remote: Some("shop".into()),
        }
    }

    #[test]
    fn what_was_set_wins_over_ci_and_ci_over_git() {
        let options = Options {
            branch: Some("set".into()),
            ..Options::default()
        };
        let ci = CiFacts {
            branch: Some("feature".into()),
            commit: Some("head".into()),
            ..CiFacts::default()
        };
        let facts = Facts::choose(&settings(&options), Some(ci), git(), Path::new("/src/x"));
        assert_eq!(facts.branch.unwrap().value, "set");
        assert_eq!(facts.commit.unwrap().value, "head");
        assert_eq!(facts.project.unwrap().value, "shop");
        assert!(facts.dirty.unwrap().value);
    }

    #[test]
    fn without_git_the_folder_names_the_project() {
        let settings = settings(&Options::default());
        let facts = Facts::choose(&settings, None, GitFacts::default(), Path::new("/src/shop"));
        let project = facts.project.unwrap();
        assert_eq!(
            (project.value.as_str(), project.source),
            ("shop", Source::Folder)
        );
        assert_eq!(
            (facts.branch, facts.commit, facts.dirty),
            (None, None, None)
        );
    }
}
