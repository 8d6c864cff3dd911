"""Virtual environments for clients under test, made once and kept in `target/test-environments`."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "target" / "test-environments"
INSTALL_TIME_MAX_S = 300


def python_with(*packages: str, base: str | Path = sys.executable, purpose: str = "") -> Path:
    """The interpreter of an environment with exactly these packages, made from `base`.

    `purpose` gives an environment of its own to who changes what is in it.
    """
    version = _output(str(base), "-c", "import sys; print(sys.version)")
    key = "\n".join(filter(None, (version.strip(), purpose, *packages))).encode()
    name = f"{purpose or packages[0].split('=')[0]}-{hashlib.sha256(key).hexdigest()[:12]}"
    folder = FOLDER / name
    python = folder / "bin" / "python"
    with alone(name):
        if not (folder / "complete").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            _output(str(base), "-m", "venv", str(folder))
            pip_install(python, *packages)
            (folder / "complete").touch()
    return python


def pip_install(python: Path, *packages: str) -> None:
    """Installs into the environment of this interpreter."""
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    finished = _run(str(python), *pip, *packages)
    if finished.returncode != 0:
        pytest.fail(
            f"cannot install {' '.join(packages)}; a package index must be reachable:\n"
            f"{finished.stderr[-2000:]}",
            pytrace=False,
        )


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Holds back the other processes of a distributed session that want the same thing made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _output(*command: str) -> str:
    finished = _run(*command)
    if finished.returncode != 0:
        pytest.fail(f"{' '.join(command)}:\n{finished.stderr[-2000:]}", pytrace=False)
    return finished.stdout


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_TIME_MAX_S, check=False
    )
