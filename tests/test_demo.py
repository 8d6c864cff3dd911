"""`cargo xtask demo` shows everything, ends by itself, and leaves nothing running."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def processes_of_the_demo() -> list[str]:
    """Command lines of processes that have to do with the demo's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(TARGET / "demo") in line:
            found.append(line)
    return found


@pytest.mark.timeout(900)
def test_the_demo_ends_by_itself_with_a_report_and_nothing_left_running() -> None:
    cargo = shutil.which("cargo")
    assert cargo, "cargo is not on the PATH"
    ended = subprocess.run(
        [cargo, "xtask", "demo"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    report = (TARGET / "demo" / "report.html").read_text()
    assert "test_payment_is_confirmed" in report
    # The first run's flaky failure is the only difference between the two.
    assert "5 failed" not in ended.stdout
    assert "4 failed, 1 error, 8 passed, 1 skipped, 1 xfailed" in ended.stdout
    assert "3 failed, 1 error, 9 passed, 1 skipped, 1 xfailed" in ended.stdout
    assert "297 passed" in ended.stdout
    for tool in ("summary", "failures", "trend", "failure_stats", "workers", "report"):
        assert f"get_{tool}" in ended.stdout
    deadline = time.monotonic() + 5
    while processes_of_the_demo() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of_the_demo() == []
