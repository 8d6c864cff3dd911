//! The signals that end the master.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::tls::Tls;

/// Resolves at the first SIGINT or SIGTERM. A second one ends the process at once, for whoever
/// does not want to wait.
pub fn termination() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: finishing what was accepted; a second signal ends at once");
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::warn!("ended by a second signal");
            std::process::exit(1);
        });
    })
}

/// Reads certificate and key again at each SIGHUP, for whoever renews them.
pub(super) async fn reload_at_hangup(tls: Arc<Tls>) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be handled; a new certificate needs a restart");
            return;
        }
    };
    while hangup.recv().await.is_some() {
        match tls.reload() {
            Ok(()) => tracing::info!("certificate and key were read again"),
            Err(error) => tracing::error!("the old certificate stays in use: {error:#}"),
        }
    }
}
