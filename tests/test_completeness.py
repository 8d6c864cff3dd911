"""A run says what is missing and why, and is not green then: crashes, early ends, lost reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from awkward import environment, session
from awkward.cases import Case
from awkward.session import Ended
from awkward.stored import Stored, the_run
from platform_under_test import Master

Run = Callable[..., tuple[Ended, Stored]]

DEATHS = {
    "killed": "os.kill(os.getpid(), 9)",
    "segfault": "ctypes.string_at(0)",
    "exit": "os._exit(0)",
}
TWELVE = """
import ctypes, os, pytest, time

class TestOne:
    @pytest.mark.parametrize("number", range(6))
    def test_it(self, number):
        time.sleep(0.05)
        if number == 2:
            DEATH

class TestTwo:
    @pytest.mark.parametrize("number", range(6))
    def test_it(self, number):
        time.sleep(0.05)
"""
VICTIM = "test_it.py::TestOne::test_it[2]"
ALL_TWELVE = {
    f"test_it.py::{name}::test_it[{number}]"
    for name in ("TestOne", "TestTwo")
    for number in range(6)
}
THREE = """
def test_a(): pass
def test_b(): assert FINE
def test_c(): pass
"""


@pytest.fixture
def run(worker_binary: Path, master: Master, tmp_path: Path) -> Run:
    """Runs pytest in a project with these files; answers with how it ended and what is stored."""
    python = environment.plain(tmp_path)
    folder = tmp_path / "project"
    folder.mkdir()
    numbers = iter(range(100))

    def runs(files: dict[str, str], *arguments: str) -> tuple[Ended, Stored]:
        case = Case(f"run{next(numbers)}", "", dict(files), arguments, (), {}, None, False, {})
        case.write(folder)
        ended = session.through_the_worker(case, worker_binary, python, folder, master.url)
        stored = the_run(master, session.project(case))
        assert stored is not None, ended.output
        assert_is_honest(stored)
        return ended, stored

    return runs


def assert_is_honest(stored: Stored) -> None:
    """What holds for every run, whatever happened in it."""
    run = stored.run
    missing = run["running_count"] + run["not_run_count"]
    if missing or not run["finished"]:
        assert not run["complete"], run
    if not run["complete"]:
        assert run["status"] != "passed", run
        assert run["problems"] or run["status"] in ("failed", "no_tests"), run
    if run["status"] == "passed":
        assert all(case["outcome"] not in ("failed", "error", "crashed") for case in stored.cases)


def problems(stored: Stored, kind: str) -> list[str]:
    return [
        f"{problem['where']}: {problem['text']}"
        for problem in stored.run["problems"]
        if problem["kind"] == kind
    ]


def by_nodeid(stored: Stored) -> dict[str, str]:
    return {case["nodeid"]: case["outcome"] for case in stored.cases}


@pytest.mark.parametrize(
    ("death", "arguments"),
    [
        ("killed", ()),
        ("segfault", ("--dist", "worksteal")),
        ("exit", ("--max-worker-restart=4",)),
    ],
    ids=["killed", "segfault-worksteal", "exit-restarted"],
)
def test_the_test_that_kills_a_worker_of_xdist_is_named_and_all_others_are_there(
    death: str, arguments: tuple[str, ...], run: Run
) -> None:
    ended, stored = run(
        {"test_it.py": TWELVE.replace("DEATH", DEATHS[death])}, "-n", "2", *arguments
    )
    assert ended.exit_code == 1, ended.output
    assert stored.run["status"] == "failed"
    assert stored.run["collected"] == 12
    outcomes = by_nodeid(stored)
    assert outcomes.pop(VICTIM) == "crashed"
    assert outcomes == {nodeid: "passed" for nodeid in ALL_TWELVE - {VICTIM}}
    assert stored.run["complete"]
    (victim,) = (case for case in stored.cases if case["nodeid"] == VICTIM)
    assert victim["xdist_worker"].startswith("gw")
    assert victim["xdist_worker"] in victim["message"]
    crashes = problems(stored, "crash")
    assert [text.partition(":")[0] for text in crashes] == [victim["xdist_worker"]], crashes


def test_what_xdist_never_comes_to_since_it_starts_the_killer_again_and_again_is_missing(
    run: Run,
) -> None:
    test = TWELVE.replace("DEATH", DEATHS["killed"])
    ended, stored = run({"test_it.py": test}, "-n", "2", "--dist", "loadscope")
    # Each new worker gets the same scope, until xdist has had enough of it.
    assert "maximum crashed workers reached" in ended.output
    assert (stored.run["status"], stored.run["complete"]) == ("failed", False)
    outcomes = by_nodeid(stored)
    assert outcomes.pop(VICTIM) == "crashed"
    assert set(outcomes.values()) == {"passed"}
    after = {f"test_it.py::TestOne::test_it[{number}]" for number in (3, 4, 5)}
    assert set(stored.run["not_run"]) == after
    assert outcomes.keys() == ALL_TWELVE - after - {VICTIM}
    assert len(problems(stored, "crash")) > 2


@pytest.mark.parametrize(
    ("death", "arguments"),
    [
        ("killed", ("--max-worker-restart=0",)),
        ("segfault", ("-x",)),
        ("exit", ("--maxfail=1",)),
    ],
    ids=["killed-no-restart", "segfault-x", "exit-maxfail"],
)
def test_where_xdist_gives_up_after_a_crash_the_rest_is_said_to_be_missing(
    death: str, arguments: tuple[str, ...], run: Run
) -> None:
    ended, stored = run(
        {"test_it.py": TWELVE.replace("DEATH", DEATHS[death])}, "-n", "2", *arguments
    )
    assert ended.exit_code != 0, ended.output
    outcomes = by_nodeid(stored)
    assert outcomes[VICTIM] == "crashed"
    missing = set(stored.run["not_run"])
    assert outcomes.keys() | missing == ALL_TWELVE
    assert not outcomes.keys() & missing
    assert stored.run["complete"] == (not missing and not stored.run["running"])
    assert stored.run["status"] in ("failed", "interrupted", "crashed")
    assert problems(stored, "crash")


def test_a_lone_surrogate_that_makes_xdist_forget_a_failure_makes_no_green_run(run: Run) -> None:
    test = "def test_a(): pass\ndef test_b(): pass\ndef test_c(): assert 0, 'bad \\ud800'\n"
    ended, stored = run({"test_it.py": test}, "-n", "2")
    # pytest itself may end with 0 and say that two passed.
    assert "failed" not in ended.output.splitlines()[-1] or ended.exit_code != 0
    outcomes = by_nodeid(stored)
    assert outcomes.get("test_it.py::test_c") in ("crashed", "failed"), outcomes
    assert stored.run["status"] not in ("passed", "no_tests")
    assert outcomes["test_it.py::test_a"] == outcomes["test_it.py::test_b"] == "passed"


SWALLOWED = {
    "the whole test": """
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    return True if item.name == "test_b" else None
""",
    "its reports": """
import pytest
from _pytest.runner import runtestprotocol
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.name != "test_b":
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=nextitem, log=False)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
""",
}


@pytest.mark.parametrize("fine", [True, False], ids=["passes", "fails"])
@pytest.mark.parametrize("swallowed", SWALLOWED)
def test_what_a_plugin_swallows_is_missing_and_the_run_is_not_green(
    swallowed: str, fine: bool, run: Run
) -> None:
    files = {"test_it.py": THREE.replace("FINE", str(fine)), "conftest.py": SWALLOWED[swallowed]}
    ended, stored = run(files)
    assert ended.exit_code == 0, ended.output
    assert not stored.run["complete"]
    assert stored.run["status"] != "passed"
    outcomes = by_nodeid(stored)
    assert outcomes.pop("test_it.py::test_b", None) != "passed"
    assert outcomes == {"test_it.py::test_a": "passed", "test_it.py::test_c": "passed"}
    named = stored.run["not_run"] + stored.died()
    assert named == ["test_it.py::test_b"]
    assert problems(stored, "contradiction"), stored.run["problems"]


def test_an_exit_status_that_a_conftest_forces_to_0_is_a_contradiction(run: Run) -> None:
    files = {
        "test_it.py": THREE.replace("FINE", "False"),
        "conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
    }
    ended, stored = run(files)
    assert ended.exit_code == 0
    assert (stored.run["status"], stored.run["exit_code"]) == ("failed", 0)
    assert stored.run["complete"]
    (words,) = problems(stored, "contradiction")
    assert "exit code is 0" in words


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["plain", "distributed"])
def test_a_session_that_ends_itself_with_0_is_interrupted(
    arguments: tuple[str, ...], run: Run
) -> None:
    test = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.exit('enough', returncode=0)\n"
    test += "".join(f"def test_c{number}(): pass\n" for number in range(20))
    ended, stored = run({"test_it.py": test}, *arguments)
    assert not stored.run["complete"], ended.output
    assert stored.run["status"] != "passed"
    assert by_nodeid(stored).get("test_it.py::test_b") != "passed"
    assert stored.run["not_run_count"] > 0
    # xdist keeps to itself why its worker stopped.
    assert arguments or stored.has_text("enough")


@pytest.mark.parametrize("tells", [True, False], ids=["told", "untold"])
def test_deselection_by_a_hook_makes_no_run_incomplete(tells: bool, run: Run) -> None:
    told = "    config.hook.pytest_deselected(items=items[1:])\n" if tells else ""
    hook = f"def pytest_collection_modifyitems(config, items):\n{told}    del items[1:]\n"
    _, stored = run({"test_it.py": THREE.replace("FINE", "True"), "conftest.py": hook})
    assert (stored.run["status"], stored.run["complete"]) == ("passed", True)
    assert (stored.run["collected"], stored.run["deselected"]) == (1, 2 if tells else 0)
    assert by_nodeid(stored) == {"test_it.py::test_a": "passed"}


def test_xdist_that_distributes_nothing_is_a_plain_run(run: Run) -> None:
    _, stored = run({"test_it.py": THREE.replace("FINE", "True")}, "-p", "xdist", "-n", "0")
    assert (stored.run["status"], stored.run["complete"]) == ("passed", True)
    assert stored.run["collected"] == len(stored.cases) == 3
    assert all(case["xdist_worker"] is None for case in stored.cases)


def test_last_failed_runs_what_failed_and_says_that_it_deselected_the_rest(run: Run) -> None:
    files = {"test_it.py": THREE.replace("FINE", "False")}
    run(files)
    _, stored = run(files, "--lf")
    assert (stored.run["status"], stored.run["complete"]) == ("failed", True)
    assert by_nodeid(stored) == {"test_it.py::test_b": "failed"}
    assert stored.run["collected"] == 1


def test_stepwise_stops_and_says_what_it_left_out(run: Run) -> None:
    _, stored = run({"test_it.py": THREE.replace("FINE", "False")}, "--sw")
    assert not stored.run["complete"]
    assert stored.run["not_run"] == ["test_it.py::test_c"]
    assert by_nodeid(stored) == {"test_it.py::test_a": "passed", "test_it.py::test_b": "failed"}
    assert stored.run["status"] in ("failed", "interrupted")
    # The next one goes on from where it stopped.
    _, stored = run({"test_it.py": THREE.replace("FINE", "True")}, "--sw")
    assert (stored.run["status"], stored.run["complete"]) == ("passed", True)
    assert by_nodeid(stored) == {"test_it.py::test_b": "passed", "test_it.py::test_c": "passed"}


def test_collecting_only_is_no_pass(run: Run) -> None:
    _, stored = run({"test_it.py": THREE.replace("FINE", "True")}, "--co", "-q")
    assert stored.run["status"] == "no_tests"
    assert stored.cases == []
    assert stored.run["collected"] == 3


FLAKY_THEN_DEAD = """
import os
def test_before(): pass
def test_it():
    attempts = open("attempts", "a+")
    attempts.write("x")
    attempts.flush()
    if attempts.tell() > 1:
        os._exit(0)
    assert 0, "first attempt"
def test_after(): pass
"""


def test_a_crash_in_the_second_attempt_keeps_the_first(run: Run) -> None:
    ended, stored = run({"test_it.py": FLAKY_THEN_DEAD}, "--reruns", "3", "-p", "no:xdist")
    assert stored.run["status"] == "crashed", ended.output
    (dead,) = (case for case in stored.cases if case["nodeid"] == "test_it.py::test_it")
    assert (dead["outcome"], dead["outcomes"], dead["attempts"]) == ("crashed", ["rerun"], 2)
    assert stored.run["not_run"] == ["test_it.py::test_after"]
    assert stored.has_text("first attempt")
    assert by_nodeid(stored)["test_it.py::test_before"] == "passed"
