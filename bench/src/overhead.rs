//! What collecting costs a test run: plain pytest, through the worker, and with `--junitxml`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail};
use xtask::console;
use xtask::http;
use xtask::master::Master;
use xtask::places::{self, Profile};
use xtask::process::Guarded;
use xtask::python::{self, Environment};

use crate::command_line::Setting;
use crate::figures::{Figure, Target};
use crate::process_cost;
use crate::statistics::median;
use crate::suites::{self, Suite};

/// The ways to run a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Worker,
    JunitXml,
}

/// Wall and CPU seconds of one run.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall_s: f64,
    cpu_s: f64,
}

/// What all runs share.
struct Bench<'a> {
    environment: Environment,
    master: Master,
    junit_file: PathBuf,
    setting: &'a Setting,
}

/// Both suites.
pub(crate) fn run(setting: &Setting) -> Result<Vec<Figure>> {
    let python = python::newest()?;
    let packages = ["pytest==9.2.0".to_owned()];
    let bench = Bench {
        environment: Environment::with(&python, "bench", &packages)?,
        master: Master::start(
            &places::master(Profile::Release),
            &format!("sqlite://{}", setting.folder.join("results.db").display()),
            &setting.folder.join("master.log"),
        )?,
        junit_file: setting.folder.join("junit.xml"),
        setting,
    };
    let mut figures = Vec::new();
    let trivial = suites::trivial(&setting.folder)?;
    let mixed = suites::mixed(&setting.folder)?;
    figures.extend(bench.measure(&trivial, 1.08, Some(1.16))?);
    figures.extend(bench.measure(&mixed, 1.03, None)?);
    bench.check_arrival(&[&trivial, &mixed])?;
    bench.master.end()?;
    Ok(figures)
}

impl Bench<'_> {
    fn rounds(&self, suite: &Suite) -> usize {
        if self.setting.quick { 2 } else { suite.rounds }
    }

    fn measure(&self, suite: &Suite, wall_max: f64, cpu_max: Option<f64>) -> Result<Vec<Figure>> {
        // The first run compiles the tests and fills the disk cache.
        self.cost(suite, Way::Plain)?;
        let (mut wall, mut cpu, mut junit_wall, mut junit_cpu) = (vec![], vec![], vec![], vec![]);
        let mut plain_wall = vec![];
        for round in 0..self.rounds(suite) {
            // Every other round the other way about, so that a machine that slows down or speeds
            // up meanwhile favours nobody.
            let (plain, worker) = if round % 2 == 0 {
                let plain = self.cost(suite, Way::Plain)?;
                (plain, self.cost(suite, Way::Worker)?)
            } else {
                let worker = self.cost(suite, Way::Worker)?;
                (self.cost(suite, Way::Plain)?, worker)
            };
            let junit = self.cost(suite, Way::JunitXml)?;
            console::line(format_args!(
                "overhead, {}, round {}: plain {:.2} s, worker {:.2} s, junitxml {:.2} s",
                suite.name,
                round + 1,
                plain.wall_s,
                worker.wall_s,
                junit.wall_s
            ));
            plain_wall.push(plain.wall_s);
            wall.push(worker.wall_s / plain.wall_s);
            cpu.push(worker.cpu_s / plain.cpu_s);
            junit_wall.push(junit.wall_s / plain.wall_s);
            junit_cpu.push(junit.cpu_s / plain.cpu_s);
        }
        let name = |what: &str| format!("{}, {what}", suite.name);
        let (wall, junit_wall) = (median(&wall), median(&junit_wall));
        let cpu = Figure::new(name("CPU with the worker's over plain"), median(&cpu), "×");
        let over_junit = Figure::new(name("wall over --junitxml"), wall / junit_wall, "×");
        Ok(vec![
            Figure::new(name("plain pytest"), median(&plain_wall), "s"),
            Figure::new(name("wall over plain"), wall, "×").with(Target::AtMost(wall_max)),
            match cpu_max {
                Some(max) => cpu.with(Target::AtMost(max)),
                None => cpu,
            },
            Figure::new(name("wall of --junitxml over plain"), junit_wall, "×"),
            Figure::new(
                name("CPU of --junitxml over plain"),
                median(&junit_cpu),
                "×",
            ),
            match cpu_max {
                Some(_) => over_junit.with(Target::AtMost(1.0)),
                None => over_junit,
            },
        ])
    }

    fn cost(&self, suite: &Suite, way: Way) -> Result<Cost> {
        let mut command = match way {
            Way::Plain | Way::JunitXml => {
                let mut command = self.environment.command();
                command.args(["-m", "pytest"]);
                command
            }
            Way::Worker => {
                let mut command = Command::new(places::worker(Profile::Release));
                self.environment.activate(&mut command);
                command.args(["run", "--"]);
                command
            }
        };
        if way == Way::JunitXml {
            command.arg("--junitxml").arg(&self.junit_file);
        }
        command
            .current_dir(&suite.folder)
            .env("MASTER_URL", &self.master.url)
            .env("PROJECT", suite.name)
            .env("WORKER_STATE_DIR", suite.folder.with_extension("worker"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let cpu_before = process_cost::children_cpu_s()?;
        let started = Instant::now();
        let status = Guarded::start(&mut command)?.wait()?;
        let wall_s = started.elapsed().as_secs_f64();
        if status.code() != Some(suite.exit_code) {
            bail!("{way:?} of {} ended with {status}", suite.name);
        }
        Ok(Cost {
            wall_s,
            cpu_s: process_cost::children_cpu_s()? - cpu_before,
        })
    }

    /// A collector that loses runs would be a fast one.
    fn check_arrival(&self, suites: &[&Suite]) -> Result<()> {
        let runs = http::get_json(&self.master.url, "/results?limit=500")?;
        let runs = runs.as_array().map_or(&[][..], Vec::as_slice);
        for suite in suites {
            let whole = runs.iter().filter(|run| {
                run["project"] == suite.name
                    && run["complete"] == true
                    && run["total"].as_u64() == Some(suite.tests)
            });
            let whole = whole.count();
            let rounds = self.rounds(suite);
            if whole != rounds {
                bail!("{whole} of {rounds} runs of {} arrived whole", suite.name);
            }
        }
        Ok(())
    }
}
