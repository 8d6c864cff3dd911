//! Which run is meant, and what to say when there is none.

use shared::query::RunsQuery;
use shared::run::{Run, RunSummary};
use shared::status::RunStatus;

use crate::client::{Master, MasterError};
use crate::limits::NAMES_OFFERED_MAX;
use crate::untrusted;
use crate::views::going_on;

/// Names that are less alike than this are not offered as what was meant.
const LIKENESS_MIN: f64 = 0.72;

/// Runs among which one that has ended is looked for.
const RUNS_LOOKED_AT: u32 = 50;

/// What a caller said about the run that is meant. Nothing said means the newest run of all that
/// has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this project.
    pub project: Option<String>,
    /// Only this worker.
    pub worker_id: Option<String>,
    /// Only this branch.
    pub branch: Option<String>,
}

impl Filter {
    /// A filter in which an empty text means nothing was said, as models often send it.
    pub fn new(project: Option<String>, worker_id: Option<String>, branch: Option<String>) -> Self {
        let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self {
            project: said(project),
            worker_id: said(worker_id),
            branch: said(branch),
        }
    }

    /// The question to the master for the last `limit` runs.
    pub fn query(&self, limit: u32) -> RunsQuery {
        RunsQuery {
            project: self.project.clone(),
            worker_id: self.worker_id.clone(),
            branch: self.branch.clone(),
            limit: Some(limit),
            ..RunsQuery::default()
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a question has no answer. The words say what to do next.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The master gave no answer.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// A name that nothing was ever reported under.
    #[error("unknown {kind} `{name}`{offer}")]
    UnknownName {
        /// `project`, `worker_id` or `branch`.
        kind: &'static str,
        /// What was given.
        name: String,
        /// The nearest names and the known ones, in words.
        offer: String,
    },
    /// An id that no run has.
    #[error(
        "unknown run `{0}`; call get_summary for the ids of the last runs (`run_id`), or leave run_id out for the newest"
    )]
    UnknownRun(String),
    /// Every name is known, but not together.
    #[error(
        "no run matches these filters together, although each name is known; call again with fewer of them"
    )]
    NothingMatches,
    /// The arguments themselves are wrong.
    #[error("{0}")]
    BadArguments(String),
}

/// The last runs under a filter, newest first. Empty only when nothing was ever reported.
pub async fn runs(
    master: &Master,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<RunSummary>, AskError> {
    let runs = master.runs(&filter.query(limit)).await?;
    if runs.is_empty() {
        explain_nothing(master, filter).await?;
    }
    Ok(runs)
}

/// The run with this id.
pub async fn run(master: &Master, run_id: &str) -> Result<Run, AskError> {
    match master.run(run_id).await {
        Err(MasterError::NotFound { .. }) => {
            Err(AskError::UnknownRun(untrusted::short_id(run_id, 200)))
        }
        other => Ok(other?),
    }
}

/// A run that was chosen, and what the choice passed over.
#[derive(Debug)]
pub struct Found {
    /// The run.
    pub run: Run,
    /// One sentence about newer runs that are still going on.
    pub going_on: Option<String>,
}

/// The newest run under a filter that has ended; the newest of all when none has. `None` when
/// nothing was ever reported.
pub async fn last_run(master: &Master, filter: &Filter) -> Result<Option<Found>, AskError> {
    let last = runs(master, filter, RUNS_LOOKED_AT).await?;
    let ended = last.iter().position(|run| run.status != RunStatus::Running);
    let Some(chosen) = last.get(ended.unwrap_or(0)) else {
        return Ok(None);
    };
    Ok(Some(Found {
        run: run(master, &chosen.run_id).await?,
        going_on: going_on::sentence(&last[..ended.unwrap_or(0)]),
    }))
}

/// The run with an id where there is one, else the newest under a filter that has ended.
pub async fn wanted_run(
    master: &Master,
    run_id: Option<&str>,
    filter: &Filter,
) -> Result<Option<Found>, AskError> {
    match run_id.filter(|id| !id.is_empty()) {
        Some(run_id) => Ok(Some(Found {
            run: run(master, run_id).await?,
            going_on: None,
        })),
        None => last_run(master, filter).await,
    }
}

/// Says that a project is unknown, when it is.
pub async fn check_project(master: &Master, project: &str) -> Result<(), AskError> {
    let known = projects(master).await?;
    check("project", project, &known, "leave project out for all")
}

async fn explain_nothing(master: &Master, filter: &Filter) -> Result<(), AskError> {
    if filter.is_empty() {
        return Ok(());
    }
    if let Some(project) = &filter.project {
        check_project(master, project).await?;
    }
    if let Some(worker) = &filter.worker_id {
        let rows = master.workers().await?;
        let known: Vec<String> = rows.into_iter().map(|row| row.worker_id).collect();
        check("worker_id", worker, &known, "get_workers lists all")?;
    }
    if let Some(branch) = &filter.branch {
        let wide = Filter {
            branch: None,
            ..filter.clone()
        };
        let rows = master
            .runs(&wide.query(shared::limits::RESULTS_LIMIT_MAX))
            .await?;
        let known = distinct(rows.into_iter().map(|row| row.branch));
        check("branch", branch, &known, "leave branch out for all")?;
    }
    Err(AskError::NothingMatches)
}

/// Names of all projects; from the last runs where a master has no list of them.
async fn projects(master: &Master) -> Result<Vec<String>, AskError> {
    match master.projects().await {
        Ok(rows) => Ok(rows.into_iter().map(|row| row.project).collect()),
        Err(MasterError::NotFound { .. } | MasterError::Strange { .. }) => {
            let query = Filter::default().query(shared::limits::RESULTS_LIMIT_MAX);
            let runs = master.runs(&query).await?;
            Ok(distinct(runs.into_iter().map(|run| run.project)))
        }
        Err(error) => Err(error.into()),
    }
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}

fn check(kind: &'static str, name: &str, known: &[String], else_do: &str) -> Result<(), AskError> {
    if known.iter().any(|one| one == name) {
        return Ok(());
    }
    Err(AskError::UnknownName {
        kind,
        name: untrusted::short_id(name, 200),
        offer: offer(name, known, else_do),
    })
}

/// In words: the names most like `name`, then the known ones.
fn offer(name: &str, known: &[String], else_do: &str) -> String {
    let shown: Vec<&String> = known.iter().filter(|one| !one.is_empty()).collect();
    if shown.is_empty() {
        return format!("; nothing has such a name yet, {else_do}");
    }
    let wanted = name.to_lowercase();
    let likeness = |one: &str| {
        let one = one.to_lowercase();
        let contains = one.contains(&wanted) || wanted.contains(&one);
        strsim::jaro_winkler(&one, &wanted).max(if contains { 0.9 } else { 0.0 })
    };
    let mut near: Vec<(f64, &String)> = shown
        .iter()
        .map(|one| (likeness(one), *one))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let quoted = |names: &mut dyn Iterator<Item = &String>| {
        let names: Vec<_> = names
            .map(|one| format!("`{}`", untrusted::short_id(one, 100)))
            .collect();
        names.join(", ")
    };
    if !near.is_empty() {
        let nearest = quoted(&mut near.iter().take(3).map(|(_, one)| *one));
        return format!("; did you mean {nearest}? Otherwise {else_do}");
    }
    let first = quoted(&mut shown.iter().take(NAMES_OFFERED_MAX).copied());
    let rest = shown.len().saturating_sub(NAMES_OFFERED_MAX);
    let rest = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    format!("; known: {first}{rest}; {else_do}")
}

#[cfg(test)]
mod tests {
    use super::{check, offer};

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_nearest_names_are_offered_first() {
        let known = names(&["webshop", "web", "payments", ""]);
        let words = offer("webshp", &known, "leave it out");
        assert!(
            words.starts_with("; did you mean `webshop`, `web`?"),
            "{words}"
        );
    }

    #[test]
    fn without_a_near_name_the_known_ones_are_listed() {
        let words = offer("zzz", &names(&["a-project", "b-project"]), "leave it out");
        assert_eq!(words, "; known: `a-project`, `b-project`; leave it out");
    }

    #[test]
    fn a_known_name_is_no_error() {
        assert!(check("project", "a", &names(&["a"]), "").is_ok());
        assert!(check("project", "A", &names(&["a"]), "").is_err());
    }
}
