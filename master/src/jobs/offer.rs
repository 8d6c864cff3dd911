//! Who can have which job: a pure decision over the first jobs of all lanes.

use std::collections::{BTreeMap, HashSet};

use super::wire;
use crate::store::StoreError;
use crate::store::agents::AgentRow;
use crate::store::job_queue::HeadRow;

/// What somebody offers who asks for jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// The only project that he may have jobs of.
    pub(super) project: Option<String>,
    /// His labels.
    pub(super) labels: BTreeMap<String, String>,
    /// Whether he understands nothing but tasks.
    pub(super) tasks_only: bool,
}

/// The first job of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: i64,
    pub(super) environment: Option<String>,
    project: String,
    labels: BTreeMap<String, String>,
    is_task: bool,
    has_room: bool,
}

/// What two jobs cannot be handed out of at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Environment(String),
    Job(i64),
}

impl Head {
    /// Reads a row.
    pub(super) fn of(row: HeadRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            labels: wire::labels(&row.labels)?,
            is_task: row.is_task != 0,
            has_room: row.held < row.capacity,
            environment: row.environment,
            project: row.project,
        })
    }

    /// Where it would run.
    pub(super) fn place(&self) -> Place {
        match &self.environment {
            Some(name) => Place::Environment(name.clone()),
            None => Place::Job(self.id),
        }
    }
}

impl Offer {
    /// What an agent that is known offers.
    pub(super) fn of(row: AgentRow) -> Result<Self, StoreError> {
        Ok(Self {
            labels: wire::labels(&row.labels)?,
            project: row.project,
            tasks_only: false,
        })
    }

    /// Whether he can have a job.
    pub(super) fn suits(&self, head: &Head) -> bool {
        self.project.as_ref().is_none_or(|own| *own == head.project)
            && (head.is_task || !self.tasks_only)
            && has_labels(&self.labels, &head.labels)
    }
}

/// Whether all of the labels that are wanted are among those that are offered.
pub(super) fn has_labels(
    offered: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> bool {
    wanted
        .iter()
        .all(|(label, value)| offered.get(label) == Some(value))
}

/// Whether it matters who else is online: somebody else's job may be first in its environment.
pub(super) fn depends_on_others(heads: &[Head], asker: &Offer) -> bool {
    heads
        .iter()
        .any(|head| head.environment.is_some() && head.has_room && !asker.suits(head))
}

/// Whether all of these jobs of one environment are passed over, so that one behind them may be next.
pub(super) fn are_passed_over(heads: &[Head], asker: &Offer, others: &[Offer]) -> bool {
    let is_passed_over = |head: &Head| {
        head.has_room && !asker.suits(head) && !others.iter().any(|other| other.suits(head))
    };
    heads.iter().all(is_passed_over)
}

/// The jobs that somebody can have now, the next one first. `heads` are in the order in which they come.
///
/// In an environment, first come is first served: a job is passed over only when the asker cannot have it and
/// no other agent that is online can. Jobs without an environment keep nobody from anything, so everybody
/// takes the first that he can have.
pub(super) fn candidates<'a>(heads: &'a [Head], asker: &Offer, others: &[Offer]) -> Vec<&'a Head> {
    let mut decided = HashSet::new();
    let mut candidates = Vec::new();
    for head in heads {
        let Some(environment) = &head.environment else {
            if asker.suits(head) {
                candidates.push(head);
            }
            continue;
        };
        if decided.contains(environment) {
            continue;
        }
        if head.has_room && asker.suits(head) {
            candidates.push(head);
        } else if head.has_room && !others.iter().any(|other| other.suits(head)) {
            continue;
        }
        decided.insert(environment);
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(words: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(label, value): &(&str, &str)| ((*label).to_owned(), (*value).to_owned());
        words.iter().map(owned).collect()
    }

    fn head(id: i64, environment: Option<&str>, wanted: &[(&str, &str)]) -> Head {
        Head {
            id,
            environment: environment.map(str::to_owned),
            project: "shop".to_owned(),
            labels: labels(wanted),
            is_task: false,
            has_room: true,
        }
    }

    fn offer(offered: &[(&str, &str)]) -> Offer {
        Offer {
            project: None,
            labels: labels(offered),
            tasks_only: false,
        }
    }

    fn ids(heads: &[Head], asker: &Offer, others: &[Offer]) -> Vec<i64> {
        let candidates = candidates(heads, asker, others);
        candidates.iter().map(|head| head.id).collect()
    }

    const WINDOWS: (&str, &str) = ("os", "windows");

    #[test]
    fn only_the_first_of_an_environment_can_be_had() {
        let heads = [
            head(1, Some("7"), &[]),
            head(2, Some("8"), &[]),
            head(3, Some("7"), &[WINDOWS]),
            head(4, None, &[]),
            head(5, None, &[WINDOWS]),
        ];
        assert_eq!(ids(&heads, &offer(&[WINDOWS]), &[]), [1, 2, 4, 5]);
        assert_eq!(ids(&heads, &offer(&[]), &[]), [1, 2, 4]);
    }

    #[test]
    fn a_job_is_passed_over_only_when_nobody_online_can_have_it() {
        let heads = [head(1, Some("7"), &[WINDOWS]), head(2, Some("7"), &[])];
        let linux = offer(&[("os", "linux")]);
        assert_eq!(ids(&heads, &linux, &[]), [2]);
        assert_eq!(ids(&heads, &linux, &[offer(&[WINDOWS])]), [0; 0]);
        assert_eq!(ids(&heads, &offer(&[WINDOWS]), &[]), [1]);
        let of_another_project = Offer {
            project: Some("bank".to_owned()),
            ..offer(&[WINDOWS])
        };
        assert_eq!(ids(&heads, &linux, &[of_another_project]), [2]);
    }

    #[test]
    fn a_full_environment_has_nothing_for_anybody() {
        let full = |id, wanted: &[_]| Head {
            has_room: false,
            ..head(id, Some("7"), wanted)
        };
        let heads = [full(1, &[WINDOWS]), full(2, &[])];
        assert_eq!(ids(&heads, &offer(&[]), &[]), [0; 0]);
        assert!(!depends_on_others(&heads, &offer(&[])));
    }

    #[test]
    fn a_job_without_environment_waits_for_nobody_else() {
        let heads = [head(1, None, &[WINDOWS]), head(2, None, &[])];
        assert_eq!(ids(&heads, &offer(&[]), &[offer(&[WINDOWS])]), [2]);
        assert!(!depends_on_others(&heads, &offer(&[])));
    }

    #[test]
    fn a_runner_of_tasks_gets_nothing_else() {
        let task = Head {
            is_task: true,
            ..head(2, None, &[])
        };
        let heads = [head(1, None, &[]), task];
        let runner = Offer {
            tasks_only: true,
            ..offer(&[])
        };
        assert_eq!(ids(&heads, &runner, &[]), [2]);
    }
}
