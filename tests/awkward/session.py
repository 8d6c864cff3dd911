"""One session of a case: through the worker, or as plain pytest with the wheel installed."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from awkward.cases import Case

# Far longer than any case takes, even where four builds share two cores.
SESSION_TIME_MAX_S = 120
# Marks the processes of a session, so that those that it leaves behind are found.
MARK = "AWKWARD_SESSION"


@dataclass(frozen=True)
class Ended:
    """How the started process ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    output: str
    started_at: float
    """Seconds since 1970."""
    ended_at: float
    left_running: list[str]
    """Command lines of processes that were still there."""


def through_the_worker(
    case: Case, worker: Path, python: Path, folder: Path, master_url: str, **more: str
) -> Ended:
    """`pytest-platform-worker run`, in the folder of the project."""
    options = [f"--python-arg={argument}" for argument in case.python_arguments]
    if case.stop_after_s is not None:
        options.append(f"--run-timeout={case.stop_after_s}")
    # Not by MASTER_URL: tests could read that, and one of the cases looks for it.
    options += [f"--master-url={master_url}", f"--python={python}"]
    command = [str(worker), "run", *options, "--", *case.arguments]
    return _run(case, command, python, folder, SESSION_TIME_MAX_S, more)


def through_the_wheel(case: Case, python: Path, folder: Path, master_url: str) -> Ended:
    """Plain pytest; what never ends by itself is killed, as an impatient person would."""
    command = [str(python), *case.python_arguments, "-m", "pytest", *case.arguments]
    patience_s = case.stop_after_s or SESSION_TIME_MAX_S
    return _run(case, command, python, folder, patience_s, {"MASTER_URL": master_url})


def project(case: Case) -> str:
    """Name of the case's project at the master; short, since a case looks for the word secret."""
    return case.id.partition("_")[0]


def _run(
    case: Case,
    command: list[str],
    python: Path,
    folder: Path,
    patience_s: float,
    more: dict[str, str],
) -> Ended:
    mark = f"{MARK}={uuid.uuid4()}"
    environment = _environment(case, python, folder) | more
    environment[MARK] = mark.partition("=")[2]
    before = (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if case.sigint_ignored else None
    started_at = time.time()
    # Into a file: somebody who inherits a pipe and lives on would keep it open.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=before,
        )
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        ended_at = time.time()
        left_running = _kill_all(mark)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Ended(process.returncode, text, started_at, ended_at, left_running)


def _environment(case: Case, python: Path, folder: Path) -> dict[str, str]:
    """Made from nothing: these stories run through a worker and through xdist themselves, and what
    both leave in the environment is not for the sessions in here."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_STATE_HOME": str(home / "state"),
        "WORKER_STATE_DIR": str(home / "state"),
        "WORKER_UPLOAD_TIMEOUT": "60",
        "WORKER_ID": "awkward",
        "PROJECT": project(case),
        "BRANCH": "main",
        **case.environment,
    }


def _kill_all(mark: str) -> list[str]:
    """Kills what carries the mark but for a sidecar, which is busy with its report."""
    killed = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if mark.encode() not in (process / "environ").read_bytes().split(b"\0"):
                continue
            words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if b"sidecar" in words:
                continue
            os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue  # It ended in this moment, or is nobody's business.
        killed.append(os.fsdecode(b" ".join(words))[:200])
    return killed
