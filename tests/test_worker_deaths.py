"""pytest ends without a goodbye: the run says how, who was running and what never ran."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from platform_under_test import Master
from worker_sessions import Session, last_names, only_run, outcomes, texts


class Death(NamedTuple):
    """A test that takes its process along, and what is known afterwards."""

    body: str
    exit_code: int | None = None
    signal: str | None = None
    says: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def worker_exit_code(self) -> int:
        numbers = {"SIGKILL": 137, "SIGSEGV": 139, "SIGTERM": 143, "SIGABRT": 134}
        return numbers[self.signal] if self.signal else self.exit_code or 0

    @property
    def tests(self) -> str:
        body = "\n".join("    " + line for line in self.body.splitlines())
        return (
            "import ctypes, os, resource, signal, subprocess, sys, time\nimport pytest\n"
            "def test_before():\n    print('before was here')\n"
            f"def test_victim():\n{body}\n"
            "def test_zafter():\n    pass\n"
        )


HOG = """
kept = []
try:
    while True:
        kept.append(ctypes.create_string_buffer(16 * 1024 * 1024))
except MemoryError:
    os.kill(os.getpid(), signal.SIGKILL)
""".strip()

DEATHS = {
    "killed": Death("os.kill(os.getpid(), signal.SIGKILL)", signal="SIGKILL"),
    "segfault": Death("ctypes.string_at(0)", signal="SIGSEGV", says="Segmentation fault"),
    "abort": Death("os.abort()", signal="SIGABRT", says="Fatal Python error: Aborted"),
    "terminated-by-itself": Death("os.kill(os.getpid(), signal.SIGTERM)", signal="SIGTERM"),
    "exit-3": Death("os._exit(3)", exit_code=3),
    "exit-0": Death("os._exit(0)", exit_code=0),
    "exit-in-thread": Death(
        "import threading\nthreading.Thread(target=lambda: os._exit(9)).start()\ntime.sleep(30)",
        exit_code=9,
    ),
    "timeout-thread": Death(
        "time.sleep(60)",
        exit_code=1,
        says="Timeout",
        arguments=("--timeout=1", "--timeout-method=thread"),
    ),
    # The kernel's own killer cannot be had for one process; it kills with the same signal.
    "out-of-memory": Death(
        f"resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))\n{HOG}", signal="SIGKILL"
    ),
}


@pytest.fixture
def started(worker_binary: Path, master: Master, tmp_path: Path) -> Any:
    """Makes a session of these tests."""
    return lambda tests: Session(worker_binary, master.url, tmp_path, tests)


def check_victim(master: Master, run: dict[str, Any]) -> None:
    assert outcomes(master, run) == {"test_before": "passed", "test_victim": "crashed"}
    assert last_names(run["running"]) == ["test_victim"]
    assert last_names(run["not_run"]) == ["test_zafter"]
    assert (run["finished"], run["complete"], run["collected"]) == (False, False, 3)
    assert any(problem["kind"] == "crash" for problem in run["problems"])


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_names_its_victim_and_keeps_what_was_before(
    name: str, started: Any, master: Master
) -> None:
    death = DEATHS[name]
    session = started(death.tests).start(*death.arguments)
    assert session.end() == death.worker_exit_code, session.output
    run = session.run(master)
    assert run["status"] == "crashed"
    assert (run["exit_code"], run["signal"]) == (death.exit_code, death.signal)
    check_victim(master, run)
    assert death.says in run["log_tail"]
    assert "test_it.py" in run["log_tail"]


@pytest.mark.parametrize("name", ["killed", "segfault", "exit-0", "timeout-thread"])
def test_beside_pytest_the_worker_says_what_it_knows_and_no_more(
    name: str, started: Any, master: Master
) -> None:
    death = DEATHS[name]
    session = started(death.tests).start_sidecar(*death.arguments)
    assert session.end() == death.worker_exit_code, session.output
    run = only_run(master)
    assert run["status"] == "crashed"
    assert (run["exit_code"], run["signal"], run["log_tail"]) == (None, None, "")
    check_victim(master, run)


@pytest.mark.parametrize("name", ["killed", "segfault", "exit-0", "timeout-thread"])
def test_the_death_of_an_xdist_worker_is_its_tests_and_the_run_goes_on(
    name: str, started: Any, master: Master
) -> None:
    death = DEATHS[name]
    session = started(death.tests).start("-n", "2", *death.arguments)
    assert session.end() == 1, session.output
    run = session.run(master)
    assert run["status"] == "failed"
    assert (run["exit_code"], run["signal"], run["finished"]) == (1, None, True)
    expected = {"test_before": "passed", "test_victim": "crashed", "test_zafter": "passed"}
    assert outcomes(master, run) == expected
    victim = next(c for c in master.cases(run["run_id"]) if "victim" in c["nodeid"])
    assert victim["xdist_worker"].startswith("gw")
    crashes = [problem["where"] for problem in run["problems"] if problem["kind"] == "crash"]
    assert crashes == [victim["xdist_worker"]]


@pytest.mark.parametrize("form", ["run", "sidecar"])
def test_the_death_of_the_xdist_controller_names_every_test_that_was_running(
    form: str, started: Any, master: Master
) -> None:
    tests = (
        "import os, signal, time, pytest\n"
        "@pytest.mark.xdist_group('a')\ndef test_kills():\n"
        "    while not os.path.exists('sleeping'): time.sleep(0.01)\n"
        "    time.sleep(1)\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
        "    time.sleep(5)\n"
        "@pytest.mark.xdist_group('b')\ndef test_sleeps():\n"
        "    open('sleeping', 'w').close()\n"
        "    time.sleep(5)\n"
        "@pytest.mark.xdist_group('a')\ndef test_later():\n    pass\n"
        "@pytest.mark.xdist_group('b')\ndef test_last():\n    pass\n"
    )
    session = started(tests)
    arguments = ("-n", "2", "--dist", "loadgroup")
    session = session.start(*arguments) if form == "run" else session.start_sidecar(*arguments)
    assert session.end() == 137, session.output
    run = only_run(master)
    assert run["status"] == "crashed"
    assert run["signal"] == ("SIGKILL" if form == "run" else None)
    assert sorted(last_names(run["running"])) == ["test_kills", "test_sleeps"]
    assert sorted(last_names(run["not_run"])) == ["test_last", "test_later"]


def test_a_death_at_import_leaves_no_test_behind_and_is_no_empty_run(
    started: Any, master: Master
) -> None:
    session = started("import os\nos._exit(0)\n").start()
    assert session.end() == 0
    run = session.run(master)
    assert (run["status"], run["exit_code"], run["collected"]) == ("crashed", 0, None)
    assert "no goodbye" in texts(run)


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_a_death_in_a_fixture_is_its_tests(phase: str, started: Any, master: Master) -> None:
    steps = ("os._exit(5)", "yield") if phase == "setup" else ("yield", "os._exit(5)")
    tests = (
        "import os, pytest\n@pytest.fixture\ndef room():\n"
        f"    {steps[0]}\n    {steps[1]}\n"
        "def test_before(): pass\ndef test_victim(room): pass\ndef test_zafter(): pass\n"
    )
    session = started(tests).start()
    assert session.end() == 5
    run = session.run(master)
    assert (run["status"], run["exit_code"]) == ("crashed", 5)
    check_victim(master, run)
    case = master.cases(session.run_id)[1]
    # The call passed before the teardown took the process along, and that stays known.
    assert case["outcomes"] == ([] if phase == "setup" else ["passed"])


def test_a_system_exit_in_odd_places_is_no_death(started: Any, master: Master) -> None:
    tests = (
        "import sys, pytest\n@pytest.fixture\ndef room():\n    sys.exit(0)\n"
        "def test_in_fixture(room): pass\n"
        "def test_in_test(): sys.exit(0)\n"
        "def test_after(): pass\n"
    )
    session = started(tests).start()
    assert session.end() == 1
    run = session.run(master)
    assert (run["status"], run["finished"], run["complete"]) == ("failed", True, True)
    expected = {"test_in_fixture": "error", "test_in_test": "failed", "test_after": "passed"}
    assert outcomes(master, run) == expected


def test_a_kill_from_outside_keeps_the_last_words(started: Any, master: Master) -> None:
    tests = (
        "import os, time\ndef test_before(): pass\n"
        "def test_victim():\n"
        "    print('the last words', flush=True)\n"
        "    open('number', 'w').write(str(os.getpid()))\n"
        "    os.rename('number', 'ready')\n"
        "    time.sleep(60)\n"
        "def test_zafter(): pass\n"
    )
    session = started(tests).start("-s")
    number = int(session.read_when_written("ready"))
    os.kill(number, signal.SIGKILL)
    assert session.end() == 137
    run = session.run(master)
    check_victim(master, run)
    assert "the last words" in run["log_tail"]


def test_a_test_that_kills_its_process_group_does_not_take_the_worker_along(
    started: Any, master: Master
) -> None:
    death = Death("os.killpg(os.getpgrp(), signal.SIGKILL)", signal="SIGKILL")
    session = started(death.tests).start()
    assert session.end() == 137
    run = session.run(master)
    assert (run["status"], run["signal"]) == ("crashed", "SIGKILL")
    check_victim(master, run)
