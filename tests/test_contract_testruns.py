"""Contract 4: testruns, over plain HTTP, with a real master, real agents and real pytest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
from jobs_under_test import JOB_TIME_MAX_S, Gate, Place, place_on
from platform_under_test import Programs
from worker_sessions import wait_until


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    with place_on(binaries, tmp_path) as running:
        yield running


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def post(place: Place, **fields: Any) -> dict[str, Any]:
    answer = place.request("POST", "/api/testrun", {"username": "Steve", **fields})
    assert answer.status == 201, answer.body
    run: dict[str, Any] = answer.json
    return run


def wait_status(place: Place, number: int, status: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        run: dict[str, Any] = place.master.get(f"/api/testrun/{number}")
        assert run["status"] == status or run["status"] in ("CREATED", "RUNNING"), run
        return run if run["status"] == status else None

    found: dict[str, Any] = wait_until(there, f"testrun {number} {status}", JOB_TIME_MAX_S)
    return found


def test_a_testrun_is_created_runs_and_succeeds(place: Place, gate: Gate) -> None:
    place.put("test_shop.py", gate.waits("shop"))
    created = post(place)
    assert isinstance(created["id"], int)
    assert (created["status"], created["username"]) == ("CREATED", "Steve")
    number = created["id"]
    listed = place.master.get("/api/testrun")
    assert (listed["num_results"], listed["page"], listed["total_pages"]) == (1, 1, 1)
    assert [run["id"] for run in listed["objects"]] == [number]
    assert listed["objects"][0]["status"] == "CREATED"

    place.agent()
    running = wait_status(place, number, "RUNNING")
    assert running["username"] == "Steve"
    gate.wait_reached("shop")
    gate.open("shop")
    over = wait_status(place, number, "SUCCESS")
    assert "1 passed" in over["logs"]
    assert over["id"] == number
    assert place.master.get("/api/testrun")["objects"][0]["status"] == "SUCCESS"


def test_tests_that_fail_make_a_testrun_that_failed(place: Place) -> None:
    place.put("test_shop.py", "def test_price():\n    assert 2 + 2 == 5\n")
    place.agent()
    over = wait_status(place, post(place)["id"], "FAILED")
    assert "assert" in over["logs"] and "1 failed" in over["logs"]


def test_a_testrun_runs_the_files_that_were_chosen_and_no_others(place: Place) -> None:
    place.put("test_good.py", "def test_good(): pass\n")
    place.put("deep/er/test_also.py", "def test_also(): pass\n")
    place.put("test_bad.py", "def test_bad(): assert False\n")
    place.agent()
    chosen = ["test_good.py", "deep/er/test_also.py"]
    created = post(place, test_files=chosen)
    assert created["test_files"] == chosen
    over = wait_status(place, created["id"], "SUCCESS")
    assert over["test_files"] == chosen
    assert "2 passed" in over["logs"]


def test_testruns_are_listed_page_by_page(place: Place) -> None:
    place.put("test_shop.py", "def test_it(): pass\n")
    numbers = [post(place, username=f"user-{number}")["id"] for number in range(5)]
    seen: list[int] = []
    for page in (1, 2, 3):
        answer = place.master.get("/api/testrun", page=page, results_per_page=2)
        assert (answer["num_results"], answer["page"], answer["total_pages"]) == (5, page, 3)
        assert len(answer["objects"]) == (1 if page == 3 else 2)
        seen += [run["id"] for run in answer["objects"]]
    assert sorted(seen) == sorted(numbers)
    assert place.master.get("/api/testrun", page=4, results_per_page=2)["objects"] == []


def test_a_testrun_that_is_deleted_is_gone(place: Place, gate: Gate) -> None:
    place.put("test_shop.py", gate.waits("shop"))
    waiting = post(place)["id"]
    answer = place.request("DELETE", f"/api/testrun/{waiting}")
    assert (answer.status, answer.body) == (204, b"")
    assert place.request("GET", f"/api/testrun/{waiting}").status == 404
    assert place.request("DELETE", f"/api/testrun/{waiting}").status == 404
    # One that runs is ended, and makes room for others.
    place.agent()
    running = post(place)["id"]
    gate.wait_reached("shop")
    assert place.request("DELETE", f"/api/testrun/{running}").status == 204
    assert place.master.get("/api/testrun")["objects"] == []
    place.put("test_shop.py", "def test_it(): pass\n")
    wait_status(place, post(place)["id"], "SUCCESS")


def test_a_bad_testrun_is_refused_with_the_field(place: Place) -> None:
    place.put("test_shop.py", "def test_it(): pass\n")
    for body, field in (
        ({}, "username"),
        ({"username": ""}, "username"),
        ({"username": 7}, "username"),
        ({"username": "Steve", "test_files": ["../secret.py"]}, "test_files"),
        ({"username": "Steve", "test_files": ["test_missing.py"]}, "test_files"),
        ({"username": "Steve", "environment": "no such"}, "environment"),
    ):
        answer = place.request("POST", "/api/testrun", body)
        assert answer.status == 422, (body, answer.body)
        assert field in (answer.json.get("field") or "") + answer.json["detail"], answer.body
    assert place.master.get("/api/testrun")["num_results"] == 0
    for path in ("/api/testrun/1", "/api/testrun/999999", "/api/testrun/none"):
        assert place.request("GET", path).status in (404, 422), path


def test_more_workers_are_more_speed(place: Place, gate: Gate) -> None:
    """Each test ends only when the other one has begun, so two must run at the same time."""
    place.put("test_left.py", gate.waits("left"))
    place.put("test_right.py", gate.waits("right"))
    runs = [post(place, test_files=[f"test_{side}.py"])["id"] for side in ("left", "right")]
    place.agent()
    place.agent()
    gate.wait_reached("left")
    gate.wait_reached("right")
    gate.open("left")
    gate.open("right")
    for run in runs:
        wait_status(place, run, "SUCCESS")
