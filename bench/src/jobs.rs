//! Jobs: from their creation to an agent's first step, leases per second, and how soon a log is read.

mod client;
mod drain;
mod follow;
mod real;
mod start;

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;
use xtask::master::Master;
use xtask::places::{self, Profile};
use xtask::postgres::Postgres;

use crate::command_line::Setting;
use crate::figures::Figure;

/// A master on a database of its own, and on PostgreSQL a second one beside it.
#[derive(Debug)]
struct Stage {
    /// As in the names of figures.
    engine: &'static str,
    /// Where jobs are created and logs are read.
    front: Master,
    /// Where agents go when it is not the same.
    other: Option<Master>,
    /// The test library of both.
    library: PathBuf,
    _server: Option<Postgres>,
}

impl Stage {
    fn sqlite(setting: &Setting) -> Result<Self> {
        let url = format!("sqlite://{}", setting.folder.join("jobs.db").display());
        let library = library(setting, "sqlite")?;
        Ok(Self {
            engine: "SQLite",
            front: master(setting, &url, &library, "sqlite")?,
            other: None,
            library,
            _server: None,
        })
    }

    /// What is committed is on disk, as in production.
    fn postgres(setting: &Setting) -> Result<Self> {
        let server = Postgres::start_durable()?;
        let library = library(setting, "postgres")?;
        Ok(Self {
            engine: "PostgreSQL, two masters",
            front: master(setting, &server.url, &library, "front")?,
            other: Some(master(setting, &server.url, &library, "other")?),
            library,
            _server: Some(server),
        })
    }

    /// Where agents go.
    fn agents_url(&self) -> &str {
        self.other
            .as_ref()
            .map_or(&self.front.url, |master| &master.url)
    }

    fn end(self) -> Result<()> {
        self.front.end()?;
        self.other.map_or(Ok(()), Master::end)
    }
}

/// Every figure on both databases.
pub(crate) fn run(setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for make in [Stage::sqlite, Stage::postgres] {
        let stage = make(setting)?;
        figures.extend(start::measure(&stage, setting)?);
        figures.extend(drain::measure(&stage, setting)?);
        figures.extend(follow::measure(&stage, setting)?);
        figures.extend(real::measure(&stage, setting)?);
        stage.end()?;
    }
    Ok(figures)
}

fn library(setting: &Setting, name: &str) -> Result<PathBuf> {
    let folder = setting.folder.join(format!("library-{name}"));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(client::FILE), "def test_it():\n    pass\n")?;
    std::fs::write(folder.join(real::FILE), real::TESTS)?;
    Ok(folder)
}

fn master(setting: &Setting, url: &str, library: &std::path::Path, name: &str) -> Result<Master> {
    Master::start_with(
        &places::master(Profile::Release),
        url,
        &setting.folder.join(format!("{name}.log")),
        &[OsStr::new("--tests-dir"), library.as_os_str()],
    )
}
