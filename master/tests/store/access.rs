//! Who may do what, on both engines.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use master::access::audit::{self, AuditFilter};
use master::access::{Access, AccessError, Granted, Refused, accounts, tokens};
use master::store::Store;
use shared::access::{AuditEntry, LoggedIn, Login, Scope};

use crate::engines::Database;

on_both_engines!(
    a_token_is_recognised_by_any_master_until_it_is_revoked,
    a_name_belongs_to_one_token_or_account,
    a_refresh_token_that_two_use_at_once_serves_one_of_them_at_most,
    a_password_that_changes_while_somebody_refreshes_ends_the_session,
    the_last_use_of_a_token_is_noted,
    old_entries_of_the_audit_log_are_forgotten,
    the_audit_log_is_listed_newest_first,
    an_account_has_so_many_sessions_at_most,
);

const PASSWORD: &str = "correct horse battery";

fn granted(name: &str) -> Granted {
    Granted {
        name: name.to_owned(),
        scopes: [Scope::Read].into(),
        project: Some("shop".to_owned()),
    }
}

async fn logged_in(access: &Access) -> LoggedIn {
    let login = Login {
        username: "dora".to_owned(),
        password: PASSWORD.to_owned(),
    };
    access.login(login, None).await.unwrap()
}

async fn with_account(store: &Store) {
    accounts::create(store, &granted("dora"), PASSWORD, "local:test")
        .await
        .unwrap();
}

async fn a_token_is_recognised_by_any_master_until_it_is_revoked(db: &Database) {
    let stores = [
        Store::open(&db.url).await.unwrap(),
        Store::open(&db.url).await.unwrap(),
    ];
    let masters = stores.clone().map(|store| Access::start(store, false));
    for (access, _) in &masters {
        assert!(!access.is_on().await.unwrap());
    }
    let token = tokens::create(&stores[0], &granted("ci"), None, "local:test")
        .await
        .unwrap();
    let past = Utc::now() - TimeDelta::seconds(1);
    let expired = tokens::create(&stores[0], &granted("old"), Some(past), "local:test")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for (access, _) in &masters {
        assert!(access.is_on().await.unwrap());
        let caller = access.recognise(&token).await.unwrap();
        assert_eq!(
            (caller.name.as_str(), caller.project()),
            ("ci", Some("shop"))
        );
        assert_eq!(caller.scopes, [Scope::Read].into());
        let refused = access.recognise(&expired).await;
        assert!(matches!(
            refused,
            Err(AccessError::Refused(Refused::Expired { .. }))
        ));
        let refused = access.recognise(&token[1..]).await;
        assert!(matches!(
            refused,
            Err(AccessError::Refused(Refused::Unknown))
        ));
    }
    tokens::revoke(&stores[1], "ci", "local:test")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for (access, task) in masters {
        let refused = access.recognise(&token).await;
        assert!(
            matches!(refused, Err(AccessError::Refused(Refused::Revoked(name))) if name == "ci")
        );
        // An expired token still keeps strangers out.
        assert!(access.is_on().await.unwrap());
        task.finish().await;
    }
    for store in stores {
        store.close().await;
    }
}

async fn a_name_belongs_to_one_token_or_account(db: &Database) {
    let store = Store::open(&db.url).await.unwrap();
    let by = "local:test";
    tokens::create(&store, &granted("ci"), None, by)
        .await
        .unwrap();
    accounts::create(&store, &granted("dora"), PASSWORD, by)
        .await
        .unwrap();
    for name in ["ci", "dora"] {
        let token = tokens::create(&store, &granted(name), None, by).await;
        assert!(matches!(token, Err(AccessError::NameTaken(_))), "{name}");
        let account = accounts::create(&store, &granted(name), PASSWORD, by).await;
        assert!(matches!(account, Err(AccessError::NameTaken(_))), "{name}");
    }
    tokens::revoke(&store, "ci", by).await.unwrap();
    assert!(matches!(
        tokens::revoke(&store, "ci", by).await,
        Err(AccessError::NoToken(_))
    ));
    accounts::create(&store, &granted("ci"), PASSWORD, by)
        .await
        .unwrap();
    assert_eq!(tokens::list(&store).await.unwrap().len(), 1);
    let names: Vec<String> = accounts::list(&store)
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.granted.name)
        .collect();
    assert_eq!(names, ["ci", "dora"]);
    store.close().await;
}

async fn a_refresh_token_that_two_use_at_once_serves_one_of_them_at_most(db: &Database) {
    let store = Store::open(&db.url).await.unwrap();
    with_account(&store).await;
    let (access, task) = Access::start(store.clone(), false);
    for _ in 0..10 {
        let session = logged_in(&access).await;
        let uses = (0..4).map(|_| access.refresh(&session.refresh_token));
        let outcomes = futures_util::future::join_all(uses).await;
        let served: Vec<LoggedIn> = outcomes.into_iter().filter_map(Result::ok).collect();
        assert!(served.len() <= 1, "{}", served.len());
        // Whoever was served found the family ended by those that came later.
        for session in served {
            assert!(matches!(
                access.refresh(&session.refresh_token).await,
                Err(AccessError::RefreshFailed)
            ));
        }
    }
    task.finish().await;
    store.close().await;
}

async fn a_password_that_changes_while_somebody_refreshes_ends_the_session(db: &Database) {
    let store = Store::open(&db.url).await.unwrap();
    with_account(&store).await;
    let (access, task) = Access::start(store.clone(), false);
    for _ in 0..10 {
        let session = logged_in(&access).await;
        let changing = accounts::set_password(&store, "dora", PASSWORD, "local:test");
        let (refreshed, changed) = tokio::join!(access.refresh(&session.refresh_token), changing);
        changed.unwrap();
        if let Ok(session) = refreshed {
            let again = access.refresh(&session.refresh_token).await;
            assert!(
                matches!(again, Err(AccessError::RefreshFailed)),
                "a session outlived its password"
            );
            let access = access.recognise(&session.access_token).await;
            assert!(access.is_err(), "an access token outlived its password");
        }
    }
    task.finish().await;
    store.close().await;
}

async fn the_last_use_of_a_token_is_noted(db: &Database) {
    let store = Store::open(&db.url).await.unwrap();
    let token = tokens::create(&store, &granted("ci"), None, "local:test")
        .await
        .unwrap();
    assert_eq!(tokens::list(&store).await.unwrap()[0].used_at, None);
    let (access, task) = Access::start(store.clone(), false);
    let before = Utc::now() - TimeDelta::milliseconds(1);
    access.recognise(&token).await.unwrap();
    task.finish().await;
    let used = tokens::list(&store).await.unwrap()[0].used_at.unwrap();
    assert!(before <= used && used <= Utc::now(), "{used}");
    // Not again within a minute.
    let (access, task) = Access::start(store.clone(), false);
    access.recognise(&token).await.unwrap();
    task.finish().await;
    assert_eq!(tokens::list(&store).await.unwrap()[0].used_at, Some(used));
    store.close().await;
}

fn entry(target: &str, days_ago: i64) -> AuditEntry {
    AuditEntry {
        at: Utc::now() - TimeDelta::days(days_ago),
        who: "ci".to_owned(),
        action: "POST /jobs".to_owned(),
        target: target.to_owned(),
        status: 201,
        address: "127.0.0.1".to_owned(),
        request_id: "r".to_owned(),
    }
}

async fn targets(store: &Store, filter: AuditFilter) -> Vec<String> {
    let entries = audit::list(
        store,
        &AuditFilter {
            limit: 100,
            ..filter
        },
    )
    .await
    .unwrap();
    entries.into_iter().map(|(_, entry)| entry.target).collect()
}

async fn old_entries_of_the_audit_log_are_forgotten(db: &Database) {
    let store = Store::open(&db.url).await.unwrap();
    let (access, task) = Access::start(store.clone(), false);
    for days_ago in [500, 401, 399, 0] {
        access.note(entry(&days_ago.to_string(), days_ago)).await;
    }
    task.finish().await;
    assert_eq!(
        targets(&store, AuditFilter::default()).await,
        ["0", "399", "401", "500"]
    );
    // A master that starts looks for them first of all.
    let (access, task) = Access::start(store.clone(), false);
    access.note(entry("new", 0)).await;
    task.finish().await;
    assert_eq!(
        targets(&store, AuditFilter::default()).await,
        ["new", "0", "399"]
    );
    store.close().await;
}

async fn the_audit_log_is_listed_newest_first(db: &Database) {
    let store = Store::open(&db.url).await.unwrap();
    let (access, task) = Access::start(store.clone(), false);
    for number in 0..50 {
        let mut one = entry(&number.to_string(), i64::from(50 - number));
        one.who = String::from(if number % 2 == 0 { "even" } else { "odd" });
        access.note(one).await;
    }
    let mut hostile = entry("line\nbreak\0\u{202e}", 0);
    hostile.who = "x".repeat(10_000);
    access.note(hostile).await;
    task.finish().await;
    let all = audit::list(
        &store,
        &AuditFilter {
            limit: 3,
            ..AuditFilter::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(all[0].1.target.lines().count(), 1);
    assert!(all[0].1.who.len() < 2_000);
    assert_eq!(
        (all[1].1.target.as_str(), all[2].1.target.as_str()),
        ("49", "48")
    );
    let odd = AuditFilter {
        who: Some("odd".to_owned()),
        before: Some(all[2].0),
        ..AuditFilter::default()
    };
    assert_eq!(targets(&store, odd).await[..2], ["47", "45"]);
    let since = Some(Utc::now() - TimeDelta::hours(60));
    let late = AuditFilter {
        since,
        ..AuditFilter::default()
    };
    assert_eq!(targets(&store, late).await.len(), 3);
    store.close().await;
}

async fn an_account_has_so_many_sessions_at_most(db: &Database) {
    let store = Store::open(&db.url).await.unwrap();
    with_account(&store).await;
    let (access, task) = Access::start(store.clone(), false);
    let first = logged_in(&access).await;
    let mut last = logged_in(&access).await;
    for _ in 0..1_100 {
        last = access.refresh(&last.refresh_token).await.unwrap();
    }
    let another = logged_in(&access).await;
    assert!(access.recognise(&another.access_token).await.is_ok());
    assert!(access.recognise(&last.access_token).await.is_ok());
    assert!(access.recognise(&first.access_token).await.is_err());
    task.finish().await;
    store.close().await;
}
