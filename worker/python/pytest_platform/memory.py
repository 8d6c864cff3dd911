"""Peak memory of each test, where it was asked for.

`ru_maxrss` never goes down, so the greatest test would be every later test's too. Linux lets a
process forget its peak: that is done before a test's setup, and the peak is read when its teardown
is over. What is measured is the process that runs the test, interpreter and fixtures included,
without its children. The files are opened each time: a descriptor that is kept could be closed by a
test, and its number be another file's by then.
"""

import os
from typing import Any, List, Optional

import pytest

# In the `workerinput` of an xdist worker: measure.
WORKER_INPUT = "pytest_platform_memory"
# KiB, an attribute of the report of a teardown, as which it travels to xdist's controller.
PEAK = "_pytest_platform_peak_kib"

STATUS_BYTES_MAX = 8 * 1024


class Peak:
    """The peak of this process. Tests replace functions of `os`, so it keeps what it needs."""

    def __init__(self) -> None:
        self._open = os.open
        self._read = os.read
        self._write = os.write
        self._close = os.close
        self._reading = os.O_RDONLY | os.O_CLOEXEC
        self._writing = os.O_WRONLY | os.O_CLOEXEC

    def forget(self) -> bool:
        """Begins anew with what the process has now. False where the system cannot do that."""
        try:
            descriptor = self._open("/proc/self/clear_refs", self._writing)
        except OSError:
            return False
        try:
            self._write(descriptor, b"5")
        except OSError:
            return False
        finally:
            self._close(descriptor)
        return True

    def kib(self) -> Optional[int]:
        """The most that was resident since then."""
        try:
            descriptor = self._open("/proc/self/status", self._reading)
        except OSError:
            return None
        try:
            status = self._read(descriptor, STATUS_BYTES_MAX)
        finally:
            self._close(descriptor)
        _, _, rest = status.partition(b"VmHWM:")
        return int(rest[: rest.index(b"kB")])


class MemoryTeller:
    """Runs where the tests run, and adds to the report of a teardown what the test took."""

    def __init__(self) -> None:
        self._peak = Peak()
        self._known = False
        self._item: Any = None
        # Of all attempts: some versions of pytest-rerunfailures keep teardowns to themselves.
        self._kib = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> None:
        if item is not self._item:
            self._item = item
            self._kib = 0
        try:
            self._known = self._peak.forget()
        except Exception:
            self._known = False

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: Any) -> Any:
        outcome = yield
        if call.when != "teardown" or not self._known:
            return
        try:
            peak = self._peak.kib()
            if peak is not None:
                self._kib = max(self._kib, peak)
                setattr(outcome.get_result(), PEAK, self._kib)
        except Exception:
            pass  # It stays unknown, and the tests go on.


class MemoryListener:
    """Runs where reports arrive, and passes on what they say."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        peak = report.__dict__.get(PEAK)
        if peak is not None:
            self._reporter.hold_peak(report.nodeid, peak)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[WORKER_INPUT] = True


def plugins(reporter: Any, distributed: bool) -> List[Any]:
    """What measures in this process. It comes after the reporter, and so is asked before it."""
    listener = MemoryListener(reporter)
    return [listener] if distributed else [MemoryTeller(), listener]
