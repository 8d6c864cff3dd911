"""What is stored, held against the truth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from awkward.cases import Case
from awkward.session import Ended
from awkward.stored import Stored
from awkward.truth import CHANCE

# Clocks of worker and stories are the same; timestamps are rounded.
TIME_SLACK_S = 1.0
# Kinds of problems, as pytest's own reports call them.
COLLECT_PROBLEMS = {"collection_error": "failed", "collection_skip": "skipped"}


def differences(case: Case, expect: dict[str, Any], ended: Ended, stored: Stored) -> list[str]:
    """Each disagreement, in words; `expect` is the case's own or what this way can know of it."""
    compared = [*_ending(case, expect, stored), *_counts_of_subtests(stored)]
    if case.id in CHANCE:
        compared += _what_is_certain(case, stored)
    else:
        compared += [*_tests(case, expect, stored), *_counts(expect, stored)]
    found = [
        f"{what}: expected {wanted!r}, stored {got!r}"
        for what, wanted, got in compared
        if wanted != got
    ]
    found += [
        f"not findable: {text!r}" for text in expect.get("must", []) if not stored.has_text(text)
    ]
    if expect.get("must_clean"):
        found += [f"left running: {command}" for command in ended.left_running]
    found += _implausible(ended, stored)
    return found


Compared = Iterator[tuple[str, Any, Any]]


def _ending(case: Case, expect: dict[str, Any], stored: Stored) -> Compared:
    run = stored.run
    yield "status", expect["status"], run["status"]
    exit_code = expect["exit"]
    yield "exit code", exit_code if (exit_code or 0) >= 0 else None, run["exit_code"]
    yield "signal", expect["signal"], run["signal"]
    # xdist replaces a worker that died and reports the test that killed it: nothing is missing.
    missing = expect["not_run"] or (expect["at_death"] and not case.distributed)
    if missing:
        yield "complete", False, run["complete"]
        yield "passed although not whole", False, run["status"] == "passed"


def _tests(case: Case, expect: dict[str, Any], stored: Stored) -> Compared:
    run = stored.run
    yield "died", sorted(map(escaped, expect["at_death"])), stored.died()
    if not case.distributed:
        # What xdist's workers collected is not in the truth.
        yield "not run", sorted(map(escaped, expect["not_run"])), sorted(run["not_run"])
        yield "collected", expect["collected"] or 0, run["collected"] or 0
        yield "deselected", expect["deselected"], run["deselected"]
    problems = [
        [problem["where"], COLLECT_PROBLEMS[problem["kind"]]]
        for problem in run["problems"]
        if problem["kind"] in COLLECT_PROBLEMS
    ]
    yield "collect problems", _anyones(expect["collect_problems"]), _anyones(problems)
    if expect.get("tests_unverified"):
        return
    wanted, got = _expected_lists(expect), stored.outcome_lists()
    yield "tests", expect["tests_total"] - _attempts_listed(expect), len(got)
    for nodeid in sorted(wanted.keys() | (got.keys() if _lists_all(expect) else set())):
        yield nodeid[-80:], wanted.get(nodeid), got.get(nodeid)
    executions = {one["nodeid"]: one["executions"] for one in stored.cases}
    for nodeid, count in expect.get("executions", {}).items():
        yield f"executions of {nodeid}", count, executions.get(nodeid)
    attempts = {one["nodeid"]: one["attempts"] for one in stored.cases}
    for nodeid, count in expect.get("attempts", {}).items():
        yield f"attempts of {nodeid}", count, attempts.get(nodeid)


def _anyones(problems: list[list[str]]) -> list[list[str]]:
    """Which of xdist's workers comes second is chance."""
    return sorted([re.sub(r"^gw\d+$", "gw", place), outcome] for place, outcome in problems)


def _counts(expect: dict[str, Any], stored: Stored) -> Compared:
    counts, subtests = stored.counts(), stored.subtests()
    for category, count in expect["counts"].items():
        if category != "sub":
            yield category, count, counts[category]
    for category, count in expect["counts"].get("sub", {}).items():
        yield f"subtests {category}", count, subtests[category]


def _counts_of_subtests(stored: Stored) -> Compared:
    subtests = stored.subtests()
    for category in ("passed", "failed"):
        yield (
            f"subtests {category} of the run",
            subtests[category],
            stored.run[f"subtests_{category}"],
        )


def _what_is_certain(case: Case, stored: Stored) -> Compared:
    """Where chance decides how far a session comes."""
    ends = {one["nodeid"]: one["outcome"] for one in stored.cases}
    for nodeid, outcomes in CHANCE[case.id].items():
        yield nodeid, True, ends.get(nodeid) in outcomes
    yield "collected", len(ends) + stored.run["not_run_count"], stored.run["collected"]
    yield "anything passed or failed", True, stored.run["passed"] + stored.run["failed"] > 0
    for category, count in stored.counts().items():
        listed = sum(one["outcomes"].count(category) for one in stored.cases)
        yield category, listed, count


def _expected_lists(expect: dict[str, Any]) -> dict[str, list[str]]:
    """The truth has an entry an attempt; stored is a list a test."""
    lists: dict[str, list[str]] = {}
    for test in expect["tests"]:
        lists.setdefault(escaped(test["nodeid"]), []).extend(test["outcomes"])
    return lists


def _attempts_listed(expect: dict[str, Any]) -> int:
    return len(expect["tests"]) - len(_expected_lists(expect))


def _lists_all(expect: dict[str, Any]) -> bool:
    """Of very many tests the truth lists the first only."""
    return expect["tests_total"] <= len(expect["tests"])


def escaped(nodeid: str) -> str:
    """Lone surrogates are stored as visible escapes."""
    return nodeid.encode("utf-8", "backslashreplace").decode()


def _implausible(ended: Ended, stored: Stored) -> list[str]:
    """Times that no honest clock has seen, whatever the tests did to theirs."""
    found = []
    for name in ("duration", "setup", "call", "teardown"):
        times = [one.get(name) or 0.0 for one in (stored.run, *stored.cases)]
        if min(times) < 0 or max(times) > ended.ended_at - ended.started_at + TIME_SLACK_S:
            found.append(f"{name} from {min(times)} to {max(times)}")
    moments = [stored.run["timestamp"], stored.run["started_at"], stored.run["finished_at"]]
    moments += [one["started_at"] for one in stored.cases]
    for moment in filter(None, moments):
        at = datetime.fromisoformat(moment).timestamp()
        if not ended.started_at - TIME_SLACK_S <= at <= ended.ended_at + 60:
            found.append(f"a time of {moment}")
            break
    return found


def described(found: list[str], ended: Ended, stored: Stored | None) -> str:
    """For the reader of a failed story."""
    run = {} if stored is None else {k: v for k, v in stored.run.items() if k != "failures"}
    return "\n".join(
        [
            *found[:20],
            "",
            f"exit code {ended.exit_code}",
            ended.output[-2_000:],
            "",
            json.dumps(run, indent=1)[:6_000],
        ]
    )
