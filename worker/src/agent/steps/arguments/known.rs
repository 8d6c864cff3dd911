//! pytest's own options: those that jobs may give, and those that they may not, with the reason.

use super::known_plugins;
use super::shape::Shape;

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing.
    Nothing,
    /// A value.
    Value(Shape),
    /// A value, or nothing.
    Perhaps(Shape),
}

/// An option that is known.
#[derive(Debug)]
pub(super) struct Known {
    /// Its names; the first is the one that pytest gets.
    pub(super) names: &'static [&'static str],
    /// What follows it.
    pub(super) takes: Takes,
    /// Why it is refused, if it is.
    pub(super) refused: Option<&'static str>,
}

pub(super) const fn flag(names: &'static [&'static str]) -> Known {
    option(names, Takes::Nothing)
}

pub(super) const fn value(names: &'static [&'static str], shape: Shape) -> Known {
    option(names, Takes::Value(shape))
}

pub(super) const fn option(names: &'static [&'static str], takes: Takes) -> Known {
    Known {
        names,
        takes,
        refused: None,
    }
}

pub(super) const fn refused(
    names: &'static [&'static str],
    takes: Takes,
    why: &'static str,
) -> Known {
    Known {
        names,
        takes,
        refused: Some(why),
    }
}

const TEXT: Takes = Takes::Value(Shape::Text);
const CODE: &str = "it loads code";
const ELSEWHERE: &str = "it reads or writes files anywhere";
const ASKS: &str = "nobody is there to answer";

const PYTEST: &[Known] = &[
    value(&["-k"], Shape::Text),
    value(&["-m"], Shape::Text),
    flag(&["-x", "--exitfirst"]),
    value(&["--maxfail"], Shape::Number),
    flag(&["-q", "--quiet"]),
    flag(&["-v", "--verbose"]),
    value(&["--verbosity"], Shape::Number),
    value(
        &["--tb"],
        Shape::OneOf(&["auto", "long", "short", "line", "native", "no"]),
    ),
    value(&["-r"], Shape::Letters),
    flag(&["-l", "--showlocals"]),
    flag(&["--no-showlocals"]),
    flag(&["--full-trace"]),
    flag(&["--xfail-tb"]),
    flag(&["--no-header"]),
    flag(&["--no-summary"]),
    flag(&["--no-fold-skipped"]),
    flag(&["--force-short-summary"]),
    flag(&["--disable-warnings", "--disable-pytest-warnings"]),
    value(
        &["--show-capture"],
        Shape::OneOf(&["no", "stdout", "stderr", "log", "all"]),
    ),
    value(&["--color"], Shape::OneOf(&["yes", "no", "auto"])),
    value(&["--code-highlight"], Shape::OneOf(&["yes", "no"])),
    value(&["--durations"], Shape::Number),
    value(&["--durations-min"], Shape::Number),
    value(
        &["--capture"],
        Shape::OneOf(&["fd", "sys", "no", "tee-sys"]),
    ),
    flag(&["-s"]),
    flag(&["--runxfail"]),
    flag(&["--lf", "--last-failed"]),
    flag(&["--ff", "--failed-first"]),
    flag(&["--nf", "--new-first"]),
    value(
        &["--lfnf", "--last-failed-no-failures"],
        Shape::OneOf(&["all", "none"]),
    ),
    flag(&["--sw", "--stepwise"]),
    flag(&["--sw-skip", "--stepwise-skip"]),
    flag(&["--cache-clear"]),
    flag(&["--collect-only", "--co", "--collectonly"]),
    flag(&["--strict"]),
    flag(&["--strict-config"]),
    flag(&["--strict-markers"]),
    flag(&["--noconftest"]),
    flag(&["--keep-duplicates"]),
    flag(&["--continue-on-collection-errors"]),
    value(
        &["--import-mode"],
        Shape::OneOf(&["prepend", "append", "importlib"]),
    ),
    value(&["--ignore"], Shape::Inside),
    value(&["--ignore-glob"], Shape::Text),
    value(&["--deselect"], Shape::Text),
    flag(&["--doctest-modules"]),
    value(&["--doctest-glob"], Shape::Text),
    value(
        &["--doctest-report"],
        Shape::OneOf(&["none", "cdiff", "ndiff", "udiff", "only_first_failure"]),
    ),
    flag(&["--doctest-ignore-import-errors"]),
    flag(&["--doctest-continue-on-failure"]),
    value(&["-W", "--pythonwarnings"], Shape::Warning),
    value(&["--max-warnings"], Shape::Number),
    value(&["--assert"], Shape::OneOf(&["rewrite", "plain"])),
    flag(&["--setup-only"]),
    flag(&["--setup-show"]),
    flag(&["--setup-plan"]),
    flag(&["--trace-config"]),
    value(&["--log-level"], Shape::Text),
    value(&["--log-format"], Shape::Text),
    value(&["--log-date-format"], Shape::Text),
    value(&["--log-cli-level"], Shape::Text),
    value(&["--log-cli-format"], Shape::Text),
    value(&["--log-cli-date-format"], Shape::Text),
    value(&["--log-auto-indent"], Shape::Text),
    value(&["--log-disable"], Shape::Text),
    value(&["--junitxml", "--junit-xml"], Shape::Report),
    value(&["--junitprefix", "--junit-prefix"], Shape::Text),
    refused(&["-p"], TEXT, CODE),
    refused(&["--pdbcls"], TEXT, CODE),
    refused(
        &["-c", "--config-file"],
        TEXT,
        "it replaces the configuration of the source",
    ),
    refused(
        &["-o", "--override-ini"],
        TEXT,
        "settings can load code and name files",
    ),
    refused(&["--rootdir"], TEXT, ELSEWHERE),
    refused(&["--confcutdir"], TEXT, "it loads code from elsewhere"),
    refused(&["--basetemp"], TEXT, "it deletes the folder that it names"),
    refused(&["--debug"], Takes::Perhaps(Shape::Text), ELSEWHERE),
    refused(&["--log-file"], TEXT, ELSEWHERE),
    refused(
        &["--pyargs"],
        Takes::Nothing,
        "it runs tests from outside of the source",
    ),
    refused(
        &["--pastebin"],
        TEXT,
        "it sends the output to a public service",
    ),
    refused(&["--pdb"], Takes::Nothing, ASKS),
    refused(&["--trace"], Takes::Nothing, ASKS),
    refused(&["-h", "--help"], Takes::Nothing, "it runs no tests"),
    refused(&["-V", "--version"], Takes::Nothing, "it runs no tests"),
];

/// The option of this name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    let known = PYTEST.iter().chain(known_plugins::PLUGINS);
    known.into_iter().find(|known| known.names.contains(&name))
}

#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static Known> {
    PYTEST.iter().chain(known_plugins::PLUGINS)
}
