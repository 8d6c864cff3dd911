//! The gate in front of every endpoint: who comes, and whether he may.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use super::caller::LetIn;
use crate::access::Caller;

/// Lets in who may come in.
pub(super) async fn check(mut request: Request, next: Next) -> Response {
    let caller = Arc::new(Caller::anybody());
    request.extensions_mut().insert(LetIn::new(caller));
    next.run(request).await
}
