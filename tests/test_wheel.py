"""`pip install pytest-platform`, then plain `pytest`: the wheel, built and used as its users do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from platform_under_test import Master
from real_suites import Python, pythons

INSTALL_TIME_MAX_S = 300
SESSION_TIME_MAX_S = 60
ARRIVAL_TIME_MAX_S = 20
TESTS = """
import os, pytest, sys

def test_passes():
    assert "MASTER_TOKEN" not in os.environ

@pytest.mark.parametrize("number", [1, 2])
def test_numbers(number):
    assert number == 1
"""
DEADLY = """
import os

def test_before(): pass
def test_deadly(): os.kill(os.getpid(), 9)
def test_after(): pass
"""
CURIOUS = """
import sys

def test_sees_nothing(pytestconfig):
    assert pytestconfig.pluginmanager.get_plugin("pytest-platform") is None
    loaded = {name for name in sys.modules if name.startswith("pytest_platform.")}
    assert "pytest_platform.plugin" in loaded
    assert not loaded & {"pytest_platform.reporter", "pytest_platform.sidecar"}
"""


@dataclass(frozen=True)
class Installed:
    """A virtual environment with pytest and the wheel."""

    folder: Path

    def run(
        self, project: Path, program: str, *arguments: str, master: Master | None = None
    ) -> subprocess.CompletedProcess[str]:
        programs = self.folder / "bin"
        environment = {
            **os.environ,
            "VIRTUAL_ENV": str(self.folder),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PROJECT": "wheel",
            "WORKER_ID": "wheel",
        }
        # These stories run through a worker themselves, and distributed: its master is not theirs,
        # and both mark the environment so that inner runs stay unreported.
        for name in list(environment):
            if name == "MASTER_URL" or name.startswith(("PYTEST_PLATFORM_", "PYTEST_XDIST_")):
                del environment[name]
        if master is not None:
            environment.update(MASTER_URL=master.url, MASTER_TOKEN="not needed here")
        return subprocess.run(
            [str(programs / program), *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SESSION_TIME_MAX_S,
            check=False,
        )


def oldest_and_newest() -> list[tuple[Python, str]]:
    """The ends of what is promised, as far as this machine has the Pythons."""
    found = pythons()
    oldest, newest = found[0], found[-1]
    return [
        (oldest, "pytest==7.4.4" if oldest.minor < 14 else "pytest==8.4.2"),
        (newest, "pytest==9.2.0" if newest.minor >= 10 else "pytest==8.3.5"),
    ]


@pytest.fixture(scope="module", params=[0, 1], ids=["oldest", "newest"])
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    python, pytest_version = oldest_and_newest()[request.param]
    folder = tmp_path_factory.mktemp("environment") / f"python3.{python.minor}"
    subprocess.run([python.path, "-m", "venv", str(folder)], check=True, timeout=INSTALL_TIME_MAX_S)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    pip.append("--disable-pip-version-check")
    done = subprocess.run(
        [*pip, pytest_version, "pytest-xdist", str(wheel)],
        capture_output=True,
        text=True,
        timeout=INSTALL_TIME_MAX_S,
        check=False,
    )
    assert done.returncode == 0, f"a package index must be reachable:\n{done.stderr[-2000:]}"
    return Installed(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "test_it.py").write_text(TESTS)
    return folder


def the_run(master: Master) -> dict[str, Any]:
    """The one run that arrives; after a sudden death it may arrive after pytest's end."""
    deadline = time.monotonic() + ARRIVAL_TIME_MAX_S
    while not (runs := master.get("/results")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(runs) == 1, f"{len(runs)} runs arrived"
    return master.get(f"/results/{runs[0]['run_id']}")


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["plain", "distributed"])
def test_plain_pytest_reports_where_a_master_is_named(
    arguments: tuple[str, ...], installed: Installed, project: Path, master: Master
) -> None:
    ended = installed.run(project, "pytest", *arguments, master=master)
    assert ended.returncode == 1, ended
    assert f", uploaded {master.url}/results/" in ended.stderr, ended
    run = the_run(master)
    assert (run["status"], run["complete"]) == ("failed", True)
    assert (run["passed"], run["failed"], run["total"]) == (2, 1, 3)
    assert run["project"] == "wheel"
    cases = {case["nodeid"]: case for case in master.cases(run["run_id"])}
    assert {name: case["outcome"] for name, case in cases.items()} == {
        "test_it.py::test_passes": "passed",
        "test_it.py::test_numbers[1]": "passed",
        "test_it.py::test_numbers[2]": "failed",
    }
    assert cases["test_it.py::test_passes"]["line"] == 4
    assert cases["test_it.py::test_numbers[1]"]["markers"] == ["parametrize"]


def test_the_test_that_kills_plain_pytest_is_named(
    installed: Installed, project: Path, master: Master
) -> None:
    (project / "test_it.py").write_text(DEADLY)
    ended = installed.run(project, "pytest", master=master)
    assert ended.returncode == -9, ended
    run = the_run(master)
    assert (run["status"], run["finished"], run["complete"]) == ("crashed", False, False)
    assert run["running"] == ["test_it.py::test_deadly"]
    assert run["not_run"] == ["test_it.py::test_after"]


def test_the_installed_command_reports_once_although_the_plugin_is_installed_too(
    installed: Installed, project: Path, master: Master
) -> None:
    ended = installed.run(project, "pytest-platform-worker", "run", "--", "-q", master=master)
    assert ended.returncode == 1, ended
    assert the_run(master)["total"] == 3


def test_without_a_master_the_plugin_is_inert(
    installed: Installed, project: Path, master: Master
) -> None:
    (project / "test_it.py").write_text(CURIOUS)
    ended = installed.run(project, "pytest", "-p", "no:cacheprovider")
    assert ended.returncode == 0, ended
    assert "pytest-platform:" not in ended.stdout + ended.stderr
    assert master.get("/results") == []
    assert shutil.which("pytest-platform-worker", path=str(installed.folder / "bin"))
