"""https from end to end: a master with a certificate of its own, and everybody who talks to it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Iterator

import pytest
import trustme
from jobs_under_test import Agent
from platform_under_test import Master, Programs, run_worker
from worker_sessions import wait_until

TESTS = """
def test_passes():
    pass
"""


class Safe:
    """A master that speaks https, and the authority that vouches for its certificate."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.folder = folder
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        issued = authority.issue_cert("127.0.0.1", "localhost")
        certificate, key = folder / "master.pem", folder / "master.key"
        for number, part in enumerate(issued.cert_chain_pems):
            part.write_to_path(str(certificate), append=number > 0)
        issued.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        self.library = folder / "library"
        self.library.mkdir()
        (self.library / "test_it.py").write_text(TESTS)
        options = ["--tls-cert", str(certificate), "--tls-key", str(key)]
        options += ["--tests-dir", str(self.library)]
        self.master = Master(programs.master, f"sqlite://{folder}/results.db", folder, *options)

    def ask(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(self.master.url + path)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        context = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            return json.loads(answer.read())


@pytest.fixture
def safe(binaries: Programs, tmp_path: Path) -> Iterator[Safe]:
    place = Safe(binaries, tmp_path)
    with place.master:
        yield place


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "test_one.py").write_text(TESTS)
    return folder


def test_a_worker_that_is_told_the_authority_reports_over_https(
    binaries: Programs, safe: Safe, project: Path
) -> None:
    assert safe.master.url.startswith("https://127.0.0.1:")
    trusting = {"SSL_CERT_FILE": str(safe.authority)}
    ended = run_worker(binaries.worker, safe.master.url, project, environment=trusting)
    assert ended.exit_code == 0, ended.output
    assert "NOT uploaded" not in ended.output
    runs = safe.ask("/results")
    assert [run["status"] for run in runs] == ["passed"], ended.output


def test_a_worker_that_does_not_know_the_authority_says_so_and_keeps_the_run(
    binaries: Programs, safe: Safe, project: Path, tmp_path: Path
) -> None:
    state = {"WORKER_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    ended = run_worker(binaries.worker, safe.master.url, project, environment=state)
    assert ended.exit_code == 0, ended.output
    assert "NOT uploaded" in ended.output and "certificate" in ended.output, ended.output
    assert safe.ask("/results") == []
    trusting = {**state, "SSL_CERT_FILE": str(safe.authority)}
    ended = run_worker(binaries.worker, safe.master.url, project, environment=trusting)
    assert ended.exit_code == 0, ended.output
    wait_until(lambda: len(safe.ask("/results")) == 2, "both runs are there")


def test_the_rendering_layer_reads_over_https(
    binaries: Programs, safe: Safe, project: Path
) -> None:
    trusting = {"SSL_CERT_FILE": str(safe.authority)}
    run_worker(binaries.worker, safe.master.url, project, environment=trusting)
    report = safe.folder / "report.html"
    command = [str(binaries.mcp), "report", "--output", str(report)]
    variables = {**os.environ, **trusting, "MASTER_URL": safe.master.url}
    ended = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert safe.ask("/results")[0]["run_id"] in report.read_text()


def test_an_agent_takes_a_job_over_https(binaries: Programs, safe: Safe) -> None:
    source = {"type": "library", "files": ["test_it.py"]}
    job = safe.ask("/jobs", {"username": "Steve", "source": source})
    trusting = {"SSL_CERT_FILE": str(safe.authority)}
    agent = Agent(
        binaries.worker,
        safe.master.url,
        safe.folder / "agent",
        name="agent-1",
        environment=trusting,
    )
    try:
        wait_until(
            lambda: safe.ask(f"/jobs/{job['id']}")["finished_at"] is not None,
            "the job is over",
            longest_s=180,
        )
    finally:
        agent.stop_all()
        print(agent.said()[-6000:])
    assert safe.ask(f"/jobs/{job['id']}")["state"] == "passed", agent.said()[-4000:]
