//! Waiting for a job: until something happens to one, not by asking again and again.

use std::time::Duration;

use shared::lease::{Lease, LeaseRequest};
use shared::validate;
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

use super::{Jobs, JobsError};
use crate::store::changes::{ChangeKind, Heard};

/// Longest time without a look, in case that a change was told to nobody.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Jobs {
    /// As [`Self::lease`], but waits for a job when there is none. When the future is dropped, a job that
    /// was just handed out is queued again.
    pub async fn lease_or_wait(
        &self,
        request: &LeaseRequest,
        project: Option<&str>,
        wait: Duration,
    ) -> Result<Option<Lease>, JobsError> {
        validate::job::lease_request(request)?;
        let end = Instant::now() + wait;
        self.write_down(request, project).await?;
        // Listened to before the first look, so that nothing happens unheard in between.
        let mut changes = self.store.changes().listen();
        loop {
            let leased = self.lease_for_whoever_is_there(request, project).await?;
            if leased.is_some() || Instant::now() >= end {
                return Ok(leased);
            }
            let next_look = end.min(Instant::now() + LOOK_EVERY);
            // That nothing happened in time is as good a reason to look.
            let _ = tokio::time::timeout_at(next_look, job_changed(&mut changes)).await;
        }
    }

    /// Leases in a task of its own, which a client that hangs up does not end in the middle; then the job
    /// is given back.
    async fn lease_for_whoever_is_there(
        &self,
        request: &LeaseRequest,
        project: Option<&str>,
    ) -> Result<Option<Lease>, JobsError> {
        let (sender, receiver) = oneshot::channel();
        let (jobs, request, project) = (self.clone(), request.clone(), project.map(str::to_owned));
        tokio::spawn(async move {
            let leased = jobs.lease_as_agent(&request, project.as_deref()).await;
            let on_its_way = leased.map(|lease| lease.map(|lease| OnItsWay::new(jobs, lease)));
            // A job that nobody takes out of the channel goes back by itself.
            let _ = sender.send(on_its_way);
        });
        let arriving = receiver.await.unwrap_or(Err(JobsError::Busy))?;
        Ok(arriving.and_then(OnItsWay::arrive))
    }
}

/// A job between the task that leased it and whoever waits for it. It may be sent, and its receiver
/// dropped before it looks: then the job is given back.
struct OnItsWay {
    jobs: Jobs,
    lease: Option<Lease>,
}

impl OnItsWay {
    const fn new(jobs: Jobs, lease: Lease) -> Self {
        let lease = Some(lease);
        Self { jobs, lease }
    }

    fn arrive(mut self) -> Option<Lease> {
        self.lease.take()
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        // Without a runtime the master has ended, and the lease ends with its time.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let jobs = self.jobs.clone();
            runtime.spawn(async move { jobs.take_back(&lease).await });
        }
    }
}

/// Waits until something happened to a job.
pub(super) async fn job_changed(changes: &mut broadcast::Receiver<Heard>) {
    loop {
        match changes.recv().await {
            Ok(Heard::Change(change)) if change.kind != ChangeKind::JobChanged => {}
            // Something was missed, or there will be nothing more to hear.
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
