"""The official MCP SDK lists and calls the six tools over stdio, in both protocol eras."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from own_environment import python_with
from platform_under_test import Master

CLIENT = Path(__file__).with_name("mcp_stdio_client.py")
TOOLS = {
    "get_report",
    "get_summary",
    "get_trend",
    "get_failures",
    "get_workers",
    "get_failure_stats",
}
ANSWER_BYTES_MAX = 8 * 1024
REPORT_BYTES_MAX = 64 * 1024
RUN_ID = "a run/with spaces?"
RUN_URI = "report://a%20run%2Fwith%20spaces%3F"


@pytest.fixture(params=[("mcp==2.3.0", "2026-07-28"), ("mcp==1.30.0", "2025-11-25")], ids=str)
def era(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """Interpreter with one version of the SDK, and the protocol version it must agree on."""
    package, version = request.param
    return python_with(package), version


@pytest.fixture
def reported(master: Master) -> Master:
    """A master with two runs of the project `shop`, the second with 300 failures."""
    first = {"run_id": "first", "worker_id": "laptop", "project": "shop", "passed": 9, "total": 9}
    hostile = "\x1b[31mred\x1b[0m \u202egnp.exe <script>alert(1)</script>"
    cases: list[dict[str, Any]] = [
        {"nodeid": f"tests/test_shop.py::test_price[{i}]", "outcome": "failed", "message": hostile}
        for i in range(300)
    ]
    second = {
        "run_id": RUN_ID,
        "worker_id": "laptop",
        "project": "shop",
        "branch": "main",
        "cases": [*cases, {"nodeid": "tests/test_shop.py::test_open", "outcome": "passed"}],
    }
    for run in (first, second):
        assert master.post(run).status == 201
    return master


def talk(era: tuple[Path, str], program: Path, url: str, calls: list[Any], uri: str) -> Any:
    command = [str(era[0]), str(CLIENT), str(program), url, json.dumps(calls), uri]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr[-4000:]
    seen = json.loads(finished.stdout)
    assert seen["version"] == era[1]
    return seen


def test_six_tools_are_listed_called_and_read(
    era: tuple[Path, str], mcp_binary: Path, reported: Master
) -> None:
    calls = [[tool, {}] for tool in sorted(TOOLS)]
    seen = talk(era, mcp_binary, reported.url, calls, RUN_URI)

    assert {tool["name"] for tool in seen["tools"]} == TOOLS
    assert len(json.dumps(seen["tools"], separators=(",", ":"))) <= 12_000
    for (tool, _), answer in zip(calls, seen["answers"]):
        assert not answer["isError"], answer
        structured = json.dumps(answer["structuredContent"], separators=(",", ":"))
        assert len(structured.encode()) <= ANSWER_BYTES_MAX, tool
        assert "\\u001b" not in structured and "\\u202e" not in structured, tool

    answers = {tool: answer for (tool, _), answer in zip(calls, seen["answers"])}
    runs = answers["get_summary"]["structuredContent"]["runs"]
    assert [run["run_id"] for run in runs] == [RUN_ID, "first"]
    failures = answers["get_failures"]["structuredContent"]
    left_out = sum(cut["left_out"] for cut in failures["truncated"])
    assert len(failures["failures"]) + left_out == 300

    words, page = answers["get_report"]["content"]
    assert words["type"] == "text" and "300 of 301 tests failed" in words["text"]
    assert page["annotations"]["audience"] == ["user"]
    assert page["resource"]["mimeType"] == "text/html"
    assert page["resource"]["uri"] == RUN_URI
    assert len(page["resource"]["text"].encode()) <= REPORT_BYTES_MAX
    assert "300 of 301 tests failed" in seen["resource"][0]["text"]
    assert seen["templates"][0]["uriTemplate"] == "report://{run_id}"
    assert RUN_URI in [resource["uri"] for resource in seen["resources"]]


def test_errors_reach_the_model_and_say_what_to_do(
    era: tuple[Path, str], mcp_binary: Path, reported: Master
) -> None:
    calls = [
        ["get_failures", {"project": "shp"}],
        ["get_report", {"run_id": "no such run"}],
        ["get_trend", {"limit": 0}],
        ["get_summary", {"limit": 100_000}],
    ]
    seen = talk(era, mcp_binary, reported.url, calls, RUN_URI)
    project, run, limit, clamped = seen["answers"]
    assert project["isError"] and "did you mean `shop`?" in project["content"][0]["text"]
    assert run["isError"] and "get_summary" in run["content"][0]["text"]
    assert limit["isError"] and "from 1 to 100" in limit["content"][0]["text"]
    assert "500 was used" in clamped["structuredContent"]["hint"]


def test_a_master_that_is_down_is_named(mcp_binary: Path, reported: Master) -> None:
    url = reported.url
    reported.stop()
    command = [str(mcp_binary), "--master-url", url, "report"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 1
    assert url in finished.stderr and "pytest-platform-master" in finished.stderr
    assert finished.stdout == ""
