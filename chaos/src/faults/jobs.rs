//! Agents and masters killed and stopped while many jobs want one environment.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xtask::http::Connection;
use xtask::random::Random;

use super::jobs_audit;
use crate::book::PROJECT;
use crate::ledger::Row;
use crate::stage::agent::Agent;
use crate::stage::{Database, Engine, Launch, Master, Setting};

/// The environment that all jobs want.
pub(super) const ENVIRONMENT: &str = "1";
/// After how many seconds of an agent's silence its job goes to another one.
const LEASE_S: u64 = 3;
/// How often a job is begun: so often that none runs out of it.
const ATTEMPTS_MAX: u32 = 20;
/// Longest time from one kill to the next, in milliseconds.
const PAUSE_MS_MAX: u64 = 1_500;
/// Longest time that something killed stays away, in milliseconds.
const AWAY_MS_MAX: u64 = 400;
/// How long the jobs that are left may take once nothing is killed any more.
const DRAIN_TIME_MAX: Duration = Duration::from_mins(5);
/// How long a request may be tried again while masters come and go.
const ASK_TIME_MAX: Duration = Duration::from_mins(1);
/// How long what is left of killed agents may take to be gone.
const TIDY_TIME_MAX: Duration = Duration::from_secs(30);

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Size {
    jobs: usize,
    agents: usize,
    strikes: u64,
}

const SHORT: Size = Size {
    jobs: 40,
    agents: 4,
    strikes: 25,
};
const LONG: Size = Size {
    jobs: 200,
    agents: 8,
    strikes: u64::MAX,
};

/// Everything that is there while the jobs run.
struct Ground {
    masters: Vec<Master>,
    agents: Vec<Agent>,
    /// Where tests say that they are in, and out again.
    history: PathBuf,
    /// Jobs that were acknowledged, by id: the names under which their tests know them.
    acknowledged: BTreeMap<i64, String>,
    /// Jobs that may be there or not: nobody answered.
    unanswered: u64,
}

/// Jobs, kills, and a look at what came of it.
pub(super) fn run(setting: &Setting, row: &mut Row) -> Result<()> {
    let size = if setting.short { SHORT } else { LONG };
    let database = Database::make(setting.engine, &setting.folder)?;
    let mut ground = Ground::make(setting, &database, size)?;
    let outcome = ground.days(setting, size, row);
    if let Err(error) = outcome {
        let said: Vec<_> = ground.agents.iter().map(Agent::said).collect();
        return Err(error.context(format!("the agents said:\n{}", said.join("\n--\n"))));
    }
    let found = jobs_audit::Found::read(&mut |path| ground.ask(path), row)?;
    row.runs = found.runs();
    found.check(&ground.acknowledged, &ground.history, row)?;
    if ground.unanswered > 0 {
        row.note(format!(
            "{} requests for a job were never answered",
            ground.unanswered
        ));
    }
    ground.tidy(&setting.folder, row)?;
    for said in database.check()? {
        row.wrong(said);
    }
    Ok(())
}

impl Ground {
    fn make(setting: &Setting, database: &Database, size: Size) -> Result<Self> {
        let history = setting.folder.join("history");
        let library = setting.folder("library")?;
        let tests = TESTS.replace(
            "PLACE",
            &format!("{:?}", setting.folder.display().to_string()),
        );
        std::fs::write(library.join("test_alone.py"), tests)?;
        std::fs::write(library.join("pytest.ini"), "[pytest]\n")?;
        // Several masters over one file are not a thing.
        let masters = if setting.engine == Engine::Postgres {
            2
        } else {
            1
        };
        let masters = (0..masters).map(|number| {
            let mut launch = Launch::plain(setting, database.url());
            launch.log = setting.folder.join(format!("master-{number}.log"));
            launch.variables = vec![
                ("LEASE".to_owned(), LEASE_S.to_string().into()),
                ("TESTS_DIR".to_owned(), library.clone().into()),
            ];
            Master::start(launch)
        });
        let masters = masters.collect::<Result<Vec<_>>>()?;
        let agents = (0..size.agents).map(|number| {
            let url = &masters[number % masters.len()].url;
            let name = format!("agent-{number}");
            Agent::start(&setting.programs, url, &setting.folder, &name)
        });
        Ok(Self {
            agents: agents.collect::<Result<_>>()?,
            masters,
            history,
            acknowledged: BTreeMap::new(),
            unanswered: 0,
        })
    }

    /// Jobs come, something is killed, until all jobs have come and are over.
    fn days(&mut self, setting: &Setting, size: Size, row: &mut Row) -> Result<()> {
        let mut calm = None;
        loop {
            let mut random = setting.random(row.rounds);
            if self.acknowledged.len() < size.jobs {
                let some = size.jobs.min(self.acknowledged.len() + 1 + size.jobs / 10);
                while self.acknowledged.len() < some {
                    self.create(&mut random)?;
                }
            } else if self.are_over()? {
                break;
            }
            let is_enough =
                row.rounds >= size.strikes || (!setting.short && Instant::now() > setting.until);
            if is_enough {
                let since = *calm.get_or_insert_with(Instant::now);
                if since.elapsed() > DRAIN_TIME_MAX {
                    bail!("jobs are left {DRAIN_TIME_MAX:?} after the last kill");
                }
                std::thread::sleep(Duration::from_millis(100));
            } else {
                self.strike(&mut random)?;
                row.rounds += 1;
                std::thread::sleep(Duration::from_millis(random.below(PAUSE_MS_MAX)));
            }
            for agent in &mut self.agents {
                agent.go_on(is_enough)?;
            }
        }
        Ok(())
    }

    fn strike(&mut self, random: &mut Random) -> Result<()> {
        let away = Duration::from_millis(random.below(AWAY_MS_MAX));
        let mut chosen = random.below(self.agents.len() as u64) as usize;
        // Most of them wait; what is worth breaking is the one that has the environment.
        if random.below(2) == 0
            && let Some(holder) = self.holder()?
        {
            chosen = holder;
        }
        let agent = &mut self.agents[chosen];
        match random.below(10) {
            0..=2 => {
                let chosen = random.below(self.masters.len() as u64) as usize;
                let master = &mut self.masters[chosen];
                master.kill()?;
                std::thread::sleep(away);
                master.start_again()
            }
            3..=5 => agent.kill(false, away),
            6..=7 => agent.kill(true, away),
            // Beyond its lease, and a little less.
            _ => {
                let time = Duration::from_secs(LEASE_S).mul_f64(0.7 + 0.8 * random.unit());
                agent.stop(time);
                Ok(())
            }
        }
    }

    /// Index of the agent that has a job.
    fn holder(&self) -> Result<Option<usize>> {
        let running = self.ask("/jobs?state=running&limit=1")?;
        let name = running[0]["agent"].as_str().unwrap_or_default();
        Ok(self.agents.iter().position(|agent| agent.name == name))
    }

    /// Asks for a job until somebody says that it is there. One that was asked for without an answer may be
    /// there as well, under a name of its own.
    fn create(&mut self, random: &mut Random) -> Result<()> {
        let number = self.acknowledged.len() as u64 + self.unanswered;
        let name = format!("job-{number}");
        let body = json!({
            "username": name,
            "project": PROJECT,
            "source": {"type": "library", "files": ["test_alone.py"]},
            "environment": ENVIRONMENT,
            "attempts_max": ATTEMPTS_MAX,
            "env": {
                "CHAOS_JOB": name,
                "CHAOS_TIME_S": format!("{:.2}", random.unit() * 0.3),
            },
        });
        let master = random.below(self.masters.len() as u64) as usize;
        let answer = Connection::open(&self.masters[master].url).and_then(|mut connection| {
            connection.post("/jobs", &body.to_string().into_bytes(), None)
        });
        match answer {
            Ok(answer) if answer.status == 201 => {
                let job: Value = serde_json::from_slice(&answer.body)?;
                let id = job["id"].as_i64().context("a job without an id")?;
                self.acknowledged.insert(id, name);
            }
            Ok(answer) if answer.status != 503 => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                bail!("POST /jobs answered {}: {said}", answer.status);
            }
            _ => self.unanswered += 1,
        }
        Ok(())
    }

    fn are_over(&self) -> Result<bool> {
        for state in ["queued", "running"] {
            let left = self.ask(&format!("/jobs?state={state}&limit=1"))?;
            if left.as_array().is_none_or(|left| !left.is_empty()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An answer of any master, tried again while they come and go.
    fn ask(&self, path: &str) -> Result<Value> {
        let deadline = Instant::now() + ASK_TIME_MAX;
        let mut said = String::new();
        for master in self.masters.iter().cycle() {
            if Instant::now() > deadline {
                break;
            }
            let answer =
                Connection::open(&master.url).and_then(|mut connection| connection.get(path));
            match answer {
                Ok(answer) if answer.status == 200 => {
                    return serde_json::from_slice(&answer.body).context("no JSON");
                }
                Ok(answer) => {
                    said = format!(
                        "{} {}",
                        answer.status,
                        String::from_utf8_lossy(&answer.body)
                    );
                }
                Err(error) => said = format!("{error:#}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("GET {path}: {said}")
    }

    /// Ends everybody; nothing of any job may be left.
    fn tidy(&mut self, folder: &Path, row: &mut Row) -> Result<()> {
        for agent in &mut self.agents {
            if let Some(wrong) = agent.end()? {
                row.wrong(format!("{wrong}:\n{}", agent.said()));
            }
            if agent.folders_left() > 0 {
                let left = agent.folders_left();
                row.wrong(format!("{left} folders of jobs are left by {}", agent.name));
            }
        }
        for master in &mut self.masters {
            master.end()?;
        }
        let deadline = Instant::now() + TIDY_TIME_MAX;
        let mut left = working_below(folder);
        while !left.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
            left = working_below(folder);
        }
        if !left.is_empty() {
            row.wrong(format!("processes of jobs are left:{left}"));
        }
        Ok(())
    }
}

/// Processes whose working folder is below this one, and their command lines.
fn working_below(folder: &Path) -> String {
    let mut found = String::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let works_in = std::fs::read_link(entry.path().join("cwd"));
        if works_in.is_ok_and(|works_in| works_in.starts_with(folder)) {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let _ = write!(found, " {} ({words})", entry.file_name().to_string_lossy());
        }
    }
    found
}

/// The tests of every job. The kernel lets go of the lock when the process ends, however it ends.
const TESTS: &str = r#"import fcntl
import os
import time

FOLDER = PLACE


def say(word):
    line = f"{word} {os.environ['CHAOS_JOB']} {os.getpid()}\n"
    file = os.open(FOLDER + "/history", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, line.encode())
    os.close(file)


def test_alone():
    lock = os.open(FOLDER + "/lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("overlap")
        raise
    say("in")
    time.sleep(float(os.environ["CHAOS_TIME_S"]))
    say("out")
"#;
