"""A worker that is started, watched and perhaps mistreated while pytest runs under it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Callable

from platform_under_test import Master

PLUGIN = Path(__file__).resolve().parent.parent / "worker" / "python"
# Starting Python and pytest on a busy machine.
START_MAX_S = 60
END_MAX_S = 120


def wait_until(condition: Callable[[], Any], what: str, longest_s: float = START_MAX_S) -> Any:
    """Waits for something that comes when it comes."""
    deadline = time.monotonic() + longest_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {longest_s} s for {what}"
        time.sleep(0.02)


class Session:
    """pytest in a folder, under `run` or with the plugin installed (`sidecar`)."""

    def __init__(self, worker: Path, master_url: str, folder: Path, tests: str) -> None:
        self.worker = worker
        self.folder = folder / uuid.uuid4().hex[:8]
        self.folder.mkdir()
        (self.folder / "test_it.py").write_text(tests)
        self.run_id = str(uuid.uuid4())
        self.environment = {
            **{name: value for name, value in os.environ.items() if not _is_pytests(name)},
            "MASTER_URL": master_url,
            "PROJECT": "stories",
            "BRANCH": "main",
            "WORKER_ID": "stories",
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "WORKER_STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.output = ""
        self.time_s = 0.0
        self.memory_kib = 0
        self.limit_s = 0

    def start(self, *arguments: str, options: tuple[str, ...] = (), **popen: Any) -> Session:
        """Starts `run` without a terminal, in a session and so in a process group of its own."""
        command = [str(self.worker), "run", "--python", sys.executable, "--run-id", self.run_id]
        return self._start([*command, *options, "--", "-p", "no:cacheprovider", *arguments], popen)

    def start_sidecar(self, *arguments: str) -> Session:
        """Starts plain pytest, which starts the worker beside itself."""
        self.environment["PYTHONPATH"] = str(PLUGIN)
        self.environment["PATH"] = f"{self.worker.parent}:{os.environ['PATH']}"
        command = [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin"]
        return self._start([*command, "-p", "no:cacheprovider", *arguments], {})

    def _start(self, command: list[str], popen: dict[str, Any]) -> Session:
        self.started = time.monotonic()
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "start_new_session": True,
            **popen,
        }
        self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, **options)
        self._chunks: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        if self.process.stdout is not None:
            for chunk in iter(lambda: os.read(self.process.stdout.fileno(), 65536), b""):
                self._chunks.append(chunk)

    def said(self) -> str:
        """What was printed so far."""
        return b"".join(self._chunks).decode(errors="replace")

    def wait_for(self, name: str) -> Path:
        """Waits for a file that a test makes; what it writes into it may come a moment later."""
        path = self.folder / name
        wait_until(path.exists, f"{name}; so far: {self.said()[-2000:]}")
        return path

    def read_when_written(self, name: str) -> str:
        """What a test writes into a file, with one write, once it is there."""
        path = self.wait_for(name)
        wait_until(lambda: path.stat().st_size, f"{name} written")
        return path.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def signal_group(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def watch_memory(self) -> Session:
        """Notes the worker's greatest memory until it ends."""

        def watch() -> None:
            while self.process.poll() is None:
                self.memory_kib = max(self.memory_kib, peak_memory_kib(self.process.pid))
                time.sleep(0.01)

        threading.Thread(target=watch, daemon=True).start()
        return self

    def end(self, longest_s: float = END_MAX_S) -> int:
        """Waits for the end; answers with the exit code as a shell would."""
        try:
            code = self.process.wait(longest_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError(f"it did not end: {self.said()[-4000:]}") from None
        self.time_s = time.monotonic() - self.started
        self._reader.join(END_MAX_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.output = self.said()
        return code if code >= 0 else 128 - code

    def run(self, master: Master) -> dict[str, Any]:
        """What the master has of it."""
        run: dict[str, Any] = master.get(f"/results/{self.run_id}")
        return run


def _is_pytests(name: str) -> bool:
    """Whether pytest or xdist tells its children so, for whom a pytest of ours is no child."""
    return name.startswith("PYTEST_")


def only_run(master: Master) -> dict[str, Any]:
    """The one run that a master has, whole."""
    runs = wait_until(lambda: master.get("/results"), "a run at the master")
    assert len(runs) == 1, runs
    run: dict[str, Any] = master.get(f"/results/{runs[0]['run_id']}")
    return run


def outcomes(master: Master, run: dict[str, Any]) -> dict[str, str]:
    """Outcome by the last part of the nodeid."""
    cases = master.cases(run["run_id"])
    names = [case["nodeid"].split("::")[-1] for case in cases]
    assert len(set(names)) == len(names), names
    return {name: case["outcome"] for name, case in zip(names, cases)}


def texts(run: dict[str, Any]) -> str:
    """The texts of a run's problems."""
    return "\n".join(problem["text"] for problem in run["problems"])


def last_names(nodeids: list[str]) -> list[str]:
    return [nodeid.split("::")[-1] for nodeid in nodeids]


def peak_memory_kib(process: int) -> int:
    """VmHWM of a process, 0 when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def commands_with(mark: str) -> list[str]:
    """Command lines of living processes that have this word."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if mark.encode() in words and state != "Z":
            found.append(f"{folder.name}: {b' '.join(words).decode(errors='replace')}")
    return found
