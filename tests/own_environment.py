"""Virtual environments for clients under test, made once and kept in `target/test-environments`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "target" / "test-environments"
INSTALL_TIME_MAX_S = 300


def python_with(*packages: str) -> Path:
    """The interpreter of an environment with exactly these packages."""
    key = "\n".join((sys.version, *packages)).encode()
    folder = FOLDER / f"{packages[0].split('=')[0]}-{hashlib.sha256(key).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if (folder / "complete").is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", *packages]
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_TIME_MAX_S, check=False
    )
    if finished.returncode != 0:
        pytest.fail(
            f"cannot install {' '.join(packages)}; a package index must be reachable:\n"
            f"{finished.stderr[-2000:]}",
            pytrace=False,
        )
    (folder / "complete").touch()
    return python
