"""The hooks of one session: what pytest says becomes events."""

import traceback
from typing import Any, Dict, List, Optional, Set, Tuple

import pytest

from .pipe import Pipe
from .text import (
    MESSAGE_BYTES_MAX,
    PROBLEM_TEXT_BYTES_MAX,
    add_texts,
    cut,
    long_text,
    skip_reason,
    subtest_description,
)

CASE_MARKERS_MAX = 50
# Distinct warnings that are sent; the others are counted.
WARNINGS_MAX = 100
# Tests in one announcement: a line of some 50 KiB.
ANNOUNCED_TESTS_MAX = 500

# A teardown that took longer is told at once, and a worker that is gone by then noticed.
LONG_TEARDOWN_S = 0.01

Location = Tuple[str, Optional[int], str]


class Reporter:
    """The hooks of one session. The frequent ones format their lines by hand and write rarely."""

    def __init__(self, pipe: Pipe, config: Any, distributed: bool) -> None:
        self._pipe = pipe
        self._config = config
        self._distributed = distributed
        self._numbers: Dict[str, int] = {}
        # Lines that lose nothing by waiting for the next write.
        self._held = b""
        # Seconds of passed setups whose call is not reported yet.
        self._setups: Dict[str, float] = {}
        # The test that each worker of xdist was last said to run.
        self._told_on: Dict[str, int] = {}
        # Tests with subtests, whose own outcome only `pytest_report_teststatus` knows.
        self._with_subtests: Set[str] = set()
        self._warnings: Set[Tuple[str, str]] = set()
        self._warnings_dropped = 0
        self._session: Any = None
        self._finished = False
        self._wall = pipe.now
        self._write = pipe.write

    # --- the frequent hooks ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str, location: Location) -> None:
        number = self._numbers.get(nodeid)
        if number is None:
            number = self._announce_late(nodeid, location)
        held = self._held
        self._held = b""
        # Whole microseconds with an exponent: half the time of `%.6f` for so large a number.
        self._write(b'%b{"start":[%d,%de-6]}\n' % (held, number, self._wall() * 1e6))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if (
            report.outcome == "passed"
            and type(report) is pytest.TestReport
            and "wasxfail" not in report.__dict__
        ):
            nodeid = report.nodeid
            when = report.when
            if when == "setup":
                self._setups[nodeid] = report.duration
                return
            number = self._numbers.get(nodeid)
            if number is not None and nodeid not in self._with_subtests:
                if when == "call":
                    held = self._held
                    self._held = b""
                    if self._distributed:
                        held += self._on(number, report)
                    setup = self._setups.pop(nodeid, 0.0)
                    self._write(
                        b'%b{"passed":[%d,%.6f,%.6f]}\n' % (held, number, setup, report.duration)
                    )
                    return
                if when == "teardown":
                    self._held += b'{"end":[%d,%.6f]}\n' % (number, report.duration)
                    if report.duration > LONG_TEARDOWN_S:
                        self._write(self._held)
                        self._held = b""
                    return
        try:
            self._report(report)
        except Exception:
            self._pipe.send("internal_error", "pytest-platform: " + traceback.format_exc())

    # --- one test, when it is not a plain pass ---

    def _report(self, report: Any) -> None:
        nodeid = report.nodeid
        location = getattr(report, "location", None) or (nodeid.split("::")[0], None, nodeid)
        number = self._numbers.get(nodeid)
        if number is None:
            number = self._announce_late(nodeid, location)
        # First of all: with subtests, asking for the category changes the report.
        category = self._category(report)
        event: Dict[str, object] = {
            "test": number,
            "when": str(report.when),
            "outcome": str(report.outcome),
            "category": category,
            "duration": float(getattr(report, "duration", 0.0) or 0.0),
        }
        if type(report).__name__ in ("SubtestReport", "SubTestReport"):
            self._with_subtests.add(nodeid)
            event["subtest"] = cut(subtest_description(report), MESSAGE_BYTES_MAX)
        elif report.when != "setup" and nodeid in self._setups:
            event["setup"] = self._setups.pop(nodeid)
        if report.outcome != "passed" or hasattr(report, "wasxfail"):
            add_texts(event, report)
        elif report.when == "teardown":
            self._with_subtests.discard(nodeid)
        held = self._held
        self._held = b""
        if self._distributed:
            held += self._on(number, report)
        self._write(held + self._pipe.line("report", event))

    def _category(self, report: Any) -> str:
        """What pytest's own terminal counts the report as."""
        try:
            status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
            return str(status[0])
        except Exception:
            # A plugin's hook raised; pytest's terminal will stumble over the same.
            if report.outcome == "failed" and report.when in ("setup", "teardown"):
                return "error"
            return str(report.outcome)

    def _on(self, number: int, report: Any) -> bytes:
        node = getattr(report, "node", None)
        return b"" if node is None else self._on_node(number, node)

    def _on_node(self, number: int, node: Any) -> bytes:
        name = node.gateway.id
        if self._told_on.get(name) == number:
            return b""
        self._told_on[name] = number
        return self._pipe.line("on", [number, name])

    def hold_peak(self, nodeid: str, kib: int) -> None:
        """Holds back what a test took at most, for the next write."""
        number = self._numbers.get(nodeid)
        if number is not None:
            self._held += b'{"memory":[%d,%d]}\n' % (number, kib)

    # --- names of tests ---

    def _announce(self, rows: List[str]) -> None:
        """Writes rows of tests that are already numbered; the last has the highest number."""
        first = len(self._numbers) - len(rows)
        for start in range(0, len(rows), ANNOUNCED_TESTS_MAX):
            chunk = ",".join(rows[start : start + ANNOUNCED_TESTS_MAX])
            line = f'{{"tests":{{"first":{first + start},"tests":[{chunk}]}}}}\n'
            self._write(line.encode("ascii"))

    def _announce_late(self, nodeid: str, location: Location) -> int:
        number = len(self._numbers)
        self._numbers[nodeid] = number
        row = [nodeid, location[0] or "", (location[1] if location[1] is not None else -1) + 1, []]
        self._announce([self._pipe.encode(row)])
        return number

    def _announce_items(self, items: List[Any]) -> None:
        encode = self._pipe.encode
        numbers = self._numbers
        files: Dict[str, str] = {}
        parents: Dict[Any, Tuple[str, ...]] = {}
        rows = []
        for item in items:
            nodeid = item.nodeid
            if nodeid in numbers:
                continue
            numbers[nodeid] = len(numbers)
            file, line, marks = "", 0, "[]"
            try:
                file, below, _ = item.location
                line = 0 if below is None else below + 1
                marks = encode(marker_names(item, parents))
            except Exception:
                pass  # An item of a plugin; its name is enough.
            quoted = files.get(file)
            if quoted is None:
                quoted = files[file] = encode(file)
            rows.append(f"[{encode(nodeid)},{quoted},{line},{marks}]")
        self._announce(rows)

    # --- the session ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> None:
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self) -> None:
        self._pipe.check()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: Any) -> None:
        self._announce_items(session.items)
        self._pipe.send("collected", len(session.items))

    def pytest_deselected(self, items: List[Any]) -> None:
        self._pipe.send("deselected", len(items))

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome == "passed":
            return
        text = skip_reason(report.longrepr) if report.outcome == "skipped" else None
        if text is None:
            text = long_text(report)
        event = {
            "nodeid": report.nodeid,
            "outcome": report.outcome,
            "text": cut(text, PROBLEM_TEXT_BYTES_MAX),
        }
        self._pipe.send("collect", event)

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        kind = getattr(warning_message.category, "__name__", "Warning")
        place = f"{warning_message.filename}:{warning_message.lineno}"
        key = (nodeid, f"{place}: {kind}: {warning_message.message}")
        if key in self._warnings:
            return
        if len(self._warnings) >= WARNINGS_MAX:
            self._warnings_dropped += 1
            return
        self._warnings.add(key)
        event = {"nodeid": nodeid, "text": cut(key[1], PROBLEM_TEXT_BYTES_MAX)}
        self._pipe.send("warning", event)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: object) -> None:
        self._pipe.send("internal_error", cut(excrepr, PROBLEM_TEXT_BYTES_MAX))

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        event = {
            "kind": excinfo.typename,
            "reason": cut(excinfo.value, PROBLEM_TEXT_BYTES_MAX),
        }
        self._pipe.send("interrupt", event)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: object) -> None:
        self._session = session
        self._write(self._held)
        self._held = b""
        if self._warnings_dropped:
            self._pipe.send("warnings_dropped", self._warnings_dropped)
        stopped = session.shouldfail or session.shouldstop or ""
        event = {
            "exit_status": int(exitstatus),  # type: ignore[call-overload]
            "stats": self._terminal_counts(),
            "stopped": cut(stopped, PROBLEM_TEXT_BYTES_MAX),
        }
        self._pipe.send("finish", event)
        self._finished = True

    def _terminal_counts(self) -> Dict[str, int]:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        counts = {}
        for category, reports in getattr(terminal, "stats", {}).items():
            if category:
                counted = [r for r in reports if getattr(r, "count_towards_summary", True)]
                counts[str(category)] = len(counted)
        return counts

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        self._write(self._held)
        self._held = b""
        if self._finished:
            self._pipe.send("goodbye", int(self._session.exitstatus))


def marker_names(item: Any, parents: Dict[Any, Tuple[str, ...]]) -> List[str]:
    """Names of an item's markers, nearest first; those of its parents are looked up once."""
    names = [mark.name for mark in item.own_markers]
    parent = item.parent
    if parent is not None:
        above = parents.get(parent)
        if above is None:
            above = parents[parent] = tuple(mark.name for mark in parent.iter_markers())
        names.extend(above)
    return list(dict.fromkeys(names))[:CASE_MARKERS_MAX] if names else names
