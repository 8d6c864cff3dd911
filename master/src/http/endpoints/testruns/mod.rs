//! Testruns: a view over jobs that are made of the test library.

pub(in crate::http) mod create;
pub(in crate::http) mod delete;
pub(in crate::http) mod get;
pub(in crate::http) mod list;

use shared::job::Job;

use crate::http::app::App;
use crate::http::error::ApiError;

/// Bytes that a character has at most.
const CHARACTER_BYTES_MAX: usize = 4;

/// The end of the log of a job, whole characters only.
async fn log_end(app: &App, job: &Job, bytes_max: usize) -> Result<String, ApiError> {
    if job.log_bytes == 0 {
        return Ok(String::new());
    }
    let bytes = app.jobs.log_tail(job.id, bytes_max).await?;
    let is_cut = bytes.len() as u64 >= bytes_max as u64;
    let start = bytes.iter().take(CHARACTER_BYTES_MAX - 1);
    let within = start
        .take_while(|byte| is_cut && **byte & 0xC0 == 0x80)
        .count();
    Ok(String::from_utf8_lossy(&bytes[within..]).into_owned())
}

/// The last characters of a text.
fn last_characters(mut text: String, characters_max: usize) -> String {
    let first = text.char_indices().rev().take(characters_max).last();
    let start = first.map_or(text.len(), |(position, _)| position);
    text.split_off(start)
}

#[cfg(test)]
mod tests {
    use super::last_characters;

    #[test]
    fn the_end_of_a_text_is_counted_in_characters() {
        assert_eq!(last_characters("aéb€c".into(), 3), "b€c");
        assert_eq!(last_characters("aé".into(), 3), "aé");
        assert_eq!(last_characters(String::new(), 3), "");
    }
}
