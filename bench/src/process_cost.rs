//! What processes cost, read from Linux's /proc.

use anyhow::{Context, Result};

/// Clock ticks a second of /proc's times; fixed at 100 on every Linux that matters here.
const TICKS_PER_SECOND: f64 = 100.0;
/// Position of the children's user time in /proc/self/stat, counted after the command's name.
const CHILDREN_USER_TIME: usize = 13;

/// CPU seconds of all children that ended and were waited for, their children included.
pub(crate) fn children_cpu_s() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    let (_, fields) = text.rsplit_once(')').context("an odd /proc/self/stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(CHILDREN_USER_TIME)
        .take(2)
        .map(|field| field.parse::<f64>().context("an odd /proc/self/stat"))
        .sum::<Result<f64>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// CPU seconds of one living process.
pub(crate) fn cpu_s(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = text.rsplit_once(')').context("an odd /proc stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(CHILDREN_USER_TIME - 2)
        .take(2)
        .map(|field| field.parse::<f64>().context("an odd /proc stat"))
        .sum::<Result<f64>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// Resident memory of a process now and at its highest, in MiB.
pub(crate) fn memory_mib(process: u32) -> Result<(f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))
        .context("cannot read the memory of the master")?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0)
            .with_context(|| format!("no {name} in /proc"))
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}
