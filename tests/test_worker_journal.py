"""What a worker's journal holds arrives, whoever was killed and whatever the disk does."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from platform_under_test import Master, WorkerRun, run_worker

MANY = """
import time
import pytest

@pytest.mark.parametrize("number", range(60))
def test_number(number):
    time.sleep(0.03)
"""
ONE = "def test_one(): pass\n"
LOUD = """
import pytest

@pytest.mark.parametrize("number", range(40))
def test_number(number):
    assert 0, "x" * 2000
"""
WAIT_MAX_S = 60
# What a run's journal may grow to on a disk that is full.
FILE_BYTES_MAX = 24 * 1024


class Place:
    """A project, and where its worker keeps journals."""

    def __init__(self, folder: Path, worker: Path) -> None:
        self.worker = worker
        self.project = folder / "project"
        self.project.mkdir()
        self.state = folder / "state"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.environment = {
            "WORKER_STATE_DIR": str(self.state),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def write(self, tests: str) -> None:
        (self.project / "test_it.py").write_text(tests)

    def run(self, master_url: str, *arguments: str) -> WorkerRun:
        return run_worker(
            self.worker,
            master_url,
            self.project,
            "-p",
            "no:cacheprovider",
            *arguments,
            environment=self.environment,
        )

    def start(self, master_url: str, limit: bool = False) -> subprocess.Popen[bytes]:
        """A worker that is not waited for, in a process group of its own with its pytest."""
        command = [str(self.worker), "run", "--python", sys.executable, "--"]
        command += ["-p", "no:cacheprovider"]
        return subprocess.Popen(
            command,
            cwd=self.project,
            env={**os.environ, **self.environment, "MASTER_URL": master_url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=limit_file_size if limit else None,
        )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.worker), *words],
            cwd=self.project,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def shown(self) -> dict[str, Any]:
        """The run of the only journal."""
        (folder,) = self.journals()
        shown = self.command("journal", "show", "--json", folder.name)
        assert shown.returncode == 0, shown.stderr
        run: dict[str, Any] = json.loads(shown.stdout)
        return run

    def journals(self) -> list[Path]:
        return [path for path in self.state.glob("*") if not path.name.startswith(".")]

    def wait_for_events(self) -> None:
        """Until the first test was announced."""
        deadline = time.monotonic() + WAIT_MAX_S
        while not any(b'"start"' in (path / "journal").read_bytes() for path in self.journals()):
            assert time.monotonic() < deadline, "no test started"
            time.sleep(0.01)


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


@pytest.fixture
def place(tmp_path: Path, worker_binary: Path) -> Place:
    return Place(tmp_path, worker_binary)


def nobody() -> str:
    """An address where nothing listens."""
    return "http://127.0.0.1:9"


@pytest.mark.parametrize("victims", ["worker", "worker and pytest"])
@pytest.mark.parametrize("seed", range(3))
def test_what_the_journal_held_of_a_killed_run_arrives_with_the_next_one(
    place: Place, master: Master, victims: str, seed: int
) -> None:
    place.write(MANY)
    worker = place.start(nobody())
    place.wait_for_events()
    time.sleep(random.Random(seed).uniform(0, 1.5))
    if victims == "worker":
        worker.kill()
    else:
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    held = place.shown()
    assert held["status"] == "lost" and not held.get("complete", True)
    place.write(ONE)
    ended = place.run(master.url)
    assert ended.exit_code == 0
    assert " and 1 earlier run" in ended.output, ended.output
    runs = master.get("/results")
    assert len(runs) == 2
    lost = master.get(f"/results/{held['run_id']}")
    assert lost["status"] == "lost" and lost["collected"] == 60
    arrived = master.cases(held["run_id"])
    assert {case["nodeid"]: case["outcome"] for case in arrived} == {
        case["nodeid"]: case["outcome"] for case in held["cases"]
    }
    crashed = [case["nodeid"] for case in arrived if case["outcome"] == "crashed"]
    assert crashed == held.get("running", []) and len(crashed) <= 1
    assert lost["passed"] + len(crashed) == len(arrived)
    assert len(arrived) + lost["not_run_count"] == 60


def test_a_run_that_was_being_followed_when_its_worker_died_stays_one_run(
    place: Place, master: Master
) -> None:
    place.write(MANY.replace("0.03", "0.1"))
    worker = place.start(master.url)
    deadline = time.monotonic() + WAIT_MAX_S
    while not (runs := master.get("/results")) or runs[0]["passed"] == 0:
        assert time.monotonic() < deadline, "the master never heard of it"
        time.sleep(0.05)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert runs[0]["status"] == "running"
    held = place.shown()
    flushed = place.command("flush", "--master-url", master.url)
    assert flushed.returncode == 0, flushed.stderr
    (run,) = master.get("/results")
    assert (run["run_id"], run["status"]) == (held["run_id"], "lost")
    assert len(master.cases(run["run_id"])) == len(held["cases"])


def test_a_run_that_arrived_unnoticed_is_not_doubled(place: Place, master: Master) -> None:
    place.write(ONE)
    place.run(nobody())
    (folder,) = place.journals()
    for _ in range(2):
        flushed = place.command("flush", "--master-url", master.url)
        assert flushed.returncode == 0, flushed.stderr
        # As if the answer had been lost.
        (folder / "fate.json").unlink()
    assert len(master.get("/results")) == 1


def test_a_disk_that_is_full_costs_no_result_and_is_said(place: Place, master: Master) -> None:
    place.write(LOUD)
    worker = place.start(master.url, limit=True)
    _, said = worker.communicate(timeout=WAIT_MAX_S)
    assert worker.returncode == 1
    assert b"40 failed" in said and b"uploaded" in said, said
    assert b"WARNING: the journal in" in said and b"File too large" in said, said
    (run,) = master.get("/results")
    assert len(master.cases(run["run_id"])) == 40
    problems = master.get(f"/results/{run['run_id']}")["problems"]
    told = [problem for problem in problems if "journal" in problem["text"]]
    assert [problem["kind"] for problem in told] == ["warning"]
    size = (place.journals()[0] / "journal").stat().st_size
    assert size <= FILE_BYTES_MAX


def test_a_full_disk_and_no_master_are_said_together(place: Place) -> None:
    place.write(LOUD)
    worker = place.start(nobody(), limit=True)
    _, said = worker.communicate(timeout=WAIT_MAX_S)
    assert worker.returncode == 1
    assert b"NOT uploaded" in said and b"NOT KEPT; WARNING" in said, said
    # What was written before the disk was full can be used.
    held = place.shown()
    assert 0 < len(held["cases"]) < 40
    assert (held["status"], held["exit_code"]) == ("lost", 1)
    told = " ".join(problem["text"] for problem in held["problems"])
    assert "File too large" in told and "could not follow the run any further" in told
    assert "killed" not in told


def test_a_place_that_cannot_be_written_is_said_and_the_run_arrives(
    place: Place, master: Master
) -> None:
    place.write(ONE)
    place.state.write_text("a file where a folder should be")
    ended = place.run(master.url)
    assert ended.exit_code == 0
    assert "set WORKER_STATE_DIR to a folder that can be written" in ended.output
    (run,) = master.get("/results")
    problems = master.get(f"/results/{run['run_id']}")["problems"]
    assert [problem["kind"] for problem in problems] == ["warning"]
    # It is kept in the temporary folder, for as long as that lasts.
    unreached = place.run(nobody())
    assert "kept, the next run takes it along" in unreached.output, unreached.output
    assert " and 1 earlier run" in place.run(master.url).output
    assert len(master.get("/results")) == 3


def test_flush_and_list_tell_what_there_is(place: Place, master: Master) -> None:
    place.write(ONE)
    for _ in range(2):
        place.run(nobody())
    listed = place.command("journal", "list").stdout.splitlines()
    assert len(listed) == 3 and all("waiting" in line for line in listed[1:]), listed
    flushed = place.command("flush", "--master-url", master.url)
    assert "2 runs uploaded" in flushed.stderr
    listed = place.command("journal", "list").stdout.splitlines()
    assert all("uploaded" in line for line in listed[1:]), listed
    assert place.command("journal", "drop", "--uploaded").returncode == 0
    assert place.command("journal", "list").stdout == "no journals\n"
