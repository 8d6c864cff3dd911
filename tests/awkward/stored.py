"""All that a master has about one session of a case."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from platform_under_test import Master

ARRIVAL_TIME_MAX_S = 30
# Of more cases than these, the details are not asked for.
DETAILED_CASES_MAX = 50

Json = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A run with its cases, and the whole failures of those that have any."""

    run: Json
    cases: list[Json]
    details: list[Json]

    def outcome_lists(self) -> dict[str, list[str]]:
        return {case["nodeid"]: case["outcomes"] for case in self.cases}

    def died(self) -> list[str]:
        """The tests that were running when their process ended."""
        dead = [case for case in self.cases if case["outcome"] in ("crashed", "timeout")]
        return sorted(case["nodeid"] for case in dead)

    def counts(self) -> dict[str, int]:
        """What the run says of itself, not what its cases add up to."""
        fields = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun")
        return {field: self.run[field] for field in fields}

    def subtests(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for case in self.cases:
            for outcome in ("passed", "failed", "skipped"):
                counted[outcome] += case.get(f"subtests_{outcome}", 0)
        return counted

    def has_text(self, text: str) -> bool:
        """Whether a reader of the run, of its cases or of a case's details could find this."""
        wanted = json.dumps(text, ensure_ascii=False)[1:-1]
        return any(
            wanted in json.dumps(part, ensure_ascii=False)
            for part in (self.run, self.cases, self.details)
        )


def the_run(master: Master, project: str, patience_s: float = ARRIVAL_TIME_MAX_S) -> Stored | None:
    """The one run of a project, once it is over; None when none arrives in time."""
    deadline = time.monotonic() + patience_s
    while True:
        listed = master.get("/results", project=project)
        over = [run for run in listed if run["status"] != "running"]
        if over or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert len(listed) < 2, f"{len(listed)} runs of {project} arrived"
    if not over:
        return None
    run = master.get(f"/results/{over[0]['run_id']}")
    cases = master.cases(run["run_id"])
    talkative = [
        case for case in cases if len(case["outcomes"]) != 1 or case["outcome"] != "passed"
    ]
    details = [
        master.get(f"/results/{run['run_id']}/case", nodeid=case["nodeid"])
        for case in talkative[:DETAILED_CASES_MAX]
    ]
    return Stored(run, cases, details)
