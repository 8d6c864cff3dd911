//! The files of a job that a master keeps: those of its library, and archives.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use super::orders::Orders;
use crate::client::Client;
use crate::config::Token;

/// Most that is taken: the largest library, hardly packed.
const BYTES_MAX: u64 = shared::limits::LIBRARY_BYTES_MAX + 64 * 1024 * 1024;

/// Downloads the source of a leased job into a new file.
pub(super) fn download(orders: &Orders, to: &Path, timeout: Duration) -> Result<(), String> {
    let (Some(leased), Some(reporting)) = (orders.lease, &orders.reporting) else {
        return Err("only a job that a master leased has such a source".to_owned());
    };
    let (job, attempt) = (leased.job.to_string(), leased.attempt.to_string());
    let place = ["jobs", &job, "attempts", &attempt, "source"];
    let token = reporting.token.clone().map(Token);
    let client = Client::new(&reporting.master_url, token).map_err(|error| error.to_string())?;
    let file = File::create_new(to).map_err(|error| error.to_string())?;
    let mut file = BufWriter::new(file);
    client
        .download(&place, &mut file, timeout, BYTES_MAX)
        .map_err(|error| error.to_string())?;
    file.flush().map_err(|error| error.to_string())
}
