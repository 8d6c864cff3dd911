"""Runs the awkward pytest sessions of a `cases.json` through plugin and aggregate.

    run_cases.py CASES.JSON AGGREGATE PYTHON [ID...]

AGGREGATE is the built example `worker/examples/aggregate.rs`. Prints every disagreement with the
truth that the cases carry, and ends with 1 when there was one.
"""

import base64
import collections
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Tuple

Json = Dict[str, Any]


def write_files(case: Json, folder: str) -> None:
    for name, text in case["files"].items():
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(text, dict):
            data = base64.b64decode(text["base64"])
        else:
            data = text.encode("utf-8", "surrogatepass")
        with open(path, "wb") as file:
            file.write(data)


def run(case: Json, aggregate: str, python: str, folder: str) -> Json:
    write_files(case, folder)
    command = [aggregate, python, str(case["stop_after_s"] or 0)]
    command += [*case["python_args"], "--", *case["args"]]
    ignore = (
        (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if case["sigint_ignored"] else None
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **case["env"]}
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=120,
        preexec_fn=ignore,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    result: Json = json.loads(done.stdout)
    return result


def escaped(nodeid: str) -> str:
    return nodeid.encode("utf-8", "backslashreplace").decode()


def counts(result: Json) -> Dict[str, int]:
    found: Dict[str, int] = collections.Counter()
    for case in result.get("cases") or []:
        for outcome in case.get("outcomes", [case["outcome"]]):
            found[outcome] += 1
    found["error"] += result.get("collection_errors", 0)
    found["skipped"] += result.get("collection_skips", 0)
    return found


def outcome_lists(result: Json) -> Dict[str, List[str]]:
    return {
        case["nodeid"]: case.get("outcomes", [case["outcome"]])
        for case in result.get("cases") or []
    }


def expected_lists(expect: Json) -> Dict[str, List[str]]:
    lists: Dict[str, List[str]] = {}
    for test in expect.get("tests", []):
        lists.setdefault(escaped(test["nodeid"]), []).extend(test["outcomes"])
    return lists


def disagreements(case: Json, result: Json) -> List[str]:
    expect = case["expect"]
    found: List[Tuple[str, object, object]] = []
    distributed = "-n" in case["args"]

    def compare(what: str, wanted: object, got: object) -> None:
        if wanted != got:
            found.append((what, wanted, got))

    compare("status", expect["status"], result["status"])
    compare("exit", expect["exit"] if (expect["exit"] or 0) >= 0 else None, result.get("exit_code"))
    compare("signal", expect.get("signal"), result.get("signal"))
    dead = [c["nodeid"] for c in result["cases"] if c["outcome"] in ("crashed", "timeout")]
    compare("at_death", sorted(map(escaped, expect.get("at_death", []))), sorted(dead))
    if not distributed:
        compare("not_run", sorted(expect.get("not_run", [])), sorted(result.get("not_run", [])))
        compare("collected", expect.get("collected") or 0, result.get("collected") or 0)
        compare("deselected", expect.get("deselected", 0), result.get("deselected", 0))
    got = counts(result)
    for category, count in expect.get("counts", {}).items():
        if category != "sub":
            compare(category, count, got[category])
    for category, count in expect.get("counts", {}).get("sub", {}).items():
        subtests = [c.get("subtests_" + category, 0) for c in result["cases"]]
        compare("subtests " + category, count, sum(subtests))
    if not expect.get("tests_unverified"):
        wanted_lists, lists = expected_lists(expect), outcome_lists(result)
        if distributed and case["id"].startswith("d07"):
            wanted_lists, lists = {}, {}
        # Of very many tests the cases list the first only.
        all_listed = expect.get("tests_total", 0) <= len(expect.get("tests", []))
        for nodeid in sorted(set(wanted_lists) | (set(lists) if all_listed else set())):
            compare(nodeid[-60:], wanted_lists.get(nodeid), lists.get(nodeid))
        if not all_listed:
            compare("tests_total", expect["tests_total"], len(lists))
    executions = {c["nodeid"]: c.get("executions", 1) for c in result["cases"]}
    for nodeid, count in expect.get("executions", {}).items():
        compare("executions", count, executions.get(nodeid))
    text = json.dumps(result, ensure_ascii=False)
    for word in expect.get("must", []):
        if json.dumps(word, ensure_ascii=False)[1:-1] not in text:
            found.append(("must", word, None))
    return [f"{what}: expected {wanted!r}, got {got!r}" for what, wanted, got in found]


def check(job: Tuple[Json, str, str]) -> Tuple[str, List[str]]:
    case, aggregate, python = job
    with tempfile.TemporaryDirectory() as folder:
        try:
            return case["id"], disagreements(case, run(case, aggregate, python, folder))
        except Exception as error:
            return case["id"], [f"{type(error).__name__}: {str(error)[-800:]}"]


def main() -> int:
    with open(sys.argv[1], "rb") as file:
        cases = json.load(file)
    wanted = sys.argv[4:]
    jobs = [
        (case, os.path.abspath(sys.argv[2]), sys.argv[3])
        for case in cases
        if not wanted or any(case["id"].startswith(word) for word in wanted)
    ]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, problems in pool.map(check, jobs):
            bad += bool(problems)
            for problem in problems[:6]:
                print(f"{name}  {problem[:400]}")
    print(f"{len(jobs) - bad} of {len(jobs)} agree")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
