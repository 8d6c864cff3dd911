//! The three calls by which a run is streamed.

use std::future::Future;
use std::time::Duration;

use shared::answer::Saved;
use shared::stream::Streaming;

use super::hurry::Hurry;
use crate::client::{Client, SendError, StreamCall};

/// A master, as far as streaming goes. Bodies are compressed JSON.
pub trait Calls {
    /// Opens the run.
    fn open(&self, body: &[u8], timeout: Duration) -> Result<Streaming, SendError>;

    /// Appends a batch while the tests go on.
    fn append(&self, body: &[u8], timeout: Duration) -> Result<Streaming, SendError>;

    /// Appends a batch after the tests.
    fn append_last(&self, body: &[u8], timeout: Duration) -> Result<Streaming, SendError>;

    /// Finishes the run.
    fn finish(&self, body: &[u8], timeout: Duration) -> Result<Saved, SendError>;

    /// Whether the tests are over, so that there is something better to do than the next batch.
    fn is_urgent(&self) -> bool;
}

/// The calls to a real master about one run.
#[derive(Debug)]
pub struct MasterCalls<'a> {
    /// The connection.
    pub client: &'a Client,
    /// The run.
    pub run_id: &'a str,
    /// Word that the tests are over.
    pub hurry: Hurry,
}

impl MasterCalls<'_> {
    fn stream(
        &self,
        call: StreamCall,
        body: &[u8],
        timeout: Duration,
        given_up: impl Future<Output = ()>,
    ) -> Result<Streaming, SendError> {
        let answer = self
            .client
            .stream(call, self.run_id, body, timeout, given_up)?;
        self.client.about(&answer.run_id, self.run_id)?;
        Ok(answer)
    }
}

impl Calls for MasterCalls<'_> {
    fn open(&self, body: &[u8], timeout: Duration) -> Result<Streaming, SendError> {
        let given_up = self.hurry.clone().over();
        self.stream(StreamCall::Open, body, timeout, given_up)
    }

    fn append(&self, body: &[u8], timeout: Duration) -> Result<Streaming, SendError> {
        let given_up = self.hurry.clone().over();
        self.stream(StreamCall::Cases, body, timeout, given_up)
    }

    fn append_last(&self, body: &[u8], timeout: Duration) -> Result<Streaming, SendError> {
        self.stream(StreamCall::Cases, body, timeout, std::future::pending())
    }

    fn finish(&self, body: &[u8], timeout: Duration) -> Result<Saved, SendError> {
        let saved = self.client.finish_run(self.run_id, body, timeout)?;
        self.client.about(&saved.run_id, self.run_id)?;
        Ok(saved)
    }

    fn is_urgent(&self) -> bool {
        self.hurry.is_told()
    }
}
