//! The gate in front of every endpoint: who comes, whether he may, and what is written down of it.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::address::ClientAddress;
use super::audit::Deed;
use super::caller::LetIn;
use super::error::ApiError;
use super::intake;
use super::needs::{Need, Needs};
use super::welcome::Welcome;
use crate::access::{Access, Caller};

/// What the gate knows. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    access: Access,
    needs: Arc<Needs>,
}

impl Gate {
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            needs: Arc::new(Needs::read()),
        }
    }

    /// Who comes, when he is known or need not be.
    async fn recognise(&self, need: &Need, headers: &HeaderMap) -> Result<Welcome, ApiError> {
        let unasked = |caller| Welcome {
            caller: Arc::new(caller),
            presented: None,
        };
        if *need == Need::Nothing {
            return Ok(unasked(Caller::nobody()));
        }
        if !self.access.is_on().await? {
            return Ok(unasked(Caller::anybody()));
        }
        let presented = presented(headers)?;
        Ok(Welcome {
            caller: self.access.recognise(presented).await?,
            presented: Some(presented.to_owned()),
        })
    }
}

/// Refuses somebody who is known, but not for this.
fn check_scope(need: &Need, caller: &Caller) -> Result<(), ApiError> {
    match need {
        Need::OneOf(scopes) if !scopes.iter().any(|one| one.is_in(&caller.scopes)) => {
            Err(ApiError::scope_missing(&caller.name, scopes))
        }
        _ => Ok(()),
    }
}

/// Lets in who may come in.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map(MatchedPath::as_str);
    let need = gate.needs.of(path, request.method());
    let deed = Deed::of(
        &request,
        path,
        ClientAddress::of(request.extensions(), request.headers()),
    );
    let welcome = match gate.recognise(&need, request.headers()).await {
        Ok(welcome) => welcome,
        Err(error) => {
            intake::discard(request).await;
            return error.into_response();
        }
    };
    let begun = deed.map(|deed| deed.begun(&gate.access, &welcome.caller));
    let mut response = match check_scope(&need, &welcome.caller) {
        Ok(()) => {
            let let_in = LetIn::new(Arc::clone(&welcome.caller));
            request.extensions_mut().insert(let_in.clone());
            without_others(next.run(request).await, &need, &let_in)
        }
        Err(error) => {
            intake::discard(request).await;
            error.into_response()
        }
    };
    if let Some(begun) = begun {
        let about = response.extensions_mut().remove();
        begun.ended(response.status(), about).await;
    }
    welcome.bound(gate.access, response)
}

/// A caller who is bound to a project gets nothing from an endpoint that did not ask who comes: it
/// cannot know what to leave out.
fn without_others(response: Response, need: &Need, let_in: &LetIn) -> Response {
    let has_data = matches!(need, Need::OneOf(_)) && response.status().is_success();
    if !has_data || let_in.was_asked() || let_in.caller.project().is_none() {
        return response;
    }
    ApiError::bound_to_project("this is not for tokens and accounts that are bound to a project")
        .into_response()
}

/// What the client presents to be let in.
pub(super) fn presented(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next().ok_or_else(ApiError::token_missing)?;
    let presented = line.to_str().ok().and_then(|line| {
        let (scheme, token) = line.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match presented {
        Some(token) if lines.next().is_none() => Ok(token),
        _ => Err(ApiError::token_invalid(
            "the Authorization header must be one and look like `Bearer TOKEN`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use shared::access::Scope;

    use super::*;

    fn bound() -> LetIn {
        LetIn::new(Arc::new(Caller {
            name: "ci".to_owned(),
            scopes: [Scope::Read].into(),
            project: Some("shop".to_owned()),
        }))
    }

    #[test]
    fn an_endpoint_that_did_not_ask_who_comes_tells_nothing_to_those_bound_to_a_project() {
        let need = Need::OneOf(vec![Scope::Read]);
        let status = |need: &Need, let_in: &LetIn| {
            without_others("data".into_response(), need, let_in).status()
        };
        assert_eq!(status(&need, &bound()), 403);
        assert_eq!(status(&Need::ToBeKnown, &bound()), 200);
        let asked = bound();
        asked.ask();
        assert_eq!(status(&need, &asked), 200);
        let free = LetIn::new(Arc::new(Caller::anybody()));
        assert_eq!(status(&need, &free), 200);
    }
}
