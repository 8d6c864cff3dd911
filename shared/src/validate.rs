//! Rules that a run must obey before it is kept. Run at both ends: the worker checks what it sends,
//! the master what it receives.

pub mod job;

use crate::case::NewCase;
use crate::limits;
use crate::outcome::Outcome;
use crate::run::NewRun;
use crate::stream::NewBatch;
use chrono::{DateTime, Utc};

/// The first rule that a body broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// Path of the field, such as `cases[3].duration`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl Invalid {
    /// A broken rule on a field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// Checks a whole run. Texts that tests produced are not checked but cut, elsewhere.
pub fn run(run: &NewRun) -> Result<(), Invalid> {
    identifier("run_id", &run.run_id, limits::RUN_ID_BYTES_MAX)?;
    identifier("worker_id", &run.worker_id, limits::NAME_BYTES_MAX)?;
    for (field, text) in [
        ("project", &run.project),
        ("branch", &run.branch),
        ("commit", &run.commit),
        ("python", &run.python),
        ("pytest", &run.pytest),
        ("platform", &run.platform),
    ] {
        name(field, text)?;
    }
    if run.status == Some(crate::status::RunStatus::Running) {
        return Err(Invalid::new(
            "status",
            "a run that is sent whole cannot be `running`",
        ));
    }
    counts(run)?;
    duration("duration", run.duration)?;
    if let Some(rate) = run.pass_rate
        && !(0.0..=100.0).contains(&rate)
    {
        return Err(Invalid::new(
            "pass_rate",
            "must be a percentage from 0 to 100",
        ));
    }
    for (field, moment) in [
        ("timestamp", run.timestamp),
        ("started_at", run.started_at),
        ("finished_at", run.finished_at),
    ] {
        timestamp(field, moment)?;
    }
    lists(run)?;
    for (index, failure) in run.failures.iter().enumerate() {
        at(index, "failures", nodeid(&failure.nodeid))?;
        at(index, "failures", duration("duration", failure.duration))?;
    }
    for (index, case) in run.cases.iter().flatten().enumerate() {
        at(index, "cases", self::case(case))?;
    }
    Ok(())
}

/// Checks one case, field names relative to it.
pub fn case(case: &NewCase) -> Result<(), Invalid> {
    nodeid(&case.nodeid)?;
    for (field, seconds) in [
        ("duration", case.duration),
        ("setup", case.setup),
        ("call", case.call),
        ("teardown", case.teardown),
    ] {
        if let Some(seconds) = seconds {
            duration(field, seconds)?;
        }
    }
    timestamp("started_at", case.started_at)?;
    if let Some(outcomes) = &case.outcomes {
        at_most("outcomes", outcomes.len(), limits::CASE_OUTCOMES_MAX)?;
    }
    if case.outcome == Outcome::Rerun {
        return Err(Invalid::new(
            "outcome",
            "`rerun` is an attempt, it cannot be the outcome",
        ));
    }
    at_most("failures", case.failures.len(), limits::CASE_FAILURES_MAX)?;
    at_most("markers", case.markers.len(), limits::CASE_MARKERS_MAX)?;
    for marker in &case.markers {
        name("markers", marker)?;
    }
    if let Some(file) = &case.file {
        long("file", file, limits::NODEID_BYTES_MAX)?;
    }
    if let Some(worker) = &case.xdist_worker {
        name("xdist_worker", worker)?;
    }
    for (field, count) in [("attempts", case.attempts), ("executions", case.executions)] {
        if count == 0 {
            return Err(Invalid::new(field, "must be at least 1"));
        }
    }
    Ok(())
}

fn counts(run: &NewRun) -> Result<(), Invalid> {
    for (field, count) in [
        ("passed", run.passed),
        ("failed", run.failed),
        ("error", run.error),
        ("skipped", run.skipped),
        ("total", run.total),
        ("collected", run.collected.unwrap_or(0)),
        ("deselected", run.deselected),
        ("collection_errors", run.collection_errors),
        ("collection_skips", run.collection_skips),
        ("running_count", run.running_count),
        ("not_run_count", run.not_run_count),
    ] {
        if count > limits::COUNT_MAX {
            return Err(Invalid::new(
                field,
                format!("must be at most {}", limits::COUNT_MAX),
            ));
        }
    }
    Ok(())
}

fn lists(run: &NewRun) -> Result<(), Invalid> {
    at_most("failures", run.failures.len(), limits::RUN_FAILURES_MAX)?;
    at_most(
        "cases",
        run.cases.as_ref().map_or(0, Vec::len),
        limits::RUN_CASES_MAX,
    )?;
    at_most("problems", run.problems.len(), limits::PROBLEMS_MAX)?;
    at_most("running", run.running.len(), limits::NODEIDS_LISTED_MAX)?;
    at_most("not_run", run.not_run.len(), limits::NODEIDS_LISTED_MAX)?;
    at_most("plugins", run.plugins.len(), limits::PLUGINS_MAX)?;
    at_most("variant", run.variant.len(), limits::VARIANT_LABELS_MAX)?;
    for (label, value) in &run.variant {
        name("variant", label)?;
        name("variant", value)?;
    }
    for plugin in &run.plugins {
        name("plugins", plugin)?;
    }
    for id in &run.running {
        long("running", id, limits::NODEID_BYTES_MAX)?;
    }
    for id in &run.not_run {
        long("not_run", id, limits::NODEID_BYTES_MAX)?;
    }
    if let Some(signal) = &run.signal {
        name("signal", signal)?;
    }
    if let Some(ci) = &run.ci {
        name("ci.name", &ci.name)?;
        long("ci.url", &ci.url, limits::COMMAND_BYTES_MAX)?;
    }
    Ok(())
}

/// Checks a batch of a run that is streamed.
pub fn batch(batch: &NewBatch) -> Result<(), Invalid> {
    at_most("cases", batch.cases.len(), limits::BATCH_CASES_MAX)?;
    if !batch.cases.is_empty() {
        identifier("batch_id", &batch.batch_id, limits::RUN_ID_BYTES_MAX)?;
        if !(1..=limits::RUN_BATCHES_MAX).contains(&batch.number) {
            let reason = format!("must be from 1 to {}", limits::RUN_BATCHES_MAX);
            return Err(Invalid::new("number", reason));
        }
    }
    for (index, each) in batch.cases.iter().enumerate() {
        at(index, "cases", case(each))?;
    }
    let progress = &batch.progress;
    let numbers = [progress.deselected, progress.running_count];
    if numbers
        .into_iter()
        .chain(progress.collected)
        .any(|count| count > limits::COUNT_MAX)
    {
        let reason = format!("counts must be at most {}", limits::COUNT_MAX);
        return Err(Invalid::new("progress", reason));
    }
    at_most(
        "progress.running",
        progress.running.len(),
        limits::NODEIDS_LISTED_MAX,
    )?;
    for id in &progress.running {
        long("progress.running", id, limits::NODEID_BYTES_MAX)?;
    }
    Ok(())
}

fn at(index: usize, list: &str, outcome: Result<(), Invalid>) -> Result<(), Invalid> {
    outcome.map_err(|invalid| Invalid {
        field: format!("{list}[{index}].{}", invalid.field),
        reason: invalid.reason,
    })
}

fn identifier(field: &str, text: &str, bytes_max: usize) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(field, "must not be empty"));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        return Err(Invalid::new(
            field,
            format!("must be printable, has {bad:?}"),
        ));
    }
    long(field, text, bytes_max)
}

fn nodeid(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("nodeid", "must not be empty"));
    }
    long("nodeid", text, limits::NODEID_BYTES_MAX)
}

fn name(field: &str, text: &str) -> Result<(), Invalid> {
    long(field, text, limits::NAME_BYTES_MAX)
}

fn long(field: &str, text: &str, bytes_max: usize) -> Result<(), Invalid> {
    if text.len() > bytes_max {
        let reason = format!("must be at most {bytes_max} bytes, has {}", text.len());
        return Err(Invalid::new(field, reason));
    }
    if text.contains('\0') {
        return Err(Invalid::new(field, "must not contain the character U+0000"));
    }
    Ok(())
}

fn at_most(field: &str, items: usize, items_max: usize) -> Result<(), Invalid> {
    if items > items_max {
        return Err(Invalid::new(
            field,
            format!("must have at most {items_max} items"),
        ));
    }
    Ok(())
}

fn duration(field: &str, seconds: f64) -> Result<(), Invalid> {
    if (0.0..=limits::DURATION_S_MAX).contains(&seconds) {
        return Ok(());
    }
    let reason = format!(
        "must be seconds from 0 to {}, is {seconds}",
        limits::DURATION_S_MAX
    );
    Err(Invalid::new(field, reason))
}

fn timestamp(field: &str, moment: Option<DateTime<Utc>>) -> Result<(), Invalid> {
    let seconds = moment.map_or(0, |moment| moment.timestamp());
    if (limits::TIMESTAMP_S_MIN..=limits::TIMESTAMP_S_MAX).contains(&seconds) {
        return Ok(());
    }
    Err(Invalid::new(field, "must be a date from 1970 to 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> NewRun {
        serde_json::from_str(r#"{"run_id": "r", "worker_id": "w"}"#).unwrap()
    }

    fn field_at_fault(change: impl FnOnce(&mut NewRun)) -> String {
        let mut body = minimal();
        change(&mut body);
        run(&body).expect_err("the body was taken").field
    }

    #[test]
    fn the_two_required_fields_are_enough() {
        assert_eq!(run(&minimal()), Ok(()));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        assert_eq!(field_at_fault(|b| b.run_id.clear()), "run_id");
        assert_eq!(field_at_fault(|b| b.run_id = "a\nb".into()), "run_id");
        assert_eq!(field_at_fault(|b| b.run_id = "x".repeat(201)), "run_id");
        assert_eq!(field_at_fault(|b| b.worker_id.clear()), "worker_id");
        assert_eq!(field_at_fault(|b| b.project = "x".repeat(501)), "project");
        assert_eq!(field_at_fault(|b| b.duration = -1.0), "duration");
        assert_eq!(field_at_fault(|b| b.duration = f64::NAN), "duration");
        assert_eq!(field_at_fault(|b| b.pass_rate = Some(100.1)), "pass_rate");
        assert_eq!(field_at_fault(|b| b.passed = u64::MAX), "passed");
    }

    #[test]
    fn the_case_at_fault_is_named_with_its_position() {
        let field = field_at_fault(|b| {
            let good = NewCase::new("t.py::a", Outcome::Passed);
            let bad = NewCase {
                setup: Some(-0.5),
                ..NewCase::new("t.py::b", Outcome::Passed)
            };
            b.cases = Some(vec![good, bad]);
        });
        assert_eq!(field, "cases[1].setup");
    }

    #[test]
    fn a_null_character_is_refused_because_postgresql_cannot_keep_it() {
        let field = field_at_fault(|b| b.cases = Some(vec![NewCase::new("a\0b", Outcome::Passed)]));
        assert_eq!(field, "cases[0].nodeid");
    }
}
