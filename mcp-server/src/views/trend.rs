//! The trend, as JSON and as one sentence.

use schemars::JsonSchema;
use serde::Serialize;
use shared::answer::TrendPoint;

use super::{figures, moment};
use crate::untrusted;

/// One run of a trend.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Point {
    /// UTC.
    pub timestamp: String,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// All tests.
    pub total: u64,
    /// Percent.
    pub pass_rate: f64,
    /// Who ran it.
    pub worker_id: String,
    /// The verdict.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// For `get_report`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run_id: String,
}

impl From<&TrendPoint> for Point {
    fn from(point: &TrendPoint) -> Self {
        Self {
            timestamp: moment::machine(point.timestamp),
            passed: point.passed,
            failed: point.failed,
            total: point.total,
            pass_rate: figures::round(point.pass_rate),
            worker_id: untrusted::short_id(&point.worker_id, 120),
            status: untrusted::short_id(&point.status, 40),
            run_id: untrusted::model_id(&point.run_id),
        }
    }
}

/// `Pass rate 98.2 % to 100 % over the last 10 runs, 3 of them not passed`; empty without runs.
pub fn sentence(points: &[TrendPoint]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return String::new();
    };
    if points.len() == 1 {
        return format!(
            "One run so far, pass rate {}",
            figures::percent(last.pass_rate)
        );
    }
    let not_passed = points.iter().filter(|point| !is_passed(point)).count();
    let rates = if first.pass_rate.to_bits() == last.pass_rate.to_bits() {
        format!(
            "Pass rate {} at both ends of",
            figures::percent(last.pass_rate)
        )
    } else {
        format!(
            "Pass rate from {} to {} over",
            figures::percent(first.pass_rate),
            figures::percent(last.pass_rate)
        )
    };
    let verdicts = match not_passed {
        0 => "all of them passed".to_owned(),
        all if all == points.len() => "none of them passed".to_owned(),
        some => format!("{some} of them did not pass"),
    };
    format!("{rates} the last {} runs; {verdicts}", points.len())
}

/// Whether the run of a point passed. An older master says only counts.
pub fn is_passed(point: &TrendPoint) -> bool {
    match point.status.as_str() {
        "" => point.failed + point.error == 0,
        status => status == "passed",
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    fn point(passed: u64, failed: u64) -> shared::answer::TrendPoint {
        serde_json::from_value(serde_json::json!({
            "timestamp": "2026-11-21T08:00:00Z", "passed": passed, "failed": failed,
            "total": passed + failed, "worker_id": "w",
            "pass_rate": 100.0 * passed as f64 / (passed + failed) as f64,
        }))
        .unwrap()
    }

    #[test]
    fn the_sentence_tells_both_ends_and_what_did_not_pass() {
        assert_eq!(sentence(&[]), "");
        assert_eq!(sentence(&[point(1, 0)]), "One run so far, pass rate 100 %");
        assert_eq!(
            sentence(&[point(1, 1), point(2, 0)]),
            "Pass rate from 50 % to 100 % over the last 2 runs; 1 of them did not pass"
        );
    }
}
