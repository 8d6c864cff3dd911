//! Error answers that many endpoints share, for the OpenAPI document.

use shared::error::Problem;
use utoipa::IntoResponses;

/// What can be wrong with a body of JSON.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the declarations")]
pub(super) enum JsonProblems {
    /// Not JSON, or not packed as it says
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// The body did not arrive in time
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Wrong Content-Type or Content-Encoding
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// JSON, but a field breaks a rule; `field` names it
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// The master cannot do it at this moment.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the declarations")]
pub(super) enum Unavailable {
    /// Too busy, or the database is away: try again
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Problem),
}

/// The name in the path is nobody's.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the declarations")]
pub(super) enum NotFound {
    /// There is no such thing, or the caller may not see it
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// A parameter breaks a rule.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the declarations")]
pub(super) enum BadParameter {
    /// A parameter breaks a rule; `field` names it
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// What an agent hears about an attempt that it does not have any more.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the declarations")]
pub(super) enum LeaseLost {
    /// There is no such job
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The attempt is over (`lease_lost`): nothing was changed, and everything of the job must end
    #[response(status = 409, content_type = "application/problem+json")]
    LeaseLost(Problem),
}

/// What stands in the way of a change of the test library.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the declarations")]
pub(super) enum LibraryProblems {
    /// The caller is bound to a project (`project_forbidden`), or a page of another origin sent it (`other_origin`)
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// This master has no library (`no_library`), or it is full (`library_full`)
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}
