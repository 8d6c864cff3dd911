//! Giving tests their ids: a bounded cache in front of the dictionary.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustc_hash::FxHashMap;

use super::prepare::{Prepared, Tests, UNKNOWN};
use crate::store::dictionary::{self, ALL_PROJECTS};
use crate::store::hash::Hash16;
use crate::store::{Store, StoreError, projects};

/// Tests whose ids are kept in memory, over all projects: about 25 MiB.
const TESTS_CACHED_MAX: usize = 600_000;

/// Projects whose tests are kept in memory.
const PROJECTS_CACHED_MAX: usize = 5_000;

/// How often new tests are tried again when another master adds the same ones in another order.
const TRIES_MAX: u32 = 5;

/// The ids of all tests lately seen.
pub(super) struct Interner {
    store: Store,
    projects: Mutex<HashMap<String, Arc<ProjectTests>>>,
    all: Arc<ProjectTests>,
    clock: AtomicU64,
    /// One run at a time goes to the database for ids: the next finds there what it needs.
    asking: tokio::sync::Mutex<()>,
}

/// The known tests of one project.
pub(super) struct ProjectTests {
    id: i64,
    ids: RwLock<FxHashMap<Hash16, i64>>,
    used: AtomicU64,
}

impl ProjectTests {
    fn new(id: i64) -> Self {
        Self {
            id,
            ids: RwLock::default(),
            used: AtomicU64::new(0),
        }
    }

    /// Fills in what is known; the whole run under one lock. Answers whether everything was.
    fn fill(&self, tests: &mut Tests) -> bool {
        let known = self.ids.read().unwrap_or_else(PoisonError::into_inner);
        for (id, hash) in tests.ids.iter_mut().zip(&tests.hashes) {
            if *id == UNKNOWN {
                *id = known.get(hash).copied().unwrap_or(UNKNOWN);
            }
        }
        drop(known);
        tests.is_known()
    }

    fn learn(&self, found: &[(Hash16, i64)]) {
        let mut known = self.ids.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(found.iter().copied());
    }

    fn len(&self) -> usize {
        self.ids
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Interner {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            projects: Mutex::default(),
            all: Arc::new(ProjectTests::new(ALL_PROJECTS)),
            clock: AtomicU64::new(0),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Fills in the ids that are in memory; answers whether those were all.
    pub(super) fn fill(&self, prepared: &mut Prepared) -> bool {
        let Some(project) = self.cached(&prepared.run.row.project) else {
            return false;
        };
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        project.used.store(now, Ordering::Relaxed);
        prepared.project = project.id;
        let known = project.fill(&mut prepared.tests);
        self.all.fill(&mut prepared.bad_tests) && known
    }

    /// Fills in all ids, asking the database for them and adding new tests to it.
    pub(super) async fn intern(&self, prepared: &mut Prepared) -> Result<(), StoreError> {
        let _alone = self.asking.lock().await;
        let project = self.project(&prepared.run.row.project).await?;
        prepared.project = project.id;
        if !project.fill(&mut prepared.tests) {
            let missing = missing(&prepared.tests, |position| prepared.nodeid(position));
            let found = self.ask(&project, &missing).await?;
            prepared.tests.set(&found);
        }
        if !self.all.fill(&mut prepared.bad_tests) {
            let missing = missing(&prepared.bad_tests, |position| {
                prepared.nodeid(prepared.bad[position])
            });
            let found = self.ask(&self.all, &missing).await?;
            prepared.bad_tests.set(&found);
        }
        self.trim(&project);
        Ok(())
    }

    fn cached(&self, name: &str) -> Option<Arc<ProjectTests>> {
        let projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.get(name).cloned()
    }

    async fn project(&self, name: &str) -> Result<Arc<ProjectTests>, StoreError> {
        if let Some(project) = self.cached(name) {
            return Ok(project);
        }
        let id = match projects::id(&self.store, name).await? {
            Some(id) => id,
            None => self.new_project(name).await?,
        };
        let project = Arc::new(ProjectTests::new(id));
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.insert(name.to_owned(), Arc::clone(&project));
        Ok(project)
    }

    async fn new_project(&self, name: &str) -> Result<i64, StoreError> {
        let mut transaction = self.store.pools().begin().await?;
        projects::count_runs(&mut transaction, &[(name.to_owned(), 0)]).await?;
        transaction.commit().await?;
        projects::id(&self.store, name)
            .await?
            .ok_or_else(|| StoreError::damaged("project", "it vanished after it was added"))
    }

    /// Looks the missing tests up in the database, adds those that are new, and answers the id for
    /// each position.
    async fn ask(
        &self,
        project: &ProjectTests,
        missing: &Missing<'_>,
    ) -> Result<Vec<(usize, i64)>, StoreError> {
        let hashes: Vec<Hash16> = missing.tests.iter().map(|test| test.0).collect();
        let mut found = FxHashMap::default();
        for attempt in 1.. {
            let known = dictionary::ids(&self.store, project.id, &hashes).await?;
            project.learn(&known);
            found.extend(known);
            let new = missing
                .tests
                .iter()
                .filter(|test| !found.contains_key(&test.0));
            let new: Vec<(Hash16, &str)> = new.copied().collect();
            if new.is_empty() {
                break;
            }
            if attempt > TRIES_MAX {
                return Err(StoreError::damaged(
                    "tests",
                    "they vanished after they were added",
                ));
            }
            match self.add(project.id, &new).await {
                Err(error) if error.is_collision() => {}
                added => added?,
            }
        }
        let tests = missing.positions.iter().zip(&missing.tests);
        let id = |hash: &Hash16| found.get(hash).copied().unwrap_or(UNKNOWN);
        Ok(tests
            .map(|(position, test)| (*position, id(&test.0)))
            .collect())
    }

    /// The order stays as sent: tests that run one after the other get ids one after the other,
    /// which is what makes the columns small.
    async fn add(&self, project: i64, tests: &[(Hash16, &str)]) -> Result<(), StoreError> {
        let mut transaction = self.store.pools().begin().await?;
        dictionary::add(&mut transaction, project, tests).await?;
        transaction.commit().await
    }

    /// Forgets the projects that were not used for longest, until the rest is small enough.
    fn trim(&self, keep: &Arc<ProjectTests>) {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total: usize = self.all.len() + projects.values().map(|p| p.len()).sum::<usize>();
        while total > TESTS_CACHED_MAX || projects.len() > PROJECTS_CACHED_MAX {
            let oldest = projects
                .iter()
                .filter(|(_, project)| !Arc::ptr_eq(project, keep))
                .min_by_key(|(_, project)| project.used.load(Ordering::Relaxed))
                .map(|(name, _)| name.clone());
            let Some(oldest) = oldest else {
                break;
            };
            total -= projects.remove(&oldest).map_or(0, |project| project.len());
        }
        drop(projects);
        if total > TESTS_CACHED_MAX {
            for tests in [keep, &self.all] {
                *tests.ids.write().unwrap_or_else(PoisonError::into_inner) = FxHashMap::default();
            }
        }
    }
}

/// Tests without an id: where they stand, and what they are.
struct Missing<'a> {
    positions: Vec<usize>,
    tests: Vec<(Hash16, &'a str)>,
}

fn missing<'a>(tests: &Tests, nodeid: impl Fn(usize) -> &'a str) -> Missing<'a> {
    let positions: Vec<usize> = (0..tests.ids.len())
        .filter(|position| tests.ids[*position] == UNKNOWN)
        .collect();
    let tests = positions
        .iter()
        .map(|position| (tests.hashes[*position], nodeid(*position)))
        .collect();
    Missing { positions, tests }
}
