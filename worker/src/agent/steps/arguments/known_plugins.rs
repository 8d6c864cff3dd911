//! Options of plugins that many use.

use super::known::{Known, Takes, flag, option, refused, value};
use super::shape::Shape;

/// See the module.
pub(super) const PLUGINS: &[Known] = &[
    // pytest-xdist
    value(&["-n", "--numprocesses"], Shape::Workers),
    value(&["--maxprocesses"], Shape::Number),
    value(&["--max-worker-restart"], Shape::Number),
    value(
        &["--dist"],
        Shape::OneOf(&[
            "each",
            "load",
            "loadscope",
            "loadfile",
            "loadgroup",
            "worksteal",
            "no",
        ]),
    ),
    value(&["--maxschedchunk"], Shape::Number),
    flag(&["--loadscope-reorder"]),
    flag(&["--no-loadscope-reorder"]),
    refused(&["--tx"], Takes::Value(Shape::Text), "it starts programs"),
    refused(&["--px"], Takes::Value(Shape::Text), "it starts programs"),
    refused(
        &["--rsyncdir"],
        Takes::Value(Shape::Text),
        "it copies files anywhere",
    ),
    refused(&["-f", "--looponfail"], Takes::Nothing, "it never ends"),
    // pytest-rerunfailures, pytest-timeout, pytest-repeat, pytest-randomly, pytest-random-order
    value(&["--reruns"], Shape::Number),
    value(&["--reruns-delay"], Shape::Number),
    value(&["--only-rerun"], Shape::Text),
    value(&["--rerun-except"], Shape::Text),
    value(&["--timeout"], Shape::Number),
    value(
        &["--timeout-method", "--timeout_method"],
        Shape::OneOf(&["signal", "thread"]),
    ),
    value(&["--session-timeout"], Shape::Number),
    value(&["--count"], Shape::Number),
    value(
        &["--repeat-scope"],
        Shape::OneOf(&["function", "class", "module", "session"]),
    ),
    value(&["--randomly-seed"], Shape::Text),
    flag(&["--randomly-dont-reset-seed"]),
    flag(&["--randomly-dont-reorganize"]),
    flag(&["--random-order"]),
    value(&["--random-order-seed"], Shape::Text),
    value(&["--random-order-bucket"], Shape::Text),
    // pytest-cov
    option(&["--cov"], Takes::Perhaps(Shape::Inside)),
    value(&["--cov-report"], Shape::KindOfReport),
    value(&["--cov-fail-under"], Shape::Number),
    flag(&["--cov-append"]),
    flag(&["--cov-branch"]),
    flag(&["--no-cov"]),
    flag(&["--no-cov-on-fail"]),
    value(&["--cov-config"], Shape::Inside),
    // Reports
    value(&["--alluredir"], Shape::Report),
    flag(&["--clean-alluredir"]),
    flag(&["--allure-no-capture"]),
    value(&["--allure-severities"], Shape::Text),
    value(&["--allure-epics"], Shape::Text),
    value(&["--allure-features"], Shape::Text),
    value(&["--allure-stories"], Shape::Text),
    value(&["--allure-ids"], Shape::Text),
    value(&["--allure-label"], Shape::Text),
    value(&["--html"], Shape::Report),
    flag(&["--self-contained-html"]),
    value(&["--report-log"], Shape::Report),
    flag(&["--json-report"]),
    value(&["--json-report-file"], Shape::Report),
    value(&["--json-report-indent"], Shape::Number),
    flag(&["--json-report-summary"]),
    // pytest-asyncio, pytest-benchmark
    value(&["--asyncio-mode"], Shape::OneOf(&["auto", "strict"])),
    flag(&["--benchmark-skip"]),
    flag(&["--benchmark-only"]),
    flag(&["--benchmark-disable"]),
    flag(&["--benchmark-enable"]),
    value(&["--benchmark-json"], Shape::Report),
];
