//! The HTML report of the sample project, written by the rendering layer.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Stage;
use crate::console::Step;
use crate::places::{self, Profile};
use crate::process;

/// Writes `target/demo/report.html`.
pub(super) fn write(stage: &Stage) -> Result<()> {
    let step = Step::start("report");
    let file = stage.folder.join("report.html");
    let mut command = Command::new(places::mcp_server(Profile::Dev));
    command
        .args(["report", "--project", "shop", "--output"])
        .arg(&file)
        .env("MASTER_URL", &stage.master_url);
    process::output(&mut command).context("cannot write the report")?;
    let html = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    if !html.contains("</html>") {
        bail!("{} is not a whole page", file.display());
    }
    step.done(format!(
        "{} KiB of HTML in one file",
        html.len().div_ceil(1024)
    ));
    Ok(())
}
