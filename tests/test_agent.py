"""Agents that things happen to: no order of kills leaves tests behind, and tests see no secrets."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Iterator

import pytest
from jobs_under_test import (
    Agent,
    Door,
    Gate,
    Place,
    below,
    command,
    is_alive,
    place_on,
    processes_of,
)
from platform_under_test import Programs
from worker_sessions import wait_until

LEASE_S = 8

KILL = signal.SIGKILL
STOP = signal.SIGSTOP

# Who gets what, in order. The guard is the process between the worker and pytest.
FAULTS: dict[str, list[tuple[str, signal.Signals]]] = {
    "agent-killed": [("agent", KILL)],
    "agent-stopped": [("agent", STOP)],
    "attempt-killed": [("attempt", KILL)],
    "attempt-stopped": [("attempt", STOP)],
    "worker-killed": [("worker", KILL)],
    "guard-killed": [("guard", KILL)],
    "all-above-killed": [("agent", KILL), ("attempt", KILL), ("worker", KILL)],
    "all-above-killed-from-below": [("worker", KILL), ("attempt", KILL), ("agent", KILL)],
    "all-above-stopped": [("worker", STOP), ("attempt", STOP), ("agent", STOP)],
    "stopped-above-killed": [("agent", STOP), ("attempt", KILL)],
    "stopped-below-killed": [("worker", STOP), ("attempt", KILL), ("agent", KILL)],
    "guard-and-worker-killed": [("guard", KILL), ("worker", KILL)],
    "guard-stopped-agent-stopped": [("guard", STOP), ("agent", STOP)],
    "guard-stopped-agent-killed": [("guard", STOP), ("agent", KILL)],
}

# The test itself and a process that left its session write the time while they live.
WRITES_THE_TIME = """
import os, subprocess, sys, time

FOLDER = {folder!r}

def write_the_time(name):
    path = os.path.join(FOLDER, name)
    for _ in range(6000):
        if os.path.exists(os.path.join(FOLDER, "enough")):
            return
        with open(path + ".new", "w") as file:
            file.write(str(time.time()))
        os.replace(path + ".new", path)
        time.sleep(0.02)

def test_writes_the_time():
    code = f"import sys; sys.path.insert(0, {{os.path.dirname(__file__)!r}}); "
    code += "import test_clock; test_clock.write_the_time('child')"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    write_the_time("test")
"""


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    with place_on(binaries, tmp_path, "", "--lease", str(LEASE_S)) as running:
        yield running


def last_time(folder: Path) -> float:
    """When one of them lived last."""
    return max(float((folder / name).read_text()) for name in ("test", "child"))


class Victim:
    """An agent with a job whose processes are about to suffer."""

    def __init__(self, place: Place, name: str) -> None:
        self.name = name
        self.folder = place.folder / f"times-{name}"
        self.folder.mkdir()
        text = WRITES_THE_TIME.format(folder=str(self.folder))
        place.put(f"{name}/test_clock.py", text)
        label = f"case={name}"
        self.agent = place.agent("--labels", label, name=name)
        self.job = place.create(
            f"{name}/test_clock.py", labels={"case": name}, attempts_max=1, environment=None
        )
        self.processes: dict[str, int] = {}
        self.hit_at = 0.0

    def wait_running(self) -> None:
        for name in ("test", "child"):
            wait_until((self.folder / name).exists, f"{name} of {self.name}", 120)
        self.processes = processes_of(self.agent)

    def hit(self) -> None:
        self.hit_at = time.time()
        for who, number in FAULTS[self.name]:
            # One above may have been quicker to end it.
            try:
                os.kill(self.processes[who], number)
            except ProcessLookupError:
                pass

    def wait_gone(self) -> None:
        """Waits until neither folder nor process is left, where there is an agent to see to it."""
        agent = self.agent
        if agent.process.poll() is None:
            wait_until(lambda: not agent.folders_of_jobs(), f"an empty folder of {self.name}")
        others = [number for number in self.processes.values() if number != agent.process.pid]
        wait_until(
            lambda: not [number for number in others if is_alive(number)],
            f"the end of all processes of {self.name}",
        )

    def wake(self) -> None:
        for process in self.processes.values():
            try:
                os.kill(process, signal.SIGCONT)
            except ProcessLookupError:
                pass


def test_no_order_of_kills_leaves_tests_running_beyond_the_lease(place: Place) -> None:
    victims = [Victim(place, name) for name in FAULTS]
    try:
        for victim in victims:
            victim.wait_running()
        for victim in victims:
            victim.hit()
        # Nothing is waited for but the lease: whoever lives then has been left behind.
        time.sleep(LEASE_S)
        over = {victim.name: last_time(victim.folder) - victim.hit_at for victim in victims}
        print(over)
        assert all(lived_s < LEASE_S for lived_s in over.values()), over
        still = {victim.name: last_time(victim.folder) for victim in victims}
        time.sleep(0.5)
        assert still == {victim.name: last_time(victim.folder) for victim in victims}
    finally:
        for victim in victims:
            (victim.folder / "enough").touch()
            victim.wake()
    for victim in victims:
        # One whose time was over for no fault of its own may have been given back and begun again.
        first = place.wait(victim.job)["attempts"][0]
        assert first["ending"] in ("error", "failed", "lost", "released"), (victim.name, first)
        victim.wait_gone()


def test_an_attempt_that_alone_is_stopped_holds_nobody_up(place: Place, gate: Gate) -> None:
    place.put("test_it.py", gate.waits("held"))
    place.put("test_next.py", "def test_it(): pass")
    agent = place.agent()
    job = place.create("test_it.py", environment="1", attempts_max=1, timeout_s=3000)
    following = place.create("test_next.py", environment="1")
    gate.wait_reached("held")
    processes = processes_of(agent)
    os.kill(processes["attempt"], STOP)
    # Long before the time of the job, and not before the guard has ended the tests.
    over = place.wait(job, "error", longest_s=10 * LEASE_S)
    assert over["error"]["kind"] == "subprocess"
    assert "no longer answered" in over["error"]["text"], over
    place.wait_passed(following)
    others = [number for number in processes.values() if number != agent.process.pid]
    assert not [number for number in others if is_alive(number)]
    assert agent.folders_of_jobs() == []


# Neither of them ends because it is asked to.
STUBBORN = """
import signal, subprocess, time

def test_stubborn():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    subprocess.Popen(["sleep", "{mark}"], start_new_session=True)
    time.sleep(3000)
"""

# How a job in a sandbox is brought to its end, and what the master says of it then.
ENDINGS = {
    "cancel": ("cancelled",),
    "timeout": ("timed_out",),
    "agent": ("error",),
    "attempt": ("error",),
    "worker": ("error", "failed"),
    "guard": ("error", "failed"),
}


def test_whatever_ends_a_job_ends_all_in_its_sandbox(place: Place) -> None:
    jobs = {}
    for number, how in enumerate(ENDINGS):
        # An argument that only this job's process has.
        mark = f"{os.getpid()}{number}.5"
        place.put(f"{how}/test_it.py", STUBBORN.format(mark=mark))
        agent = place.agent("--sandbox", "--labels", f"how={how}", name=how)
        job = place.create(
            f"{how}/test_it.py",
            labels={"how": how},
            attempts_max=1,
            timeout_s=20 if how == "timeout" else 3000,
        )
        jobs[how] = (job, agent, mark)
    everybody = {}
    for how, (_, agent, mark) in jobs.items():
        wait_until(partial(is_started, agent, mark), f"the test of {how}", 120)
        everybody[how] = [number for number in below(agent.process.pid) if is_alive(number)]
        if how == "cancel":
            assert place.request("POST", f"/jobs/{jobs[how][0]['id']}/cancel").status == 200
        elif how != "timeout":
            os.kill(processes_of(agent)[how], KILL)
    for how, (job, _, _) in jobs.items():
        longest_s = 60 if how in ("cancel", "timeout") else LEASE_S
        wait_until(partial(none_is_alive, everybody[how]), f"the end of {how}", longest_s)
        over = place.wait(job, *ENDINGS[how])
        assert len(over["attempts"]) == 1, over


def is_started(agent: Agent, mark: str) -> bool:
    """Whether the test of an agent's job has started its own process."""
    return any(command(process)[:2] == ["sleep", mark] for process in below(agent.process.pid))


def none_is_alive(processes: list[int]) -> bool:
    return not any(map(is_alive, processes))


def test_a_signal_that_ends_pytest_in_a_sandbox_is_told_by_its_name(place: Place) -> None:
    place.put("test_it.py", "import ctypes\ndef test_it(): ctypes.string_at(0)\n")
    place.put("test_own.py", "import os\ndef test_it(): os._exit(7)\n")
    place.agent("--sandbox")
    killed = place.create("test_it.py")
    ended = place.create("test_own.py")
    run = place.master.get(f"/results/{place.wait(killed, 'failed')['run_id']}")
    assert (run["status"], run["signal"]) == ("crashed", "SIGSEGV"), run
    run = place.master.get(f"/results/{place.wait(ended, 'failed')['run_id']}")
    assert (run["exit_code"], run.get("signal")) == (7, None), run


def test_what_a_killed_attempt_left_is_removed_by_the_next_agent(place: Place, gate: Gate) -> None:
    place.put("test_it.py", gate.waits("stays"))
    agent = place.agent(name="first")
    job = place.create("test_it.py", attempts_max=1)
    gate.wait_reached("stays")
    processes = processes_of(agent)
    # Whoever could remove it is gone before it can.
    for who, number in (("agent", STOP), ("attempt", KILL), ("agent", KILL)):
        os.kill(processes[who], number)
    agent.process.wait()
    assert len(agent.folders_of_jobs()) == 1
    # It cannot even be written, and goes nevertheless.
    left = agent.work / "jobs" / agent.folders_of_jobs()[0]
    (left / "closed/deep").mkdir(parents=True)
    (left / "closed").chmod(0o100)
    gate.open("stays")
    second = Agent(
        place.programs.worker,
        place.master.url,
        place.folder / "first",
        "--no-prepare",
        "--idle-exit",
        "1",
        name="second",
    )
    place.agents.append(second)
    assert second.wait() == 0
    assert second.folders_of_jobs() == []
    assert "removed what 1 jobs had left here" in second.said()
    place.wait(job, "error")


def signal_thrice(agent: Agent) -> None:
    agent.ask_to_end("takes no more jobs", "gives its jobs back", "kills its jobs")


def test_a_job_that_a_third_signal_kills_is_given_back_at_once(place: Place, gate: Gate) -> None:
    place.put("test_it.py", gate.waits("killed"))
    agent = place.agent(name="killed")
    job = place.create("test_it.py", attempts_max=1)
    gate.wait_reached("killed")
    processes = processes_of(agent)
    # What would end in order upon the second signal cannot.
    os.kill(processes["attempt"], STOP)
    signal_thrice(agent)
    assert agent.wait() == 0
    # Not when its lease is over: by now.
    queued = place.job(job)
    assert queued["state"] == "queued", queued
    assert [attempt["ending"] for attempt in queued["attempts"]] == ["released"]
    assert not [process for process in processes.values() if is_alive(process)]
    assert agent.folders_of_jobs() == []


def test_a_third_signal_ends_an_agent_whose_master_does_not_answer(
    place: Place, gate: Gate
) -> None:
    place.put("test_it.py", gate.waits("silent"))
    agent = place.agent(name="silent")
    job = place.create("test_it.py", attempts_max=1)
    gate.wait_reached("silent")
    processes = processes_of(agent)
    os.kill(place.master.process.pid, STOP)
    try:
        signal_thrice(agent)
        begun = time.monotonic()
        assert agent.wait() == 0
        lasted_s = time.monotonic() - begun
        print(lasted_s)
        assert lasted_s < 2 * LEASE_S
        assert "its lease will run out" in agent.said()
        assert not [process for process in processes.values() if is_alive(process)]
    finally:
        os.kill(place.master.process.pid, signal.SIGCONT)
    over = place.wait(job)
    assert (over["state"], over["error"]["kind"]) == ("error", "lost"), over


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def test_a_folder_goes_whatever_tests_made_of_it(place: Place) -> None:
    place.put(
        "test_it.py",
        """
import os, pathlib

def test_it(tmp_path):
    here = pathlib.Path(__file__).parent
    (here / "a/b/c").mkdir(parents=True)
    (here / "a/b/file").write_text("x")
    (here / "link").symlink_to("/")
    os.mkfifo(here / "a/fifo")
    deep = os.open(here, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=deep)
        deep, last = os.open("deep", os.O_RDONLY, dir_fd=deep), deep
        os.close(last)
    for path in ("a/b/file", "a/b/c", "a/b", "a"):
        os.chmod(here / path, 0)
""",
    )
    agent = place.agent()
    place.wait_passed(place.create("test_it.py"))
    assert agent.folders_of_jobs() == []
    # The file with the log goes when the master knows the end.
    wait_until(lambda: not list((agent.work / "jobs").iterdir()), "an empty folder of jobs")


def test_an_agent_may_end_after_one_job_or_when_there_is_none(place: Place) -> None:
    place.put("test_it.py", "def test_it(): pass\n")
    idle = place.agent("--idle-exit", "1")
    assert idle.wait() == 0
    once = place.agent("--once", name="once")
    jobs = [place.create("test_it.py") for _ in range(2)]
    assert once.wait() == 0
    assert place.wait(jobs[0])["agent"] == "once"
    assert place.job(jobs[1])["state"] == "queued"


def test_the_run_of_a_killed_worker_arrives_before_its_agent_ends(place: Place, gate: Gate) -> None:
    place.put("test_it.py", "def test_before(): pass\n" + gate.waits("killed"))
    agent = place.agent("--once")
    job = place.create("test_it.py", attempts_max=1)
    gate.wait_reached("killed")
    os.kill(processes_of(agent)["worker"], KILL)
    assert agent.wait() == 0
    over = place.wait(job, "error")
    run = place.master.get(f"/results/{over['run_id']}")
    assert run["status"] == "lost", run
    assert run["passed"] == 1, run


def test_what_a_job_prints_while_the_master_is_away_arrives_when_it_is_back(
    place: Place, gate: Gate
) -> None:
    place.put("test_a.py", gate.waits("away", "[print('line', n) for n in range(50000)]"))
    place.put("test_b.py", gate.waits("back", "print('the last line')"))
    with Door(place.master.url) as door:
        place.agent(master_url=door.url)
        job = place.create("test_a.py", "test_b.py", args=["-s"])
        gate.wait_reached("away")
        door.lead_to(None)
        gate.open("away")
        gate.wait_reached("back")
        door.lead_to(place.master.url)
        gate.open("back")
        over = place.wait_passed(job)
    log = place.log(job)
    assert [f"line {n}" for n in range(50000)] == [
        line for line in log.splitlines() if line.startswith("line ")
    ]
    assert log.count("the last line") == 1
    assert over["attempt"] == 1
    assert place.master.get(f"/results/{over['run_id']}")["status"] == "passed"


def test_jobs_are_not_believed_about_what_the_worker_goes_by(place: Place) -> None:
    """A repository's own settings reach neither the worker nor its journals."""
    place.put("test_it.py", "def test_it(): pass\n")
    place.put(
        "pyproject.toml",
        '[tool.pytest-platform]\nmaster-url = "http://127.0.0.1:9"\nworker-id = "mallory"\n'
        'project = "other"\nrun-timeout = 0.01\n\n[tool.pytest-platform.variant]\nsize = "small"\n',
    )
    place.agent(name="honest")
    over = place.wait_passed(place.create("test_it.py"))
    run = place.master.get(f"/results/{over['run_id']}")
    assert (run["worker_id"], run["project"]) == ("honest", "stories")
    assert run["variant"] == {"size": "small"}


SNOOPS = """
import os, pathlib

def test_snoops():
    secret = "do-not-" + "show"
    seen, refused = [], []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        folder = pathlib.Path("/proc", entry)
        try:
            words = folder.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        assert secret.encode() not in words, words
        ours = words.startswith((b"pytest-platform-worker", b"pytest-guard"))
        ours = ours or b"worker\\0agent" in words
        for name in ("environ", "maps"):
            try:
                text = folder.joinpath(name).read_bytes()
            except PermissionError:
                if ours:
                    refused.append(words)
                continue
            except OSError:
                continue
            assert secret.encode() not in text, (words, name)
            if ours:
                seen.append(words)
    assert not seen, seen
    # Agent, attempt, worker and guard, twice each.
    assert len(refused) >= 8, refused
    for number in range(3, 64):
        try:
            kind = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        assert "token" not in kind
"""


def test_tests_of_the_same_user_cannot_read_what_is_above_them(place: Place) -> None:
    """Root could: so the agent is started without what root may do beyond others."""
    place.put("test_it.py", SNOOPS)
    setpriv = shutil.which("setpriv")
    assert setpriv, "these tests need setpriv of util-linux"
    folder = place.folder / "snooped"
    folder.mkdir()
    agent = Agent.__new__(Agent)
    agent.name, agent.work, agent.log = "snooped", folder / "work", folder / "agent.log"
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "WORKER_STATE_DIR": str(folder / "state"),
        "MASTER_URL": place.master.url,
        "MASTER_TOKEN": "do-not-show",
    }
    words = [setpriv, "--bounding-set=-all", "--", str(place.programs.worker), "agent"]
    words += ["--no-prepare", "--python", sys.executable, "--name", agent.name]
    words += ["--work-dir", str(agent.work)]
    with agent.log.open("ab") as log:
        agent.process = subprocess.Popen(
            words, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
    place.agents.append(agent)
    over: dict[str, Any] = place.wait(place.create("test_it.py"))
    assert over["state"] == "passed", place.log(over)[-4000:]
