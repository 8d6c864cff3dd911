//! What was measured beside what was wanted: printed, and kept as JSON and as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xtask::{console, places};

/// Lines of docs/benchmarks.md between which the table stands.
const TABLE_START: &str = "<!-- table of `cargo xtask bench`: start -->";
const TABLE_END: &str = "<!-- table of `cargo xtask bench`: end -->";

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

/// One figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

impl Figure {
    /// A figure without a target.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            note: String::new(),
            target: None,
        }
    }

    /// The same with a target.
    pub(crate) fn with(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// The same with a remark.
    pub(crate) fn note(mut self, note: String) -> Self {
        self.note = note;
        self
    }

    fn cells(&self) -> [String; 4] {
        let wanted = match self.target {
            None => String::new(),
            Some(Target::AtMost(most)) => format!("at most {}", amount(most, &self.unit)),
            Some(Target::AtLeast(least)) => format!("at least {}", amount(least, &self.unit)),
        };
        let verdict = match self.target {
            None => "",
            Some(target) if target.is_reached(self.value) => "ok",
            Some(_) => "MISSED",
        };
        let mut reached = amount(self.value, &self.unit);
        if !self.note.is_empty() {
            let _ = write!(reached, " ({})", self.note);
        }
        [self.name.clone(), wanted, reached, verdict.to_owned()]
    }
}

impl Target {
    fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

/// All figures, by benchmark.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    machine: String,
    measured_at: String,
    benchmarks: BTreeMap<String, Vec<Figure>>,
}

impl Figures {
    /// Those of the last time, so that a benchmark that is not run again keeps its own.
    pub(crate) fn load() -> Result<Self> {
        let Ok(text) = std::fs::read_to_string(json_file()) else {
            return Ok(Self::default());
        };
        serde_json::from_str(&text)
            .with_context(|| format!("cannot read {}", json_file().display()))
    }

    /// Replaces the figures of a benchmark.
    pub(crate) fn set(&mut self, benchmark: &str, figures: Vec<Figure>) {
        self.benchmarks.insert(benchmark.to_owned(), figures);
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        console::heading("── figures ──");
        for figure in self.benchmarks.values().flatten() {
            let [name, wanted, reached, verdict] = figure.cells();
            console::line(format_args!(
                "  {name:<62} {wanted:<17} {reached:<32} {verdict}"
            ));
        }
    }

    /// Writes `bench/results/latest.json` and the table in `docs/benchmarks.md`.
    pub(crate) fn write(&mut self) -> Result<()> {
        self.machine = machine();
        self.measured_at = shared::time::format(chrono::Utc::now());
        let file = json_file();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(self).context("cannot write JSON")? + "\n";
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let page = places::root().join("docs/benchmarks.md");
        let old = std::fs::read_to_string(&page)
            .with_context(|| format!("cannot read {}", page.display()))?;
        let new = self
            .replace_table(&old)
            .with_context(|| format!("{} has lost the lines around its table", page.display()))?;
        std::fs::write(&page, new).with_context(|| format!("cannot write {}", page.display()))?;
        console::line(format_args!(
            "\nwritten to {} and {}",
            file.display(),
            page.display()
        ));
        Ok(())
    }

    fn replace_table(&self, page: &str) -> Option<String> {
        let (before, rest) = page.split_once(TABLE_START)?;
        let (_, after) = rest.split_once(TABLE_END)?;
        let mut table = format!(
            "Measured on {}: {}.\n\n| what | wanted | reached | |\n|---|---|---|---|\n",
            self.measured_at.split('T').next().unwrap_or_default(),
            self.machine
        );
        for figure in self.benchmarks.values().flatten() {
            let [name, wanted, reached, verdict] = figure.cells();
            let _ = writeln!(table, "| {name} | {wanted} | {reached} | {verdict} |");
        }
        Some(format!("{before}{TABLE_START}\n{table}{TABLE_END}{after}"))
    }
}

fn json_file() -> PathBuf {
    places::root().join("bench/results/latest.json")
}

/// A number with as many digits as a person wants, and its unit.
fn amount(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        size if size >= 1_000.0 => return format!("{:.0} thousand {unit}", value / 1e3),
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let number = format!("{value:.digits$}");
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        &number
    };
    format!("{number} {unit}")
}

fn machine() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} cores, {model}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_easily() {
        assert_eq!(amount(812_345.0, "cases/s"), "812 thousand cases/s");
        assert_eq!(amount(1.0, "×"), "1 ×");
        assert_eq!(amount(3.204, "B/case"), "3.2 B/case");
        assert_eq!(amount(0.0312, "ms"), "0.031 ms");
        assert_eq!(amount(150.0, "MiB"), "150 MiB");
    }

    #[test]
    fn a_missed_target_says_so() {
        let figure = Figure::new("speed", 0.9, "×").with(Target::AtLeast(1.0));
        assert_eq!(figure.cells(), ["speed", "at least 1 ×", "0.9 ×", "MISSED"]);
    }

    #[test]
    fn the_table_replaces_the_old_one_and_nothing_else() {
        let mut figures = Figures::default();
        figures.set("a", vec![Figure::new("speed", 2.0, "×")]);
        let page = format!("# Title\n{TABLE_START}\nold\n{TABLE_END}\nafter\n");
        let new = figures.replace_table(&page).unwrap();
        assert!(new.starts_with("# Title\n") && new.ends_with("after\n"));
        assert!(new.contains("| speed |  | 2 × |  |") && !new.contains("old"));
        assert_eq!(figures.replace_table("no lines"), None);
    }
}
