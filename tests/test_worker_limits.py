"""Limits in time, signals, and what tests may do to the worker: the run is told, and in time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from platform_under_test import Master
from worker_sessions import Session, commands_with, last_names, outcomes, texts, wait_until

TIMED_OUT = 124
# A worker that was told to stop has reported by then, on a busy machine too.
STOP_MAX_S = 12
MEMORY_MAX_KIB = 300 * 1024

HANG = """
import time
def test_before(): pass
def test_hang():
    open("hangs", "w").close()
    while True: time.sleep(0.01)
def test_zafter(): open("after", "w").close()
"""


class Mute:
    """A server that hears and never answers."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        self._chunks: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connections.append(self._server.accept()[0])
                hear = threading.Thread(target=self._hear, args=self._connections[-1:], daemon=True)
                hear.start()

    def _hear(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for chunk in iter(lambda: connection.recv(65536), b""):
                self._chunks.append(chunk)

    def heard(self) -> bytes:
        return b"".join(self._chunks)

    def close(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.close()


@pytest.fixture
def started(worker_binary: Path, master: Master, tmp_path: Path) -> Any:
    """Makes a session of these tests."""
    return lambda tests: Session(worker_binary, master.url, tmp_path, tests)


# --- limits in time ---


def limited(
    make: Callable[[], Session], flag: str, limit_s: int, reached: list[str], *arguments: str
) -> Session:
    """A session that a limit has ended. It gets a longer one when the machine was too busy for it
    to come as far as these files."""
    for limit in (limit_s, 3 * limit_s, 9 * limit_s):
        session = make().start(*arguments, options=(flag, str(limit)))
        code = session.end()
        session.limit_s = limit
        if all((session.folder / name).exists() for name in reached):
            assert code == TIMED_OUT, session.output
            return session
    raise AssertionError(f"never came as far as {reached}: {session.output}")


def test_a_run_over_its_limit_ends_politely_and_names_the_test_that_hung(
    started: Any, master: Master
) -> None:
    session = limited(lambda: started(HANG), "--run-timeout", 4, ["hangs"])
    run = session.run(master)
    assert (run["status"], run["exit_code"], run["signal"]) == ("timeout", None, None)
    assert outcomes(master, run) == {"test_before": "passed", "test_hang": "timeout"}
    assert last_names(run["running"]) == ["test_hang"]
    assert last_names(run["not_run"]) == ["test_zafter"]
    assert not run["complete"]
    assert f"limit of {session.limit_s} s (--run-timeout)" in texts(
        run
    ) and "test_hang since" in texts(run)
    assert "KeyboardInterrupt" in run["log_tail"]
    assert "timeout: 1 timed out, 1 passed" in session.output


def test_with_xdist_a_limit_names_the_worker_of_the_test_that_hung(
    started: Any, master: Master
) -> None:
    session = limited(lambda: started(HANG), "--run-timeout", 6, ["hangs", "after"], "-n", "2")
    run = session.run(master)
    assert run["status"] == "timeout"
    expected = {"test_before": "passed", "test_hang": "timeout", "test_zafter": "passed"}
    assert outcomes(master, run) == expected
    assert "test_hang on gw" in texts(run)


def test_a_test_that_takes_no_interrupt_is_aborted_and_shows_where_it_was(
    started: Any, master: Master
) -> None:
    deaf = (
        "import signal, time\ndef test_deaf():\n"
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "    open('deaf', 'w').close()\n    time.sleep(600)\n"
    )
    session = limited(lambda: started(deaf), "--run-timeout", 3, ["deaf"])
    run = session.run(master)
    assert run["status"] == "timeout"
    assert outcomes(master, run) == {"test_deaf": "timeout"}
    assert "Fatal Python error: Aborted" in run["log_tail"]
    assert "in test_deaf" in run["log_tail"]


def test_nothing_that_a_run_started_outlives_its_limit(started: Any, master: Master) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    tests = f"""
import os, subprocess, sys, time
def sleeper(name, **options):
    act = f"import time; open({{name!r}}, 'w').close(); time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", act, {mark!r}], **options)
def test_starts_others():
    sleeper("child")
    sleeper("leader", start_new_session=True)
    # Its parent ends, in a session of its own: nobody knows it any more.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            sleeper("orphan", start_new_session=True)
        os._exit(0)
    time.sleep(600)
"""
    names = ["child", "leader", "orphan"]
    session = limited(lambda: started(tests), "--run-timeout", 5, names)
    assert commands_with(mark) == []
    assert session.run(master)["status"] == "timeout"


def test_a_session_that_was_over_before_the_limit_keeps_its_verdict(
    started: Any, master: Master
) -> None:
    tests = (
        "import threading, time\ndef test_thread():\n"
        "    threading.Thread(target=lambda: time.sleep(3600)).start()\n"
    )

    def make() -> Session:
        session: Session = started(tests)
        hook = "def pytest_unconfigure(): open('over', 'w').close()\n"
        (session.folder / "conftest.py").write_text(hook)
        return session

    session = limited(make, "--run-timeout", 5, ["over"])
    run = session.run(master)
    assert (run["status"], run["complete"]) == ("passed", True)
    assert "did not exit" in texts(run)


def test_a_stall_is_ended_and_says_what_it_waited_for(started: Any, master: Master) -> None:
    session = limited(lambda: started(HANG), "--stall-timeout", 4, ["hangs"], "-n", "2")
    run = session.run(master)
    assert run["status"] == "timeout"
    assert f"for {session.limit_s} s (--stall-timeout)" in texts(
        run
    ) and "test_hang on gw" in texts(run)


def test_a_test_that_prints_or_ends_in_time_is_no_stall(started: Any, master: Master) -> None:
    tests = (
        "import sys, time, pytest\n"
        "@pytest.mark.parametrize('n', range(5))\ndef test_short(n): time.sleep(1.3)\n"
        "def test_prints():\n"
        "    for _ in range(5):\n        time.sleep(1.3)\n        print('.', flush=True)\n"
    )
    session = started(tests).start("-s", options=("--stall-timeout", "6"))
    assert session.end() == 0, session.output
    assert session.run(master)["status"] == "passed"


# --- signals ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("whom", ["worker", "group"])
def test_a_cancelled_job_is_reported_inside_the_grace(
    number: signal.Signals, whom: str, started: Any, master: Master
) -> None:
    # Under `nohup` the worker would ignore it too, as it should.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        session = started(HANG).start("-n", "2")
    finally:
        signal.signal(signal.SIGHUP, before)
    session.wait_for("hangs")
    told = time.monotonic()
    (session.signal if whom == "worker" else session.signal_group)(number)
    code = session.end()
    assert time.monotonic() - told < STOP_MAX_S
    # The controller of xdist waits ten seconds for a worker that takes no interrupt: it is killed.
    expected = (2, 137) if number == signal.SIGINT else (128 + number,)
    assert code in expected, session.output
    run = session.run(master)
    assert run["status"] == "interrupted"
    assert "test_hang" in last_names(run["running"])
    assert not run["complete"]


def test_whoever_ignores_the_end_is_killed_with_its_children(started: Any, master: Master) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    tests = f"""
import signal, subprocess, sys, time
def test_ignores():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    command = [sys.executable, "-c", "import time; time.sleep(600)", {mark!r}]
    subprocess.Popen(command, start_new_session=True)
    open("ignores", "w").close()
    time.sleep(600)
"""
    session = started(tests).start()
    session.wait_for("ignores")
    told = time.monotonic()
    session.signal(signal.SIGTERM)
    assert session.end() == 137, session.output
    assert time.monotonic() - told < STOP_MAX_S
    assert commands_with(mark) == []
    run = session.run(master)
    assert (run["status"], run["signal"]) == ("interrupted", "SIGKILL")
    assert "stopped with SIGTERM" in texts(run)


COUNTS_INTERRUPTS = """
import signal, time
def test_counts():
    got = []
    signal.signal(signal.SIGINT, lambda *_: got.append(1))
    open("counts", "w").close()
    end = time.monotonic() + 60
    while not got and time.monotonic() < end: time.sleep(0.01)
    # Time for a second one.
    end = time.monotonic() + 1.5
    while time.monotonic() < end: time.sleep(0.01)
    assert len(got) == 1, got
"""


@pytest.mark.parametrize("whom", ["worker", "group"])
def test_an_interrupt_reaches_pytest_once(whom: str, started: Any, master: Master) -> None:
    session = started(COUNTS_INTERRUPTS).start()
    session.wait_for("counts")
    (session.signal if whom == "worker" else session.signal_group)(signal.SIGINT)
    assert session.end() == 0, session.output
    assert session.run(master)["status"] == "passed"


def test_a_second_interrupt_does_not_lose_the_report(started: Any, master: Master) -> None:
    tests = """
import time, pytest
@pytest.fixture
def room():
    yield
    open("leaving", "w").close()
    time.sleep(600)
def test_before(): pass
def test_in(room):
    open("inside", "w").close()
    time.sleep(600)
"""
    session = started(tests).start()
    session.wait_for("inside")
    session.signal(signal.SIGINT)
    session.wait_for("leaving")
    time.sleep(0.5)
    session.signal(signal.SIGINT)
    assert session.end() != 0
    run = session.run(master)
    assert run["status"] == "interrupted"
    assert outcomes(master, run)["test_before"] == "passed"


@pytest.fixture
def mute() -> Iterator[Mute]:
    """A master that takes connections and says nothing."""
    mute = Mute()
    yield mute
    mute.close()


def test_a_signal_during_the_upload_shortens_the_wait_and_the_journal_keeps_the_run(
    mute: Mute, worker_binary: Path, master: Master, tmp_path: Path
) -> None:
    session = Session(worker_binary, mute.url, tmp_path, "def test(): pass\n")
    session.environment["WORKER_UPLOAD_TIMEOUT"] = "100"
    session.start()
    wait_until(lambda: b"POST /results " in mute.heard(), "the upload")
    told = time.monotonic()
    session.signal(signal.SIGTERM)
    assert session.end() == 0, session.output
    assert time.monotonic() - told < STOP_MAX_S
    assert "NOT uploaded: a signal stopped the worker while it uploaded; kept" in session.output
    environment = {**session.environment, "MASTER_URL": master.url}
    flush = [str(worker_binary), "flush", "--any-master"]
    subprocess.run(flush, env=environment, check=True, timeout=60)
    assert session.run(master)["status"] == "passed"


# --- a worker that is gone or stuck ---


@pytest.mark.parametrize("arguments", [(), ("-v",), ("-n", "2")])
def test_tests_go_on_and_print_when_the_worker_was_killed(
    arguments: tuple[str, ...], started: Any, master: Master, tmp_path: Path
) -> None:
    tests = (
        "import os, time, pytest\n"
        "@pytest.mark.parametrize('n', range(10))\ndef test_many(n):\n"
        "    open('running', 'a').close()\n    time.sleep(0.2)\n"
        "def test_fails(): assert 0\n"
    )
    session = started(tests).start(*arguments)
    session.wait_for("running")
    session.signal(signal.SIGKILL)
    assert session.end() == 137
    # pytest holds the output until its end, which is what reading it has waited for.
    assert "1 failed, 10 passed" in session.output
    assert "BrokenPipe" not in session.output and "INTERNALERROR" not in session.output
    left = lambda: list(session.folder.glob("pytest-platform-plugin-*"))  # noqa: E731
    assert left()
    again = Session(session.worker, master.url, tmp_path, "def test(): pass\n")
    again.environment["TMPDIR"] = str(session.folder)
    assert again.start().end() == 0
    assert left() == []


def test_a_stopped_worker_costs_the_bounded_wait_once(started: Any, master: Master) -> None:
    # Ids of this length fill the pipe, and every test would wait for room in it.
    tests = (
        "import time, pytest\n"
        "ids = ['x' * 3000 + str(n) for n in range(1000)]\n"
        "@pytest.mark.parametrize('n', range(1000), ids=ids)\n"
        "def test_many(n): pass\n"
        "def test_last(): open('last', 'w').write(str(time.monotonic()))\n"
    )
    conftest = (
        "import os, signal, time\n"
        "def pytest_collection(session):\n"
        "    open('begun', 'w').write(str(time.monotonic()))\n"
        "    os.kill(os.getppid(), signal.SIGSTOP)\n"
    )
    session = started(tests)
    (session.folder / "conftest.py").write_text(conftest)
    session.start("-q", "-q")
    took = -float(session.read_when_written("begun"))
    took += float(session.read_when_written("last"))
    session.signal(signal.SIGCONT)
    assert session.end() == 0, session.output
    # Were it paid by every test that finds no room, it would be hours.
    assert 4.5 < took < 60, took
    run = session.run(master)
    assert run["status"] == "internal_error"
    assert "the worker was stopped for a while" in texts(run)
    assert (run["exit_code"], run["finished"], run["complete"]) == (0, False, False)


# --- tests that play with descriptors and processes ---


@pytest.mark.parametrize(
    "act", ["os.closerange(3, 65536)", "[os.dup2(2, n) for n in range(3, 4200)]"]
)
def test_a_pipe_that_tests_close_is_told_and_the_run_is_never_passed(
    act: str, started: Any, master: Master
) -> None:
    tests = (
        "import os, resource, subprocess, sys, time\n"
        "def test_before(): pass\n"
        f"def test_closes():\n    {act}\n"
        "def test_after(): time.sleep(3)\n"
    )
    session = started(tests).start("-s", "-p", "no:faulthandler")
    code = session.end()
    run = session.run(master)
    assert run["status"] != "passed" and not run["complete"]
    assert run["exit_code"] == code
    assert outcomes(master, run)["test_before"] == "passed"
    assert "pipe was closed while pytest went on" in texts(run)


def test_low_descriptors_may_be_closed(started: Any, master: Master) -> None:
    tests = "import os\ndef test_closes(): os.closerange(5, 900)\ndef test_after(): pass\n"
    session = started(tests).start("-s")
    assert session.end() == 0, session.output
    run = session.run(master)
    assert (run["status"], run["complete"], run["passed"]) == ("passed", True, 2)


def test_what_forked_children_do_is_not_reported(started: Any, master: Master) -> None:
    tests = """
import multiprocessing, os, sys, pytest
def nothing(): pass
def test_child_runs_on():
    if os.fork() == 0:
        # It comes back to pytest and goes through the remaining tests as well.
        return
    os.wait()
@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_multiprocessing(way):
    process = multiprocessing.get_context(way).Process(target=nothing)
    process.start()
    process.join()
    assert process.exitcode == 0
def test_child_calls_pytest():
    child = os.fork()
    if child == 0:
        os._exit(int(pytest.main(["-q", "-p", "no:cacheprovider", "inner.py"])))
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 1
"""
    session = started(tests)
    (session.folder / "inner.py").write_text("def test_inner(): assert 0\n")
    assert session.start().end() == 0, session.output
    run = session.run(master)
    assert (run["status"], run["complete"], run["total"]) == ("passed", True, 4)
    assert set(outcomes(master, run).values()) == {"passed"}


# --- amounts ---

FLOODS = {
    "output": (
        "import os\ndef test_flood():\n    chunk = b'x' * 1023 + b'\\n'\n"
        "    for _ in range(512 * 1024): os.write(1, chunk)\n",
        ("-s",),
    ),
    "message": ("def test_flood():\n    raise ValueError('x' * 8_000_000)\n", ("--tb=short",)),
    "warnings": (
        "import warnings\ndef test_flood():\n"
        "    for n in range(20_000): warnings.warn(f'number {n}')\n",
        (),
    ),
    "log": (
        "import logging\ndef test_flood():\n"
        "    for n in range(60_000): logging.getLogger().warning('line %d', n)\n    assert 0\n",
        (),
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_cut_visibly_and_the_workers_memory_stays_small(
    name: str, started: Any, master: Master
) -> None:
    tests, arguments = FLOODS[name]
    with open(os.devnull, "wb") as nowhere:
        session = started(tests).start(*arguments, stdout=nowhere, stderr=nowhere)
        session.watch_memory()
        code = session.end(300)
    run = session.run(master)
    expected = 0 if name in ("output", "warnings") else 1
    assert code == run["exit_code"] == expected
    assert 0 < session.memory_kib < MEMORY_MAX_KIB
    print(f"{name}: worker's peak memory {session.memory_kib // 1024} MiB")
    assert len(run["log_tail"]) <= 64 * 1024
    if name == "warnings":
        assert "more warnings or problems are not listed" in texts(run)
    if name in ("message", "log"):
        path = f"/results/{session.run_id}/case"
        failure = master.get(path, nodeid="test_it.py::test_flood")["failures"][0]
        assert "bytes cut" in failure["message" if name == "message" else "log"]
