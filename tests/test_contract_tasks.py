"""Contract 3, the task runner: our agent at a foreign backend, a foreign runner at our master."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
from contract_backend import Backend
from jobs_under_test import Agent, Place, Repository, is_alive, place_on, processes_of
from platform_under_test import Programs
from worker_sessions import wait_until

RESULT_TIME_MAX_S = 180
ACCOUNT = ("dora_explorer", "dora_explorer")
MIB = 1024
TESTS = """
import os, time

def grow(mib):
    data = bytearray(mib << 20)
    for at in range(0, len(data), 4096):
        data[at] = 1

def test_a_great():
    grow(200)

def test_b_middling():
    grow(50)
    time.sleep(0.25)

def test_c_fails():
    assert 1 + 1 == 3, "no sum"

def test_d_laboratory():
    assert os.environ["LABORATORY_NUMBER"] == "1"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "lab-1.git", {"test_build.py": TESTS})


class Backends:
    """Agents that work for backends, ended with the story."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.agents: list[Agent] = []

    def agent(
        self,
        backend: Backend,
        *options: str,
        prepare: bool = False,
        name: str = "",
        master_url: str = "",
        **environment: str,
    ) -> Agent:
        name = name or f"agent-{len(self.agents) + 1}"
        if not prepare:
            options = ("--no-prepare", *options)
        agent = Agent(
            self.programs.worker,
            master_url,
            self.folder / name,
            *("--backend-url", backend.url, "--poll-interval", "0.2", "--allow-url", "file:///*"),
            *options,
            name=name,
            environment=environment,
        )
        self.agents.append(agent)
        backend.runners.append(agent.process)
        return agent

    def stop_all(self) -> None:
        for agent in self.agents:
            agent.stop_all()
            print(f"--- {agent.name} said:\n{agent.said()[-6000:]}", file=sys.stderr)


@pytest.fixture
def backends(binaries: Programs, tmp_path: Path) -> Iterator[Backends]:
    made = Backends(binaries, tmp_path)
    yield made
    made.stop_all()


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    with place_on(binaries, tmp_path) as made:
        yield made


def result_of(backend: Backend, number: int) -> dict[str, Any]:
    """Waits for the result of a task, of which there must be one."""
    key = backend.generation

    def found() -> list[dict[str, Any]]:
        lives = any(runner.poll() is None for runner in backend.runners)
        results = [result for result in backend.results if result.get(key) == number]
        assert results or lives, "the agent has ended"
        return results

    wait_until(found, f"the result of task {number}", RESULT_TIME_MAX_S)
    assert len(found()) == 1
    return found()[0]


def test_an_agent_carries_out_a_task_of_the_earlier_generation(
    backends: Backends, repository: Repository
) -> None:
    with Backend("attempt") as backend:
        number = backend.offer(repository.url)
        agent = backends.agent(backend)
        result = result_of(backend, number)
        assert agent.end() == 0
    assert list(result) == ["testResults", "attempt"]
    results = result["testResults"]
    assert list(results) == ["isPassed", "isError", "errorDetails", "duration", "testCases"]
    assert (results["isPassed"], results["isError"], results["errorDetails"]) == (False, False, "")
    assert 0.25 <= float(results["duration"]) < RESULT_TIME_MAX_S
    assert len(results["duration"].split(".")[1]) == 3
    cases = {case["name"]: case for case in results["testCases"]}
    fields = ["name", "isPassed", "description", "duration", "memoryUsed"]
    assert all(list(case) == fields for case in cases.values())
    assert {name: case["isPassed"] for name, case in cases.items()} == {
        "test_build::test_a_great": True,
        "test_build::test_b_middling": True,
        "test_build::test_c_fails": False,
        "test_build::test_d_laboratory": True,
    }
    assert float(cases["test_build::test_b_middling"]["duration"]) >= 0.25
    assert "no sum" in cases["test_build::test_c_fails"]["description"]
    # What a test took is its own, whatever the one before it took.
    base = cases["test_build::test_d_laboratory"]["memoryUsed"]
    assert 5 * MIB < base < 150 * MIB
    assert 180 * MIB < cases["test_build::test_a_great"]["memoryUsed"] - base < 230 * MIB
    assert 40 * MIB < cases["test_build::test_b_middling"]["memoryUsed"] - base < 70 * MIB
    assert agent.folders_of_jobs() == []


def test_an_agent_carries_out_a_task_of_the_later_generation_with_an_account(
    backends: Backends, repository: Repository
) -> None:
    with Backend("id", ACCOUNT) as backend:
        agent = backends.agent(
            backend, "--auth", "--login", ACCOUNT[0], BACKEND_PASSWORD=ACCOUNT[1]
        )
        number = backend.offer(
            repository.url,
            connectedTests=["test_b_middling", "test_build::test_d_laboratory"],
            laboratoryNumber=[1],
        )
        result = result_of(backend, number)
        assert list(result) == [
            "id",
            "isPassed",
            "isError",
            "errorDetails",
            "duration",
            "testResults",
        ]
        assert (result["isPassed"], result["isError"], result["errorDetails"]) == (True, False, "")
        assert isinstance(result["duration"], int) and result["duration"] >= 250
        names = [case["name"] for case in result["testResults"]]
        assert names == ["test_build::test_b_middling", "test_build::test_d_laboratory"]
        assert result["testResults"][0]["duration"] >= 250

        # A number that is no list, or none at all, and a branch.
        repository.branch("other")
        repository.commit(
            {
                "test_build.py": "import os\ndef test_it():\n    "
                "assert 'LABORATORY_NUMBER' not in os.environ\n"
            }
        )
        assert result_of(backend, backend.offer(repository.url, "other"))["isPassed"]
        assert agent.end() == 0
        assert backend.count("/api/v1/login") == 1


def test_uv_prepares_what_a_task_needs(backends: Backends, tmp_path: Path) -> None:
    project = '[project]\nname = "lab"\nversion = "1"\nrequires-python = ">=3.8"\n'
    tests = "import sys\ndef test_own_python(): assert sys.prefix != sys.base_prefix\n"
    files = {"pyproject.toml": project, "tests/test_lab.py": tests}
    lab = Repository(tmp_path / "lab.git", files)
    with Backend("id") as backend:
        agent = backends.agent(backend, "--logger-level", "debug", prepare=True)
        result = result_of(backend, backend.offer(lab.url))
        assert (result["isPassed"], result["errorDetails"]) == (True, "")
        assert agent.end() == 0
    assert "1 passed" in agent.said()


def test_what_cannot_be_carried_out_is_an_error_with_its_reason(
    backends: Backends, repository: Repository
) -> None:
    with Backend("id") as backend:
        agent = backends.agent(backend, "--task-timeout", "8", "--logger-level", "error")
        no_branch = backend.offer(repository.url, "no-such-branch")
        refused_url = backend.offer("ext::sh -c whoami")
        bad_name = backend.offer(repository.url, connectedTests=["x) or (y"])
        operator = backend.offer(repository.url, connectedTests=["not"])
        nothing = backend.offer(repository.url, connectedTests=["test_nobody"])
        wrong = backend.offer(repository.url, connectedTests="test_a_great")
        repository.branch("broken")
        repository.commit({"test_build.py": "def test_it(:\n"})
        broken = backend.offer(repository.url, "broken")
        repository.branch("slow")
        repository.commit({"test_build.py": "import time\ndef test_it(): time.sleep(300)\n"})
        slow = backend.offer(repository.url, "slow")
        details = {}
        for number in (
            no_branch,
            refused_url,
            bad_name,
            operator,
            nothing,
            wrong,
            broken,
            slow,
        ):
            result = result_of(backend, number)
            assert (result["isPassed"], result["isError"]) == (False, True), result
            details[number] = result["errorDetails"]
        assert agent.end() == 0
    assert details[no_branch].startswith("git: ")
    assert details[refused_url].startswith("git: ")
    assert "connectedTests: `x) or (y`" in details[bad_name]
    assert "connectedTests: `not`" in details[operator]
    assert "no tests were run" in details[nothing]
    assert "connectedTests: must be a list" in details[wrong]
    assert "SyntaxError" in details[broken]
    assert details[slow].startswith("timeout: ")
    said = agent.said()
    assert "ERROR" in said and "INFO" not in said and "WARNING" not in said


def test_a_token_that_ends_is_refreshed_and_one_that_cannot_be_is_replaced(
    backends: Backends, repository: Repository
) -> None:
    with Backend("id", ACCOUNT) as backend:
        backend.token_requests = 3
        options = ("--auth", "--login", ACCOUNT[0], "--password", ACCOUNT[1])
        agent = backends.agent(backend, *options)
        refresh = "/api/v1/auth/refresh"
        wait_until(lambda: backend.count(refresh) >= 3, "tokens to be refreshed")
        assert backend.count("/api/v1/login") == 1
        number = backend.offer(
            repository.url, connectedTests=["test_d_laboratory"], laboratoryNumber=1
        )
        assert result_of(backend, number)["isPassed"]

        # Refreshing is over: it logs in again.
        backend.takes_refresh = False
        backend.token_requests = 1_000_000
        backend.forget_tokens()
        wait_until(lambda: backend.count("/api/v1/login") == 2, "another login")
        number = backend.offer(
            repository.url, connectedTests=["test_d_laboratory"], laboratoryNumber=1
        )
        assert result_of(backend, number)["isPassed"]
        assert backend.count("/api/v1/login") == 2

        # The account is closed: it says so and asks ever more rarely, without an end.
        backend.account = ("dora_explorer", "another")
        backend.forget_tokens()
        wait_until(lambda: "refuses the account" in agent.said(), "the refusal to be told")
        backend.account = ACCOUNT
        wait_until(lambda: "the backend is back" in agent.said(), "the agent to go on")
        assert agent.end() == 0


def test_a_result_is_never_lost_and_sent_until_it_is_taken(
    backends: Backends, repository: Repository, tmp_path: Path
) -> None:
    with Backend("attempt") as backend:
        backend.result_faults = [500, 503, 401, 429]
        agent = backends.agent(backend, name="keeper")
        number = backend.offer(repository.url, connectedTests=["test_d_laboratory"])
        assert result_of(backend, number)["testResults"]["isPassed"]
        wait_until(lambda: "has the result" in agent.said(), "the acknowledgement")

        # The backend is gone when the next result is there, and so is the agent.
        backend.result_faults = [500] * 1000
        number = backend.offer(repository.url, connectedTests=["test_d_laboratory"])
        wait_until(
            lambda: backend.count("/api/task/result", 500) >= 2, "the result", RESULT_TIME_MAX_S
        )
        backend.stop()
        agent.kill()
        backend.result_faults = []
        backend.start()
        agent = backends.agent(backend, name="keeper")
        assert result_of(backend, number)["testResults"]["isPassed"]
        wait_until(lambda: "has the result" in agent.said(), "the acknowledgement")
        assert agent.end() == 0
        assert len(backend.results) == 2
    left = list((agent.work / "backend").rglob("*.json"))
    assert left == []
    # Without a master, no run waits for one.
    assert [path for path in (tmp_path / "keeper" / "state").rglob("*") if path.is_file()] == []


def test_a_result_whose_answer_is_lost_is_sent_again_and_the_agent_goes_on(
    backends: Backends, repository: Repository
) -> None:
    with Backend("attempt") as backend:
        backend.hang_up_after_result = True
        agent = backends.agent(backend)
        first = backend.offer(repository.url, connectedTests=["test_d_laboratory"])
        wait_until(lambda: len(backend.results) >= 2, "the result, twice", RESULT_TIME_MAX_S)
        backend.hang_up_after_result = False
        wait_until(lambda: f"task {first}: the backend has the result" in agent.said(), "the end")
        sent = [result for result in backend.results if result["attempt"] == first]
        assert len(sent) >= 3 and all(result == sent[0] for result in sent)
        # Nobody asks it to be carried out twice, and it was not.
        assert agent.said().count(f"task {first}: taken") == 1
        second = backend.offer(repository.url, connectedTests=["test_d_laboratory"])
        assert result_of(backend, second)["testResults"]["isPassed"]
        assert agent.end() == 0
    assert list((agent.work / "backend").rglob("*.json")) == []


def test_a_third_signal_kills_the_task_and_the_next_start_reports_it(
    backends: Backends, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    tests = f"""
import pathlib, time
def test_it():
    pathlib.Path({str(begun)!r}).touch()
    time.sleep(3000)
"""
    lab = Repository(tmp_path / "lab.git", {"test_lab.py": tests})
    with Backend("id") as backend:
        agent = backends.agent(backend, name="killed")
        number = backend.offer(lab.url)
        wait_until(begun.exists, "the test to run", RESULT_TIME_MAX_S)
        processes = processes_of(agent)
        # The third is the one that counts: what would end in order cannot.
        os.kill(processes["attempt"], signal.SIGSTOP)
        agent.ask_to_end("takes no more tasks", "ends its task", "kills its task")
        assert agent.wait() == 0
        assert not [process for process in processes.values() if is_alive(process)]
        assert backend.results == []
        agent = backends.agent(backend, name="killed")
        result = result_of(backend, number)
        assert result["isError"] and "was stopped" in result["errorDetails"], result
        assert agent.end() == 0


def test_a_result_that_is_refused_is_put_aside_and_the_next_task_is_taken(
    backends: Backends, repository: Repository
) -> None:
    with Backend("id") as backend:
        backend.result_faults = [422]
        agent = backends.agent(backend)
        refused = backend.offer(repository.url, connectedTests=["test_b_middling"])
        number = backend.offer(repository.url, connectedTests=["test_b_middling"])
        assert result_of(backend, number)["isPassed"]
        assert agent.end() == 0
    assert [result["id"] for result in backend.results] == [number]
    (aside,) = (agent.work / "backend").rglob("refused/*.json")
    assert json.loads(aside.read_text())["id"] == refused


def test_a_task_that_an_agent_was_killed_in_is_an_error_and_its_tests_end(
    backends: Backends, tmp_path: Path
) -> None:
    mark = tmp_path / "alive"
    tests = f"""
import pathlib, time
def test_long():
    for count in range(6000):
        pathlib.Path({str(mark)!r}).write_text(str(count))
        time.sleep(0.05)
"""
    lab = Repository(tmp_path / "lab.git", {"test_lab.py": tests})
    with Backend("id") as backend:
        agent = backends.agent(backend, name="killed")
        number = backend.offer(lab.url)
        wait_until(mark.exists, "the test to run", RESULT_TIME_MAX_S)
        agent.kill()
        agent = backends.agent(backend, name="killed")
        result = result_of(backend, number)
        assert (result["isError"], result["isPassed"]) == (True, False)
        assert "ended before the task did" in result["errorDetails"]

        def stands_still() -> bool:
            before = mark.read_text()
            return not wait_for_change(mark, before)

        wait_until(stands_still, "the test to end", RESULT_TIME_MAX_S)

        # Told to stop twice: what goes on is ended, and that is reported.
        number = backend.offer(lab.url)
        mark.unlink()
        wait_until(mark.exists, "the test to run", RESULT_TIME_MAX_S)
        agent.signal(signal.SIGTERM)
        wait_until(lambda: "takes no more tasks" in agent.said(), "the first signal to be heard")
        agent.signal(signal.SIGTERM)
        result = result_of(backend, number)
        assert result["isError"] and "was stopped" in result["errorDetails"]
        assert agent.wait() == 0


def test_an_attempt_that_alone_is_stopped_holds_no_agent_up(
    backends: Backends, repository: Repository, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    tests = f"""
import pathlib, time
def test_it():
    pathlib.Path({str(begun)!r}).touch()
    time.sleep(3000)
"""
    lab = Repository(tmp_path / "lab.git", {"test_lab.py": tests})
    with Backend("id") as backend:
        agent = backends.agent(backend)
        number = backend.offer(lab.url)
        wait_until(begun.exists, "the test to run", RESULT_TIME_MAX_S)
        processes = processes_of(agent)
        os.kill(processes["attempt"], signal.SIGSTOP)
        result = result_of(backend, number)
        assert result["isError"] and "no longer answered" in result["errorDetails"], result
        others = [process for process in processes.values() if process != agent.process.pid]
        assert not [process for process in others if is_alive(process)]
        number = backend.offer(repository.url, connectedTests=["test_d_laboratory"])
        assert not result_of(backend, number)["isError"]
        assert agent.end() == 0


def wait_for_change(mark: Path, before: str) -> bool:
    """Whether the file changes within a second."""
    try:
        wait_until(lambda: mark.read_text() != before, "a change", 1)
    except AssertionError:
        return False
    return True


def test_an_agent_lets_its_task_end_when_it_is_told_to_stop(
    backends: Backends, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    tests = f"""
import pathlib, time
def test_it():
    pathlib.Path({str(begun)!r}).touch()
    time.sleep(2)
"""
    lab = Repository(tmp_path / "lab.git", {"test_lab.py": tests})
    with Backend("id") as backend:
        # An answer that takes its time does no harm.
        backend.slow_s = 0.5
        log = tmp_path / "agent.log"
        log.write_text("before\n")
        agent = backends.agent(backend, "--logger-output", str(log))
        number = backend.offer(lab.url)
        backend.offer(lab.url)
        wait_until(begun.exists, "the test to run", RESULT_TIME_MAX_S)
        assert agent.end() == 0
        assert result_of(backend, number)["isPassed"]
        assert len(backend.tasks) == 1
    lines = log.read_text().splitlines()
    assert lines[0] == "before" and "INFO" in lines[1]


def test_runs_of_tasks_reach_a_master_where_one_is_named(
    backends: Backends, repository: Repository, place: Place
) -> None:
    with Backend("id") as backend:
        backend.offer(repository.url, connectedTests=["test_a_great", "test_c_fails"])
        agent = backends.agent(backend, master_url=place.master.url)
        run = wait_until(
            lambda: place.master.get("/results", project="lab-1"), "the run", RESULT_TIME_MAX_S
        )[0]
        assert agent.end() == 0
    assert (run["worker_id"], run["branch"]) == (agent.name, "main")
    cases = {case["nodeid"]: case for case in place.master.cases(run["run_id"])}
    assert cases["test_build.py::test_a_great"]["memory_peak_kib"] > 180 * MIB


# --- the master's side ---


def run_runner(url: str, *words: str) -> dict[str, Any]:
    """Lets the runner of the contract take one task."""
    script = Path(__file__).with_name("contract_runner.py")
    finished = subprocess.run(
        [sys.executable, str(script), url, *words],
        capture_output=True,
        text=True,
        timeout=RESULT_TIME_MAX_S,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    told: dict[str, Any] = json.loads(finished.stdout)
    return told


@pytest.mark.parametrize("generation", ["attempt", "id"])
def test_an_existing_runner_takes_a_job_of_the_master_as_a_task(
    place: Place, repository: Repository, generation: str
) -> None:
    assert run_runner(place.master.url, generation)["available"] == [404, {"status": "UNAVAILABLE"}]
    source = {"type": "git", "url": repository.url, "branch": "main"}
    tests = ["test_build.py::test_b_middling", "test_build.py::test_c_fails"]
    job = place.create(source=source, tests=tests)
    told = run_runner(place.master.url, generation)
    status, task = told["available"]
    assert status == 200 and task["attempt"] == task["id"] and task["status"] == "AVAILABLE"
    assert (task["repositoryUrl"], task["branch"]) == (repository.url, "main")
    assert task["connectedTests"] == ["test_b_middling", "test_c_fails"]
    assert told["first"][0] == 200 and told["again"][0] == 200
    over = place.wait(job)
    assert over["state"] == "failed"
    run = place.master.get(f"/results/{over['run_id']}")
    assert (run["passed"], run["failed"], run["project"]) == (1, 1, "stories")
    cases = {case["nodeid"]: case for case in place.master.cases(over["run_id"])}
    middling = cases["test_build::test_b_middling"]
    assert middling["duration"] >= 0.2 and middling["memory_peak_kib"] > 0
    assert "no sum" in run["failures"][0]["message"]


def test_a_runner_that_cannot_clone_makes_the_job_an_error(place: Place, tmp_path: Path) -> None:
    source = {"type": "git", "url": f"file://{tmp_path}/nothing.git", "branch": "main"}
    job = place.create(source=source)
    assert run_runner(place.master.url, "id")["first"][0] == 200
    over = place.wait(job)
    assert over["state"] == "error" and "nothing.git" in over["error"]["text"]


def test_results_that_belong_to_no_task_are_refused(place: Place) -> None:
    body = {"id": 4711, "isPassed": True, "isError": False, "testResults": []}
    assert place.request("POST", "/api/task/result", body).status == 404
    answer = place.request("POST", "/api/task/result", {"id": 4711, "testResults": []})
    assert answer.status == 422 and answer.json["field"] == "isPassed"


def test_our_agent_and_an_existing_runner_work_for_our_own_master_with_an_account(
    place: Place, backends: Backends, repository: Repository
) -> None:
    password = "correct horse battery staple"
    subprocess.run(
        [
            str(place.programs.master),
            "account",
            "create",
            "--name",
            ACCOUNT[0],
            "--scope",
            "run",
            "--scope",
            "read",
            "--password-stdin",
            "--database-url",
            place.database_url,
        ],
        input=password + "\n",
        text=True,
        check=True,
        timeout=60,
        capture_output=True,
    )

    def token() -> str:
        body = {"username": ACCOUNT[0], "password": password}
        answer = place.request("POST", "/api/v1/login", body)
        assert answer.status == 200, answer.body
        return f"Bearer {answer.json['accessToken']}"

    wait_until(lambda: place.request("GET", "/jobs").status == 401, "the master to be closed")
    asking = token()

    def queue() -> int:
        source = {"type": "git", "url": repository.url, "branch": "main"}
        body = {"username": "Steve", "source": source, "tests": ["test_b_middling"]}
        answer = place.request("POST", "/jobs", body, authorization=asking)
        assert answer.status == 201, answer.body
        return int(answer.json["id"])

    def state(job: int) -> str:
        answer = place.request("GET", f"/jobs/{job}", authorization=asking)
        return str(answer.json["state"])

    job = queue()
    assert run_runner(place.master.url, "id", ACCOUNT[0], password)["first"][0] == 200
    assert state(job) == "passed"

    job = queue()
    own = Backend()
    own.url = place.master.url
    agent = backends.agent(own, "--auth", "--login", ACCOUNT[0], BACKEND_PASSWORD=password)
    wait_until(lambda: state(job) == "passed", "the job", RESULT_TIME_MAX_S)
    assert agent.end() == 0
    assert password not in agent.said()
