"""What the stories about jobs hold in their hands: masters with a library, agents, repositories."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator

from platform_under_test import Answer, Master, Programs
from worker_sessions import wait_until

# A job has a repository fetched, an environment made and pytest started, beside other tests.
JOB_TIME_MAX_S = 180
AGENT_END_MAX_S = 60
OVER = ("passed", "failed", "error", "timed_out", "cancelled", "failed_to_start")


class Agent:
    """A `pytest-platform-worker agent`; its words are in `log`."""

    def __init__(
        self,
        worker: Path,
        master_url: str,
        folder: Path,
        *options: str,
        name: str,
        environment: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.work = folder / "work"
        self.log = folder / "agent.log"
        command = [str(worker), "agent", "--name", name, "--work-dir", str(self.work)]
        command += ["--python", sys.executable, *options]
        variables = {
            **os.environ,
            "MASTER_URL": master_url,
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "WORKER_STATE_DIR": str(folder / "state"),
            # uv is one of the packages that these tests run with.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **(environment or {}),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={name: text for name, text in variables.items() if not _is_pytests(name)},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ask_to_end(self, *answers: str) -> None:
        """One signal after the other, each when the one before was heard."""
        for words in answers:
            self.process.send_signal(signal.SIGTERM)
            wait_until(partial(self.has_said, words), words)

    def has_said(self, words: str) -> bool:
        return words in self.said()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def end(self, longest_s: float = AGENT_END_MAX_S) -> int:
        """Asks it to end and waits; answers with its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        return self.wait(longest_s)

    def wait(self, longest_s: float = AGENT_END_MAX_S) -> int:
        try:
            return self.process.wait(longest_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end:\n{self.said()[-4000:]}") from None

    def kill(self) -> None:
        """`kill -9` of the agent alone, and of nothing that it started."""
        self.process.kill()
        self.process.wait()

    def stop_all(self) -> None:
        """For the end of a story, which may have gone wrong: jobs are not waited for."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        for _ in range(2):
            self.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        try:
            self.process.wait(AGENT_END_MAX_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def folders_of_jobs(self) -> list[str]:
        """What is left of the folders of its jobs."""
        jobs = self.work / "jobs"
        if not jobs.is_dir():
            return []
        return sorted(path.name for path in jobs.iterdir() if path.is_dir())


def below(root: int) -> list[int]:
    """Every process below this one."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    wanted = [root]
    while wanted:
        children = parents.get(wanted.pop(), [])
        found += children
        wanted += children
    return found


def command(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def processes_of(agent: Agent) -> dict[str, int]:
    """The processes of the one job that an agent has, by what they are."""
    found = {"agent": agent.process.pid}
    for process in below(agent.process.pid):
        words = command(process)
        if words[:2] == ["pytest-platform-worker", "attempt"]:
            found["attempt"] = process
        elif words[:2] == ["pytest-platform-worker", "run"]:
            found["worker"] = process
        elif words[:2] == ["pytest-guard", "guard"]:
            found["guard"] = process
    assert len(found) == 4, found
    return found


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Place:
    """A master with a test library, and the agents that one story needs."""

    def __init__(
        self, programs: Programs, folder: Path, database_url: str = "", *options: str
    ) -> None:
        self.programs = programs
        self.folder = folder
        self.library = folder / "library"
        self.library.mkdir(exist_ok=True)
        self.database_url = database_url or f"sqlite://{folder}/results.db"
        self.agents: list[Agent] = []
        self.options = ("--tests-dir", str(self.library), *options)
        self.start_master()

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        for agent in self.agents:
            agent.stop_all()
        # pytest shows this when the story failed.
        for agent in self.agents:
            print(f"--- {agent.name} said:\n{agent.said()[-6000:]}")
        said = self.master.log.read_text(errors="replace")
        print(f"--- the master said:\n{said[-6000:]}")
        self.master.stop()

    def start_master(self) -> None:
        """Starts the master, or another one on the same database and library."""
        self.master = Master(self.programs.master, self.database_url, self.folder, *self.options)

    def agent(self, *options: str, prepare: bool = False, **more: Any) -> Agent:
        """Starts one. It runs tests with the Python of these tests unless it is to prepare."""
        name = more.pop("name", f"agent-{len(self.agents) + 1}")
        if not prepare:
            options = ("--no-prepare", *options)
        url = more.pop("master_url", self.master.url)
        agent = Agent(self.programs.worker, url, self.folder / name, *options, name=name, **more)
        self.agents.append(agent)
        return agent

    def put(self, name: str, text: str) -> None:
        """Puts a file into the library by hand."""
        path = self.library / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Any request, with a body of JSON."""
        if body is None:
            return self.master.request(method, path, **headers)
        text = json.dumps(body).encode()
        return self.master.request(method, path, text, content_type="application/json", **headers)

    def create(self, *files: str, **fields: Any) -> dict[str, Any]:
        """`POST /jobs` of files of the library, unless another source is given."""
        source = fields.pop("source", {"type": "library", "files": list(files)})
        body = {"username": "Steve", "project": "stories", "source": source, **fields}
        answer = self.request("POST", "/jobs", body)
        assert answer.status == 201, answer.body
        assert answer.headers["location"] == f"/jobs/{answer.json['id']}"
        job: dict[str, Any] = answer.json
        return job

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        """What the master has of it now."""
        found: dict[str, Any] = self.master.get(f"/jobs/{job['id']}")
        return found

    def wait(
        self, job: dict[str, Any], *states: str, longest_s: float = JOB_TIME_MAX_S
    ) -> dict[str, Any]:
        """Waits until it is in one of these states, or over when none is named."""
        wanted = states or OVER

        def there() -> dict[str, Any] | None:
            now = self.job(job)
            if now["state"] in wanted:
                return now
            assert now["state"] not in OVER, (now, self.log(job)[-4000:])
            return None

        found: dict[str, Any] = wait_until(
            there, f"job {job['id']} {' or '.join(wanted)}", longest_s
        )
        return found

    def wait_passed(self, job: dict[str, Any]) -> dict[str, Any]:
        """Waits until it is over; it has to pass."""
        over = self.wait(job)
        assert over["state"] == "passed", (over, self.log(job)[-4000:])
        return over

    def log(self, job: dict[str, Any], **parameters: Any) -> str:
        """The whole log, or a part."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        answer = self.master.request("GET", f"/jobs/{job['id']}/log{query}")
        assert answer.status == 200, answer.body
        return answer.body.decode()


@contextmanager
def place_on(
    programs: Programs, folder: Path, database_url: str = "", *options: str
) -> Iterator[Place]:
    with Place(programs, folder, database_url, *options) as place:
        yield place


class Repository:
    """A git repository on this machine."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self.folder = folder
        self.url = f"file://{folder}"
        folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch", "main")
        # Servers hand out commits by their hash only when they are told to.
        self._git("config", "uploadpack.allowReachableSHA1InWant", "true")
        self.commit(files)

    def commit(self, files: dict[str, str]) -> str:
        """Changes files; answers with the hash of the commit."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "change")
        return self._git("rev-parse", "HEAD").strip()

    def branch(self, name: str) -> None:
        """Goes on with a new branch."""
        self._git("switch", "--quiet", "--create", name)

    def _git(self, *words: str) -> str:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Steve",
            "GIT_AUTHOR_EMAIL": "steve@example.org",
            "GIT_COMMITTER_NAME": "Steve",
            "GIT_COMMITTER_EMAIL": "steve@example.org",
        }
        finished = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    @contextmanager
    def served(self) -> Iterator[str]:
        """Over the git protocol; the address is handed out."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        parent = self.folder.parent
        daemon = subprocess.Popen(
            [
                "git",
                "daemon",
                "--export-all",
                "--reuseaddr",
                f"--base-path={parent}",
                "--listen=127.0.0.1",
                f"--port={port}",
                str(parent),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

        def listens() -> bool:
            assert daemon.poll() is None, "git daemon ended"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            wait_until(listens, "git daemon")
            yield f"git://127.0.0.1:{port}/{self.folder.name}"
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()


class LiveLog:
    """The log of a job as server-sent events, read in a thread."""

    def __init__(self, master: Master, path: str, last_event_id: str = "") -> None:
        address = urllib.parse.urlsplit(master.url).netloc
        self._connection = http.client.HTTPConnection(address, timeout=JOB_TIME_MAX_S)
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self._connection.request("GET", path, headers=headers)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        kind = self._answer.headers["content-type"]
        assert kind.startswith("text/event-stream"), kind
        self.events: list[tuple[str, str, Any]] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        event = {"event": "message", "id": "", "data": ""}
        try:
            for line in self._answer:
                name, _, text = line.decode().rstrip("\r\n").partition(":")
                if name in event:
                    event[name] = text[1:] if text.startswith(" ") else text
                elif not name and event["data"]:
                    data = json.loads(event["data"])
                    self.events.append((event["event"], event["id"], data))
                    if event["event"] == "end":
                        break
                    event = {"event": "message", "id": "", "data": ""}
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended.set()

    @property
    def text(self) -> str:
        """What came of the log so far."""
        return "".join(data["text"] for name, _, data in list(self.events) if name == "log")

    @property
    def last_event_id(self) -> str:
        return [number for name, number, _ in list(self.events) if name == "log"][-1]

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.text, f"{words!r} in the live log, which is {self.text!r}")

    def close(self) -> None:
        """Hangs up."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(AGENT_END_MAX_S)
        self._connection.close()


class Door:
    """An address that leads to a master, and later perhaps to another one."""

    def __init__(self, url: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._target: str | None = url
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self.lead_to(None)
        # Alone, closing would leave the thread in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def lead_to(self, url: str | None) -> None:
        """Cuts every connection; new ones go there, or nowhere."""
        with self._lock:
            self._target = url
            connections, self._open = self._open, set()
        for connection in connections:
            _shut(connection)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                target = self._target
            if target is None:
                near.close()
                continue
            address = urllib.parse.urlsplit(target)
            try:
                far = socket.create_connection((address.hostname or "", address.port or 80))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65_536):
                other.sendall(data)
        except OSError:
            pass
        _shut(one)
        _shut(other)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Gate:
    """Tests that wait at `waits` go on when `open` is called."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def waits(self, name: str, then: str = "pass", fail_after_s: int = JOB_TIME_MAX_S) -> str:
        """A file of tests whose only test says that it is here, and waits."""
        return f"""
import pathlib
import time

HERE = pathlib.Path({str(self.folder / name)!r})

def test_{name}():
    print("here is {name}", flush=True)
    HERE.with_suffix(".here").touch()
    until = time.monotonic() + {fail_after_s}
    while not HERE.with_suffix(".open").exists():
        assert time.monotonic() < until, "nobody opened"
        time.sleep(0.01)
    {then}
"""

    def is_reached(self, name: str) -> bool:
        return (self.folder / f"{name}.here").exists()

    def wait_reached(self, name: str) -> None:
        wait_until(lambda: self.is_reached(name), f"test_{name}", JOB_TIME_MAX_S)

    def open(self, name: str) -> None:
        (self.folder / f"{name}.open").touch()


def alone(lock: Path, history: Path, time_s: float) -> str:
    """A file of tests that fail when two of them are in one place at the same time."""
    return f"""
import os
import time

def test_alone():
    descriptor = os.open({str(lock)!r}, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.close(descriptor)
    with open({str(history)!r}, "a") as history:
        history.write("in\\n")
        history.flush()
        time.sleep({time_s})
        history.write("out\\n")
    os.unlink({str(lock)!r})
"""


def never_two(history: Path) -> int:
    """How many were in, one after the other."""
    lines = history.read_text().split()
    assert lines[::2] == ["in"] * (len(lines) // 2), lines
    assert lines[1::2] == ["out"] * (len(lines) // 2), lines
    return len(lines) // 2


def steadily(condition: Callable[[], Any], time_s: float = 1.0) -> None:
    """Something that must not change for a while, after which it is believed."""
    until = time.monotonic() + time_s
    while time.monotonic() < until:
        assert condition()
        time.sleep(0.05)


def _is_pytests(name: str) -> bool:
    return name.startswith("PYTEST_")
