//! Paths in arguments: those that are read lie inside the source, those that are written inside the
//! job's folder.

use std::path::{Component, Path, PathBuf};

use super::shape::Shape;
use super::{Fetched, Site};

/// The folders that paths are held against.
#[derive(Debug)]
pub(super) struct Places {
    /// Where pytest runs, without links.
    folder: PathBuf,
    /// Folders that tests may lie in, without links.
    inside: Vec<PathBuf>,
    /// Where reports go.
    reports: PathBuf,
}

/// The value of an option, as pytest gets it.
#[derive(Debug)]
pub(super) struct Arranged {
    pub(super) text: String,
    /// Whether it leads to another place than it says.
    pub(super) was_moved: bool,
}

impl Places {
    pub(super) fn of(fetched: &Fetched, site: &Site) -> Result<Self, String> {
        let plain = |path: &Path| {
            path.canonicalize()
                .map_err(|error| format!("{} is not there: {error}", path.display()))
        };
        let folder = plain(&fetched.folder)?;
        Ok(Self {
            inside: vec![folder.clone(), plain(&site.source())?],
            folder,
            reports: site.reports(),
        })
    }

    /// Checks a file, folder or nodeid: it begins with a path inside the source that is there.
    pub(super) fn check_test(&self, test: &str) -> Result<(), String> {
        let path = test.split("::").next().unwrap_or_default();
        if test.chars().any(char::is_control) {
            return Err("it has control characters".to_owned());
        }
        if path.is_empty() {
            return Err("it names no file".to_owned());
        }
        if path.starts_with(['-', '@']) {
            return Err(format!(
                "pytest would take it for an option; write ./{path}"
            ));
        }
        // In `a.py[x]`, which some runners write, pytest reads no path further than the bracket.
        let found = self.inside(path);
        match path.split_once('[') {
            Some((before, _)) if found.is_err() && !before.is_empty() => self.inside(before),
            _ => found,
        }
    }

    /// Checks that a path is there and inside the source.
    fn inside(&self, path: &str) -> Result<(), String> {
        let given = Path::new(path);
        if given.is_absolute() {
            return Err("it is absolute; paths are relative to the root of the source".to_owned());
        }
        let found = self.folder.join(given).canonicalize();
        let found =
            found.map_err(|_| "there is no such file or folder in the source".to_owned())?;
        if self.inside.iter().any(|folder| found.starts_with(folder)) {
            return Ok(());
        }
        Err("it leads out of the source".to_owned())
    }

    /// Turns the value of an option into what pytest gets.
    pub(super) fn arranged(&self, shape: Shape, value: &str) -> Result<Arranged, String> {
        match shape {
            Shape::Inside => self.arranged_inside(value),
            Shape::Report => self.arranged_report(value),
            Shape::KindOfReport => match value.split_once(':') {
                Some((kind, path)) if !path.is_empty() && kind != "term" => {
                    let mut arranged = self.arranged_report(path)?;
                    arranged.text = format!("{kind}:{}", arranged.text);
                    Ok(arranged)
                }
                _ => Ok(as_it_is(value)),
            },
            _ => Ok(as_it_is(value)),
        }
    }

    /// A path that is not there does no harm, unless it leads elsewhere.
    fn arranged_inside(&self, value: &str) -> Result<Arranged, String> {
        if has_variable(value) {
            return Err("variables are not filled in".to_owned());
        }
        if self.folder.join(value).exists() {
            self.inside(value)?;
        } else {
            check_parts(value)?;
        }
        Ok(as_it_is(value))
    }

    fn arranged_report(&self, value: &str) -> Result<Arranged, String> {
        if value.is_empty() {
            return Err("it names no file".to_owned());
        }
        if has_variable(value) {
            return Err("variables are not filled in".to_owned());
        }
        let relative = value.trim_start_matches('/');
        check_parts(relative)?;
        if relative != value {
            let path = self.reports.join(relative);
            let text = path.to_str().ok_or("the job's folder has an odd name")?;
            return Ok(Arranged {
                text: text.to_owned(),
                was_moved: true,
            });
        }
        self.check_no_link_out(relative)?;
        Ok(as_it_is(value))
    }

    /// What is there of the path must not lead out of the source.
    fn check_no_link_out(&self, relative: &str) -> Result<(), String> {
        let path = self.folder.join(relative);
        let there = path
            .ancestors()
            .find(|path| path.symlink_metadata().is_ok());
        let found = there.and_then(|path| path.canonicalize().ok());
        match found {
            Some(found) if self.inside.iter().any(|folder| found.starts_with(folder)) => Ok(()),
            _ => Err("it leads out of the source".to_owned()),
        }
    }
}

fn as_it_is(value: &str) -> Arranged {
    Arranged {
        text: value.to_owned(),
        was_moved: false,
    }
}

/// pytest fills in `$HOME` and `~` in some paths.
fn has_variable(path: &str) -> bool {
    path.contains('$') || path.starts_with('~')
}

fn check_parts(path: &str) -> Result<(), String> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if Path::new(path).components().all(is_plain) {
        return Ok(());
    }
    Err("it leads out of the source".to_owned())
}
