"""`deploy/ci/run_job.py`: what a build sees of a job that it queues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from jobs_under_test import JOB_TIME_MAX_S, Gate, Place, Repository, place_on
from platform_under_test import Programs

PROGRAM = Path(__file__).resolve().parent.parent / "deploy" / "ci" / "run_job.py"


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    with place_on(binaries, tmp_path) as running:
        yield running


def start(place: Place, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *words],
        env={**os.environ, "MASTER_URL": place.master.url, "USER": "Steve"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(place: Place, *words: str) -> tuple[int, str]:
    process = start(place, *words)
    said, _ = process.communicate(timeout=JOB_TIME_MAX_S)
    return process.returncode, said


def test_the_exit_code_is_that_of_the_job_and_the_log_is_shown(
    place: Place, tmp_path: Path
) -> None:
    text = "def test_good(): pass\ndef test_bad(): assert False\n"
    repository = Repository(tmp_path / "shop", {"tests/test_it.py": text})
    place.agent("--allow-url", f"{repository.url}*")
    passed, said = run(place, "--url", repository.url, "--", "tests", "-k", "good")
    assert passed == 0 and "1 passed, 1 deselected" in said, said
    failed, said = run(place, "--url", repository.url, "--branch", "main", "--", "tests", "-x")
    assert failed == 1 and "1 failed, 1 passed" in said, said
    job = place.master.get("/jobs")[0]
    assert (job["username"], job["tests"], job["args"]) == ("Steve", ["tests"], ["-x"])
    assert f"{place.master.url}/results/{job['run_id']}" in said
    broken, said = run(place, "--url", f"{repository.url}-not")
    assert broken == 2 and "git" in said, said
    refused, said = run(place, "--url", repository.url, "--environment", "999")
    assert refused == 3 and "environment" in said, said


def test_a_build_that_is_cancelled_cancels_its_job(place: Place, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    place.put("test_it.py", gate.waits("it"))
    place.agent()
    process = start(place, "--environment", "7", "--", "test_it.py")
    gate.wait_reached("it")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=JOB_TIME_MAX_S)
    assert process.returncode == 2 and "cancelled" in said, said
    job = place.master.get("/jobs")[0]
    assert place.wait(job)["state"] == "cancelled"
