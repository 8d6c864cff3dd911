"""Jobs as the platform's own API has them: sources, ends, logs, choice of agents, lost agents."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import time
import urllib.parse
import zipfile
from pathlib import Path
from typing import Any, Iterator

import pytest
from jobs_under_test import (
    JOB_TIME_MAX_S,
    Door,
    Gate,
    LiveLog,
    Place,
    Repository,
    alone,
    never_two,
    place_on,
    steadily,
)
from platform_under_test import Answer, Programs
from worker_sessions import commands_with, outcomes, wait_until

TWO = "def test_one(): pass\ndef test_two(): assert False\n"


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    with place_on(binaries, tmp_path) as running:
        yield running


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def git(repository: Repository, **more: Any) -> dict[str, Any]:
    return {"type": "git", "url": repository.url, **more}


# Sources


def test_git_jobs_have_the_branch_or_the_commit_that_was_asked_for(
    place: Place, tmp_path: Path
) -> None:
    shows = "import value\n\ndef test_it():\n    assert value.VALUE == {}\n"
    repository = Repository(
        tmp_path / "shop", {"value.py": "VALUE = 1\n", "test_it.py": shows.format(1)}
    )
    first = repository.commit({"value.py": "VALUE = 1\n", "note": "first"})
    repository.commit({"value.py": "VALUE = 2\n", "test_it.py": shows.format(2)})
    repository.branch("side/work")
    repository.commit({"value.py": "VALUE = 3\n", "test_it.py": shows.format(3)})
    place.agent("--allow-url", "file:///*", "--concurrent", "2")
    wanted = {
        "main": git(repository, branch="main"),
        "side": git(repository, branch="side/work"),
        "commit": git(repository, commit=first),
        "short": git(repository, branch="main", commit=first[:10]),
        "default": git(repository),
    }
    jobs = {name: place.create(source=source) for name, source in wanted.items()}
    runs = {name: place.wait_passed(job)["run_id"] for name, job in jobs.items()}
    assert place.master.get(f"/results/{runs['commit']}")["commit"] == first
    assert place.master.get(f"/results/{runs['short']}")["commit"] == first
    assert place.master.get(f"/results/{runs['side']}")["project"] == "stories"


def test_a_repository_is_fetched_over_the_network(place: Place, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shop", {"test_it.py": "def test_it(): pass\n"})
    with repository.served() as url:
        place.agent("--allow-url", url.rsplit("/", 1)[0] + "/*")
        place.wait_passed(place.create(source={"type": "git", "url": url, "branch": "main"}))
        # Nothing else is allowed any more.
        over = place.wait(place.create(source=git(repository)))
        assert (over["state"], over["error"]["kind"]) == ("error", "git"), over
        assert "--allow-url" in over["error"]["text"], over


def test_tests_may_live_in_another_repository_than_the_code(place: Place, tmp_path: Path) -> None:
    code = Repository(tmp_path / "code", {"shop.py": "PRICE = 7\n"})
    tests = Repository(
        tmp_path / "checks",
        {"test_price.py": "import shop\n\ndef test_price():\n    assert shop.PRICE == 7\n"},
    )
    tests.branch("strict")
    place.agent("--allow-url", "file:///*")
    source = git(code, branch="main", tests_url=tests.url, tests_branch="strict")
    over = place.wait_passed(place.create(source=source))
    assert outcomes(place.master, over) == {"test_price": "passed"}


def packed(kind: str, files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz" if kind == "tar.gz" else "w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return zstd(buffer.getvalue()) if kind == "tar.zst" else buffer.getvalue()


def zstd(content: bytes) -> bytes:
    """A frame of raw blocks (RFC 8878), so that no package is needed for it."""
    frame = b"\x28\xb5\x2f\xfd" + bytes([0b10100000]) + len(content).to_bytes(4, "little")
    step = 100_000
    for start in range(0, len(content), step):
        block = content[start : start + step]
        last = start + step >= len(content)
        frame += (int(last) | len(block) << 3).to_bytes(3, "little") + block
    return frame


def upload(place: Place, content: bytes) -> Answer:
    kind = "application/octet-stream"
    return place.master.request("POST", "/archives", content, content_type=kind)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.zst"])
def test_an_archive_is_uploaded_and_run(place: Place, kind: str) -> None:
    content = packed(kind, {"test_it.py": TWO, "deep/test_more.py": "def test_more(): pass\n"})
    answer = upload(place, content)
    assert answer.status in (200, 201), answer.body
    assert answer.json["format"] == kind
    place.agent()
    job = place.create(source={"type": "archive", "archive": answer.json["archive"]})
    over = place.wait(job)
    assert over["state"] == "failed", (over, place.log(over))
    assert outcomes(place.master, over) == {
        "test_one": "passed",
        "test_two": "failed",
        "test_more": "passed",
    }
    over = place.wait_passed(place.create(source=job["source"], tests=["test_it.py::test_one"]))
    assert outcomes(place.master, over) == {"test_one": "passed"}


def test_what_is_no_archive_is_refused_at_once(place: Place) -> None:
    for content in (b"", b"hello", b"PK"):
        answer = upload(place, content)
        assert answer.status == 422, answer.body
    answer = place.request(
        "POST",
        "/jobs",
        {"username": "Steve", "source": {"type": "archive", "archive": "0" * 64}},
    )
    assert answer.status == 422 and "archive" in answer.json["detail"], answer.body


# What a job says


def test_a_run_of_a_job_is_seen_while_it_goes_on(place: Place, gate: Gate) -> None:
    place.put("test_it.py", "def test_first(): pass\n" + gate.waits("it"))
    place.agent(name="agent-of-steve")
    job = place.create("test_it.py", args=["-v"], env={"SHOP": "open"})
    gate.wait_reached("it")
    running = place.job(job)
    assert (running["state"], running["agent"], running["attempt"]) == (
        "running",
        "agent-of-steve",
        1,
    )
    path = f"/results/{running['run_id']}"
    wait_until(
        lambda: place.master.request("GET", path).status == 200
        and place.master.get(path)["passed"] == 1,
        "the first test at the master",
    )
    run = place.master.get(path)
    assert (run["status"], run["project"]) == ("running", "stories")
    assert run["worker_id"] == "agent-of-steve"
    gate.open("it")
    over = place.wait_passed(job)
    assert place.master.get(path)["status"] == "passed"
    assert over["exit_code"] == 0
    steps = [step["name"] for step in over["attempts"][0]["steps"]]
    assert steps[:3] == ["fetch", "prepare", "run"], steps
    for step in over["attempts"][0]["steps"]:
        assert step["started_at"] <= (step.get("finished_at") or step["started_at"])
    assert over["created_at"] <= over["started_at"] <= over["finished_at"]
    # Either name of a job goes into a path.
    by_uuid = place.master.get(f"/jobs/{job['uuid']}")
    assert by_uuid["id"] == job["id"]


def test_tests_see_the_jobs_variables_and_none_of_the_agents_secrets(place: Place) -> None:
    text = """
import os
import pathlib

def test_it():
    assert os.environ["SHOP"] == "open"
    everything = "\\n".join(f"{name}={text}" for name, text in os.environ.items())
    assert "MASTER" not in everything, everything
    assert "do-not-show" not in everything, everything
    assert pathlib.Path.home() != pathlib.Path("/root")
"""
    place.put("test_it.py", text)
    environment = {"MASTER_TOKEN": "ptp_do-not-show", "CI_SECRET": "do-not-show"}
    place.agent(environment=environment)
    place.wait_passed(place.create("test_it.py", env={"SHOP": "open"}))
    for name in ("MASTER_URL", "WORKER_ID", "PYTEST_PLATFORM_X"):
        over = place.wait(place.create("test_it.py", env={name: "x"}))
        assert (over["state"], over["error"]["kind"]) == ("error", "subprocess"), over
        assert name in over["error"]["text"], over["error"]
    for name in ("A=B", "", "A\0"):
        body = {
            "username": "Steve",
            "source": {"type": "library", "files": ["test_it.py"]},
            "env": {name: "x"},
        }
        answer = place.request("POST", "/jobs", body)
        assert answer.status == 422 and "env" in answer.json["field"], (name, answer.body)


def test_the_log_is_there_whole_from_an_offset_and_live_across_a_broken_connection(
    place: Place, gate: Gate
) -> None:
    place.put(
        "test_it.py",
        gate.waits("left") + "\n" + gate.waits("right").replace("HERE", "THERE"),
    )
    place.agent()
    job = place.create("test_it.py", args=["-s"])
    path = f"/jobs/{job['id']}/log"
    first = LiveLog(place.master, path)
    first.wait_for("here is left")
    first.close()
    gate.open("left")
    gate.wait_reached("right")
    second = LiveLog(place.master, path, last_event_id=first.last_event_id)
    second.wait_for("here is right")
    gate.open("right")
    place.wait_passed(job)
    assert second.ended.wait(30)
    second.close()
    whole = place.log(job)
    assert first.text + second.text == whole
    assert whole.count("here is left") == whole.count("here is right") == 1
    body = whole.encode()
    assert place.job(job)["log_bytes"] == len(body)
    for start in (0, 1, len(body) // 2, len(body), len(body) + 10):
        answer = place.master.request("GET", f"{path}?from={start}")
        assert answer.body == body[start:], start
    tail = place.master.request("GET", f"{path}?tail=40")
    assert body.endswith(tail.body) and 0 < len(tail.body) <= 40
    headers = place.master.request("GET", path).headers
    assert headers["content-type"].startswith("text/plain")
    assert headers["x-content-type-options"] == "nosniff"


def test_a_log_is_passed_on_as_it_is_and_ends_at_its_limit_visibly(place: Place) -> None:
    text = """
import sys

def test_it():
    sys.stdout.buffer.write(b"\\x1b[31mred\\xff\\x00<script>\\n")
    for number in range(700):
        sys.stdout.write("x" * 100_000 + "\\n")
    print("the very end")
"""
    place.put("test_it.py", text)
    place.agent()
    over = place.wait_passed(place.create("test_it.py", args=["-s"]))
    answer = place.master.request("GET", f"/jobs/{over['id']}/log")
    assert b"\x1b[31mred" in answer.body and b"<script>" in answer.body
    assert len(answer.body) <= 64 * 1024 * 1024 + 10_000
    assert over["log_bytes"] == len(answer.body)


# Ends


def test_a_job_that_waits_is_cancelled_at_once(place: Place) -> None:
    place.put("test_it.py", TWO)
    job = place.create("test_it.py")
    waiting = place.job(job)
    assert waiting["state"] == "queued"
    assert "agent" in waiting["waits_for"], waiting
    assert place.request("DELETE", f"/jobs/{job['id']}").status == 409
    answer = place.request("POST", f"/jobs/{job['id']}/cancel")
    assert answer.status in (200, 202), answer.body
    over = place.job(job)
    assert (over["state"], over["attempt"], over["waits_for"]) == ("cancelled", 0, None)
    assert place.request("DELETE", f"/jobs/{job['id']}").status == 204
    assert place.request("GET", f"/jobs/{job['id']}").status == 404


def test_tests_that_run_are_ended_with_all_they_started_when_the_job_is_cancelled(
    place: Place, gate: Gate
) -> None:
    mark = f"left-behind-{os.getpid()}-{time.time_ns()}"
    starts = f"""
import subprocess
import sys

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", {mark!r}],
                 start_new_session=True)
"""
    place.put("test_it.py", starts + gate.waits("it"))
    agent = place.agent()
    job = place.create("test_it.py", environment="5")
    gate.wait_reached("it")
    assert commands_with(mark)
    assert place.request("POST", f"/jobs/{job['id']}/cancel").status in (200, 202)
    over = place.wait(job, longest_s=60)
    assert over["state"] == "cancelled", over
    assert [each["state"] for each in over["transitions"]] == ["queued", "running", "cancelled"]
    wait_until(lambda: not commands_with(mark), "the end of what the tests started")
    wait_until(lambda: not agent.folders_of_jobs(), "the folder removed")
    assert place.master.get("/environments/5")["holders"] == []
    run = place.master.get(f"/results/{over['run_id']}")
    assert run["status"] == "interrupted" and not run["complete"], run


@pytest.mark.parametrize("step", ["fetch", "prepare"])
def test_a_job_is_cancelled_while_it_is_fetched_or_prepared(
    place: Place, tmp_path: Path, step: str
) -> None:
    """git or uv is one that never ends."""
    tools = tmp_path / "tools"
    tools.mkdir()
    tool = tools / ("git" if step == "fetch" else "uv")
    mark = tmp_path / "began"
    hangs = "fetch clone" if step == "fetch" else "sync pip venv"
    tool.write_text(
        "#!/bin/sh\n"
        'for word in "$@"; do\n'
        f'  for slow in {hangs}; do [ "$word" = "$slow" ] && touch {mark} && sleep 600; done\n'
        "done\n"
        f'PATH={os.environ["PATH"]} exec {tool.name} "$@"\n'
    )
    tool.chmod(0o755)
    files = {"requirements.txt": "pytest\n", "test_it.py": TWO}
    repository = Repository(tmp_path / "shop", files)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
    agent = place.agent(
        "--allow-url", "file:///*", prepare=step == "prepare", environment=environment
    )
    job = place.create(source=git(repository))
    wait_until(mark.exists, f"the job's {step}")
    assert place.request("POST", f"/jobs/{job['id']}/cancel").status in (200, 202)
    over = place.wait(job, longest_s=60)
    assert over["state"] == "cancelled", over
    wait_until(lambda: not agent.folders_of_jobs(), "the folder removed")
    # The agent is well.
    place.put("test_well.py", "def test_well(): pass\n")
    if step == "fetch":
        place.wait_passed(place.create("test_well.py"))


def test_a_job_that_takes_too_long_has_timed_out(place: Place, gate: Gate) -> None:
    place.put("test_it.py", "def test_first(): pass\n" + gate.waits("it"))
    agent = place.agent()
    over = place.wait(place.create("test_it.py", timeout_s=6))
    assert over["state"] == "timed_out", over
    run = place.master.get(f"/results/{over['run_id']}")
    assert outcomes(place.master, run) == {"test_first": "passed", "test_it": "timeout"}
    wait_until(lambda: not agent.folders_of_jobs(), "the folder removed")


def test_a_job_is_repeated_whole_or_only_what_failed(place: Place) -> None:
    text = """
import pytest

def test_passes(): pass
def test_fails(): assert False
@pytest.fixture
def broken(): raise RuntimeError
def test_error(broken): pass
@pytest.mark.parametrize("name", ["a b", "c[d]", "e::f"])
def test_odd(name): assert name != "c[d]"
"""
    place.put("deep/test_it.py", text)
    place.agent()
    first = place.wait(place.create("deep/test_it.py", priority=3, environment="4"))
    assert first["state"] == "failed"
    again = place.request("POST", f"/jobs/{first['id']}/rerun")
    assert again.status == 201, again.body
    assert (again.json["rerun_of"], again.json["environment"]) == (first["id"], "4")
    whole = place.wait(again.json)
    assert len(outcomes(place.master, whole)) == 6
    failed = place.request("POST", f"/jobs/{first['id']}/rerun", {"failed_only": True})
    assert failed.status == 201, failed.body
    over = place.wait(failed.json)
    assert outcomes(place.master, over) == {
        "test_fails": "failed",
        "test_error": "error",
        "test_odd[c[d]]": "failed",
    }
    passed = place.wait_passed(
        place.create("deep/test_it.py", tests=["deep/test_it.py::test_passes"])
    )
    nothing = place.request("POST", f"/jobs/{passed['id']}/rerun", {"failed_only": True})
    assert nothing.status == 409, nothing.body


def test_jobs_that_cannot_be_carried_out_say_why(place: Place, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shop", {"test_it.py": TWO})
    place.put("test_it.py", TWO)
    place.agent("--allow-url", f"{repository.url}*", "--concurrent", "2")
    url = "https://user:secret-word@127.0.0.1:1/x.git"
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"source": git(repository, branch="no-such")}, "git", "no-such"),
        ({"source": git(repository, commit="0" * 40)}, "git", "0000"),
        ({"source": {"type": "git", "url": url}}, "git", "--allow-url"),
        ({"source": git(repository), "tests": ["test_missing.py"]}, "subprocess", "test_missing"),
        ({"source": git(repository), "args": ["-p", "evil"]}, "subprocess", "--allow-arg"),
        ({"source": git(repository), "args": ["--basetemp=/tmp/x"]}, "subprocess", "basetemp"),
        ({"source": git(repository), "args": ["@/etc/passwd"]}, "subprocess", "@"),
    ]
    jobs = [(place.create(**fields), kind, words) for fields, kind, words in cases]
    for job, kind, words in jobs:
        over = place.wait(job)
        assert (over["state"], over["error"]["kind"]) == ("error", kind), over
        assert words in over["error"]["text"], over["error"]
        assert "secret-word" not in over["error"]["text"] + place.log(over)


# Who gets it


def test_jobs_go_to_agents_that_have_their_labels(place: Place) -> None:
    place.put("test_it.py", "def test_it(): pass\n")
    place.agent("--labels", "os=linux,python=3.12", name="linux")
    wanted = place.create("test_it.py", labels={"os": "windows"}, environment="6")
    other = place.create("test_it.py", labels={"os": "linux", "python": "3.12"}, environment="6")
    # Nobody has the first one's labels, so it holds up nobody.
    assert place.wait_passed(other)["agent"] == "linux"
    waiting = place.job(wanted)
    assert waiting["state"] == "queued" and "os=windows" in waiting["waits_for"], waiting
    place.agent("--labels", "os=windows", name="windows")
    assert place.wait_passed(wanted)["agent"] == "windows"
    agents = {each["name"]: each for each in place.master.get("/agents")}
    assert agents["windows"]["labels"] == {"os": "windows"} and agents["windows"]["online"]


def test_the_greater_priority_comes_first(place: Place) -> None:
    place.put("test_it.py", "def test_it(): pass\n")
    jobs = {
        name: place.create("test_it.py", priority=priority, environment="8")
        for name, priority in (("low", -5), ("first", 0), ("second", 0), ("high", 5))
    }
    place.agent("--concurrent", "3")
    over = {name: place.wait_passed(job) for name, job in jobs.items()}
    order = sorted(over, key=lambda name: str(over[name]["started_at"]))
    assert order == ["high", "first", "second", "low"]


def test_an_agent_does_as_many_at_a_time_as_it_was_told(place: Place, gate: Gate) -> None:
    for name in ("one", "two", "three"):
        place.put(f"test_{name}.py", gate.waits(name))
    place.agent("--concurrent", "2")
    jobs = [place.create(f"test_{name}.py") for name in ("one", "two", "three")]
    gate.wait_reached("one")
    gate.wait_reached("two")
    steadily(lambda: not gate.is_reached("three"))
    assert "busy" in place.job(jobs[2])["waits_for"]
    for name in ("one", "two", "three"):
        gate.open(name)
    for job in jobs:
        place.wait_passed(job)


# Agents and masters that go away


def test_an_agent_that_is_asked_to_end_ends_its_jobs_first(place: Place, gate: Gate) -> None:
    place.put("test_it.py", gate.waits("it"))
    agent = place.agent()
    job = place.create("test_it.py")
    gate.wait_reached("it")
    agent.signal(signal.SIGTERM)
    later = place.create("test_it.py")
    steadily(lambda: agent.process.poll() is None)
    gate.open("it")
    place.wait_passed(job)
    assert agent.wait() == 0
    assert place.job(later)["state"] == "queued"


def test_an_agent_that_is_asked_twice_gives_its_jobs_back(place: Place, gate: Gate) -> None:
    place.put("test_it.py", gate.waits("it"))
    agent = place.agent(name="hasty")
    job = place.create("test_it.py", attempts_max=1)
    gate.wait_reached("it")
    agent.signal(signal.SIGTERM)
    time.sleep(0.5)
    agent.signal(signal.SIGTERM)
    agent.wait()
    queued = place.job(job)
    assert queued["state"] == "queued", queued
    gate.open("it")
    place.agent(name="other")
    over = place.wait_passed(job)
    assert [each["ending"] for each in over["attempts"]] == ["released", "passed"]
    assert [each["agent"] for each in over["attempts"]] == ["hasty", "other"]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_stopped_agent_loses_its_lease_and_changes_nothing_when_it_goes_on(
    request: pytest.FixtureRequest, binaries: Programs, tmp_path: Path, engine: str
) -> None:
    url = request.getfixturevalue("postgres_url") if engine == "postgres" else ""
    history = tmp_path / "history"
    lock = tmp_path / "lock"
    # The first attempt would take for ever; what kills it must also have let go of the lock.
    text = f"""
import fcntl
import os
import pathlib
import time

def test_alone():
    with open({str(lock)!r}, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        history = pathlib.Path({str(history)!r})
        first = not history.exists()
        with history.open("a") as file:
            file.write("in\\n")
        time.sleep(600 if first else 0.2)
"""
    with place_on(binaries, tmp_path, url, "--lease", "6") as place:
        place.put("test_alone.py", text)
        stopped = place.agent(name="stopped")
        job = place.create("test_alone.py", environment="1")
        wait_until(history.exists, "the first attempt's test", JOB_TIME_MAX_S)
        place.agent(name="other")
        stopped.signal(signal.SIGSTOP)
        over = place.wait_passed(job)
        assert [each["ending"] for each in over["attempts"]] == ["lost", "passed"], over
        assert [each["agent"] for each in over["attempts"]] == ["stopped", "other"]
        runs = [each["run_id"] for each in over["attempts"]]
        assert len(set(runs)) == 2
        before = place.job(job), place.log(job)
        stopped.signal(signal.SIGCONT)
        # It hears that its lease is lost, and takes the next job as if nothing had been.
        wait_until(lambda: stopped.folders_of_jobs() == [], "its folder removed")
        steadily(lambda: (place.job(job), place.log(job)) == before, 2.0)
        history.write_text("in\n")
        place.agents[1].end()
        place.wait_passed(place.create("test_alone.py", environment="1"))
        # The run of the lost attempt never passes for whole.
        path = f"/results/{urllib.parse.quote(runs[0], safe='')}"
        answer = place.master.request("GET", path)
        if answer.status == 200:
            assert not answer.json["complete"] and answer.json["status"] != "passed"


def test_a_killed_agent_is_lost_and_its_tests_with_it(binaries: Programs, tmp_path: Path) -> None:
    history = tmp_path / "history"
    lock = tmp_path / "lock"
    with place_on(binaries, tmp_path, "", "--lease", "3") as place:
        place.put("test_alone.py", alone(lock, history, 600))
        job = place.create("test_alone.py", environment="1", attempts_max=2)
        for number in (1, 2):
            agent = place.agent(name=f"mortal-{number}")
            wait_until(lock.exists, f"attempt {number}", JOB_TIME_MAX_S)
            mark = str(agent.work)
            agent.kill()
            wait_until(lambda mark=mark: not anybody_in(mark), "the end of its tests", 30)
            lock.unlink()
        over = place.wait(job)
        assert (over["state"], over["error"]["kind"]) == ("error", "lost"), over
        assert [each["ending"] for each in over["attempts"]] == ["lost", "lost"]
        states = [each["state"] for each in over["transitions"]]
        assert states == ["queued", "running", "queued", "running", "error"], over["transitions"]
        assert place.master.get("/environments/1")["holders"] == []
        # The next agent in the same folder cleans up what the killed one left.
        place.put("test_alone.py", alone(lock, history, 0.1))
        history.unlink()
        again = place.agent(name="mortal-2")
        place.wait_passed(place.create("test_alone.py", environment="1"))
        assert never_two(history) == 1
        wait_until(lambda: not again.folders_of_jobs(), "all folders removed")


def anybody_in(folder: str) -> list[str]:
    """Living processes whose working folder is below this one."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if os.readlink(process / "cwd").startswith(folder):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_a_master_that_is_killed_and_started_again_costs_a_job_nothing(
    binaries: Programs, tmp_path: Path, gate: Gate
) -> None:
    text = gate.waits("it", then="print('line after', flush=True)")
    with place_on(binaries, tmp_path) as place, Door(place.master.url) as door:
        place.put("test_it.py", text)
        place.agent(master_url=door.url)
        job = place.create("test_it.py", args=["-s"])
        gate.wait_reached("it")
        door.lead_to(None)
        place.master.process.kill()
        place.master.stop()
        gate.open("it")
        time.sleep(1.0)
        place.start_master()
        door.lead_to(place.master.url)
        over = place.wait_passed(job)
        assert over["attempt"] == 1
        assert "line after" in place.log(job)
        assert outcomes(place.master, over) == {"test_it": "passed"}
