//! Environments and agents.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use shared::environment::{Environment, Holder, NewEnvironment};
use shared::lease::Agent;
use shared::suite;
use shared::validate::{self, Invalid};

use super::again::again;
use super::{Jobs, JobsError, lease, wire};
use crate::store::environments::{self, EnvironmentRow};
use crate::store::job_queue::HolderRow;
use crate::store::{StoreError, agents, changes, job_queue};

impl Jobs {
    /// Every environment, in the order that people expect: `2` before `10`. Holders of other projects than
    /// `project` are not named.
    pub async fn environments(&self, project: Option<&str>) -> Result<Vec<Environment>, JobsError> {
        let mut rows = environments::list(&self.store).await?;
        rows.sort_by_cached_key(|row| order(&row.name));
        let mut holders: HashMap<String, Vec<HolderRow>> = HashMap::new();
        for holder in job_queue::holders(&self.store, None).await? {
            let holders = holders.entry(holder.environment.clone());
            holders.or_default().push(holder);
        }
        let waiting = job_queue::waiting(&self.store).await?;
        let waiting: HashMap<String, i64> = waiting
            .into_iter()
            .map(|row| (row.environment, row.queued))
            .collect();
        let described = rows.into_iter().map(|row| {
            let queued = waiting.get(&row.name).copied().unwrap_or(0);
            let holders = holders.remove(&row.name).unwrap_or_default();
            describe(row, holders, queued, project)
        });
        Ok(described.collect::<Result<_, _>>()?)
    }

    /// One environment.
    pub async fn environment(
        &self,
        name: &str,
        project: Option<&str>,
    ) -> Result<Environment, JobsError> {
        let row = environments::get(&self.store, name).await?;
        let row = row.ok_or_else(|| unknown(name))?;
        let holders = job_queue::holders(&self.store, Some(name)).await?;
        let queued = job_queue::before(&self.store, name, i64::MIN, i64::MIN).await?;
        Ok(describe(row, holders, queued, project)?)
    }

    /// Makes or changes an environment; also answers whether it was made.
    pub async fn put_environment(
        &self,
        name: &str,
        new: NewEnvironment,
    ) -> Result<(Environment, bool), JobsError> {
        validate::job::environment_name("name", name)?;
        validate::job::new_environment(&new)?;
        if name == suite::ENVIRONMENT && new.capacity != 1 {
            let reason = "must be 1: no two suites of POST /run_suite run at a time";
            return Err(Invalid::new("capacity", format!("capacity: {reason}")).into());
        }
        let row = EnvironmentRow {
            name: name.to_owned(),
            description: new.description,
            capacity: i64::from(new.capacity),
        };
        let created = again!(&self.store, self.put(&row))?;
        Ok((self.environment(name, None).await?, created))
    }

    async fn put(&self, row: &EnvironmentRow) -> Result<bool, JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        let before = environments::lock(&mut transaction, &row.name).await?;
        environments::put(&mut transaction, row).await?;
        // There may be room for jobs that wait; whoever waits for one is told so by any change of a job.
        let waiting = job_queue::first_waiting(&mut transaction, &row.name).await?;
        let told: Vec<_> = waiting.map(super::queue::changed).into_iter().collect();
        changes::commit(&self.store, transaction, &told).await?;
        Ok(before.is_none())
    }

    /// Deletes an environment that no job needs any more.
    pub async fn delete_environment(&self, name: &str) -> Result<(), JobsError> {
        if name == suite::ENVIRONMENT {
            return Err(JobsError::EnvironmentOfContract(name.to_owned()));
        }
        again!(&self.store, self.delete_environment_once(name))
    }

    async fn delete_environment_once(&self, name: &str) -> Result<(), JobsError> {
        let mut transaction = self.store.pools().begin().await?;
        if environments::lock(&mut transaction, name).await?.is_none() {
            return Err(unknown(name));
        }
        if let Some(job) = job_queue::needed_by(&mut transaction, name).await? {
            let name = name.to_owned();
            return Err(JobsError::EnvironmentInUse { name, job });
        }
        environments::delete(&mut transaction, name).await?;
        Ok(changes::commit(&self.store, transaction, &[]).await?)
    }

    /// Every agent that was heard of late, by name. Jobs of other projects than `project` are not named.
    pub async fn agents(&self, project: Option<&str>) -> Result<Vec<Agent>, JobsError> {
        let mut jobs: HashMap<String, Vec<i64>> = HashMap::new();
        for running in job_queue::running(&self.store).await? {
            if project.is_some_and(|project| project != running.project) {
                continue;
            }
            let of_agent = jobs.entry(running.agent.unwrap_or_default());
            of_agent.or_default().push(running.id);
        }
        let online_since_us = lease::online_since_us();
        let rows = agents::list(&self.store).await?;
        let agents = rows.into_iter().map(|row| {
            Ok(Agent {
                labels: wire::labels(&row.labels)?,
                slots: row.slots as u32,
                last_seen: wire::moment(row.seen_us)?,
                online: row.seen_us > online_since_us,
                jobs: jobs.remove(&row.name).unwrap_or_default(),
                name: row.name,
                version: row.version,
            })
        });
        Ok(agents.collect::<Result<_, StoreError>>()?)
    }
}

fn unknown(name: &str) -> JobsError {
    let end = name.floor_char_boundary(shared::limits::SHORT_NAME_BYTES_MAX);
    JobsError::NoEnvironment(name[..end].escape_debug().to_string())
}

/// Numbers first and by their value, then names.
fn order(name: &str) -> (u64, String) {
    (name.parse().unwrap_or(u64::MAX), name.to_owned())
}

fn describe(
    row: EnvironmentRow,
    holders: Vec<HolderRow>,
    queued: i64,
    project: Option<&str>,
) -> Result<Environment, StoreError> {
    let holders = holders.into_iter().map(|holder| {
        let is_seen = project.is_none_or(|project| project == holder.project);
        Ok(Holder {
            job: holder.id,
            username: if is_seen {
                holder.username
            } else {
                String::new()
            },
            since: match holder.started_us {
                Some(us) => wire::moment(us)?,
                None => DateTime::<Utc>::UNIX_EPOCH,
            },
        })
    });
    Ok(Environment {
        name: row.name,
        description: row.description,
        capacity: row.capacity as u32,
        holders: holders.collect::<Result<_, StoreError>>()?,
        queued: queued.cast_unsigned(),
    })
}
