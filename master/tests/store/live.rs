//! Questions about a run that goes on are answered as if its batches were put together already.

use std::collections::BTreeMap;

use master::queries;
use master::queries::case::FoundCase;
use master::queries::cases::{CasesFilter, CasesSort};
use master::queries::runs::RunsFilter;
use shared::case::NewCase;
use shared::outcome::Outcome;
use shared::status::RunStatus;
use shared::stream::NewBatch;

use crate::engines::{Database, Opened, received_at};
use crate::make;
use crate::streams::{batch, opening};

on_both_engines!(
    what_is_listed_is_the_last_case_of_each_test,
    a_run_that_goes_on_is_heard_of_in_lists_and_expected_to_end,
);

/// Batches whose tests come again and again, with other outcomes.
fn batches(count: u64) -> Vec<NewBatch> {
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: u64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise % bound
    };
    (1..=count)
        .map(|number| {
            let mut cases: BTreeMap<String, NewCase> = BTreeMap::new();
            for _ in 0..20 {
                let nodeid = format!("t{}.py::test[{}]", below(3), below(120));
                let seconds = below(1_000) as f64 / 100.0;
                let case = match below(6) {
                    0 => make::failed(&nodeid, &format!("{nodeid} in {number}")),
                    1 => NewCase::new(&nodeid, Outcome::Skipped),
                    2 => NewCase::new(&nodeid, Outcome::Xfailed),
                    _ => make::passed(&nodeid),
                };
                let duration = (below(5) > 0).then_some(seconds);
                cases.insert(nodeid, NewCase { duration, ..case });
            }
            batch(number, &cases.into_values().collect::<Vec<_>>())
        })
        .collect()
}

/// The last case of each test, in the order in which the tests were first there.
fn merged(batches: &[NewBatch]) -> Vec<NewCase> {
    let mut merged: Vec<NewCase> = Vec::new();
    for case in batches.iter().flat_map(|batch| &batch.cases) {
        match merged.iter_mut().find(|known| known.nodeid == case.nodeid) {
            Some(known) => *known = case.clone(),
            None => merged.push(case.clone()),
        }
    }
    merged
}

async fn listed(opened: &Opened, filter: &CasesFilter) -> Vec<(String, Outcome)> {
    let mut filter = filter.clone();
    let mut found = Vec::new();
    loop {
        let page = queries::cases::list(&opened.store, "r1", &filter).await;
        let page = page.unwrap().unwrap();
        found.extend(
            page.cases
                .into_iter()
                .map(|case| (case.nodeid, case.outcome)),
        );
        filter.after = page.next;
        if filter.after.is_none() {
            return found;
        }
    }
}

fn names(cases: &[&NewCase]) -> Vec<(String, Outcome)> {
    let names = cases.iter();
    names
        .map(|case| (case.nodeid.clone(), case.outcome))
        .collect()
}

async fn what_is_listed_is_the_last_case_of_each_test(db: &Database) {
    let opened = db.open().await;
    let opening = opening(&make::run("r1"));
    opened.ingest.open(opening, received_at()).await.unwrap();
    let batches = batches(40);
    for batch in &batches {
        let appended = opened.ingest.append("r1", batch.clone(), received_at());
        appended.await.unwrap();
    }
    let merged = merged(&batches);
    assert!(merged.len() > 200, "{}", merged.len());
    let outcomes = [Outcome::Failed, Outcome::Skipped, Outcome::Xfailed].map(Some);
    for outcome in outcomes.into_iter().chain([None]) {
        for q in [None, Some("T1.PY")] {
            lists_like(&opened, &merged, outcome, q).await;
        }
    }
    let bad: Vec<&NewCase> = merged.iter().filter(|case| case.outcome.is_bad()).collect();
    let run = queries::runs::get(&opened.store, "r1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(run.total, merged.len() as u64);
    let failures = run.failures.iter().map(|failure| &failure.nodeid);
    assert!(failures.eq(bad.iter().map(|case| &case.nodeid)));
    for case in bad {
        let found = queries::case::get(&opened.store, "r1", &case.nodeid).await;
        let FoundCase::Found(found) = found.unwrap() else {
            panic!("{} is not found", case.nodeid);
        };
        assert_eq!(found.failures.as_ref(), Some(&case.failures));
    }
    opened.close().await;
}

async fn lists_like(
    opened: &Opened,
    merged: &[NewCase],
    outcome: Option<Outcome>,
    q: Option<&str>,
) {
    let mut expected: Vec<&NewCase> = merged
        .iter()
        .filter(|case| outcome.is_none_or(|outcome| case.outcome == outcome))
        .filter(|case| q.is_none() || case.nodeid.starts_with("t1.py"))
        .collect();
    let filter = CasesFilter {
        outcome,
        q: q.map(str::to_owned),
        limit: 37,
        ..CasesFilter::default()
    };
    assert_eq!(
        listed(opened, &filter).await,
        names(&expected),
        "{filter:?}"
    );
    let seconds = |case: &NewCase| case.duration.or(case.call).unwrap_or(-1.0);
    expected.sort_by(|one, other| seconds(other).total_cmp(&seconds(one)));
    let slowest = CasesFilter {
        sort: CasesSort::Slowest,
        ..filter
    };
    assert_eq!(
        listed(opened, &slowest).await,
        names(&expected),
        "{slowest:?}"
    );
}

async fn a_run_that_goes_on_is_heard_of_in_lists_and_expected_to_end(db: &Database) {
    let opened = db.open().await;
    for (number, duration) in [10.0, 30.0, 20.0].into_iter().enumerate() {
        let mut run = make::run_of(&format!("before{number}"), vec![make::passed("t.py::a")]);
        run.duration = duration;
        opened.save(run).await;
    }
    let opening = opening(&make::run("r1"));
    opened.ingest.open(opening, received_at()).await.unwrap();
    let heard_at = received_at() + chrono::Duration::seconds(7);
    opened
        .ingest
        .append("r1", batch(0, &[]), heard_at)
        .await
        .unwrap();
    let filter = RunsFilter {
        limit: 10,
        ..RunsFilter::default()
    };
    let runs = queries::runs::list(&opened.store, &filter).await.unwrap();
    assert_eq!(runs.len(), 4);
    for run in runs {
        let live = (run.status == RunStatus::Running).then_some(shared::stream::Live {
            heard_at,
            expected_finish_at: Some(received_at() + chrono::Duration::seconds(20)),
        });
        assert_eq!(run.live, live, "{}", run.run_id);
    }
    opened.close().await;
}
