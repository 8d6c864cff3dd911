//! The top of a report: where the run comes from, and its counts.

use chrono::{DateTime, Utc};
use shared::run::Run;
use shared::status::RunStatus;

use crate::untrusted;
use crate::views::{figures, moment};

/// Width of the bar of counts; the page stretches it.
const BAR_WIDTH: f64 = 1000.0;
/// A count that is not zero is never too thin to see.
const SEGMENT_WIDTH_MIN: f64 = 5.0;

/// A name and a value.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// What is said about it, more softly.
    pub(super) note: String,
    /// Where the value leads, only ever http or https.
    pub(super) link: Option<String>,
    /// Whether it is code, and so long that it wants the whole width.
    pub(super) wide: bool,
}

/// A number under the verdict.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) number: String,
    pub(super) name: &'static str,
    /// Style, empty when the number is zero.
    pub(super) class: &'static str,
}

/// A part of the bar.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) class: &'static str,
    pub(super) left: String,
    pub(super) width: String,
}

/// Numbers and the bar that shows their shares.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) counts: Vec<Count>,
    pub(super) segments: Vec<Segment>,
    /// The bar in words.
    pub(super) words: String,
}

/// Project, branch, commit: what was tested.
pub(super) fn eyebrow(run: &Run) -> Vec<String> {
    let commit: String = run.commit.chars().take(10).collect();
    [run.project.as_str(), run.branch.as_str(), &commit]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| untrusted::short_id(text, 100))
        .collect()
}

/// Everything else about the run. What is not known is not there.
pub(super) fn facts(run: &Run, now: DateTime<Utc>) -> Vec<Fact> {
    let when = run.started_at.unwrap_or(run.timestamp);
    let id = untrusted::short_id;
    let mut facts = vec![
        fact("When", moment::absolute(when)).noted(moment::ago(when, now)),
        fact("Duration", moment::duration(run.duration)).noted(match run.status {
            RunStatus::Running => "so far".to_owned(),
            _ => String::new(),
        }),
        fact("Worker", id(&run.worker_id, 120)),
        fact("Commit", id(&run.commit, 64)).noted(if run.dirty == Some(true) {
            "with local changes".to_owned()
        } else {
            String::new()
        }),
        fact("Python", id(&run.python, 80)),
        fact("pytest", id(&run.pytest, 80)),
        fact("Platform", id(&run.platform, 120)),
        fact("Variant", variant(run)),
        fact("Exit", exit(run)),
    ];
    facts.extend(run.ci.as_ref().map(|ci| Fact {
        link: web_address(&ci.url),
        ..fact(
            "CI",
            id(if ci.name.is_empty() { "job" } else { &ci.name }, 80),
        )
    }));
    facts.push(fact("Run", id(&run.run_id, 200)));
    facts.push(Fact {
        wide: true,
        ..fact("Command", untrusted::line(&run.command, 300))
    });
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

fn variant(run: &Run) -> String {
    let labels: Vec<String> = run
        .variant
        .iter()
        .take(8)
        .map(|(label, value)| untrusted::short_id(&format!("{label}={value}"), 80))
        .collect();
    labels.join(", ")
}

fn exit(run: &Run) -> String {
    match (&run.signal, run.exit_code) {
        (Some(signal), _) => untrusted::short_id(signal, 40),
        (None, Some(code)) => code.to_string(),
        (None, None) => String::new(),
    }
}

impl Fact {
    fn noted(mut self, note: String) -> Self {
        self.note = note;
        self
    }
}

fn fact(name: &'static str, value: String) -> Fact {
    Fact {
        name,
        value,
        note: String::new(),
        link: None,
        wide: false,
    }
}

/// An address that may be a link: http or https, parsed and written anew.
fn web_address(raw: &str) -> Option<String> {
    let address = url::Url::parse(raw).ok()?;
    let web = matches!(address.scheme(), "http" | "https") && address.as_str().len() <= 2_000;
    web.then(|| address.to_string())
}

/// The counts and their bar.
pub(super) fn figures(run: &Run) -> Figures {
    let missing = if run.complete {
        0
    } else {
        run.collected
            .unwrap_or(run.reported)
            .saturating_sub(run.reported)
    };
    let (missing_name, missing_class) = missing_words(run);
    let always = [
        (run.passed, "passed", "good"),
        (run.failed, "failed", "bad"),
        (run.error, "errors", "bad"),
        (run.skipped, "skipped", "idle"),
    ];
    let sometimes = [
        (run.xfailed, "xfailed", "idle"),
        (run.xpassed, "xpassed", "gap"),
        (missing, missing_name, missing_class),
        (run.rerun, "reruns", "gap"),
        (run.subtests_failed, "subtests failed", "bad"),
        (run.subtests_passed, "subtests passed", "good"),
        (run.deselected, "deselected", "idle"),
    ];
    let shown = always
        .into_iter()
        .chain(sometimes.into_iter().filter(|(number, ..)| *number > 0));
    let counts: Vec<Count> = shown
        .map(|(number, name, class)| Count {
            number: figures::count(number),
            name,
            class: if number > 0 { class } else { "" },
        })
        .collect();
    let words = counts
        .iter()
        .map(|count| format!("{} {}", count.number, count.name))
        .collect::<Vec<_>>();
    Figures {
        segments: segments(run, missing),
        words: words.join(", "),
        counts,
    }
}

/// Name and style of what has not been reported: it may still come.
fn missing_words(run: &Run) -> (&'static str, &'static str) {
    match run.status {
        RunStatus::Running => ("to come", "idle"),
        _ => ("not reported", "gap"),
    }
}

fn segments(run: &Run, missing: u64) -> Vec<Segment> {
    let parts = [
        (run.passed, "good"),
        (run.xfailed + run.xpassed, "soft"),
        (run.skipped, "idle"),
        (run.failed, "bad"),
        (run.error, "error"),
        (missing, missing_words(run).1),
    ];
    let all: u64 = parts.iter().map(|(number, _)| number).sum();
    let wanted = parts.map(|(number, _)| match number {
        0 => 0.0,
        some => (some as f64 / all as f64 * BAR_WIDTH).max(SEGMENT_WIDTH_MIN),
    });
    let sum: f64 = wanted.iter().sum();
    let mut left = 0.0;
    let mut segments = Vec::new();
    for ((number, class), width) in parts.into_iter().zip(wanted) {
        if number == 0 {
            continue;
        }
        let width = width / sum * BAR_WIDTH;
        segments.push(Segment {
            class,
            left: format!("{left:.1}"),
            width: format!("{width:.1}"),
        });
        left += width;
    }
    segments
}

/// A word as a shell reads it.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{shell_word, web_address};

    #[test]
    fn only_web_addresses_become_links() {
        assert!(web_address("https://ci.example/job/1?x=1").is_some());
        for hostile in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//host",
            "file:///etc",
            "",
        ] {
            assert_eq!(web_address(hostile), None, "{hostile}");
        }
    }

    #[test]
    fn a_word_with_brackets_or_quotes_is_quoted() {
        assert_eq!(shell_word("tests/a.py::b"), "tests/a.py::b");
        assert_eq!(shell_word("a.py::b[x y]"), "'a.py::b[x y]'");
        assert_eq!(shell_word("a[it's]"), r"'a[it'\''s]'");
    }
}
