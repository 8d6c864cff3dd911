"""The real programs, started for the tests, and ended with them.

`cargo xtask test e2e` builds the programs and sets TEST_PROGRAMS and TEST_POSTGRES_URL; plain
`pytest tests/` takes the programs of the last `cargo build`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Iterator

import pytest
from built_wheel import build_wheel
from platform_under_test import Master, Programs

ROOT = Path(__file__).resolve().parent.parent
# A worker runs these tests: what it was told must not reach the workers under test.
WORKER_VARIABLES = (
    "MASTER_URL",
    "MASTER_TOKEN",
    "WORKER_ID",
    "PROJECT",
    "BRANCH",
    "COMMIT",
    "PYTEST_PLUGINS",
    "PYTEST_ADDOPTS",
)
for name in list(os.environ):
    if name in WORKER_VARIABLES or name.startswith(("PYTEST_PLATFORM_", "WORKER_")):
        del os.environ[name]


@pytest.fixture(autouse=True)
def _journals_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker takes along what earlier ones left: no story may meet another's runs, or yours."""
    monkeypatch.setenv("WORKER_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def binaries() -> Programs:
    """Paths of the three programs."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    folder = Path(os.environ.get("TEST_PROGRAMS", target / "debug"))
    programs = Programs(folder)
    for path in (programs.master, programs.worker, programs.mcp):
        if not path.is_file():
            pytest.fail(f"{path} is missing; run: cargo build --workspace", pytrace=False)
    return programs


@pytest.fixture(scope="session")
def worker_binary(binaries: Programs) -> Path:
    return binaries.worker


@pytest.fixture(scope="session")
def mcp_binary(binaries: Programs) -> Path:
    return binaries.mcp


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory)


@pytest.fixture
def master(binaries: Programs, tmp_path: Path) -> Iterator[Master]:
    """A master on an empty SQLite database."""
    with Master(binaries.master, f"sqlite://{tmp_path}/results.db", tmp_path) as running:
        yield running


@pytest.fixture
def master_url(master: Master) -> str:
    return master.url


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty PostgreSQL database of its own, dropped afterwards."""
    server = os.environ.get("TEST_POSTGRES_URL")
    if not server:
        pytest.fail(
            "TEST_POSTGRES_URL is not set; `cargo xtask test e2e` starts a server and sets it",
            pytrace=False,
        )
    name = f"stories_{uuid.uuid4().hex}"
    _psql(server, f"create database {name}")
    try:
        yield f"{server.rsplit('/', 1)[0]}/{name}"
    finally:
        _psql(server, f"drop database if exists {name} with (force)")


@pytest.fixture
def postgres_master(binaries: Programs, postgres_url: str, tmp_path: Path) -> Iterator[Master]:
    """A master on an empty PostgreSQL database."""
    with Master(binaries.master, postgres_url, tmp_path) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def either_master(request: pytest.FixtureRequest) -> Master:
    """The test runs twice, once on each store engine."""
    return request.getfixturevalue("master" if request.param == "sqlite" else "postgres_master")


def _psql(server: str, statement: str) -> None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), reverse=True)
    psql = shutil.which("psql") or (str(installed[0]) if installed else None)
    if psql is None:
        pytest.fail("psql is missing; on Debian and Ubuntu: apt-get install postgresql")
    subprocess.run(
        [psql, "--no-psqlrc", "--quiet", "--command", statement, server], check=True, timeout=60
    )
