//! The command line: how long, from which seed, on which databases, which faults.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use xtask::process::{self, Folder};
use xtask::{console, descendants};

use crate::faults::{FAULTS, Fault};
use crate::ledger::{self, Row};
use crate::schedule::Schedule;
use crate::stage::{Engine, Programs, Setting, make_folder};

/// How many faults the short form tries at the same time: most of its time is waiting.
const LANES_SHORT: usize = 3;

/// Kill, starve and mislead everything on purpose, and count what was lost.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos", bin_name = "cargo xtask chaos")]
struct CommandLine {
    /// A Python with pytest and pytest-xdist
    #[arg(long, value_name = "PATH")]
    python: PathBuf,
    /// About how long, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Where the random numbers begin [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Which databases
    #[arg(long, value_enum, default_value_t = Engines::Both)]
    engine: Engines,
    /// Only these faults
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    only: Vec<String>,
    /// A fixed small number of rounds instead of a time
    #[arg(long)]
    short: bool,
}

/// Databases to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engines {
    Sqlite,
    Postgres,
    Both,
}

impl Engines {
    const fn has(self, engine: Engine) -> bool {
        match self {
            Self::Sqlite => matches!(engine, Engine::Sqlite),
            Self::Postgres => matches!(engine, Engine::Postgres),
            Self::Both => true,
        }
    }
}

/// Breaks what was asked for, prints the ledger, and leaves nothing behind.
pub(crate) fn run() -> ExitCode {
    let command_line = CommandLine::parse();
    // Whoever loses their parent becomes our child, so that everybody can be ended at the end.
    let adopted = rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("cannot adopt orphans");
    let outcome = adopted
        .and_then(|()| process::end_children_on_signals())
        .and_then(|()| all(&command_line));
    process::give_way_to_signals();
    descendants::end_own();
    outcome.unwrap_or_else(|error| {
        console::error(&error);
        ExitCode::FAILURE
    })
}

fn all(command_line: &CommandLine) -> Result<ExitCode> {
    let started = Instant::now();
    let seed = command_line.seed.unwrap_or_else(seed_of_now);
    let chosen = chosen(command_line)?;
    let folder = Folder::make("pytest-platform-chaos")?;
    let programs = Programs::keep(&command_line.python, folder.path())?;
    console::line(format_args!("seed {seed}"));
    let schedule = Schedule {
        chosen: &chosen,
        waiting: Mutex::new((0..chosen.len()).collect()),
        lanes: if command_line.short { LANES_SHORT } else { 1 },
        total: Duration::from_secs_f64(command_line.minutes.max(0.0) * 60.0),
        started,
    };
    let attempt = |index: usize, until: Instant| -> Result<Row> {
        let (fault, engine) = chosen[index];
        let name = format!("{}-{engine}", fault.name);
        let setting = Setting {
            programs: programs.clone(),
            seed: seed ^ hash(&name),
            engine,
            until,
            short: command_line.short,
            folder: make_folder(&folder.path().join(&name))?,
        };
        let row = one(fault, &setting);
        process::give_way_to_signals();
        // What a long run leaves behind would fill the disk.
        let _ = std::fs::remove_dir_all(&setting.folder);
        Ok(row)
    };
    let rows = schedule.all(&attempt)?;
    Ok(ledger::print(&rows, seed, started))
}

fn one(fault: &Fault, setting: &Setting) -> Row {
    let started = Instant::now();
    let mut row = Row::new(fault.name, setting.engine);
    if let Err(error) = (fault.run)(setting, &mut row) {
        process::give_way_to_signals();
        row.wrong(format!("could not be carried out: {error:#}"));
    }
    row.time = started.elapsed();
    console::line(format_args!(
        "{} ({}): {} rounds, {} acknowledged, {} found, {} lost, {} doubled in {}",
        row.fault,
        row.engine,
        row.rounds,
        row.acknowledged,
        row.found,
        row.lost,
        row.doubled,
        console::seconds(row.time)
    ));
    row
}

fn chosen(command_line: &CommandLine) -> Result<Vec<(&'static Fault, Engine)>> {
    for name in &command_line.only {
        if !FAULTS.iter().any(|fault| fault.name == name) {
            let names = FAULTS.map(|fault| fault.name).join(", ");
            bail!("no fault is called {name}; there are: {names}");
        }
    }
    let wanted = |fault: &&Fault| {
        let only = &command_line.only;
        only.is_empty() || only.iter().any(|name| name == fault.name)
    };
    let chosen: Vec<_> = FAULTS
        .iter()
        .filter(wanted)
        .flat_map(|fault| {
            let engines = if command_line.short {
                fault.short
            } else {
                fault.engines
            };
            engines.iter().map(move |&engine| (fault, engine))
        })
        .filter(|&(_, engine)| command_line.engine.has(engine))
        .collect();
    if chosen.is_empty() {
        bail!("nothing to break: no such fault on this database");
    }
    Ok(chosen)
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |time| time.as_secs())
}

/// FNV-1a: a number that belongs to a name, the same in every build.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
