//! The caller, for handlers that have to know who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::ApiError;
use crate::access::Caller;
use crate::queries::runs;
use crate::store::Store;

/// What the gate leaves in a request: who comes, and whether anybody asked.
#[derive(Debug, Clone)]
pub(super) struct LetIn {
    pub(super) caller: Arc<Caller>,
    asked: Arc<AtomicBool>,
}

impl LetIn {
    pub(super) fn new(caller: Arc<Caller>) -> Self {
        Self {
            caller,
            asked: Arc::default(),
        }
    }

    /// The caller, for a handler: that it asked is remembered.
    pub(super) fn ask(&self) -> Arc<Caller> {
        self.asked.store(true, Ordering::Relaxed);
        Arc::clone(&self.caller)
    }

    /// Whether a handler asked who comes.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Who asks, as the gate found out. A caller who is bound to a project gets nothing from an endpoint
/// that does not take this.
#[derive(Debug, Clone)]
pub(super) struct Asking(pub(super) Arc<Caller>);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let let_in = parts.extensions.get::<LetIn>();
        // Nothing is behind the gate that did not come through it.
        let let_in = let_in.ok_or_else(|| ApiError::internal("a request went around the gate"))?;
        Ok(Self(let_in.ask()))
    }
}

impl Asking {
    /// The project that a question is about: the one that it names, else the only one that the
    /// caller sees. Naming another one is refused.
    pub(super) fn project(&self, named: Option<String>) -> Result<Option<String>, ApiError> {
        match (self.0.project(), named) {
            (None, named) => Ok(named),
            (Some(own), None) => Ok(Some(own.to_owned())),
            (Some(_), Some(named)) => {
                self.names("project", &named)?;
                Ok(Some(named))
            }
        }
    }

    /// Refuses a field or parameter that names a project which the caller does not see.
    pub(super) fn names(&self, field: &str, project: &str) -> Result<(), ApiError> {
        match self.0.project() {
            Some(own) if own != project => Err(ApiError::project_forbidden(field, own)),
            _ => Ok(()),
        }
    }

    /// Whether a run belongs to a project that the caller does not see.
    pub(super) async fn is_foreign(&self, store: &Store, run_id: &str) -> Result<bool, ApiError> {
        let Some(own) = self.0.project() else {
            return Ok(false);
        };
        let project = runs::project(store, run_id).await?;
        Ok(project.is_some_and(|project| project != own))
    }

    /// Refuses a caller who is bound to a project; `reason` says why nobody such can do this.
    pub(super) fn is_bound_to_no_project(&self, reason: &str) -> Result<(), ApiError> {
        match self.0.project() {
            Some(_) => Err(ApiError::bound_to_project(reason)),
            None => Ok(()),
        }
    }
}
