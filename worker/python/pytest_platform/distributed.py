"""The hooks of xdist's controller, which knows tests by their ids and hears the rest from afar.

An xdist worker, where the plugin is otherwise inert, adds to the report of a test's setup what only
the test itself knows.
"""

from typing import Any, Dict, List, Set

import pytest

from .reporter import Location, Reporter, marker_names
from .text import PROBLEM_TEXT_BYTES_MAX, cut

# In the `workerinput` of an xdist worker: the controller reports.
WORKER_INPUT = "pytest_platform"
# Names of the markers, an attribute of a report, as which it travels to the controller.
MARKERS = "_pytest_platform_markers"


class DistributedReporter(Reporter):
    """What `Reporter` does, for tests that run in other processes."""

    def __init__(self, pipe: Any, config: Any, distributed: bool) -> None:
        super().__init__(pipe, config, distributed)
        # Tests of which only the id is known.
        self._unplaced: Set[str] = set()
        # The worker of xdist that says at this moment that a test starts.
        self._starting: Any = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> None:
        super().pytest_sessionstart(session)
        try:
            self._ask_who_starts(self._config.pluginmanager.get_plugin("dsession"))
        except Exception:
            pass  # Another version of xdist: who runs a test is known at its first report.

    def _ask_who_starts(self, controller: Any) -> None:
        """The hook does not say which worker starts a test, and one that hangs reports nothing."""
        told = controller.worker_logstart

        def worker_logstart(node: Any, nodeid: str, location: Location) -> None:
            self._starting = node
            try:
                told(node=node, nodeid=nodeid, location=location)
            finally:
                self._starting = None

        controller.worker_logstart = worker_logstart

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: Any) -> None:
        """The controller collects nothing."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[WORKER_INPUT] = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: List[str]) -> None:
        numbers = self._numbers
        rows = []
        for nodeid in ids:
            if nodeid not in numbers:
                numbers[nodeid] = len(numbers)
                file = nodeid.split("::")[0]
                rows.append(self._pipe.encode([nodeid, file, 0, []]))
                self._unplaced.add(nodeid)
        self._announce(rows)
        self._pipe.send("collected", len(ids))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error:
            text = cut(error, PROBLEM_TEXT_BYTES_MAX)
            self._pipe.send("worker_down", {"worker": node.gateway.id, "text": text})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str, location: Location) -> None:
        if nodeid in self._unplaced:
            self._unplaced.discard(nodeid)
            file, line, _ = location
            if line is not None:
                self._place(nodeid, [file, line + 1, []])
        number = self._numbers.get(nodeid)
        if number is not None and self._starting is not None:
            self._held += self._on_node(number, self._starting)
        super().pytest_runtest_logstart(nodeid, location)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        markers = report.__dict__.get(MARKERS)
        if markers:
            self._place(report.nodeid, ["", 0, markers])
        super().pytest_runtest_logreport(report)

    def _place(self, nodeid: str, known: List[Any]) -> None:
        """Holds back what is now known of a test, for the next write."""
        number = self._numbers.get(nodeid)
        if number is not None:
            self._held += self._pipe.line("place", [number, *known])


class MarkerTeller:
    """Runs in a worker of xdist and tells the controller the markers of each test."""

    def __init__(self) -> None:
        self._parents: Dict[Any, Any] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        outcome = yield
        if call.when != "setup":
            return
        try:
            markers = marker_names(item, self._parents)
            if markers:
                setattr(outcome.get_result(), MARKERS, list(markers))
        except Exception:
            pass  # Markers of a plugin's own kind, or a report that raised: the tests go on.
