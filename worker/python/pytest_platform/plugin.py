"""Tells the worker process what pytest does, one JSON line an event, over a pipe.

The plugin is inert unless a worker started this process (`PYTEST_PLATFORM_FD` names the pipe) or
`MASTER_URL` is set and the plugin is installed, when it starts a worker beside itself. It must
never fail a test and never slow one noticeably. `PROTOCOL.md` describes the lines.

PYTEST_DONT_REWRITE: pytest would rewrite the assertions of a plugin, for which this has no time.
"""

import atexit
import os
import sys
import traceback
from typing import Any, Callable, Dict, List, Optional

import pytest

from .output import SpareOutput
from .pipe import Pipe
from .text import PROBLEM_TEXT_BYTES_MAX, cut

VERSION = 1


class _State:
    """What the module remembers between its import and the end of the interpreter."""

    pipe: Optional[Pipe] = None
    # The first session's configuration: only that one is reported.
    config: Any = None
    sidecar: Any = None
    sidecar_environment: Optional[Dict[str, str]] = None
    terminal = -1
    # Whether the peak memory of each test is wanted.
    memory = False


_state = _State()


def _load() -> None:
    """Takes what the worker left in the environment, and leaves nothing of it to the tests."""
    environment = os.environ
    descriptor = environment.get("PYTEST_PLATFORM_FD", "")
    nested = "PYTEST_PLATFORM_NESTED" in environment or "PYTEST_XDIST_WORKER" in environment
    if not descriptor and (nested or not environment.get("MASTER_URL")):
        return
    before = dict(environment)
    _state.memory = _wants_memory(before, bool(descriptor))
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
        output = SpareOutput(before.get("PYTEST_PLATFORM_OUTPUT", ""))
        _greet(Pipe(int(descriptor), output.take_over))
    else:
        _state.sidecar_environment = before
        # pytest is about to capture descriptor 2; the worker's last line belongs on the real one.
        _state.terminal = os.dup(2)


def _wants_memory(environment: Dict[str, str], has_worker: bool) -> bool:
    """Whether the worker asks for it; before there is one, the user."""
    if has_worker:
        return "PYTEST_PLATFORM_MEMORY" in environment
    return environment.get("WORKER_MEMORY", "").lower() not in ("", "0", "false", "no", "off")


def _greet(pipe: Pipe) -> None:
    _state.pipe = pipe
    machine = os.uname()
    event = {
        "version": VERSION,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "platform": f"{machine.sysname}-{machine.release}-{machine.machine}",
        "pid": os.getpid(),
    }
    pipe.send("hello", event)
    atexit.register(_say_exit)


def _say_exit() -> None:
    """Tells an orderly end of the interpreter from a sudden one, and why it was no normal one."""
    pipe = _state.pipe
    if pipe is None:
        return
    error = getattr(sys, "last_value", None)
    text = "" if error is None else _traceback(error)
    pipe.send("exit", cut(text, PROBLEM_TEXT_BYTES_MAX))


def _traceback(
    error: BaseException, format_exception: Callable[..., List[str]] = traceback.format_exception
) -> str:
    try:
        return "".join(format_exception(type(error), error, error.__traceback__))
    except Exception:
        return type(error).__name__


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    """Starts the worker, where the plugin was installed and asked for by `MASTER_URL`."""
    environment, _state.sidecar_environment = _state.sidecar_environment, None
    if environment is None:
        return
    try:
        from . import sidecar

        if sidecar.wanted(early_config.known_args_namespace):
            words = ["pytest", *map(str, early_config.invocation_params.args)]
            started = sidecar.start(environment, _state.terminal, words)
            if started is not None:
                pipe, _state.sidecar = started
                _greet(pipe)
        os.close(_state.terminal)
    except Exception:
        _state.pipe = None  # Whatever is wrong with the worker, the tests run.


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Registers the hooks of the first session in this process, and only of that."""
    pipe = _state.pipe
    if hasattr(config, "workerinput"):
        _help_controller(config)
        return
    if pipe is None or _state.config is not None:
        return
    _state.config = config
    try:
        from .session import is_distributed, session_facts

        distributed = is_distributed(config)
        pipe.send("session", session_facts(config, distributed))
        reporter: Any
        if distributed:
            from .distributed import DistributedReporter

            reporter = DistributedReporter(pipe, config, distributed)
        else:
            from .reporter import Reporter

            reporter = Reporter(pipe, config, distributed)
        config.pluginmanager.register(reporter, "pytest-platform")
        if _state.memory:
            from . import memory

            for plugin in memory.plugins(reporter, distributed):
                config.pluginmanager.register(plugin)
    except Exception:
        pipe.send("internal_error", "pytest-platform: " + traceback.format_exc())


def _help_controller(config: Any) -> None:
    """In a worker of xdist whose controller reports: nothing is written, but reports say more."""
    try:
        if config.workerinput.get("pytest_platform"):
            from .distributed import MarkerTeller

            config.pluginmanager.register(MarkerTeller(), "pytest-platform")
        if config.workerinput.get("pytest_platform_memory"):
            from .memory import MemoryTeller

            config.pluginmanager.register(MemoryTeller())
    except Exception:
        pass  # The markers and the memory stay unknown.


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_unconfigure(config: Any) -> Any:
    """Lets the worker beside pytest finish, once all other hooks have ended or raised."""
    outcome = yield
    pipe = _state.pipe
    if _state.sidecar is not None and config is _state.config and pipe is not None:
        from . import sidecar

        # Raised by another plugin's hook, now or before, and on its way out of pytest: what comes
        # of it is not seen from here.
        error = outcome.excinfo[1] if outcome.excinfo else sys.exc_info()[1]
        if error is not None:
            pipe.send("exit", cut(_traceback(error), PROBLEM_TEXT_BYTES_MAX))
        pipe.close()
        sidecar.wait(_state.sidecar)


try:
    _load()
except Exception:
    _state.pipe = None  # Whatever is wrong with the pipe, the tests run.
