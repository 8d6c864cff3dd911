//! Results of tools as clients expect them.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;

use crate::ask::AskError;

/// The whole answer twice: as structured content and as text, because some clients give a model
/// only one of the two.
pub(super) fn structured(answer: &impl Serialize) -> Result<CallToolResult, AskError> {
    let value = to_value(answer)?;
    Ok(CallToolResult::structured(value))
}

/// An answer whose text is not its JSON.
pub(super) fn with_content(
    answer: &impl Serialize,
    content: Vec<ContentBlock>,
) -> Result<CallToolResult, AskError> {
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(to_value(answer)?);
    Ok(result)
}

/// A failure that reaches the model: the whole text, marked as an error.
pub(super) fn failed(tool: &str, error: &AskError) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(format!("{tool}: {error}"))])
}

fn to_value(answer: &impl Serialize) -> Result<serde_json::Value, AskError> {
    serde_json::to_value(answer)
        .map_err(|error| AskError::BadArguments(format!("the answer cannot be written: {error}")))
}
