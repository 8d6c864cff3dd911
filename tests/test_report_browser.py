"""The report in real Chromium: nothing overflows, nothing complains, no test text executes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from own_environment import python_with
from platform_under_test import Master

PROBE = Path(__file__).with_name("browser_probe.py")
HOSTILE = '<img src=x onerror="document.title=1">\u202e\x1b[31m<script>document.title=2</script>'
LONG = "a_very_long_name_" * 120


@pytest.fixture(scope="session")
def chromium() -> str:
    named = os.environ.get("CHROMIUM")
    found = named or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        pytest.fail("no Chromium: apt-get install chromium, or name one in CHROMIUM", pytrace=False)
    return found


def run(run_id: str, cases: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"run_id": run_id, "worker_id": "laptop", "project": run_id, "cases": cases, **more}


def case(nodeid: str, outcome: str = "passed", **more: Any) -> dict[str, Any]:
    return {"nodeid": nodeid, "outcome": outcome, "duration": 0.25, **more}


def failure(text: str) -> dict[str, Any]:
    return {
        "phase": "call",
        "outcome": "failed",
        "message": text,
        "traceback": f">       assert '{text}'\nE       {text}\n\ntests/t.py:3: AssertionError",
        "stdout": text,
        "stderr": text,
        "log": text,
    }


def runs() -> list[dict[str, Any]]:
    hostile = [
        case(f"tests/t.py::test[{HOSTILE}]", "failed", failures=[failure(HOSTILE)]),
        case(f"tests/t.py::{LONG}[{'x' * 3000}]", "failed", failures=[failure("y" * 5000)]),
    ]
    green = [case(f"tests/test_shop.py::test_price[{number}]") for number in range(40)]
    return [
        run("green", green),
        run("hostile", hostile, branch=HOSTILE, commit="c" * 400, command=HOSTILE + LONG,
            ci={"name": HOSTILE, "url": "javascript:document.title=3"}),
        run("many", [case(f"tests/t.py::t[{n}]", "failed", message=f"no {n}") for n in range(500)]),
        run("crashed", [case("tests/t.py::dies", "crashed", outcomes=[])], status="crashed",
            signal="SIGSEGV", finished=False, complete=False, collected=400,
            running=["tests/t.py::dies"], running_count=1,
            not_run=[f"tests/t.py::{LONG}{n}" for n in range(20)], not_run_count=399,
            problems=[{"kind": "crash", "where": LONG, "text": HOSTILE * 40}]),
    ]  # fmt: skip


@pytest.fixture
def seen(
    master: Master, mcp_binary: Path, chromium: str, tmp_path: Path
) -> dict[str, list[dict[str, Any]]]:
    """What Chromium saw of each report, at two widths in two colour schemes."""
    pages = [write_report(mcp_binary, master.url, tmp_path / "empty.html")]
    for one in runs():
        answer = master.post(one)
        assert answer.status == 201, answer.body
        page = tmp_path / f"{one['run_id']}.html"
        pages.append(write_report(mcp_binary, master.url, page, "--run-id", one["run_id"]))
    python = python_with("playwright==1.65.2")
    command = [str(python), str(PROBE), chromium, *map(str, pages)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr[-4000:]
    by_page: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(finished.stdout):
        by_page.setdefault(one["page"].removesuffix(".html"), []).append(one)
    return by_page


def write_report(mcp_binary: Path, url: str, page: Path, *options: str) -> Path:
    command = [str(mcp_binary), "--master-url", url, "report", "--output", str(page), *options]
    subprocess.run([*command, "--bytes-max", "65536"], check=True, timeout=60)
    assert page.stat().st_size <= 65536
    return page


def test_reports_are_sound_in_a_real_browser(seen: dict[str, list[dict[str, Any]]]) -> None:
    for name, looks in seen.items():
        assert len(looks) == 4, name
        for one in looks:
            where = (name, one["width"], one["scheme"])
            assert one["trouble"] == [], where
            assert one["too_wide"] == [], where
            assert one["scroll_width"] <= one["width"], where
            assert one["scripts"] == 0, where
            assert not {"\u202e", "\x1b"} & set(one["text"]), where
        assert len({one["background"] for one in looks}) == 2, f"{name} has no dark colours"

    headings = {name: looks[0]["heading"] for name, looks in seen.items()}
    assert "No run yet" in headings["empty"]
    assert "All 40 tests passed" in headings["green"]
    assert "500 of 500 tests failed" in headings["many"]
    assert "died of SIGSEGV" in headings["crashed"]
    assert "Was running: tests/t.py::dies" in seen["crashed"][0]["text"]
    # The hostile id is there, as text.
    assert '<img src=x onerror="document.title=1">' in seen["hostile"][0]["text"]
    assert seen["hostile"][0]["title"].startswith("Failed: hostile")
