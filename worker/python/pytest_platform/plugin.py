"""Tells the worker process what pytest does, one JSON line an event, over a pipe.

The plugin is inert unless a worker started this process (`PYTEST_PLATFORM_FD` names the pipe) or
`MASTER_URL` is set and the plugin is installed, when it starts a worker beside itself. It must never
fail a test, never slow one noticeably and never be fooled by what tests do to `time`, `os`, `json`
or the environment: whatever it needs of them is bound here, at import, and not under a module-level
name, where freezegun would find and replace it. `PROTOCOL.md` describes the lines.
"""

import atexit
import errno
import json.encoder
import os
import select
import sys
import time
import traceback
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

import pytest

VERSION = 1

# The limits of `shared::limits`, in bytes of UTF-8.
MESSAGE_BYTES_MAX = 64 * 1024
TRACEBACK_BYTES_MAX = 256 * 1024
CAPTURED_BYTES_MAX = 64 * 1024
PROBLEM_TEXT_BYTES_MAX = 16 * 1024
CASE_MARKERS_MAX = 50
# Distinct warnings that are sent; the others are counted.
WARNINGS_MAX = 100
# Tests in one announcement: a line of some 50 KiB.
ANNOUNCED_TESTS_MAX = 500
# How long the plugin waits, in all, for a worker that does not read.
STUCK_S_MAX = 5.0
# How long it waits at the end for the worker beside it; the worker's own limit is lower.
SIDECAR_S_MAX = 30.0
PIPE_BYTES = 1024 * 1024


def _clean(text: object) -> str:
    """Makes valid Unicode of any text: lone surrogates and NUL become visible escapes."""
    if type(text) is not str:
        text = str.__str__(str(text))
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-8", "backslashreplace").decode()
    return text


def _cut(text: object, bytes_max: int) -> str:
    """Cuts a text visibly, keeping its beginning and its end, as `shared::text::cut` does."""
    clean = _clean(text)
    if len(clean) * 4 <= bytes_max:
        return clean
    data = clean.encode()
    if len(data) <= bytes_max:
        return clean
    room = bytes_max - len("\n[... %d bytes cut ...]\n" % len(data))
    head = data[: room - room // 3].decode("utf-8", "ignore")
    tail = data[len(data) - room // 3 :].decode("utf-8", "ignore")
    missing = len(data) - len(head.encode()) - len(tail.encode())
    return "%s\n[... %d bytes cut ...]\n%s" % (head, missing, tail)


class Pipe:
    """The way out: writes whole lines, waits a bounded time, gives up for good, never raises."""

    def __init__(self, descriptor: int) -> None:
        self._os_write = os.write
        self._os_close = os.close
        self._getpid = os.getpid
        self._poll = select.poll
        self._pollout = select.POLLOUT
        self._monotonic = time.monotonic
        self._epoch = time.time() - time.monotonic()
        self._quote = json.encoder.encode_basestring_ascii
        self._descriptor = _hide(descriptor)
        self._owner = os.getpid()
        self._rest = b""
        self._patience_s = STUCK_S_MAX
        os.register_at_fork(after_in_child=self.close)

    def now(self) -> float:
        """Seconds since 1970, by a clock that tests cannot stop."""
        return self._epoch + self._monotonic()

    def write(self, data: bytes) -> None:
        """Writes lines; data that does not fit is kept and written first the next time."""
        if self._descriptor < 0 or self._getpid() != self._owner:
            return
        if self._rest:
            self._write_all(data)
            return
        try:
            written = self._os_write(self._descriptor, data)
        except BlockingIOError:
            written = 0
        except OSError:
            self.close()
            return
        if written != len(data):
            self._write_all(data[written:])

    def _write_all(self, data: bytes) -> None:
        self._rest += data
        try:
            while self._rest:
                if not self._wait():
                    self.close()
                    return
                try:
                    written = self._os_write(self._descriptor, self._rest)
                except BlockingIOError:
                    continue
                self._rest = self._rest[written:]
        except OSError:
            self.close()

    def _wait(self) -> bool:
        if self._patience_s <= 0:
            return False
        started = self._monotonic()
        poll = self._poll()
        poll.register(self._descriptor, self._pollout)
        ready = poll.poll(self._patience_s * 1000)
        self._patience_s -= self._monotonic() - started
        return bool(ready)

    def send(self, name: str, value: object) -> None:
        """Writes one event that is not frequent."""
        self.write(self.line(name, value))

    def line(self, name: str, value: object) -> bytes:
        """One event as a line."""
        return ('{"%s":%s}\n' % (name, self.encode(value))).encode("ascii")

    def encode(self, value: object) -> str:
        """JSON, by hand: the interpreter's own encoder can be patched under our feet."""
        if isinstance(value, str):
            return self._quote(_clean(value))
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return "%d" % value
        if isinstance(value, float):
            return "%.6f" % value if -1e15 < value < 1e15 else "0"
        if isinstance(value, Mapping):
            fields = ["%s:%s" % (self.encode(str(k)), self.encode(v)) for k, v in value.items()]
            return "{%s}" % ",".join(fields)
        if isinstance(value, (list, tuple)):
            return "[%s]" % ",".join([self.encode(item) for item in value])
        return self.encode(str(value))

    def close(self) -> None:
        """Ends the reporting of this process, and of a forked child."""
        descriptor, self._descriptor = self._descriptor, -1
        self._rest = b""
        if descriptor >= 0:
            try:
                self._os_close(descriptor)
            except OSError:
                pass


def _hide(descriptor: int) -> int:
    """Moves a descriptor to a high number, where tests rarely look, and keeps it from children."""
    import fcntl
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    lowest = 4000 if soft == resource.RLIM_INFINITY else max(3, min(soft, 4096) - 96)
    try:
        hidden = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.EINVAL):
            raise
        os.set_inheritable(descriptor, False)
        hidden = descriptor
    else:
        os.close(descriptor)
    os.set_blocking(hidden, False)
    try:
        fcntl.fcntl(hidden, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
    except OSError:
        pass  # Not Linux, or over the user's quota: the pipe stays as it is.
    return hidden


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
        # Tests with subtests, whose own outcome only `pytest_report_teststatus` knows.
        self._with_subtests: Set[str] = set()
        self._warnings: Set[Tuple[str, str]] = set()
        self._warnings_dropped = 0
        self._session: Any = None
        self._wall = pipe.now
        self._write = pipe.write

    # --- the frequent hooks ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str, location: Tuple[str, Optional[int], str]) -> None:
        number = self._numbers.get(nodeid)
        if number is None:
            number = self._announce_late(nodeid, location)
        held = self._held
        self._held = b""
        self._write(b'%b{"start":[%d,%.6f]}\n' % (held, number, self._wall()))

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
            event["subtest"] = _cut(_subtest_description(report), MESSAGE_BYTES_MAX)
        elif report.when != "setup" and nodeid in self._setups:
            event["setup"] = self._setups.pop(nodeid)
        if report.outcome != "passed" or hasattr(report, "wasxfail"):
            _add_texts(event, report)
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
        if node is None:
            return b""
        return self._pipe.line("on", [number, node.gateway.id])

    # --- names of tests ---

    def _announce(self, rows: List[str]) -> None:
        """Writes rows of tests that are already numbered; the last has the highest number."""
        first = len(self._numbers) - len(rows)
        for start in range(0, len(rows), ANNOUNCED_TESTS_MAX):
            chunk = ",".join(rows[start : start + ANNOUNCED_TESTS_MAX])
            line = '{"tests":{"first":%d,"tests":[%s]}}\n' % (first + start, chunk)
            self._write(line.encode("ascii"))

    def _announce_late(self, nodeid: str, location: Tuple[str, Optional[int], str]) -> int:
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
                marks = encode(_markers(item, parents))
            except Exception:
                pass  # An item of a plugin; its name is enough.
            quoted = files.get(file)
            if quoted is None:
                quoted = files[file] = encode(file)
            rows.append("[%s,%s,%d,%s]" % (encode(nodeid), quoted, line, marks))
        self._announce(rows)

    # --- the session ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> None:
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: Any) -> None:
        if self._distributed:
            return
        self._announce_items(session.items)
        self._pipe.send("collected", len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: List[str]) -> None:
        numbers = self._numbers
        rows = []
        for nodeid in ids:
            if nodeid not in numbers:
                numbers[nodeid] = len(numbers)
                file = nodeid.split("::")[0]
                rows.append(self._pipe.encode([nodeid, file, 0, []]))
        self._announce(rows)
        self._pipe.send("collected", len(ids))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error:
            text = _cut(error, PROBLEM_TEXT_BYTES_MAX)
            self._pipe.send("worker_down", {"worker": node.gateway.id, "text": text})

    def pytest_deselected(self, items: List[Any]) -> None:
        self._pipe.send("deselected", len(items))

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome == "passed":
            return
        text = _skip_reason(report.longrepr) if report.outcome == "skipped" else None
        if text is None:
            text = _long_text(report)
        event = {
            "nodeid": report.nodeid,
            "outcome": report.outcome,
            "text": _cut(text, PROBLEM_TEXT_BYTES_MAX),
        }
        self._pipe.send("collect", event)

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        kind = getattr(warning_message.category, "__name__", "Warning")
        place = "%s:%s" % (warning_message.filename, warning_message.lineno)
        key = (nodeid, "%s: %s: %s" % (place, kind, warning_message.message))
        if key in self._warnings:
            return
        if len(self._warnings) >= WARNINGS_MAX:
            self._warnings_dropped += 1
            return
        self._warnings.add(key)
        event = {"nodeid": nodeid, "text": _cut(key[1], PROBLEM_TEXT_BYTES_MAX)}
        self._pipe.send("warning", event)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: object) -> None:
        self._pipe.send("internal_error", _cut(excrepr, PROBLEM_TEXT_BYTES_MAX))

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        event = {
            "kind": excinfo.typename,
            "reason": _cut(excinfo.value, PROBLEM_TEXT_BYTES_MAX),
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
            "stopped": _cut(stopped, PROBLEM_TEXT_BYTES_MAX),
        }
        self._pipe.send("finish", event)
        _state.finished = True

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
        if _state.finished:
            self._pipe.send("goodbye", int(self._session.exitstatus))
        _end_sidecar()


def _markers(item: Any, parents: Dict[Any, Tuple[str, ...]]) -> List[str]:
    """Names of an item's markers, nearest first; those of its parents are looked up once."""
    names = [mark.name for mark in item.own_markers]
    parent = item.parent
    if parent is not None:
        above = parents.get(parent)
        if above is None:
            above = parents[parent] = tuple(mark.name for mark in parent.iter_markers())
        names.extend(above)
    return list(dict.fromkeys(names))[:CASE_MARKERS_MAX] if names else names


def _subtest_description(report: Any) -> str:
    for name in ("_sub_test_description", "sub_test_description"):
        describe = getattr(report, name, None)
        if describe is not None:
            return str(describe())
    return "(<subtest>)"


def _skip_reason(longrepr: object) -> Optional[str]:
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        reason = str(longrepr[2])
        return reason[len("Skipped: ") :] if reason.startswith("Skipped: ") else reason
    return None


def _long_text(report: Any) -> str:
    try:
        return str(report.longreprtext)
    except Exception:
        return str(report.longrepr)


def _short_text(report: Any, long_text: str) -> str:
    if hasattr(report, "wasxfail"):
        reason = str(report.wasxfail)
        return reason[len("reason: ") :] if reason.startswith("reason: ") else reason
    reason = _skip_reason(report.longrepr)  # type: ignore[assignment]
    if reason is not None:
        return reason
    crash = getattr(report.longrepr, "reprcrash", None)
    message = getattr(crash, "message", None)
    if message:
        return str(message)
    lines = [line for line in long_text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _add_texts(event: Dict[str, object], report: Any) -> None:
    long_text = "" if report.longrepr is None else _long_text(report)
    event["message"] = _cut(_short_text(report, long_text), MESSAGE_BYTES_MAX)
    if report.outcome == "skipped":
        return
    event["traceback"] = _cut(long_text, TRACEBACK_BYTES_MAX)
    for title, field in (
        ("Captured stdout", "stdout"),
        ("Captured stderr", "stderr"),
        ("Captured log", "log"),
    ):
        texts = [
            _cut(text, CAPTURED_BYTES_MAX)
            for name, text in report.sections
            if name.startswith(title)
        ]
        if texts:
            event[field] = _cut("".join(texts), CAPTURED_BYTES_MAX)


class _State:
    """What the module remembers between import and the end of the interpreter."""

    pipe: Optional[Pipe] = None
    finished = False
    used = False
    sidecar: Any = None
    sidecar_environment: Optional[Dict[str, str]] = None
    terminal = -1


_state = _State()


def _load() -> None:
    """Takes what the worker left in the environment, and leaves nothing of it to the tests."""
    environment = os.environ
    descriptor = environment.get("PYTEST_PLATFORM_FD", "")
    nested = "PYTEST_PLATFORM_NESTED" in environment or "PYTEST_XDIST_WORKER" in environment
    if not descriptor and (nested or not environment.get("MASTER_URL")):
        return
    before = dict(environment)
    if "PYTEST_PLATFORM_PYTHONPATH" in before:
        environment["PYTHONPATH"] = before["PYTEST_PLATFORM_PYTHONPATH"]
    elif descriptor:
        environment.pop("PYTHONPATH", None)
    for name in before:
        if name.startswith("PYTEST_PLATFORM_") or name == "MASTER_TOKEN":
            environment.pop(name, None)
    if "MASTER_URL" in before:
        # A pytest that a test starts is that test's own affair.
        environment["PYTEST_PLATFORM_NESTED"] = "1"
    if descriptor:
        _greet(Pipe(int(descriptor)))
    else:
        _state.sidecar_environment = before
        # pytest is about to capture descriptor 2; the worker's last line belongs on the real one.
        _state.terminal = os.dup(2)


def _greet(pipe: Pipe) -> None:
    _state.pipe = pipe
    machine = os.uname()
    event = {
        "version": VERSION,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "platform": "%s-%s-%s" % (machine.sysname, machine.release, machine.machine),
        "pid": os.getpid(),
    }
    pipe.send("hello", event)
    atexit.register(_say_exit, traceback.format_exception)


def _say_exit(format_exception: Callable[..., List[str]]) -> None:
    """Tells an orderly end of the interpreter from a sudden one, and why it was no normal one."""
    pipe = _state.pipe
    if pipe is None:
        return
    error = getattr(sys, "last_value", None)
    text = ""
    if error is not None:
        try:
            text = "".join(format_exception(type(error), error, error.__traceback__))
        except Exception:
            text = type(error).__name__
    pipe.send("exit", _cut(text, PROBLEM_TEXT_BYTES_MAX))


def _start_sidecar() -> None:
    """Starts the installed worker beside pytest, at the other end of a new pipe."""
    import shutil
    import subprocess

    environment, _state.sidecar_environment = _state.sidecar_environment, None
    name = "pytest-platform-worker"
    binary = os.path.join(os.path.dirname(sys.executable), name)
    if not os.access(binary, os.X_OK):
        binary = shutil.which(name) or ""
    if binary:
        reading, writing = os.pipe()
        _state.sidecar = subprocess.Popen(
            [binary, "sidecar", "--fd", str(reading)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=_state.terminal,
            pass_fds=(reading,),
            start_new_session=True,
            env=environment,
        )
        os.close(reading)
        _greet(Pipe(writing))
    os.close(_state.terminal)


def _end_sidecar() -> None:
    """Waits for the worker beside pytest, whose own limit on uploading is below ours."""
    if _state.sidecar is None or _state.pipe is None:
        return
    _state.pipe.close()
    try:
        _state.sidecar.wait(SIDECAR_S_MAX)
    except Exception:
        pass  # It goes on in its own session; the tests are over and must not hang.


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Starts the worker, where the plugin was installed and asked for by `MASTER_URL`."""
    if _state.sidecar_environment is not None:
        try:
            _start_sidecar()
        except Exception:
            _state.pipe = None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Registers the hooks of the first session in this process, and only of that."""
    pipe = _state.pipe
    if pipe is None or _state.used or hasattr(config, "workerinput"):
        return
    _state.used = True
    try:
        distributed = _is_distributed(config)
        pipe.send("session", _session_facts(config, distributed))
        config.pluginmanager.register(Reporter(pipe, config, distributed), "pytest-platform")
    except Exception:
        pipe.send("internal_error", "pytest-platform: " + traceback.format_exc())


def _is_distributed(config: Any) -> bool:
    option = config.option
    return getattr(option, "dist", "no") != "no" and bool(getattr(option, "tx", None))


def _session_facts(config: Any, distributed: bool) -> Dict[str, object]:
    plugins = []
    for _, distribution in config.pluginmanager.list_plugin_distinfo():
        name = "%s-%s" % (distribution.project_name, distribution.version)
        name = name[len("pytest-") :] if name.startswith("pytest-") else name
        if name not in plugins:
            plugins.append(name)
    flags = sys.flags
    python_flags = [
        name
        for name, on in (("-O", flags.optimize == 1), ("-OO", flags.optimize > 1))
        + (("-I", flags.isolated), ("-X dev", flags.dev_mode), ("-E", flags.ignore_environment))
        if on
    ]
    return {
        "pytest": pytest.__version__,
        "plugins": plugins,
        "args": [str(arg) for arg in config.invocation_params.args],
        "rootdir": str(getattr(config, "rootpath", "")),
        "python_flags": python_flags,
        "distributed": distributed,
    }


try:
    _load()
except Exception:
    _state.pipe = None  # Whatever is wrong with the pipe, the tests run.
