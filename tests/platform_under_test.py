"""What the whole-system tests hold in their hands: programs, a running master, a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

START_TIME_MAX_S = 30
END_TIME_MAX_S = 15


class Programs:
    """The three programs of one build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.master = folder / "pytest-platform-master"
        self.worker = folder / "pytest-platform-worker"
        self.mcp = folder / "pytest-platform-mcp"


class Answer:
    """An HTTP answer, errors included."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Master:
    """A master process; its log is in `log`."""

    def __init__(self, program: Path, database_url: str, folder: Path, *options: str) -> None:
        self.log = folder / "master.log"
        self.process = subprocess.Popen(
            [
                str(program),
                "--listen",
                "127.0.0.1:0",
                "--database-url",
                database_url,
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.url = ""
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(START_TIME_MAX_S) or not self.url:
            self.stop()
            raise AssertionError(f"the master did not start:\n{self.log.read_text()}")

    def _read(self) -> None:
        with self.log.open("w") as log:
            for line in self.process.stderr:
                log.write(line)
                log.flush()
                if not self.url and "listening on " in line:
                    self.url = line.split("listening on ", 1)[1].split()[0].rstrip(",")
                    self._listening.set()
        self._listening.set()

    def __enter__(self) -> Master:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Ends it the polite way; answers with its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(END_TIME_MAX_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("the master did not end on SIGTERM") from None
        self._reader.join(END_TIME_MAX_S)
        self.process.stderr.close()
        return self.process.returncode

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Any request; headers are given as `content_type="..."`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of an answer that has to be 200."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        answer = self.request("GET", path + query)
        assert answer.status == 200, f"{path}{query}: {answer.status} {answer.body!r}"
        return answer.json

    def post(self, run: dict[str, Any]) -> Answer:
        """`POST /results` with this run."""
        body = json.dumps(run).encode()
        return self.request("POST", "/results", body, content_type="application/json")

    def cases(self, run_id: str) -> list[dict[str, Any]]:
        """Every case of a run, page by page."""
        path = f"/results/{urllib.parse.quote(run_id, safe='')}/cases?limit=1000"
        cases: list[dict[str, Any]] = []
        while path:
            answer = self.request("GET", path)
            assert answer.status == 200, f"{path}: {answer.status} {answer.body!r}"
            cases += answer.json
            path = next_page(answer.headers.get("link"), self.url)
        return cases


def next_page(link: str | None, url: str) -> str:
    """Path of the next page out of a `Link` header, empty after the last."""
    for part in (link or "").split(","):
        target, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return target.strip().strip("<>").removeprefix(url)
    return ""


class WorkerRun:
    """One finished `pytest-platform-worker run`."""

    def __init__(self, exit_code: int, output: str, time_s: float) -> None:
        self.exit_code = exit_code
        self.output = output
        self.time_s = time_s


def run_worker(
    worker: Path,
    master_url: str,
    folder: Path,
    *arguments: str,
    python: str | Path = sys.executable,
    environment: dict[str, str] | None = None,
    timeout_s: float = 600,
) -> WorkerRun:
    """Runs pytest through the worker; output and errors come back as one text."""
    command = [str(worker), "run", "--python", str(python), "--", *arguments]
    variables = {
        **os.environ,
        "MASTER_URL": master_url,
        "PROJECT": "stories",
        "BRANCH": "main",
        "WORKER_ID": "stories",
        **(environment or {}),
    }
    started = time.monotonic()
    finished = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )
    return WorkerRun(finished.returncode, finished.stdout, time.monotonic() - started)
