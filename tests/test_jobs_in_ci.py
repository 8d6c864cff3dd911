"""`deploy/ci/run_job.py`: what a build sees of a job that it queues."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def start(place: Place, *words: str, url: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *words],
        env={**os.environ, "MASTER_URL": url or place.master.url, "USER": "Steve"},
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
    assert "/results/" not in said, "pytest was never started"
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


@contextmanager
def losing_the_first_answer(url: str, lost: list[str]) -> Iterator[str]:
    """A way to a master on which the first answer to a POST gets lost."""
    target = urllib.parse.urlsplit(url).netloc

    class Lossy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on()

        def do_POST(self) -> None:
            self.pass_on()

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            master = http.client.HTTPConnection(target, timeout=60)
            headers = {"content-type": self.headers.get("content-type", "")} if body else {}
            master.request(self.command, self.path, body or None, headers)
            answer = master.getresponse()
            content = answer.read()
            master.close()
            if self.command == "POST" and not lost:
                lost.append(f"{answer.status} {self.path}")
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Lossy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_lost_answer_does_not_queue_the_job_twice(place: Place) -> None:
    place.put("test_it.py", "def test_it(): pass\n")
    place.agent()
    lost: list[str] = []
    with losing_the_first_answer(place.master.url, lost) as url:
        process = start(place, "--", "test_it.py", url=url)
        said, _ = process.communicate(timeout=JOB_TIME_MAX_S)
    assert lost == ["201 /jobs"]
    assert process.returncode == 0 and "1 passed" in said, said
    assert len(place.master.get("/jobs")) == 1
