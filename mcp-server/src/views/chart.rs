//! The trend as a drawing: coordinates in a box that stretches, so nothing here is text.

use chrono::{DateTime, Utc};
use shared::answer::TrendPoint;
use shared::status::RunStatus;

use super::verdict::Tone;
use super::{figures, moment, trend};
use crate::untrusted;

/// Width of the box; the page stretches it to the column.
pub const WIDTH: f64 = 1000.0;
/// Height of the pass rate panel.
pub const RATE_HEIGHT: f64 = 120.0;
/// Height of the failures panel.
pub const FAILURES_HEIGHT: f64 = 48.0;

/// One run in the drawing and in the table under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Middle of its column.
    pub x: String,
    /// Height of its pass rate, from the top.
    pub y: String,
    /// Left edge of its bar.
    pub left: String,
    /// Top of its failures' bar.
    pub top: String,
    /// Height of its failures' bar.
    pub height: String,
    /// Style of its dot.
    pub class: &'static str,
    /// Whether it is the run of the report.
    pub current: bool,
    /// Everything about it, for a tooltip.
    pub words: String,
    /// When.
    pub when: String,
    /// The verdict in a word.
    pub status: String,
    /// Pass rate in words.
    pub rate: String,
    /// Failures and errors.
    pub bad: String,
    /// Of so many tests.
    pub total: String,
}

/// The drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Points of the pass rate's line.
    pub line: String,
    /// Outline of the area under it.
    pub area: String,
    /// The runs, oldest first.
    pub marks: Vec<Mark>,
    /// Width of a bar.
    pub bar_width: String,
    /// The pass rate at the bottom of its panel.
    pub rate_low: String,
    /// The largest number of failures.
    pub bad_high: String,
    /// When the first run was.
    pub first: String,
    /// When the last run was.
    pub last: String,
    /// One sentence for who cannot see it.
    pub sentence: String,
    /// Whether any run had a failure.
    pub any_bad: bool,
}

/// Draws a trend; `None` without at least two runs, because one point is no trend.
pub fn draw(points: &[TrendPoint], current: &str, now: DateTime<Utc>) -> Option<Chart> {
    if points.len() < 2 {
        return None;
    }
    let low = rate_floor(points);
    let bad_high = points.iter().map(bad).max().unwrap_or(0);
    let column = WIDTH / points.len() as f64;
    let bar = (column * 0.62).min(22.0);
    let marks: Vec<Mark> = points
        .iter()
        .enumerate()
        .map(|(index, point)| {
            let x = column * (index as f64 + 0.5);
            let share = (point.pass_rate.clamp(low, 100.0) - low) / (100.0 - low);
            let height = if bad(point) == 0 {
                0.0
            } else {
                (bad(point) as f64 / bad_high as f64 * FAILURES_HEIGHT).max(3.0)
            };
            mark(point, now).placed(
                [x, (1.0 - share) * RATE_HEIGHT, x - bar / 2.0, height],
                !current.is_empty() && point.run_id == current,
            )
        })
        .collect();
    let line = marks
        .iter()
        .map(|mark| format!("{},{}", mark.x, mark.y))
        .collect::<Vec<_>>()
        .join(" ");
    let (first, last) = (marks.first()?, marks.last()?);
    Some(Chart {
        area: format!("{},{RATE_HEIGHT} {line} {},{RATE_HEIGHT}", first.x, last.x),
        first: moment::short(points.first()?.timestamp, now),
        last: moment::short(points.last()?.timestamp, now),
        line,
        bar_width: number(bar),
        rate_low: figures::percent(low),
        bad_high: figures::count(bad_high),
        sentence: trend::sentence(points),
        any_bad: bad_high > 0,
        marks,
    })
}

impl Mark {
    fn placed(mut self, [x, y, left, height]: [f64; 4], current: bool) -> Self {
        self.x = number(x);
        self.y = number(y);
        self.left = number(left);
        self.height = number(height);
        self.top = number(FAILURES_HEIGHT - height);
        self.current = current;
        self
    }
}

fn mark(point: &TrendPoint, now: DateTime<Utc>) -> Mark {
    let status = match point.status.parse::<RunStatus>() {
        Ok(status) => status,
        Err(_) if trend::is_passed(point) => RunStatus::Passed,
        Err(_) => RunStatus::Failed,
    };
    let rate = figures::percent(point.pass_rate);
    let when = moment::short(point.timestamp, now);
    let word = status.as_str().replace('_', " ");
    Mark {
        words: format!(
            "{when}: {word}, {rate} passed, {} bad of {}, {}",
            bad(point),
            figures::of(point.total, "test", "tests"),
            untrusted::short_id(&point.worker_id, 60),
        ),
        x: String::new(),
        y: String::new(),
        left: String::new(),
        top: String::new(),
        height: String::new(),
        class: Tone::of(status).class(),
        current: false,
        when,
        status: word,
        rate,
        bad: figures::count(bad(point)),
        total: figures::count(point.total),
    }
}

fn bad(point: &TrendPoint) -> u64 {
    point.failed + point.error
}

/// The bottom of the scale: a round number below the worst run, so that 99 % and 100 % differ.
fn rate_floor(points: &[TrendPoint]) -> f64 {
    let worst = points
        .iter()
        .map(|point| point.pass_rate)
        .fold(100.0_f64, f64::min);
    for floor in [99.0, 98.0, 95.0, 90.0, 75.0, 50.0] {
        if worst > floor {
            return floor;
        }
    }
    0.0
}

fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(pass_rate: f64, failed: u64) -> TrendPoint {
        serde_json::from_value(serde_json::json!({
            "timestamp": "2026-11-20T08:00:00Z", "passed": 1, "failed": failed, "total": 100,
            "worker_id": "w", "pass_rate": pass_rate, "run_id": format!("r{failed}"),
        }))
        .unwrap()
    }

    #[test]
    fn one_run_is_no_trend() {
        assert_eq!(draw(&[point(100.0, 0)], "", Utc::now()), None);
    }

    #[test]
    fn the_scale_starts_below_the_worst_run() {
        let chart = draw(&[point(99.5, 1), point(98.5, 4)], "r4", Utc::now()).unwrap();
        assert_eq!(chart.rate_low, "98 %");
        assert_eq!(
            (chart.marks[0].y.as_str(), chart.marks[1].y.as_str()),
            ("30", "90")
        );
        assert_eq!(
            (
                chart.marks[0].height.as_str(),
                chart.marks[1].height.as_str()
            ),
            ("12", "48")
        );
        assert!(chart.marks[1].current && !chart.marks[0].current);
    }

    #[test]
    fn strange_rates_stay_in_the_box() {
        let chart = draw(&[point(0.0, 1), point(100.0, 0)], "", Utc::now()).unwrap();
        assert_eq!(
            (chart.marks[0].y.as_str(), chart.marks[1].y.as_str()),
            ("120", "0")
        );
    }
}
