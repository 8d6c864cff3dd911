"""Contract 2: suites on demand, over plain HTTP, with real git, real uv and real pytest."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, Iterator

import pytest
from jobs_under_test import JOB_TIME_MAX_S, Agent, Gate, Place, Repository, place_on
from platform_under_test import Programs
from worker_sessions import wait_until

# What `uv sync` installs.
PROJECT = """
[project]
name = "shop"
version = "1.0"
requires-python = ">=3.8"
dependencies = ["pytest"]
"""
CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--alluredir")
    parser.addoption("--shop")

def pytest_report_header(config):
    allure = config.getoption("--alluredir")
    return f"shop is {config.getoption('--shop')!r}, allure is {allure!r}"
"""
MIXED = """
import os
import sys
import pytest

def test_passes(): pass
def test_fails(): assert "price" == "prize"
@pytest.mark.skip(reason="closed")
def test_skipped(): pass
def test_runs_in_an_environment_of_its_own():
    assert sys.prefix != sys.base_prefix
    print("folder is", os.getcwd())
"""
FIELDS = {"id", "status", "created_at", "started_at", "completed_at", "result", "error"}


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    with place_on(binaries, tmp_path) as running:
        yield running


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def agent(place: Place, *options: str, prepare: bool = False) -> Agent:
    return place.agent("--allow-url", "file:///*", *options, prepare=prepare)


def run_suite(
    place: Place, url: str, name: str = "tests/", branch: str = "main", **params: Any
) -> dict[str, Any]:
    body = {"repo_url": url, "branch": branch, "suite": {"name": name, "params": params}}
    answer = place.request("POST", "/run_suite", body)
    assert answer.status in (200, 201, 202), answer.body
    run: dict[str, Any] = answer.json
    assert set(run) >= FIELDS, run
    assert str(uuid.UUID(run["id"])) == run["id"]
    return run


def status(place: Place, run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = place.master.get(f"/test_status/{run['id']}")
    assert set(found) >= FIELDS, found
    return found


def wait_status(place: Place, run: dict[str, Any], wanted: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        now = status(place, run)
        if now["status"] == wanted:
            return now
        assert now["status"] in ("pending", "running"), now
        return None

    found: dict[str, Any] = wait_until(there, f"a suite {wanted}", JOB_TIME_MAX_S)
    return found


def test_a_suite_is_cloned_installed_run_and_kept(place: Place, tmp_path: Path) -> None:
    """The contract's own example, from the clone to the folder that is gone."""
    files = {"pyproject.toml": PROJECT, "conftest.py": CONFTEST, "tests/test_mixed.py": MIXED}
    repository = Repository(tmp_path / "shop", files)
    new = run_suite(place, repository.url, alluredir="/tmp/allure")
    assert new["status"] == "pending"
    assert (new["started_at"], new["completed_at"], new["result"]) == (None, None, None)
    assert place.master.get("/current_test") is None
    worker = agent(place, prepare=True)
    over = wait_status(place, new, "completed")
    # A suite whose tests fail has completed.
    assert over["error"] is None
    result = over["result"]
    counts = {name: result[name] for name in ("passed", "failed", "skipped", "total")}
    assert counts == {"passed": 2, "failed": 1, "skipped": 1, "total": 4}
    assert new["created_at"] <= over["started_at"] <= over["completed_at"]
    run = place.master.get(f"/results/{result['run_id']}")
    assert (run["passed"], run["failed"], run["complete"]) == (2, 1, True)
    assert [failure["nodeid"] for failure in run["failures"]] == ["tests/test_mixed.py::test_fails"]
    job = place.master.get(f"/jobs/{new['id']}")
    log = place.log(job)
    # The parameter arrived as one argument; where it points to is inside the job's folder.
    assert "allure is '" in log and "allure is None" not in log, log
    assert "allure is '/tmp/allure'" not in log, log
    wait_until(lambda: not worker.folders_of_jobs(), "the folder removed")


def test_suites_run_one_at_a_time_in_order(place: Place, gate: Gate, tmp_path: Path) -> None:
    names = ("first", "second", "third")
    files = {f"tests/test_{name}.py": gate.waits(name) for name in names}
    repository = Repository(tmp_path / "shop", files)
    for _ in range(3):
        agent(place)
    runs = [run_suite(place, repository.url, f"tests/test_{name}.py") for name in names]
    for number, name in enumerate(names):
        gate.wait_reached(name)
        states = [status(place, run)["status"] for run in runs]
        assert states == ["completed"] * number + ["running"] + ["pending"] * (2 - number)
        assert place.master.get("/current_test")["id"] == runs[number]["id"]
        assert not any(gate.is_reached(later) for later in names[number + 1 :])
        gate.open(name)
        wait_status(place, runs[number], "completed")
    wait_until(lambda: place.master.get("/current_test") is None, "no suite that runs")


def test_parameters_become_options_each_one_argument(place: Place, tmp_path: Path) -> None:
    files = {
        "conftest.py": CONFTEST,
        "tests/test_it.py": "def test_one(): pass\ndef test_two(): pass\n",
    }
    repository = Repository(tmp_path / "shop", files)
    agent(place, "--allow-arg=--shop")
    value = "a b; $(touch /tmp/x) --co 'c'"
    run = run_suite(
        place, repository.url, shop=value, verbose=True, deselect="tests/test_it.py::test_two"
    )
    over = wait_status(place, run, "completed")
    assert (over["result"]["passed"], over["result"]["total"]) == (1, 1)
    log = place.log(place.master.get(f"/jobs/{run['id']}"))
    assert f"shop is {value!r}" in log
    assert "test_one PASSED" in log, "verbose was not passed on as --verbose"


@pytest.mark.parametrize(
    "params", [{"p": "evil"}, {"override-ini": "a=b"}, {"basetemp": "/tmp/x"}, {"rootdir": "/"}]
)
def test_an_option_that_the_agent_does_not_take_fails_the_suite(
    place: Place, tmp_path: Path, params: dict[str, str]
) -> None:
    repository = Repository(tmp_path / "shop", {"tests/test_it.py": "def test_it(): pass\n"})
    agent(place)
    over = wait_status(place, run_suite(place, repository.url, **params), "failed")
    assert error_kind(over) == "subprocess_error"
    assert "--allow-arg" in over["error"]["text"], over["error"]


def error_kind(run: dict[str, Any]) -> str:
    kind: str = run["error"]["kind"]
    return kind


def test_git_subprocess_and_time_errors_are_told_apart(
    place: Place, tmp_path: Path, gate: Gate
) -> None:
    files = {"tests/test_it.py": "def test_it(): pass\n", "tests/test_slow.py": gate.waits("slow")}
    repository = Repository(tmp_path / "shop", files)
    worker = agent(place)
    missing = run_suite(place, f"file://{tmp_path}/nowhere")
    no_branch = run_suite(place, repository.url, branch="no-such-branch")
    no_file = run_suite(place, repository.url, name="tests/test_missing.py")
    for run, kind in (
        (missing, "git_error"),
        (no_branch, "git_error"),
        (no_file, "subprocess_error"),
    ):
        over = wait_status(place, run, "failed")
        assert (error_kind(over), over["result"]) == (kind, None), over
        assert over["error"]["text"] and over["completed_at"] is not None
    body = {
        "repo_url": repository.url,
        "branch": "main",
        "suite": {"name": "tests/test_slow.py", "params": {}},
        "timeout_s": 8,
    }
    answer = place.request("POST", "/run_suite", body)
    over = wait_status(place, answer.json, "failed")
    assert error_kind(over) == "timeout", over
    wait_until(lambda: not worker.folders_of_jobs(), "the folders removed")


def test_dependencies_that_cannot_be_installed_are_a_subprocess_error(
    place: Place, tmp_path: Path
) -> None:
    files = {
        "pyproject.toml": PROJECT.replace('"pytest"', f'"shop @ file://{tmp_path}/nowhere.whl"'),
        "tests/test_it.py": "def test_it(): pass\n",
    }
    repository = Repository(tmp_path / "shop", files)
    agent(place, prepare=True)
    over = wait_status(place, run_suite(place, repository.url), "failed")
    assert error_kind(over) == "subprocess_error", over
    assert "nowhere" in over["error"]["text"], over


def test_the_history_forgets_what_is_over_and_keeps_what_runs(
    place: Place, gate: Gate, tmp_path: Path
) -> None:
    files = {
        "tests/test_quick.py": "def test_it(): pass\n",
        "tests/test_slow.py": gate.waits("slow"),
    }
    repository = Repository(tmp_path / "shop", files)
    agent(place)
    over = run_suite(place, repository.url, "tests/test_quick.py")
    wait_status(place, over, "completed")
    running = run_suite(place, repository.url, "tests/test_slow.py")
    gate.wait_reached("slow")
    waiting = run_suite(place, repository.url, "tests/test_quick.py")
    history = place.master.get("/test_history")
    assert {run["id"] for run in history} == {over["id"], running["id"], waiting["id"]}
    answer = place.request("DELETE", "/test_history")
    assert answer.status in (200, 204), answer.body
    left = {run["id"] for run in place.master.get("/test_history")}
    assert left == {running["id"], waiting["id"]}
    assert place.request("GET", f"/test_status/{over['id']}").status == 404
    assert status(place, running)["status"] == "running"
    gate.open("slow")
    wait_status(place, running, "completed")
    wait_status(place, waiting, "completed")


def test_bad_requests_are_refused_with_the_field(place: Place) -> None:
    good = {"repo_url": "https://example.org/shop.git", "branch": "main"}
    suite = {"name": "tests/", "params": {}}
    for body, field in (
        ({"branch": "main", "suite": suite}, "repo_url"),
        ({**good, "repo_url": "--upload-pack=evil", "suite": suite}, "repo_url"),
        ({**good, "branch": "--evil", "suite": suite}, "branch"),
        ({**good, "suite": {"name": "tests/", "params": {"-p": "evil"}}}, "params"),
        ({**good, "suite": {"name": "tests/", "params": {"a b": "c"}}}, "params"),
        ({**good, "suite": {"name": "../secret", "params": {}}}, "name"),
    ):
        answer = place.request("POST", "/run_suite", body)
        assert answer.status == 422, (body, answer.status, answer.body)
        assert field in (answer.json.get("field") or "") + answer.json["detail"], answer.body
    assert place.master.get("/test_history") == []
    unknown = place.request("GET", f"/test_status/{uuid.uuid4()}")
    assert unknown.status == 404 and unknown.json["detail"]
