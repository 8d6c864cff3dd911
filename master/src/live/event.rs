//! One event of the feed.

use std::sync::Arc;

use shared::job::Job;
use shared::run::RunSummary;

use crate::store::changes::ProjectMark;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventName {
    /// A run was opened, or goes on after it was lost.
    RunStarted,
    /// More of a run arrived.
    RunProgressed,
    /// A run is stored whole, or closed as lost.
    RunFinished,
    /// A job came into another state, or somebody asked for its end.
    JobChanged,
    /// A job was deleted, or is not seen any more.
    JobDeleted,
    /// Events may have gone by unheard: whoever keeps a picture has to ask for it anew.
    Missed,
}

impl EventName {
    /// The word on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RunStarted => "run_started",
            Self::RunProgressed => "run_progressed",
            Self::RunFinished => "run_finished",
            Self::JobChanged => "job_changed",
            Self::JobDeleted => "job_deleted",
            Self::Missed => "missed",
        }
    }
}

/// Whom an event concerns.
#[derive(Debug, Clone)]
pub(super) enum Audience {
    /// Every listener.
    Everybody,
    /// Who listens to this project, or to all.
    Project(Arc<str>),
    /// The same, where only the mark of the project is known.
    Marked(ProjectMark),
}

/// An event, made once for all listeners.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Greater than that of any event before, over restarts as well. An event for one listener
    /// alone has none, because its place among the others is not known.
    pub(crate) id: Option<u64>,
    pub(crate) name: EventName,
    /// Whom it concerns.
    pub(super) audience: Audience,
    /// JSON.
    pub(crate) data: Arc<str>,
}

impl Event {
    /// An event about a run.
    pub(super) fn of(id: u64, name: EventName, run: &RunSummary) -> Self {
        Self {
            id: Some(id),
            name,
            audience: Audience::Project(run.project.as_str().into()),
            // A summary is plain data; the fallback is there for the type system only.
            data: serde_json::to_string(run).unwrap_or_default().into(),
        }
    }

    /// An event about a job.
    pub(super) fn of_job(id: u64, job: &Job) -> Self {
        Self {
            id: Some(id),
            name: EventName::JobChanged,
            audience: Audience::Project(job.project.as_str().into()),
            // A job is plain data; the fallback is there for the type system only.
            data: serde_json::to_string(job).unwrap_or_default().into(),
        }
    }

    /// An event about a job that is not there any more.
    pub(super) fn of_deleted_job(id: u64, job: i64, project: ProjectMark) -> Self {
        Self {
            id: Some(id),
            name: EventName::JobDeleted,
            audience: Audience::Marked(project),
            data: format!("{{\"id\":{job}}}").into(),
        }
    }

    /// An event about events that went by.
    pub(super) fn missed(id: Option<u64>) -> Self {
        Self {
            id,
            name: EventName::Missed,
            audience: Audience::Everybody,
            data: "{}".into(),
        }
    }

    pub(super) fn concerns(&self, project: Option<&str>) -> bool {
        let Some(wanted) = project else {
            return true;
        };
        match &self.audience {
            Audience::Everybody => true,
            Audience::Project(project) => **project == *wanted,
            Audience::Marked(mark) => *mark == ProjectMark::of(wanted),
        }
    }
}
