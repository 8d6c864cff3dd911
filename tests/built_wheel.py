"""The wheel, built as its users' package index has it: once a session, whoever asks first."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from own_environment import alone, python_with

ROOT = Path(__file__).resolve().parent.parent
BUILD_TIME_MAX_S = 900


def build_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the tool that its pyproject.toml names."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The parent folder belongs to all workers of this session.
        folder = folder.parent
    folder /= "wheel"
    maturin = python_with("maturin==1.16.0").parent / "maturin"
    with alone("wheel"):
        if not list(folder.glob("*.whl")):
            done = subprocess.run(
                [str(maturin), "build", "--locked", "--out", str(folder)],
                cwd=ROOT / "worker",
                capture_output=True,
                text=True,
                timeout=BUILD_TIME_MAX_S,
                check=False,
            )
            assert done.returncode == 0, f"cargo must be on PATH:\n{done.stderr[-3000:]}"
    (built,) = folder.glob("*.whl")
    return built
