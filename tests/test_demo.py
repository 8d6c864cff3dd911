"""`cargo xtask demo` shows everything, ends by itself, and leaves nothing running."""

from __future__ import annotations

import os
import shutil
import signal
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


def nothing_is_left() -> bool:
    deadline = time.monotonic() + 5
    while processes_of_the_demo() and time.monotonic() < deadline:
        time.sleep(0.1)
    return processes_of_the_demo() == []


def xtask(*arguments: str) -> list[str]:
    cargo = shutil.which("cargo")
    assert cargo, "cargo is not on the PATH"
    return [cargo, "xtask", *arguments]


@pytest.mark.timeout(900)
def test_the_demo_ends_by_itself_with_a_report_and_nothing_left_running() -> None:
    ended = subprocess.run(
        xtask("demo"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert nothing_is_left()
    report = (TARGET / "demo" / "report.html").read_text()
    assert "test_receipt_lists_every_item" in report
    # The flaky test is the only difference between the two runs.
    assert "4 failed, 1 error, 8 passed, 1 skipped, 1 xfailed" in ended.stdout
    assert "3 failed, 1 error, 9 passed, 1 skipped, 1 xfailed" in ended.stdout
    assert "297 passed" in ended.stdout
    for tool in ("summary", "failures", "trend", "failure_stats", "workers", "report"):
        assert f"get_{tool}" in ended.stdout


@pytest.mark.timeout(900)
def test_a_demo_that_stays_up_ends_on_ctrl_c() -> None:
    demo = subprocess.Popen(
        xtask("demo", "--serve"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A terminal's Ctrl-C reaches the foreground group: cargo and what it started.
        start_new_session=True,
    )
    seen = []
    for line in demo.stdout:
        seen.append(line)
        if "your own tests" in line:
            break
    assert processes_of_the_demo(), "".join(seen)
    os.killpg(demo.pid, signal.SIGINT)
    rest = demo.stdout.read()
    demo.stdout.close()
    demo.wait(30)
    assert "error" not in rest
    assert nothing_is_left()
