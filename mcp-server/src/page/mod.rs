//! The report as one HTML file: no script, no network, everything escaped, within a size.

mod detail;
mod facts;
mod failures;
mod lists;
mod style;

use askama::Template;
use shared::run::Run;

use crate::gather::ReportData;
use crate::untrusted;
use crate::views::verdict::{self, Verdict};
use crate::views::{chart, moment};
use detail::Detail;

/// A report on a run.
#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    head: Head,
    eyebrow: Vec<String>,
    verdict: Verdict,
    figures: facts::Figures,
    facts: Vec<facts::Fact>,
    failures: failures::Section,
    chart: Option<chart::Chart>,
    trend_of: &'a str,
    lists: lists::Lists,
    remarks: &'a [String],
    cut: bool,
}

/// What is shown before the first run.
#[derive(Template)]
#[template(path = "empty.html")]
struct EmptyPage {
    head: Head,
    shell_master_url: String,
}

/// What every page has.
struct Head {
    title: String,
    tone: &'static str,
    icon: String,
    style: &'static str,
    style_hash: &'static str,
    master_url: String,
    made_at: String,
    version: &'static str,
}

impl Head {
    fn new(data: &ReportData, title: String, tone: verdict::Tone) -> Self {
        Self {
            title,
            tone: tone.class(),
            icon: style::icon(tone),
            style: style::SHEET,
            style_hash: style::hash(),
            master_url: data.master_url.clone(),
            made_at: moment::absolute(data.made_at),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// Draws a report of at most `bytes_max` bytes: with less and less detail until it fits. What was
/// cut is said where it was cut.
pub fn render(data: &ReportData, bytes_max: usize) -> String {
    let Some(run) = &data.run else {
        return render_empty(data);
    };
    let mut smallest = String::new();
    for detail in Detail::from_large_to_small(bytes_max) {
        smallest = page(data, run, &detail)
            .render()
            .unwrap_or_else(|error| broken(&error));
        if smallest.len() <= bytes_max {
            break;
        }
    }
    smallest
}

fn render_empty(data: &ReportData) -> String {
    let page = EmptyPage {
        head: Head::new(data, "No run yet".to_owned(), verdict::Tone::Idle),
        shell_master_url: facts::shell_word(&data.master_url),
    };
    page.render().unwrap_or_else(|error| broken(&error))
}

/// A template fails only when its writer does, and a text never does.
fn broken(error: &askama::Error) -> String {
    tracing::error!(%error, "the report could not be drawn");
    String::new()
}

fn page<'a>(data: &'a ReportData, run: &'a Run, detail: &Detail) -> ReportPage<'a> {
    let verdict = verdict::of_run(run);
    let name = if run.project.is_empty() {
        "test run".to_owned()
    } else {
        untrusted::short_id(&run.project, 80)
    };
    let title = format!("{}: {name}, {}", verdict.word, verdict.headline);
    let trend_from = data.trend.len().saturating_sub(detail.trend_runs);
    let failures = failures::section(data, run, detail);
    let lists = lists::lists(data, run, detail);
    ReportPage {
        head: Head::new(data, title, verdict.tone),
        eyebrow: facts::eyebrow(run),
        figures: facts::figures(run),
        facts: facts::facts(run, data.made_at),
        chart: chart::draw(&data.trend[trend_from..], &run.run_id, data.made_at),
        trend_of: &data.trend_of,
        cut: failures.cut,
        remarks: &data.remarks,
        failures,
        lists,
        verdict,
    }
}

#[cfg(test)]
mod tests;
