"""Tokens and accounts, as the worker, the MCP server and plain HTTP meet them."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from platform_under_test import Answer, Master, Programs, WorkerRun, run_worker

ONE = "def test_one(): pass\n"
SLOW = """
import time
import pytest

@pytest.mark.parametrize("number", range(40))
def test_number(number):
    time.sleep(0.1)
"""
# A master believes what it read from the database for a second.
KNOWN_AFTER_S = 1.2
WAIT_MAX_S = 60


class Place:
    """A master that asks for tokens, and a project whose tests report to it."""

    def __init__(self, programs: Programs, master: Master, url: str, folder: Path) -> None:
        self.programs = programs
        self.master = master
        self.database = url
        self.state = folder / "state"
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "test_it.py").write_text(ONE)
        self.admin = self.token("admin", "--scope", "admin")

    def token(self, name: str, *options: str) -> str:
        token = self.command("token", "create", "--name", name, *options)
        time.sleep(KNOWN_AFTER_S)
        return token

    def command(self, *words: str) -> str:
        """What a command of the master prints; it works beside the master."""
        finished = subprocess.run(
            [str(self.programs.master), *words, "--database-url", self.database],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()

    def run(self, token: str | None, **environment: str) -> WorkerRun:
        variables = {"WORKER_STATE_DIR": str(self.state), **environment}
        if token is not None:
            variables["MASTER_TOKEN"] = token
        return run_worker(
            self.programs.worker, self.master.url, self.project, environment=variables
        )

    def ask(self, path: str, token: str | None = None) -> Answer:
        return self.master.request("GET", path, authorization=f"Bearer {token or self.admin}")

    def runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self.ask("/results").json
        return runs

    def states(self) -> list[str]:
        """What became of the runs that have a journal, the oldest first."""
        listed = subprocess.run(
            [str(self.programs.worker), "journal", "list"],
            env={"WORKER_STATE_DIR": str(self.state)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [line.split()[-1] for line in listed.stdout.splitlines()[1:]]


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    url = f"sqlite://{tmp_path}/results.db"
    with Master(binaries.master, url, tmp_path) as master:
        yield Place(binaries, master, url, tmp_path)


@pytest.fixture
def postgres_place(binaries: Programs, postgres_url: str, tmp_path: Path) -> Iterator[Place]:
    with Master(binaries.master, postgres_url, tmp_path) as master:
        yield Place(binaries, master, postgres_url, tmp_path)


@pytest.mark.parametrize("engine", ["place", "postgres_place"])
def test_a_worker_with_the_right_token_reports(request: pytest.FixtureRequest, engine: str) -> None:
    place: Place = request.getfixturevalue(engine)
    run = place.run(place.token("ci", "--scope", "report", "--project", "stories"))
    assert run.exit_code == 0, run.output
    (stored,) = place.runs()
    assert (stored["project"], stored["passed"]) == ("stories", 1)
    assert place.states() == ["uploaded"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "MASTER_TOKEN"),
        (["--scope", "read"], "lacks the scope `report`"),
        (["--scope", "report", "--project", "other"], "bound to the project `other`"),
        (["--scope", "report", "--expires", "1s"], "expired"),
    ],
    ids=["none", "scope", "project", "expired"],
)
def test_a_refused_worker_fails_no_test_says_why_and_keeps_the_run(
    place: Place, made: list[str] | None, said: str
) -> None:
    token = None if made is None else place.token("bad", *made)
    run = place.run(token)
    assert run.exit_code == 0, run.output
    assert "1 passed" in run.output
    assert said in run.output, run.output
    if token is not None:
        assert token not in run.output
    assert place.runs() == []
    assert "uploaded" not in place.states()
    # With a good token, the run is sent behind the next one.
    assert place.run(place.token("good", "--scope", "report")).exit_code == 0
    deadline = time.monotonic() + WAIT_MAX_S
    while len(place.runs()) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(place.runs()) == 2
    assert place.states() == ["uploaded", "uploaded"]
    assert token is None or token not in place.master.log.read_text()


def test_a_token_that_is_revoked_while_tests_run_costs_the_report_and_no_test(
    place: Place,
) -> None:
    (place.project / "test_it.py").write_text(SLOW)
    token = place.token("ci", "--scope", "report")
    revoke = f"sleep 2; {place.programs.master} token revoke ci --database-url {place.database}"
    with subprocess.Popen(["sh", "-c", revoke], stderr=subprocess.DEVNULL) as revoking:
        run = place.run(token)
        assert revoking.wait(WAIT_MAX_S) == 0
    assert run.exit_code == 0, run.output
    assert "40 passed" in run.output
    assert "revoked" in run.output, run.output
    assert "uploaded" not in place.states()


def test_the_tests_do_not_see_the_token(place: Place) -> None:
    test = 'import os\n\ndef test_it(): assert "MASTER_TOKEN" not in os.environ\n'
    (place.project / "test_it.py").write_text(test)
    run = place.run(place.token("ci", "--scope", "report"))
    assert run.exit_code == 0, run.output
    assert len(place.runs()) == 1


def test_the_mcp_server_shows_what_its_token_may_see(place: Place) -> None:
    assert place.run(place.admin).exit_code == 0

    def summary(token: str) -> str:
        calls = [
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": {"name": "stories", "version": "1"},
                },
            },
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {
                "jsonrpc": "2.0",
                "id": 2,
                "method": "tools/call",
                "params": {"name": "get_summary", "arguments": {}},
            },
        ]
        with subprocess.Popen(
            [str(place.programs.mcp)],
            env={"MASTER_URL": place.master.url, "MASTER_TOKEN": token},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as server:
            assert server.stdin is not None and server.stdout is not None
            server.stdin.writelines(json.dumps(call) + "\n" for call in calls)
            server.stdin.flush()
            for line in server.stdout:
                if json.loads(line).get("id") == 2:
                    server.stdin.close()
                    return line
        raise AssertionError("no answer")

    assert "stories" in summary(place.token("reader", "--scope", "read"))
    other = summary(place.token("other", "--scope", "read", "--project", "other"))
    assert "stories" not in other
    refused = summary(place.token("reporter", "--scope", "report"))
    assert "MASTER_TOKEN" in refused and "read" in refused


def test_a_login_opens_and_a_second_use_of_its_refresh_token_ends_it(place: Place) -> None:
    finished = subprocess.run(
        [
            str(place.programs.master),
            *("account", "create", "--name", "dora_explorer", "--scope", "read"),
            *("--password-stdin", "--database-url", place.database),
        ],
        input="dora_explorer\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr

    def post(path: str, body: dict[str, str]) -> Answer:
        sent = json.dumps(body).encode()
        return place.master.request("POST", path, sent, content_type="application/json")

    login = {"username": "dora_explorer", "password": "dora_explorer"}
    first = post("/api/v1/login", login).json
    assert set(first) == {"type", "accessToken", "refreshToken"}
    assert first["type"] == "Bearer"
    assert place.ask("/results", first["accessToken"]).status == 200
    refresh = {"refreshToken": first["refreshToken"]}
    second = post("/api/v1/auth/refresh", refresh).json
    assert place.ask("/results", second["accessToken"]).status == 200
    assert post("/api/v1/auth/refresh", refresh).status == 401
    time.sleep(KNOWN_AFTER_S)
    assert place.ask("/results", second["accessToken"]).status == 401
    log = place.master.log.read_text()
    assert all(token not in log for token in (first["accessToken"], second["refreshToken"]))
