#!/usr/bin/env python3
"""Queues a job, shows its log as it grows, and ends as the job ends. Needs nothing but Python 3.8.

    MASTER_URL=https://results.example.org MASTER_TOKEN=ptp_... python3 run_job.py \
        --url https://git.example.org/shop.git --branch main --environment 7 -- tests/ -x

The token needs the scopes `run`, to queue the job, and `read`, to see what becomes of it:
`pytest-platform-master token create --name ci-jobs --scope run --scope read`.

Exit codes: 0 passed, 1 failed, 2 it could not be carried out, 3 the master could not be asked.
Ctrl-C and SIGTERM, which CI systems send when somebody cancels a build, cancel the job as well.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any

MASTER_AWAY_MAX_S = 300
POLL_S = 1.0
OVER = ("passed", "failed", "error", "timed_out", "cancelled", "failed_to_start")


class Stopped(Exception):
    """Somebody cancels the build."""


class Master:
    """Asks again while the master is away, and gives up after a while."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        text = self.text(method, path, body)
        return json.loads(text) if text else None

    def text(self, method: str, path: str, body: Any = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        headers = dict(self.headers)
        if content is not None:
            headers["Content-Type"] = "application/json"
        # A job has a UUID of ours: sent again because an answer got lost, it is not created twice.
        is_harmless = method == "GET" or path == "/jobs"
        deadline = time.monotonic() + MASTER_AWAY_MAX_S
        while True:
            request = urllib.request.Request(self.url + path, content, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read().decode(errors="replace")
                if error.code != 503 or time.monotonic() > deadline:
                    raise SystemExit(refused(method, path, error.code, said)) from None
            except (OSError, http.client.HTTPException) as error:
                if not is_harmless or time.monotonic() > deadline:
                    print(f"{method} {self.url}{path}: {error}", file=sys.stderr)
                    raise SystemExit(3) from None
            time.sleep(POLL_S)


def refused(method: str, path: str, code: int, said: str) -> int:
    try:
        said = json.loads(said)["detail"]
    except (ValueError, KeyError, TypeError):
        pass
    print(f"{method} {path} answered {code}: {said}", file=sys.stderr)
    return 3


def label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text}: write it as NAME=VALUE")
    return name, value


def new_job(options: argparse.Namespace) -> dict[str, Any]:
    first_option = next(
        (index for index, word in enumerate(options.arguments) if word.startswith("-")),
        len(options.arguments),
    )
    tests = options.arguments[:first_option]
    source: dict[str, Any]
    if options.url:
        source = {"type": "git", "url": options.url}
        source.update({name: getattr(options, name) for name in ("branch", "commit")})
        source = {name: value for name, value in source.items() if value}
    else:
        source, tests = {"type": "library", "files": tests}, []
    job = {
        "uuid": str(uuid.uuid4()),
        "username": options.username,
        "project": options.project,
        "source": source,
        "tests": tests,
        "args": options.arguments[first_option:],
        "labels": dict(options.label),
        "environment": options.environment,
        "timeout_s": options.timeout,
        "wait_max_s": options.wait_max,
    }
    return {name: value for name, value in job.items() if value not in (None, "", [], {})}


def follow(master: Master, job: dict[str, Any]) -> dict[str, Any]:
    """Prints the log to the end of the job; answers with the job as it is then."""
    path = f"/jobs/{job['id']}"
    position, waits_for = 0, ""
    while True:
        # Asked for before the log: what comes after the end is then in the log that is read.
        job = master.ask("GET", path)
        piece = master.text("GET", f"{path}/log?from={position}")
        position += len(piece)
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        if job["state"] in OVER:
            return job
        if job.get("waits_for") not in (None, waits_for):
            waits_for = job["waits_for"]
            print(f"job {job['id']} waits for {waits_for}", flush=True)
        time.sleep(POLL_S)


def say_end(master: Master, job: dict[str, Any]) -> int:
    why = f" ({job['error']['kind']}: {job['error']['text']})" if job.get("error") else ""
    print(f"job {job['id']}: {job['state']}{why}")
    # Where pytest was not started, there is no run to look at.
    steps = [step for attempt in job.get("attempts", [])[-1:] for step in attempt["steps"]]
    if any(step["name"] == "run" for step in steps):
        run = urllib.parse.quote(job["run_id"], safe="")
        print(f"job {job['id']}: {master.url}/results/{run}")
    return {"passed": 0, "failed": 1}.get(job["state"], 2)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="git repository; without it, files of the test library")
    parser.add_argument("--branch")
    parser.add_argument("--commit")
    parser.add_argument("--environment", help="the environment that the tests use")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        type=label,
        metavar="NAME=VALUE",
        help="what the agent must have; can be repeated",
    )
    parser.add_argument("--project", default=os.environ.get("PROJECT", ""))
    parser.add_argument("--username", default=os.environ.get("USER") or "ci")
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="for the tests")
    parser.add_argument("--wait-max", type=int, metavar="SECONDS", help="in the queue")
    parser.add_argument("arguments", nargs="*", help="files first, then options of pytest")
    options = parser.parse_args(words)

    def stop(*_: object) -> None:
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    url = os.environ.get("MASTER_URL", "http://localhost:8080")
    if not url.startswith(("http://", "https://")):
        parser.error(f"MASTER_URL={url}: it has to begin with http:// or https://")
    master = Master(url, os.environ.get("MASTER_TOKEN"))
    # Whoever may not see jobs learns it before one is queued that nobody would wait for.
    master.ask("GET", "/jobs?limit=1")
    job = master.ask("POST", "/jobs", new_job(options))
    print(f"job {job['id']}: {master.url}/jobs/{job['id']}", flush=True)
    try:
        return say_end(master, follow(master, job))
    except Stopped:
        master.text("POST", f"/jobs/{job['id']}/cancel")
        print(f"job {job['id']}: cancelled with the build")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
