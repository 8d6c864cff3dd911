//! Texts that no one would write and some test prints all the same.

use master::queries;
use master::queries::case::FoundCase;
use master::queries::cases::CasesFilter;
use shared::limits;

use crate::engines::Database;
use crate::make;

on_both_engines!(
    the_longest_nodeid_is_kept,
    weird_texts_come_back_as_they_were,
    names_may_hold_what_sql_would_mistake,
);

async fn the_longest_nodeid_is_kept(db: &Database) {
    let opened = db.open().await;
    // Two that differ in the last byte only, of text that does not compress.
    let mut state = 1u64;
    let long: String = (0..limits::NODEID_BYTES_MAX - 1)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'!' + ((state >> 33) % 90) as u8)
        })
        .collect();
    let nodeids = [format!("{long}a"), format!("{long}b")];
    let cases = vec![make::failed(&nodeids[0], "no"), make::passed(&nodeids[1])];
    opened.save(make::run_of("r", cases)).await;
    opened.save(make::contract_run("s", &[&nodeids[1]])).await;
    for nodeid in &nodeids {
        let found = queries::case::get(&opened.store, "r", nodeid)
            .await
            .unwrap();
        assert!(matches!(found, FoundCase::Found(case) if case.nodeid == *nodeid));
    }
    let top = queries::failure_stats::top(&opened.store, None, 10)
        .await
        .unwrap();
    assert_eq!(top.len(), 2);
    opened.close().await;
}

async fn weird_texts_come_back_as_they_were(db: &Database) {
    let opened = db.open().await;
    for (number, weird) in [
        "nul \0 in the middle",
        r"a lone surrogate, escaped: \udcff",
        "emoji \u{1f469}\u{200d}\u{1f680}, bidi \u{202e}txt, \u{feff}bom, \u{1b}[31mred\u{1b}[0m",
        "quotes ' \" ; -- $1 ? %s {} \\",
        "\r\n\t\u{7f}\u{85}\u{2028}",
    ]
    .into_iter()
    .enumerate()
    {
        let run_id = format!("r{number}");
        let nodeid = format!("t.py::test[{}]", weird.replace('\0', ""));
        let mut case = make::failed(&nodeid, weird);
        weird.clone_into(&mut case.failures[0].phase);
        case.failures[0].context = Some(weird.to_owned());
        opened.save(make::run_of(&run_id, vec![case.clone()])).await;
        let found = queries::case::get(&opened.store, &run_id, &nodeid)
            .await
            .unwrap();
        let FoundCase::Found(found) = found else {
            panic!("{weird:?}: {found:?}");
        };
        assert_eq!(
            (found.message, found.failures),
            (case.message, Some(case.failures))
        );

        let mut contract = make::contract_run(&format!("c{number}"), &[&nodeid]);
        weird.clone_into(&mut contract.failures[0].message);
        opened.save(contract.clone()).await;
        let stored = queries::runs::get(&opened.store, &contract.run_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.failures, contract.failures);
    }
    opened.close().await;
}

async fn names_may_hold_what_sql_would_mistake(db: &Database) {
    let opened = db.open().await;
    let name = "x' or 1=1; drop table runs; -- %_\u{1f980}";
    let mut run = make::run_of(name, vec![make::passed("100%_x"), make::passed("100 x")]);
    run.project = name.to_owned();
    opened.save(run).await;
    let filter = CasesFilter {
        q: Some("%_".to_owned()),
        limit: 10,
        ..CasesFilter::default()
    };
    let page = queries::cases::list(&opened.store, name, &filter)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(page.cases.len(), 1);
    let run = queries::runs::get(&opened.store, name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(run.project, name);
    opened.close().await;
}
