"""The Python environments of the cases, with the versions that the truth was measured on."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from own_environment import alone, pip_install, python_with
from real_suites import Python, pythons

from awkward.cases import requirements

# The truth was measured on this one; on later ones a case differs, and `truth.py` knows.
MEASURED_MINOR = 11
WARM_UP_TIME_MAX_S = 120


@functools.cache
def base() -> Python:
    """Python 3.11 where it is found, else the oldest one after it."""
    fitting = [python for python in pythons() if python.minor >= MEASURED_MINOR]
    if not fitting:
        pytest.fail(
            f"the cases need Python 3.{MEASURED_MINOR} or newer "
            "(Debian, Ubuntu: apt-get install python3 python3-venv; or pyenv)",
            pytrace=False,
        )
    return fitting[0]


def plain(folder: Path) -> Path:
    """The interpreter of an environment with what the cases need; `folder` is for a warming up."""
    python = python_with(*requirements(), base=base().path, purpose="awkward")
    _warm_up(python, folder)
    return python


def with_wheel(folder: Path, wheel: Path) -> Path:
    """The same, with this wheel installed on top."""
    python = python_with(*requirements(), base=base().path, purpose="awkward-wheel")
    stamp = python.parent.parent / "wheel.sha256"
    built = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with alone("awkward-wheel"):
        if not stamp.is_file() or stamp.read_text() != built:
            stamp.unlink(missing_ok=True)
            pip_install(python, "--no-deps", "--force-reinstall", str(wheel))
            stamp.write_text(built)
    _warm_up(python, folder)
    return python


def _warm_up(python: Path, folder: Path) -> None:
    """Makes pytest keep what it rewrites of its plugins, which takes a second of each session."""
    stamp = python.parent.parent / "warm"
    if stamp.is_file():
        return
    (folder / "test_warm.py").write_text("def test_warm(): pass\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    subprocess.run(
        [str(python), "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        timeout=WARM_UP_TIME_MAX_S,
        check=True,
    )
    stamp.touch()


def is_measured() -> bool:
    """Whether the cases run on the very Python that the truth was measured on."""
    return base().minor == MEASURED_MINOR
