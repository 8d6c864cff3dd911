"""Contract 5: environments that people share, over plain HTTP, with real agents and real pytest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
from jobs_under_test import Gate, LiveLog, Place, alone, never_two, place_on, steadily
from platform_under_test import Programs
from worker_sessions import wait_until


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    with place_on(binaries, tmp_path, url) as running:
        yield running


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def test_a_person_chooses_files_and_an_environment_and_sees_the_run(
    place: Place, gate: Gate
) -> None:
    place.put("shop/test_cart.py", gate.waits("cart"))
    place.put("shop/test_price.py", "def test_price(): pass\n")
    place.put("test_other.py", "def test_other(): assert False\n")
    files = {file["path"]: file["is_test"] for file in place.master.get("/library")}
    assert files == {"shop/test_cart.py": True, "shop/test_price.py": True, "test_other.py": True}
    environments = {each["name"] for each in place.master.get("/environments")}
    assert environments >= {str(number) for number in range(1, 101)}

    place.agent()
    chosen = ["shop/test_cart.py", "shop/test_price.py"]
    job = place.create(*chosen, username="dora_explorer", environment=7)
    assert job["environment"] == "7"
    live = LiveLog(place.master, f"/jobs/{job['id']}/log")
    gate.wait_reached("cart")
    # While it runs, list and detail say so, and the log grows under the reader's eyes.
    running = place.wait(job, "running")
    assert (running["username"], running["environment"]) == ("dora_explorer", "7")
    assert running["source"]["files"] == chosen
    listed = place.master.get("/jobs")
    assert [(each["id"], each["state"]) for each in listed] == [(job["id"], "running")]
    holders = place.master.get("/environments/7")["holders"]
    assert [(each["job"], each["username"]) for each in holders] == [(job["id"], "dora_explorer")]
    live.wait_for("test session starts")
    assert not live.ended.is_set()
    gate.open("cart")
    over = place.wait_passed(job)
    assert live.ended.wait(30), "the live log does not end"
    live.close()
    assert live.text == place.log(job)
    assert "2 passed" in live.text
    assert place.master.get("/environments/7")["holders"] == []
    assert [each["state"] for each in over["transitions"]] == ["queued", "running", "passed"]
    run = place.master.get(f"/results/{over['run_id']}")
    assert (run["passed"], run["total"]) == (2, 2)


@pytest.mark.parametrize("directory", ["there", "quite/new"])
def test_a_file_is_uploaded_from_a_persons_computer_and_run_at_once(
    place: Place, directory: str
) -> None:
    place.put("there/test_old.py", "def test_old(): assert False\n")
    place.agent()
    path = f"{directory}/test_mine.py"
    text = b"import value\n\ndef test_mine():\n    assert value.VALUE == 7\n"
    answer = place.master.request("PUT", f"/library/{path}", text)
    assert answer.status == 201, answer.body
    assert answer.json["path"] == path
    answer = place.master.request("PUT", f"/library/{directory}/value.py", b"VALUE = 7\n")
    assert answer.status == 201, answer.body
    job = place.create(path, environment="1")
    # The job has the file as it was then, whatever becomes of it.
    answer = place.master.request("PUT", f"/library/{directory}/value.py", b"VALUE = 8\n")
    assert (answer.status, answer.json["status"]) == (200, "replaced")
    place.wait_passed(job)
    assert (place.library / path).read_bytes() == text


def test_never_two_in_one_environment_whatever_the_number_of_agents(
    place: Place, tmp_path: Path
) -> None:
    history = tmp_path / "history"
    place.put("test_alone.py", alone(tmp_path / "lock", history, 0.3))
    for _ in range(3):
        place.agent("--concurrent", "2")
    jobs = [place.create("test_alone.py", environment="42") for _ in range(6)]
    over = [place.wait_passed(job) for job in jobs]
    assert never_two(history) == 6
    # One after the other, in the order in which they came.
    for before, after in zip(over, over[1:]):
        assert before["finished_at"] <= after["started_at"], (before, after)
    # In other environments they do not wait for one another: the lock is then found taken.
    history.unlink()
    place.put("test_alone.py", alone(tmp_path / "lock", history, 3.0))
    both = [place.create("test_alone.py", environment=str(number)) for number in (1, 2)]
    states = sorted(place.wait(job)["state"] for job in both)
    assert states == ["failed", "passed"], "the lock file cannot show an overlap"


def test_the_next_waits_says_for_whom_and_then_runs(place: Place, gate: Gate) -> None:
    place.put("test_long.py", gate.waits("long"))
    place.put("test_next.py", gate.waits("next"))
    for _ in range(2):
        place.agent()
    first = place.create("test_long.py", username="Steve", environment="9")
    gate.wait_reached("long")
    second = place.create("test_next.py", username="dora_explorer", environment="9")
    waiting = place.job(second)
    assert waiting["state"] == "queued"
    words = waiting["waits_for"]
    assert "environment 9" in words and f"job {first['id']}" in words and "Steve" in words, words
    steadily(lambda: not gate.is_reached("next"))
    assert place.job(second)["state"] == "queued"
    gate.open("long")
    gate.wait_reached("next")
    assert place.wait_passed(first)["finished_at"] <= place.job(second)["started_at"]
    gate.open("next")
    place.wait_passed(second)


def test_a_job_that_waits_too_long_gives_up_and_says_who_held_it(place: Place, gate: Gate) -> None:
    place.put("test_long.py", gate.waits("long"))
    for _ in range(2):
        place.agent()
    first = place.create("test_long.py", username="Steve", environment="9")
    gate.wait_reached("long")
    second = place.create("test_long.py", username="dora_explorer", environment="9", wait_max_s=2)
    over = place.wait(second)
    assert over["state"] == "failed_to_start", over
    assert over["error"]["kind"] == "waited"
    said = over["error"]["text"]
    assert "9" in said and str(first["id"]) in said and "Steve" in said, said
    assert (over["attempt"], over["started_at"], over["run_id"]) == (0, None, None)
    assert place.job(first)["state"] == "running"
    gate.open("long")
    place.wait_passed(first)


def test_an_environment_may_be_made_with_room_for_several(place: Place, gate: Gate) -> None:
    body = {"description": "two machines", "capacity": 2}
    assert place.request("PUT", "/environments/lab", body).status in (200, 201)
    for name in ("left", "right", "third"):
        place.put(f"test_{name}.py", gate.waits(name))
    place.agent("--concurrent", "3")
    jobs = [
        place.create(f"test_{name}.py", environment="lab") for name in ("left", "right", "third")
    ]
    gate.wait_reached("left")
    gate.wait_reached("right")
    steadily(lambda: not gate.is_reached("third"))
    answer = place.request("DELETE", "/environments/lab")
    assert answer.status == 409, answer.body
    for name in ("left", "right", "third"):
        gate.open(name)
    for job in jobs:
        place.wait_passed(job)
    assert place.request("DELETE", "/environments/lab").status == 204
    assert place.request("GET", "/environments/lab").status == 404


def test_what_is_not_there_is_refused_with_the_field(place: Place) -> None:
    place.put("test_it.py", "def test_it(): pass\n")
    library = {"type": "library", "files": ["test_it.py"]}
    good: dict[str, Any] = {"username": "Steve", "source": library}
    for change, field in (
        ({"environment": "101"}, "environment"),
        ({"environment": 0}, "environment"),
        ({"username": ""}, "username"),
        ({"source": {"type": "library", "files": ["test_no.py"]}}, "source"),
        ({"source": {"type": "library", "files": ["../test_it.py"]}}, "source"),
        ({"source": {"type": "library", "files": ["/etc/passwd"]}}, "source"),
        ({"source": {"type": "files"}}, "source"),
    ):
        answer = place.request("POST", "/jobs", {**good, **change})
        assert answer.status == 422, (change, answer.status, answer.body)
        assert field in (answer.json.get("field") or "") + answer.json["detail"], answer.body
    assert place.master.get("/jobs") == []


def test_lists_update_while_one_looks(place: Place, gate: Gate) -> None:
    """`/events` tells of every change of a job, as the list has it."""
    place.put("test_it.py", gate.waits("it"))
    place.agent()
    events = LiveLog(place.master, "/events")
    job = place.create("test_it.py", environment="3")

    def states() -> list[str]:
        found = [data for name, _, data in list(events.events) if name == "job_changed"]
        return [data["state"] for data in found if data["id"] == job["id"]]

    wait_until(lambda: "running" in states(), "the job's events")
    gate.wait_reached("it")
    gate.open("it")
    place.wait_passed(job)
    wait_until(lambda: "passed" in states(), "the job's last event")
    events.close()
    order = list(dict.fromkeys(states()))
    assert order == ["queued", "running", "passed"], order
