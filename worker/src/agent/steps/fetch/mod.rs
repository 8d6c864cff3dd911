//! Fetch: the source of a job comes into its folder.

mod address;
mod archive;
mod git;
mod reference;
mod rules;
mod submodules;

use std::io::Write;
use std::path::{Path, PathBuf};

use shared::job::Source;

use super::{JobLog, Site, StepFailure};

pub use rules::FetchRules;

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where pytest runs, and what the job's `tests` are relative to: the source, or the tests'
    /// repository where they have one of their own.
    pub folder: PathBuf,
    /// What is run when the job names no tests: the library's files.
    pub default_tests: Vec<String>,
    /// Branch or tag of the code, if the job named one.
    pub branch: Option<String>,
    /// Commit of the code, if it came with git.
    pub commit: Option<String>,
    /// Who may leave packages for whom: jobs with the same words share a cache.
    pub(super) origin: String,
}

/// Fetches `source` into the site. For an archive and the library, `download` writes the bytes of
/// `GET .../source` into a new file at the path it is given; what it fails with is for people. Returns
/// an error whose text can be shown to whoever made the job.
pub fn fetch(
    source: &Source,
    site: &Site,
    rules: &FetchRules,
    log: &mut JobLog<impl Write>,
    download: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Fetched, StepFailure> {
    for folder in [site.source(), site.home(), site.temporary(), site.reports()] {
        std::fs::create_dir_all(&folder).map_err(|error| {
            StepFailure::fetch(format!("cannot make {}: {error}", folder.display()))
        })?;
    }
    match source {
        Source::Git(source) => git::fetch(source, site, rules, log),
        Source::Library(source) => {
            let Some(hash) = &source.snapshot else {
                return Err(StepFailure::fetch(
                    "the job names no snapshot of the library",
                ));
            };
            archive::fetch(hash, site, rules, log, download)?;
            log.say(&format!("the library as it was, {hash}"));
            Ok(Fetched {
                folder: site.source(),
                default_tests: source.files.clone(),
                branch: None,
                commit: None,
                origin: "library".to_owned(),
            })
        }
        Source::Archive(source) => {
            archive::fetch(&source.archive, site, rules, log, download)?;
            Ok(Fetched {
                folder: site.source(),
                default_tests: Vec::new(),
                branch: None,
                commit: None,
                origin: format!("archive {}", source.archive),
            })
        }
    }
}

#[cfg(test)]
mod tests;
