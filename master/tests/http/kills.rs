//! An acknowledged result survives `kill -9` of the master.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tokio::task::JoinSet;

use crate::app::{client, sqlite_url};
use crate::process::{Process, send};
use crate::proxy::Remote;

/// How often the master is killed.
const ROUNDS: u64 = 10;

/// Clients that send whole runs, and as many that stream them.
const CLIENTS: usize = 3;

/// Cases in one batch, and in a run that is sent whole.
const CASES: u64 = 7;

/// Batches in one run.
const BATCHES: u64 = 4;

/// What one client did over all rounds.
#[derive(Debug, Default)]
struct Ledger {
    name: String,
    /// The run that is sent now.
    number: u64,
    /// Runs that were acknowledged whole.
    whole: Vec<String>,
    /// Batches of the run that goes on that were acknowledged; `None` before it was opened.
    batches: Option<u64>,
}

impl Ledger {
    fn run_id(&self) -> String {
        format!("{}-{}", self.name, self.number)
    }

    fn ended(&mut self) {
        self.whole.push(self.run_id());
        self.number += 1;
        self.batches = None;
    }
}

fn run(run_id: &str) -> Value {
    json!({"run_id": run_id, "worker_id": "w", "project": "p"})
}

/// The cases of one batch: other tests in each.
fn cases(run_id: &str, batch: u64) -> Value {
    let case = |number: u64| {
        let nodeid = format!("t.py::test[{batch}-{number}]");
        let text = format!("{run_id} {nodeid}");
        if number == 0 {
            json!({"nodeid": nodeid, "outcome": "failed", "message": text, "failures": [{"phase": "call", "message": text, "traceback": text.repeat(20)}]})
        } else {
            json!({"nodeid": nodeid, "outcome": "passed", "duration": 0.25})
        }
    };
    (0..CASES).map(case).collect()
}

/// Sends the next thing; answers whether it was acknowledged.
async fn step(client: &reqwest::Client, url: &str, ledger: &mut Ledger) -> bool {
    let run_id = ledger.run_id();
    let to = format!("{url}/results/{run_id}");
    let acknowledged = |answer: Option<(u16, Value)>| match answer {
        Some((200 | 201, _)) => true,
        // The master may be stopped in the middle of its start; everything else is a defect.
        Some((status, body)) => panic!("{run_id}: {status} {body}"),
        None => false,
    };
    if ledger.name.starts_with("whole") {
        let mut body = run(&run_id);
        body["cases"] = cases(&run_id, 1);
        let answer = send(client, Method::POST, &format!("{url}/results"), &body).await;
        let taken = acknowledged(answer);
        if taken {
            ledger.ended();
        }
        return taken;
    }
    match ledger.batches {
        None => {
            let taken = acknowledged(send(client, Method::PUT, &to, &run(&run_id)).await);
            if taken {
                ledger.batches = Some(0);
            }
            taken
        }
        Some(kept) if kept < BATCHES => {
            let number = kept + 1;
            let body = json!({"number": number, "batch_id": format!("b{number}"), "cases": cases(&run_id, number)});
            let taken =
                acknowledged(send(client, Method::POST, &format!("{to}/cases"), &body).await);
            if taken {
                ledger.batches = Some(number);
            }
            taken
        }
        Some(kept) => {
            let body = json!({"batches": kept, "run": run(&run_id)});
            let taken =
                acknowledged(send(client, Method::POST, &format!("{to}/finish"), &body).await);
            if taken {
                ledger.ended();
            }
            taken
        }
    }
}

/// Kills a master again and again under load; answers what clients were told is kept.
async fn kill_again_and_again(database_url: &str) -> Vec<Ledger> {
    let mut ledgers: Vec<Ledger> = (0..CLIENTS)
        .flat_map(|number| [format!("whole{number}"), format!("live{number}")])
        .map(|name| Ledger {
            name,
            ..Ledger::default()
        })
        .collect();
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..ROUNDS {
        let master = Process::start(database_url);
        let dead = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for mut ledger in ledgers.drain(..) {
            let (url, dead, client) = (master.url.clone(), Arc::clone(&dead), client());
            clients.spawn(async move {
                while !dead.load(Ordering::Relaxed) {
                    if !step(&client, &url, &mut ledger).await {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
                ledger
            });
        }
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        tokio::time::sleep(Duration::from_millis(200 + noise % 600)).await;
        master.kill();
        dead.store(true, Ordering::Relaxed);
        ledgers = clients.join_all().await;
    }
    ledgers
}

/// Everything that was acknowledged is there, and nothing is half there.
async fn check(database_url: &str, ledgers: Vec<Ledger>) {
    let master = Process::start(database_url);
    let client = client();
    let read = async |path: String| -> Value {
        let answer = client
            .get(format!("{}{path}", master.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    };
    let whole: usize = ledgers.iter().map(|ledger| ledger.whole.len()).sum();
    assert!(
        whole > 2 * ROUNDS as usize,
        "{whole} runs: the masters hardly worked"
    );
    for mut ledger in ledgers {
        let batches = if ledger.name.starts_with("whole") {
            1
        } else {
            BATCHES
        };
        for run_id in &ledger.whole {
            holds(&read, run_id, "failed", batches).await;
        }
        // What was cut in the middle goes on where it was.
        if let Some(kept) = ledger.batches {
            let run_id = ledger.run_id();
            let run = read(format!("/results/{run_id}")).await;
            let total = run["total"].as_u64().unwrap();
            assert_eq!(total % CASES, 0, "{run_id} is half there");
            assert!(total >= kept * CASES, "{run_id}: {total} of {kept} batches");
            if run["status"] == "running" {
                holds(&read, &run_id, "running", total / CASES).await;
            }
        }
        let ended = ledger.whole.len();
        while ledger.whole.len() == ended {
            assert!(step(&client, &master.url, &mut ledger).await);
        }
        holds(&read, &ledger.whole[ended], "failed", batches).await;
    }
    master.kill();
}

async fn holds(read: &impl AsyncFn(String) -> Value, run_id: &str, status: &str, batches: u64) {
    let run = read(format!("/results/{run_id}")).await;
    let counts = ["total", "failed", "passed"].map(|field| run[field].as_u64().unwrap());
    assert_eq!(run["status"], status, "{run_id}");
    assert_eq!(
        counts,
        [batches * CASES, batches, batches * (CASES - 1)],
        "{run_id}"
    );
    let listed = read(format!("/results/{run_id}/cases?limit=1000")).await;
    assert_eq!(
        listed.as_array().unwrap().len() as u64,
        batches * CASES,
        "{run_id}"
    );
    for case in listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["outcome"] == "failed")
    {
        let nodeid = case["nodeid"].as_str().unwrap();
        let path = format!(
            "/results/{run_id}/case?nodeid={}",
            nodeid.replace('[', "%5B").replace(']', "%5D")
        );
        let text = format!("{run_id} {nodeid}");
        assert_eq!(
            read(path).await["failures"][0]["traceback"],
            text.repeat(20)
        );
    }
}

async fn check_integrity(folder: &Path) {
    let mut connection = SqliteConnection::connect(&sqlite_url(folder))
        .await
        .unwrap();
    let found: Vec<String> = sqlx::query_scalar("pragma integrity_check")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(found, ["ok"]);
    let broken: Vec<String> = sqlx::query_scalar("select \"table\" from pragma_foreign_key_check")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_on_sqlite_is_there_after_every_kill() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(folder.path());
    let ledgers = kill_again_and_again(&url).await;
    check_integrity(folder.path()).await;
    check(&url, ledgers).await;
    check_integrity(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_on_postgresql_is_there_after_every_kill() {
    let remote = Remote::start().await;
    let ledgers = kill_again_and_again(&remote.url).await;
    check(&remote.url, ledgers).await;
    remote.end().await;
}
