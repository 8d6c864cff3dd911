"""A run that takes its time is at the master while it goes on, and in the end the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from faulty_masters import Front
from platform_under_test import Master, run_worker

WAIT_MAX_S = 60
# Every way in which a case can change after it ended, spread over some seconds.
CHANGING = """
import os
import time

import pytest

@pytest.fixture
def broken_teardown():
    yield
    time.sleep(1.2)
    raise RuntimeError("teardown")

@pytest.mark.parametrize("number", range(700))
def test_many(number):
    time.sleep(0.002)
    assert number % 70 != 3, "x" * 1000

def test_error_after_a_pass(broken_teardown):
    pass

@pytest.mark.skip(reason="not today")
def test_skipped(): pass

@pytest.mark.xfail
def test_expected():
    time.sleep(1.2)
    assert False

def test_unusual_\u00fc():
    assert "\\udcff" == ""
"""
DEADLY = """
def test_deadly():
    time.sleep(1.2)
    os.kill(os.getpid(), 9)

def test_never(): pass
"""
STEPPED = """
import pathlib
import time

def wait_for(name):
    until = time.monotonic() + 60
    while not pathlib.Path(name).exists():
        assert time.monotonic() < until
        time.sleep(0.02)

def test_first(): time.sleep(1.5)
def test_second(): assert False
def test_third(): wait_for("go")
def test_fourth(): pass
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {
        "WORKER_STATE_DIR": str(tmp_path / "state"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "HOME": str(tmp_path / "home"),
        "PROJECT": "streams",
        "WORKER_ID": "streams",
        "BRANCH": "main",
    }


def project_with(folder: Path, source: str) -> Path:
    project = folder / "project"
    project.mkdir()
    (project / "test_it.py").write_text(source, encoding="utf-8")
    return project


def told(case: dict[str, Any]) -> tuple[Any, ...]:
    """What was counted for a case, in the wire's shape or in the master's."""
    outcomes = case.get("outcomes")
    if outcomes is None:
        outcomes = [case["outcome"]]
    message = (case.get("message") or "")[:500]
    executions, attempts = case.get("executions", 1), case.get("attempts", 1)
    return case["nodeid"], case["outcome"], tuple(outcomes), executions, attempts, message


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "with xdist"])
@pytest.mark.parametrize("deadly", [False, True], ids=["to its end", "until it dies"])
def test_a_streamed_run_is_the_run(
    master: Master,
    worker_binary: Path,
    environment: dict[str, str],
    tmp_path: Path,
    options: tuple[str, ...],
    deadly: bool,
) -> None:
    project = project_with(tmp_path, CHANGING + (DEADLY if deadly else ""))
    saved = tmp_path / "saved.json"
    environment["WORKER_SAVE"] = str(saved)
    with Front() as front:
        front.target = master.url
        ended = run_worker(
            worker_binary, front.url, project, "-q", *options, environment=environment
        )
        calls = front.calls()
    assert "uploaded" in ended.output, ended.output
    assert calls[0] == "PUT" and calls.count("cases") >= 2, calls
    assert calls[-1] == "finish" and "POST" not in calls, calls
    sent = json.loads(saved.read_text())
    stored = master.get(f"/results/{sent['run_id']}")
    assert sorted(map(told, master.cases(sent["run_id"]))) == sorted(map(told, sent["cases"]))
    for field in ("status", "exit_code", "signal", "finished", "complete", "collected"):
        assert stored[field] == sent.get(field), field
    assert stored["running"] == sent.get("running", [])
    if deadly and not options:
        assert stored["status"] == "crashed" and stored["signal"] == "SIGKILL"
    # The same run once more, whole: the master knows it and counts nothing twice.
    again = subprocess.run(
        [str(worker_binary), "send", "--master-url", master.url, str(saved)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=WAIT_MAX_S,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert master.get(f"/results/{sent['run_id']}") == stored
    assert master.get("/workers")[0]["run_count"] == 1


def test_a_run_is_seen_while_it_goes_on(
    master: Master, worker_binary: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    project = project_with(tmp_path, STEPPED)
    run_id = str(uuid.uuid4())
    command = [str(worker_binary), "run", "--run-id", run_id, "--python", sys.executable]
    running = subprocess.Popen(
        [*command, "--", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, **environment, "MASTER_URL": master.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + WAIT_MAX_S
        while True:
            assert time.monotonic() < deadline and running.poll() is None
            answer = master.request("GET", f"/results/{run_id}")
            if answer.status == 200 and answer.json["failed"] == 1:
                live = answer.json
                if live["running"] == ["test_it.py::test_third"]:
                    break
            time.sleep(0.05)
        assert (live["status"], live["complete"]) == ("running", False)
        assert (live["passed"], live["collected"]) == (1, 4)
        assert [run["status"] for run in master.get("/results")] == ["running"]
        assert master.get("/trend") == []
        (project / "go").touch()
        said = running.communicate(timeout=WAIT_MAX_S)[1]
    finally:
        running.kill()
        running.wait()
    assert "uploaded" in said, said
    stored = master.get(f"/results/{run_id}")
    assert (stored["status"], stored["complete"], stored["passed"]) == ("failed", True, 3)
    assert stored["live"] is None


def test_plain_pytest_beside_which_a_worker_runs_is_streamed_as_well(
    master: Master, worker_binary: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    project = project_with(tmp_path, "import time\n\ndef test_slow(): time.sleep(2.5)\n")
    environment["PATH"] = f"{worker_binary.parent}{os.pathsep}{os.environ['PATH']}"
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent / "worker" / "python")
    inherited = dict(os.environ)
    # These stories run through a worker themselves, and distributed.
    for name in list(inherited):
        if name.startswith(("PYTEST_PLATFORM_", "PYTEST_XDIST_")):
            del inherited[name]
    with Front() as front:
        front.target = master.url
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin", "-q"],
            cwd=project,
            env={**inherited, **environment, "MASTER_URL": front.url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_MAX_S,
            check=False,
        )
        calls = front.calls()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (calls[0], calls[-1]) == ("PUT", "finish"), calls
    [run] = master.get("/results")
    assert (run["status"], run["passed"], run["complete"]) == ("passed", 1, True)
