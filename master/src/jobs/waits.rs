//! What does a job wait for, in words?

use std::collections::{BTreeMap, HashMap};

use chrono::Utc;

use super::offer::has_labels;
use super::wire::{self, SECOND_US};
use super::{Jobs, lease};
use crate::store::jobs::JobRow;
use crate::store::{StoreError, agents, environments, job_queue};

/// Jobs that are named one by one.
const NAMED_MAX: usize = 3;

impl Jobs {
    /// Everything that keeps a queued job from being run. `viewer` is the only project that whoever reads it
    /// sees.
    pub(super) async fn waits_for(
        &self,
        job: &JobRow,
        viewer: Option<&str>,
    ) -> Result<String, StoreError> {
        let mut reasons = Vec::new();
        if let Some(environment) = job.environment.as_deref() {
            reasons.extend(self.held(environment, viewer).await?);
            let before = job_queue::before(&self.store, environment, job.priority, job.id).await?;
            if before > 0 {
                let jobs = plural(before, "job");
                reasons.push(format!("{jobs} before it in environment {environment}"));
            }
        }
        reasons.extend(self.missing_agent(job, reasons.is_empty()).await?);
        Ok(reasons.join("; "))
    }

    /// Who holds an environment, if there is no room in it.
    async fn held(&self, name: &str, viewer: Option<&str>) -> Result<Option<String>, StoreError> {
        let environment = environments::get(&self.store, name).await?;
        let Some(environment) = environment else {
            return Ok(Some(format!("environment {name}, which is no more there")));
        };
        let holders = job_queue::holders(&self.store, Some(name)).await?;
        if (holders.len() as i64) < environment.capacity {
            return Ok(None);
        }
        let now_us = Utc::now().timestamp_micros();
        let mut named: Vec<String> = holders
            .iter()
            .take(NAMED_MAX)
            .map(|holder| {
                let since = since(now_us - holder.started_us.unwrap_or(now_us));
                // What others do is for themselves to see.
                if viewer.is_none_or(|project| project == holder.project) {
                    format!("job {} of {} for {since}", holder.id, holder.username)
                } else {
                    format!("job {} of another project for {since}", holder.id)
                }
            })
            .collect();
        if holders.len() > NAMED_MAX {
            named.push(format!("{} more", holders.len() - NAMED_MAX));
        }
        Ok(Some(format!(
            "environment {name} held by {}",
            named.join(", ")
        )))
    }

    /// Why no agent takes a job, if that is why it waits.
    async fn missing_agent(
        &self,
        job: &JobRow,
        is_only_reason: bool,
    ) -> Result<Option<String>, StoreError> {
        let wanted = wire::labels(&job.labels)?;
        let online = agents::seen_since(&self.store, lease::online_since_us()).await?;
        let mut able = Vec::new();
        for agent in online {
            let sees = agent
                .project
                .as_deref()
                .is_none_or(|own| own == job.project);
            if sees && has_labels(&wire::labels(&agent.labels)?, &wanted) {
                able.push(agent);
            }
        }
        let agent = described(&wanted);
        if able.is_empty() {
            return Ok(Some(format!("{agent}; none is online")));
        }
        let mut busy: HashMap<String, i64> = HashMap::new();
        for running in job_queue::running(&self.store).await? {
            *busy.entry(running.agent.unwrap_or_default()).or_default() += 1;
        }
        let is_free = |name: &str, slots| busy.get(name).is_none_or(|jobs| *jobs < slots);
        let free = able
            .iter()
            .filter(|agent| is_free(&agent.name, agent.slots));
        let reason = match (free.count(), able.len()) {
            (0, 1) => Some(format!("{agent}; {} is busy", able[0].name)),
            (0, all) => Some(format!("{agent}; all {all} are busy")),
            (_, _) if !is_only_reason => None,
            (free, all) => Some(format!("{agent} to ask for it; {free} of {all} are free")),
        };
        Ok(reason)
    }
}

/// An agent with these labels.
fn described(labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return "an agent".to_owned();
    }
    let labels: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    format!("an agent with {}", labels.join(", "))
}

fn plural(count: i64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// How long ago something began, in the unit that people would use.
fn since(microseconds: i64) -> String {
    let seconds = microseconds.max(0) / SECOND_US;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_as_people_would() {
        let said = [0, 119, 360, 7_200, 172_800].map(|seconds| since(seconds * SECOND_US));
        assert_eq!(said, ["0 s", "119 s", "6 min", "2 h", "2 days"]);
        assert_eq!(since(-5), "0 s");
    }
}
