"""What is to be stored of a case: through the worker, and by a worker beside a plain pytest.

The truth of `cases.json` was measured on plain pytest. Where the way through which a case is run
makes a difference of its own, it is said here, with the reason; what merely comes out otherwise is
a deviation and is listed as `DEVIATIONS`, which may hold three at most.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from awkward import environment
from awkward.cases import Case

Json = dict[str, Any]
DEVIATIONS_MAX = 3


@dataclass(frozen=True)
class Truth:
    """What is expected of one way."""

    expect: Json
    unknown: tuple[str, ...] = ()
    """What this way cannot know, in words."""
    impossible: str = ""
    """Why the case cannot be run this way at all."""


@dataclass(frozen=True)
class Other:
    """Fields that this way has otherwise."""

    fields: Json = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    note: str = ""


LEFT_ALONE = (
    "All results are those of the list. But a process that outlives pytest in a session of its "
    "own is left alone, as plain pytest does: whoever starts a daemon in a test may mean it. With "
    "`--run-timeout`, a run that reaches its limit ends with everything it started."
)
# Case and way ("worker" or "wheel"): why what is stored is not the truth of the list.
DEVIATIONS: dict[tuple[str, str], str] = {
    ("h17_rlimit_fsize", "worker"): (
        "The test forbids its process to write to files. The worker hears pytest through pipes, "
        "which that does not touch: the session goes on to its end, as plain pytest does when its "
        "output goes into a pipe, and all three tests are stored. The list was measured with "
        "pytest's output in a file."
    ),
    ("h17_rlimit_fsize", "wheel"): (
        "Here pytest does stumble over the limit, and running, not run and status are those of "
        "the list. The recorder that the list was measured with was silenced by the limit as "
        "well; the plugin's pipe is not, and tells that the test's call had passed. The exit code "
        "is the session's own, 3: that Python then cannot flush its output is not seen."
    ),
    ("h24_grandchild_setsid_writes", "worker"): LEFT_ALONE,
    ("h24_grandchild_setsid_writes", "wheel"): LEFT_ALONE,
    ("h32_reads_secrets", "worker"): (
        "`MASTER_TOKEN` is not in the environment of the tests. But they run as the same user as "
        "the worker, and Linux lets one read the other's environment in `/proc`."
    ),
}

# What was running when xdist broke or stopped, and what was done by then, is chance. Named is the
# test whose end is none.
CHANCE: dict[str, dict[str, tuple[str, ...]]] = {
    "d07_xdist_x": {},
    "d08b_xdist_surrogate_among_ten": {
        "test_d08b_xdist_surrogate_among_ten.py::test_p[5]": ("crashed",),
    },
}

# The case asks for it: what a worker starts has to see the default handler, so that the test is
# interrupted, as in a06, although the worker itself was started with SIGINT ignored.
_DEFAULT_HANDLER = {
    "status": "interrupted",
    "exit": 2,
    "at_death": ["test_a06b_sigint_ignored.py::test_int"],
    "not_run": ["test_a06b_sigint_ignored.py::test_zafter"],
    "counts": {"passed": 1, "failed": 0, "error": 0, "skipped": 0},
    "tests": [
        {"nodeid": "test_a06b_sigint_ignored.py::test_before", "outcomes": ["passed"]},
        {"nodeid": "test_a06b_sigint_ignored.py::test_int", "outcomes": []},
    ],
    "tests_total": 2,
}

_WORKER: dict[str, Other] = {
    "a06b_sigint_ignored": Other(
        _DEFAULT_HANDLER,
        note="the worker gives pytest the default handler, as this case asks: interrupted like a06",
    ),
}

# Python 3.12 made the recursion of C code an ordinary RecursionError.
_NO_OVERFLOW = {
    "status": "failed",
    "exit": 1,
    "signal": None,
    "at_death": [],
    "not_run": [],
    "counts": {"passed": 2, "failed": 1, "error": 0, "skipped": 0},
    "tests": [
        {"nodeid": "test_a24_c_stack_overflow.py::test_before", "outcomes": ["passed"]},
        {"nodeid": "test_a24_c_stack_overflow.py::test_deep", "outcomes": ["failed"]},
        {"nodeid": "test_a24_c_stack_overflow.py::test_zafter", "outcomes": ["passed"]},
    ],
    "tests_total": 3,
}

_IMPOSSIBLE_WITH_THE_WHEEL = {
    "b21_collect_only": "nothing is to run, so the plugin starts no worker",
    "e06_20k_tests": "as through the worker; 20,000 tests are run once",
    "e12_many_failures": "as through the worker; 3,000 failures are made once",
    "h32_reads_secrets": "`MASTER_URL`, which asks for the report, is what the test looks for",
    "j11_required_plugins": "pytest gives up before it asks any plugin",
}

_EXIT, _SIGNAL, _OUTPUT = "exit code", "signal", "output"
# pytest ends before its session began, with a code that depends on its version.
_REFUSED = Other({"exit": None}, (_EXIT,))
_WHEEL: dict[str, Other] = {
    "a10_hang": Other(
        {"status": "crashed"},
        note="no limit of its own; killed by hand after 5 s, and so crashed",
    ),
    "a22_thread_forever": Other({"exit": 0}, note="exit code 0 is the session's own"),
    "b07_usage_error": _REFUSED,
    "b20_configure_raises": _REFUSED,
    "j08b_filterwarnings_error_plugin_warns": _REFUSED,
}


def through_the_worker(case: Case) -> Truth:
    """The list's own, but for what the cases themselves ask of a worker."""
    expect = _on_this_python(case)
    other = _WORKER.get(case.id, Other())
    return Truth({**expect, **other.fields}, other.unknown)


def through_the_wheel(case: Case) -> Truth:
    """A worker beside pytest knows what it is told, and sees only that nothing more comes."""
    expect = _on_this_python(case)
    if case.id in _IMPOSSIBLE_WITH_THE_WHEEL:
        return Truth(expect, impossible=_IMPOSSIBLE_WITH_THE_WHEEL[case.id])
    unknown = []
    if expect["status"] in ("crashed", "timeout"):
        if expect["exit"] is not None and expect["exit"] >= 0:
            unknown.append(_EXIT)
        if expect["signal"]:
            unknown.append(_SIGNAL)
        if expect.pop("must", None):
            unknown.append(_OUTPUT)
        expect.update(exit=None, signal=None)
    other = _WHEEL.get(case.id, Other())
    return Truth({**expect, **other.fields}, (*unknown, *other.unknown))


def note(case: Case, way: str) -> str:
    """What a reader of the table has to know about an expectation that is not the list's."""
    other = (_WORKER if way == "worker" else _WHEEL).get(case.id)
    return other.note if other else ""


def _on_this_python(case: Case) -> Json:
    expect = copy.deepcopy(case.expect)
    if case.id == "a24_c_stack_overflow" and not environment.is_measured():
        expect.update(copy.deepcopy(_NO_OVERFLOW))
    return expect
