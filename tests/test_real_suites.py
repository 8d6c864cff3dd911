"""Real suites run through the worker: what is stored is what pytest's own hooks say."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from platform_under_test import Master, run_worker
from real_suites import SUITES, Suite, prepare

RECORDER = Path(__file__).resolve().parent / "recorder"
COUNT = re.compile(r"(\d+) (subtests passed|subtests failed|[a-z]+)")
LAST_LINE = re.compile(r"^=* ?(?=\d+ )(?P<counts>[0-9a-z, ]+) in \d+\.\d+s( \([0-9:]+\))? ?=*$")
OUTCOMES = {"passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_what_is_stored_is_what_the_hooks_say(
    suite: Suite, master: Master, worker_binary: Path, tmp_path: Path
) -> None:
    sources, interpreter = prepare(suite)
    for number, arguments in enumerate(suite.runs):
        record = tmp_path / f"record-{number}.jsonl"
        ended = run_worker(
            worker_binary,
            master.url,
            sources,
            *("-p", "outcome_recorder", "-p", "no:cacheprovider", "--color=no", *arguments),
            python=interpreter,
            environment={
                "PROJECT": f"{suite.name}-{number}",
                "RECORD_TO": str(record),
                "PYTHONPATH": str(RECORDER),
                "WORKER_UPLOAD_TIMEOUT": "60",
            },
            timeout_s=800,
        )
        (listed,) = master.get("/results", project=f"{suite.name}-{number}")
        run = master.get(f"/results/{listed['run_id']}")
        assert run["complete"], ended.output[-5_000:]
        assert run["exit_code"] == ended.exit_code

        expected, subtests = outcomes_by_nodeid(record)
        assert len(expected) >= suite.tests_min
        stored = {case["nodeid"]: case["outcomes"] for case in master.cases(run["run_id"])}
        differing = {
            nodeid: (expected.get(nodeid), stored.get(nodeid))
            for nodeid in expected.keys() | stored.keys()
            if expected.get(nodeid) != stored.get(nodeid)
        }
        assert not differing, f"{len(differing)} differ: {list(differing.items())[:20]}"
        assert run["subtests_passed"] == subtests["subtests passed"]
        assert run["subtests_failed"] == subtests["subtests failed"]
        compare_counts(run, ended.output)


def outcomes_by_nodeid(record: Path) -> tuple[dict[str, list[str]], Counter[str]]:
    """Each test's outcomes in the order of the hooks; subtests are counted apart."""
    outcomes: dict[str, list[str]] = {}
    subtests: Counter[str] = Counter()
    with record.open(encoding="utf-8") as lines:
        for line in lines:
            nodeid, _, category = json.loads(line)
            if category.startswith("subtests"):
                subtests[category] += 1
            elif category:
                assert category in OUTCOMES, category
                outcomes.setdefault(nodeid, []).append(category)
    return outcomes, subtests


def compare_counts(run: dict, output: str) -> None:
    """The run's counts are those of pytest's last line."""
    matches = [match for line in output.splitlines() if (match := LAST_LINE.match(line.strip()))]
    assert matches, f"no last line of pytest in:\n{output[-3_000:]}"
    counts = {word: int(number) for number, word in COUNT.findall(matches[-1]["counts"])}
    counts["error"] = counts.pop("errors", 0) + counts.pop("error", 0)
    for word, field in [
        ("passed", "passed"),
        ("failed", "failed"),
        ("error", "error"),
        ("skipped", "skipped"),
        ("xfailed", "xfailed"),
        ("xpassed", "xpassed"),
        ("rerun", "rerun"),
        ("deselected", "deselected"),
    ]:
        assert run[field] == counts.get(word, 0), (word, matches[-1][0])
