//! What may be fetched, from where, how much of it, and for how long.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::address::{Address, Pattern};
use crate::agent::steps::options::StepOptions;
use crate::agent::steps::program::Bounds;

/// Longest time for fetch, unless `--fetch-timeout` says otherwise.
const FETCH_S_DEFAULT: u64 = 600;

/// Most MiB that a source may have, unless `--fetch-max` says otherwise.
const FETCH_MIB_DEFAULT: u64 = 2048;

/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;

/// Schemes that are taken when the owner names no patterns: both encrypted, both with a server that
/// can be told from another.
const SCHEMES: [&str; 2] = ["https", "ssh"];

/// What may be fetched, and how much of it.
#[derive(Debug, Clone)]
pub struct FetchRules {
    patterns: Vec<Pattern>,
    /// Another configuration for git than the agent's user's own.
    pub(super) git_config: Option<PathBuf>,
    /// Most bytes of a source, unpacked and with git's own files.
    pub(super) bytes_max: u64,
    seconds_max: u64,
    until: Option<Instant>,
}

impl FetchRules {
    /// Out of the agent's flags. Nothing goes on after `until`.
    pub(in crate::agent::steps) fn of(
        options: &StepOptions,
        until: Option<Instant>,
    ) -> Result<Self, String> {
        let patterns = options.allow_url.iter().map(|text| Pattern::parse(text));
        if let Some(file) = options.git_config.as_ref().filter(|file| !file.is_file()) {
            return Err(format!("--git-config: {} is no file", file.display()));
        }
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
            git_config: options.git_config.clone(),
            bytes_max: options
                .fetch_max
                .unwrap_or(FETCH_MIB_DEFAULT)
                .saturating_mul(MIB),
            seconds_max: options.fetch_timeout.unwrap_or(FETCH_S_DEFAULT),
            until,
        })
    }

    /// Checks an address that `field` of the job names.
    pub(super) fn address(&self, field: &str, text: &str) -> Result<Address, String> {
        let address = Address::parse(text).map_err(|why| format!("{field}: {why}"))?;
        let shown = address.shown();
        if self
            .patterns
            .iter()
            .any(|pattern| pattern.matches(&address))
        {
            return Ok(address);
        }
        if !self.patterns.is_empty() {
            return Err(format!(
                "{field}: this agent takes no source from {shown}; its owner can allow it with \
                 --allow-url"
            ));
        }
        if !SCHEMES.contains(&address.scheme()) {
            return Err(format!(
                "{field}: this agent takes https and ssh addresses, and {shown} is neither; its \
                 owner can allow it with --allow-url"
            ));
        }
        if address.is_local() {
            return Err(format!(
                "{field}: {shown} is the agent's own machine or its network link; its owner can \
                 allow it with --allow-url"
            ));
        }
        Ok(address)
    }

    /// What git may speak, as `GIT_ALLOW_PROTOCOL` says it.
    pub(super) fn protocols(&self) -> String {
        if self.patterns.is_empty() {
            return SCHEMES.join(":");
        }
        let mut schemes: Vec<&str> = self.patterns.iter().map(Pattern::scheme).collect();
        schemes.sort_unstable();
        schemes.dedup();
        schemes.join(":")
    }

    /// How long what begins now may take, and how much it may write.
    pub(super) fn bounds(&self, begun: Instant, folder: PathBuf) -> Bounds {
        let limit = begun + Duration::from_secs(self.seconds_max);
        let seconds = self.seconds_max;
        let own = format!("fetch reached its limit of {seconds} s (--fetch-timeout)");
        Bounds::until(limit, own, self.until).within(folder, self.bytes_max)
    }
}
