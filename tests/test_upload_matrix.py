"""Masters that fail in every way: what that costs a run, and that no result is lost or doubled.

Each story is a real pytest under a real worker. `docs/upload-faults.md` is the table of them;
`UPDATE=1` writes what they measured into it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from faulty_masters import (
    Front,
    Server,
    answers_500,
    answers_html,
    answers_mail,
    answers_other_json,
    hangs,
    resets,
    trickles,
)
from platform_under_test import Master, Programs

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "upload-faults.md"
UPLOAD_TIMEOUT_S = 3.0
# What a run may cost in wall time over plain pytest: a refused one, and any other.
REFUSED_COST_MAX_S = 2.0
COST_MAX_S = UPLOAD_TIMEOUT_S + 1.0
# The wait after pytest's last line is bounded as above. The whole run is compared with a plain one
# beside it, on a machine that others use too.
NOISE_S = 3.0
RUN_TIME_MAX_S = 120
FLUSH_TIME_MAX_S = 60


@dataclass(frozen=True)
class Suite:
    """Tests of which every hundredth fails."""

    name: str
    tests: int
    sleep_s: float

    @property
    def source(self) -> str:
        return (
            "import time\nimport pytest\n\n"
            f'@pytest.mark.parametrize("number", range({self.tests}))\n'
            "def test_one(number):\n"
            f"    time.sleep({self.sleep_s})\n"
            "    assert number % 100 != 3\n"
        )

    @property
    def outcomes(self) -> dict[str, str]:
        return {
            f"test_suite.py::test_one[{number}]": "failed" if number % 100 == 3 else "passed"
            for number in range(self.tests)
        }


SMALL = Suite("5 tests", 5, 0)
# Long enough to be streamed: it goes on for some seconds after the first.
LARGE = Suite("1,500 tests", 1500, 0.001)
SUITES = (SMALL, LARGE)


@dataclass(frozen=True)
class Run:
    """What one run said and how long it took."""

    exit_code: int
    output: str
    said: str
    time_s: float
    # From pytest's last line to the end of the process.
    wait_s: float


def suite_folder(folder: Path, suite: Suite) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "test_suite.py").write_text(suite.source)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -q --tb=no -p no:cacheprovider\n")
    return folder


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> Run:
    """Runs a command and notes when it wrote its last line of output."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    said: list[str] = []
    assert process.stdout is not None and process.stderr is not None
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()), daemon=True)
    reader.start()
    watchdog = threading.Timer(RUN_TIME_MAX_S, process.kill)
    watchdog.start()
    lines, last_line = [], started
    for line in process.stdout:
        lines.append(line)
        last_line = time.monotonic()
    exit_code = process.wait()
    ended = time.monotonic()
    watchdog.cancel()
    reader.join(RUN_TIME_MAX_S)
    process.stdout.close()
    process.stderr.close()
    return Run(exit_code, "".join(lines), "".join(said), ended - started, ended - last_line)


def without_times(output: str) -> str:
    return re.sub(r"in \d+(\.\d+)?s( \(.*\))?", "in some time", output)


class Bench:
    """A place for one story: a suite, a state folder of its own, a worker, and its run."""

    def __init__(self, programs: Programs, folder: Path, suite: Suite) -> None:
        self.programs = programs
        self.folder = folder
        self.suite = suite
        self.run_id = str(uuid.uuid4())
        folder.mkdir(exist_ok=True)
        self.project = suite_folder(folder / "project", suite)
        self.plain_project = suite_folder(folder / "plain", suite)
        (folder / "home").mkdir()
        self.environment = {
            "PROJECT": "faults",
            "BRANCH": "main",
            "WORKER_ID": "faults",
            "WORKER_UPLOAD_TIMEOUT": str(UPLOAD_TIMEOUT_S),
            "WORKER_STATE_DIR": str(folder / "state"),
            "XDG_STATE_HOME": str(folder / "state"),
            "HOME": str(folder / "home"),
        }

    def run(self, url: str) -> Run:
        """The suite with the worker, and beside it under pytest alone: both meet the same load."""
        plain = threading.Thread(target=self._run_plain)
        plain.start()
        command = [str(self.programs.worker), "run", "--run-id", self.run_id]
        command += ["--python", sys.executable, "--"]
        run = timed(command, self.project, {**self.environment, "MASTER_URL": url})
        plain.join()
        return run

    def _run_plain(self) -> None:
        self.plain = timed([sys.executable, "-m", "pytest"], self.plain_project, {})

    def flush(self, url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.programs.worker), "flush"],
            cwd=self.project,
            env={**os.environ, **self.environment, "MASTER_URL": url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=FLUSH_TIME_MAX_S,
            check=False,
        )

    def master(self) -> Master:
        """A real master over the story's own database, which outlives it."""
        self.folder.joinpath("master").mkdir(exist_ok=True)
        database = f"sqlite://{self.folder}/master/results.db"
        return Master(self.programs.master, database, self.folder / "master")

    def assert_harmless(self, run: Run, cost_max_s: float) -> None:
        """The run was as without a worker, but for a bounded wait at its end."""
        assert run.exit_code == self.plain.exit_code == 1, run.said
        assert without_times(run.output) == without_times(self.plain.output)
        assert run.wait_s <= cost_max_s, run.said
        assert run.time_s <= self.plain.time_s + cost_max_s + NOISE_S, run.said

    def losses(self, master: Master) -> tuple[int, int]:
        """Cases that the master lacks or has wrong, and things that it has twice."""
        run = master.get(f"/results/{self.run_id}")
        assert run["status"] == "failed" and run["complete"] is True, run
        cases = [(case["nodeid"], case["outcome"]) for case in master.cases(self.run_id)]
        expected = self.suite.outcomes
        lost = len(set(expected.items()) - set(cases))
        failed = sum(outcome == "failed" for outcome in expected.values())
        assert (run["total"], run["failed"]) == (len(expected), failed), run
        doubled = len(cases) - len(expected)
        doubled += len(master.get("/results")) - 1
        doubled += master.get("/workers")[0]["run_count"] - 1
        doubled += sum(stat["fail_count"] - 1 for stat in master.get("/failures/stats"))
        assert len(master.get("/trend", project="faults")) == 1
        return lost, doubled


@pytest.fixture
def bench(request: pytest.FixtureRequest, binaries: Programs, tmp_path: Path) -> Bench:
    return Bench(binaries, tmp_path, request.param)


both = pytest.mark.parametrize("bench", SUITES, ids=lambda suite: suite.name, indirect=True)
streamed = pytest.mark.parametrize("bench", [LARGE], ids=lambda suite: suite.name, indirect=True)

BEHAVIOURS: dict[str, Callable[[Server, Any], None]] = {
    "accepts and never answers": hangs,
    "answers 1 byte a second": trickles,
    "answers 500": answers_500,
    "resets after half the body": resets,
    "answers 200 with HTML": answers_html,
    "answers 200 with other JSON": answers_other_json,
    "speaks another protocol": answers_mail,
}


@contextmanager
def refused() -> Iterator[Server]:
    with Server(hangs, listening=False) as server:
        yield server


def tell(bench: Bench, fault: str, run: Run, lost: int, doubled: int, arrived: str) -> None:
    """Puts the story's line into the document when that is asked for."""
    assert (lost, doubled) == (0, 0)
    over = max(run.time_s - bench.plain.time_s, 0)
    cells = [
        fault,
        bench.suite.name,
        f"{bench.plain.time_s:.1f}",
        f"{run.time_s:.1f}",
        f"{over:.1f}",
        f"{run.wait_s:.1f}",
        str(lost),
        str(doubled),
        arrived,
    ]
    if os.environ.get("UPDATE") != "1":
        return
    lines = DOCUMENT.read_text().splitlines()
    start = f"| {fault} | {bench.suite.name} |"
    table = [place for place, line in enumerate(lines) if line.startswith("|")]
    same = [place for place in table if lines[place].startswith(start)]
    line = f"| {' | '.join(cells)} |"
    if same:
        lines[same[0]] = line
    else:
        lines.insert(table[-1] + 1, line)
    DOCUMENT.write_text("\n".join(lines) + "\n")


def assert_kept(bench: Bench, run: Run) -> tuple[int, int]:
    """The run waits in the journal, and one `flush` brings it to a master, once."""
    assert "NOT uploaded" in run.said and "flush" in run.said, run.said
    with bench.master() as master:
        flushed = bench.flush(master.url)
        assert flushed.returncode == 0, flushed.stderr
        counted = bench.losses(master)
        again = bench.flush(master.url)
        assert again.returncode == 0, again.stderr
        assert bench.losses(master) == counted
    return counted


@both
def test_a_master_that_refuses_connections(bench: Bench) -> None:
    with refused() as server:
        run = bench.run(server.url)
    bench.assert_harmless(run, REFUSED_COST_MAX_S)
    tell(bench, "refuses connections", run, *assert_kept(bench, run), "with flush")


@both
@pytest.mark.parametrize("fault", BEHAVIOURS)
def test_a_master_that_fails(bench: Bench, fault: str) -> None:
    with Server(BEHAVIOURS[fault]) as server:
        run = bench.run(server.url)
        calls = server.calls()
    bench.assert_harmless(run, COST_MAX_S)
    if calls and bench.suite is LARGE:
        assert calls[0] == "PUT", calls
    tell(bench, fault, run, *assert_kept(bench, run), "with flush")


@streamed
def test_a_master_that_comes_up_during_the_run(bench: Bench) -> None:
    with bench.master() as master, Front(listening=False) as front:
        front.target = master.url
        opening = threading.Timer(2.0, front.listen)
        opening.start()
        run = bench.run(front.url)
        opening.join()
        bench.assert_harmless(run, COST_MAX_S)
        assert front.calls()[0] == "PUT" and "cases" in front.calls(), front.calls()
        tell(bench, "comes up during the run", run, *bench.losses(master), "with the run")


@both
def test_a_master_that_comes_up_after_the_run(bench: Bench) -> None:
    with bench.master() as master, Front(listening=False) as front:
        front.target = master.url
        run = bench.run(front.url)
        bench.assert_harmless(run, REFUSED_COST_MAX_S)
        front.listen()
        late = Bench(bench.programs, bench.folder / "late", SMALL)
        late.environment["WORKER_STATE_DIR"] = bench.environment["WORKER_STATE_DIR"]
        late.environment["XDG_STATE_HOME"] = bench.environment["XDG_STATE_HOME"]
        next_run = late.run(front.url)
        assert "uploaded" in next_run.said, next_run.said
        assert bench.flush(front.url).returncode == 0
        runs = master.get("/results")
        assert {run["run_id"] for run in runs} == {bench.run_id, late.run_id}
        cases = master.cases(bench.run_id)
        lost = len(set(bench.suite.outcomes) - {case["nodeid"] for case in cases})
        doubled = len(cases) - len(bench.suite.outcomes) + len(runs) - 2
        tell(bench, "comes up after the run", run, lost, doubled, "with the next run")


@streamed
def test_a_master_that_is_killed_during_the_run_and_started_again(bench: Bench) -> None:
    with Front() as front, bench.master() as first:
        front.target = first.url

        def fall_over() -> None:
            # Streaming has begun by then.
            while "cases" not in front.calls():
                time.sleep(0.02)
            first.process.kill()
            front.refuse()
            time.sleep(0.7)

        falling = threading.Thread(target=fall_over, daemon=True)
        falling.start()
        result: list[Run] = []
        running = threading.Thread(target=lambda: result.append(bench.run(front.url)))
        running.start()
        falling.join(RUN_TIME_MAX_S)
        with bench.master() as second:
            front.target = second.url
            front.listen()
            running.join(RUN_TIME_MAX_S)
            [run] = result
            bench.assert_harmless(run, COST_MAX_S)
            assert "finish" in front.calls() or "POST" in front.calls(), front.calls()
            tell(bench, "is killed and comes back", run, *bench.losses(second), "with the run")


@both
def test_a_master_whose_answers_get_lost(bench: Bench) -> None:
    with bench.master() as master, Front(loses_answers=True) as front:
        front.target = master.url
        run = bench.run(front.url)
        bench.assert_harmless(run, COST_MAX_S)
        # A small run is sent whole, unless the machine is so slow that it takes a second.
        lost_answers = {"PUT", "cases", "finish"} if bench.suite is LARGE else {front.calls()[-1]}
        assert lost_answers <= set(front.lost), front.calls()
        tell(bench, "every first answer is lost", run, *bench.losses(master), "with the run")


def test_the_document_has_a_line_for_every_story(request: pytest.FixtureRequest) -> None:
    told = {
        tuple(cell.strip() for cell in line.strip("|").split("|")[:2])
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("|") and not line.startswith(("| master", "| ---"))
    }
    of_both = {"refuses connections", *BEHAVIOURS, "comes up after the run"}
    of_both.add("every first answer is lost")
    of_streamed = {"comes up during the run", "is killed and comes back"}
    expected = {(fault, suite.name) for fault in of_both for suite in SUITES}
    expected |= {(fault, LARGE.name) for fault in of_streamed}
    assert told == expected
