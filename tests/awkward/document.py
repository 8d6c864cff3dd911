"""`docs/awkward-runs.md`: every case, what is to be stored of it, and what was measured.

What was measured is in the last two columns of its tables. A story compares its own cell with what
it has just measured, and `UPDATE=1` makes it write that instead; all else follows from the cases.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from own_environment import alone

from awkward import truth
from awkward.cases import Case, cases
from awkward.words import GROUPS, WORDS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "awkward-runs.md"
UNMEASURED = "not measured"
SAME = "same"
NOT_APPLICABLE = "n/a"

Way = Literal["worker", "wheel"]
# By case: what came through the worker, what came through the wheel.
Cells = dict[str, tuple[str, str]]

ROW = re.compile(r"^\| `(?P<case>[^`]+)` \|.*\| (?P<worker>[^|]+) \| (?P<wheel>[^|]+) \|$", re.M)
# Begins the page; the totals come where it says so.
HEAD = Path(__file__).with_name("head.md")


def check_or_update(case: Case, way: Way, measured: str) -> None:
    """Fails when the document says something else of this case, or makes it say this."""
    with alone("awkward-document"):
        cells = read()
        if os.environ.get("UPDATE") == "1":
            pair = list(cells.get(case.id, (UNMEASURED, UNMEASURED)))
            pair[way == "wheel"] = measured
            cells[case.id] = (pair[0], pair[1])
            DOCUMENT.write_text(render(cells), encoding="utf-8")
            return
    written = cells.get(case.id, (UNMEASURED, UNMEASURED))[way == "wheel"]
    assert written == measured, f"{DOCUMENT.name} is out of date; set UPDATE=1 to write it anew"


def read() -> Cells:
    """What the document says was measured."""
    text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.is_file() else ""
    return {row["case"]: (row["worker"], row["wheel"]) for row in ROW.finditer(text)}


def render(cells: Cells) -> str:
    """The whole document."""
    listed = cases()
    parts = [HEAD.read_text(encoding="utf-8").replace("TOTALS", _totals(listed, cells))]
    for letter, title in GROUPS.items():
        parts.append(f"## {title}\n")
        rows = [
            _row(case, *cells.get(case.id, (UNMEASURED, UNMEASURED)))
            for case in listed
            if case.id.startswith(letter)
        ]
        head = ("Case", "What happens", "Status", "Exit", "Tests", "Worker", "Wheel")
        parts.append("\n".join([_line(head), _line(["---"] * len(head)), *rows]) + "\n")
    parts.append(_deviations())
    return "\n".join(parts)


def _totals(listed: list[Case], cells: Cells) -> str:
    worker = [cells.get(case.id, (UNMEASURED, UNMEASURED))[0] for case in listed]
    possible = [case for case in listed if not truth.through_the_wheel(case).impossible]
    wheel = [cells.get(case.id, (UNMEASURED, UNMEASURED))[1] for case in possible]
    same = [cell for cell in worker if cell.startswith(SAME)]
    fully = [cell for cell in wheel if cell == SAME]
    partly = [cell for cell in wheel if cell.startswith(SAME) and cell != SAME]
    rows = [
        ("Through the worker", len(listed), len(same), "", len(worker) - len(same), ""),
        (
            "Through the wheel",
            len(listed),
            len(fully),
            len(partly),
            len(wheel) - len(fully) - len(partly),
            len(listed) - len(possible),
        ),
    ]
    head = ("", "Cases", "Same", "Same as far as it can know", "Different", "Not applicable")
    return "\n".join([_line(head), _line(["---", *["--:"] * 5]), *map(_line, rows)])


def _row(case: Case, worker: str, wheel: str) -> str:
    expect = case.expect
    if impossible := truth.through_the_wheel(case).impossible:
        wheel = f"{NOT_APPLICABLE}: {impossible}"
    exit_code = expect["signal"] or ("" if expect["exit"] is None else expect["exit"])
    cells = (f"`{case.id}`", WORDS[case.id], expect["status"], exit_code, _tests(case))
    return _line([*cells, worker, wheel])


def _tests(case: Case) -> str:
    """`2 passed, 1 died, 3 not run`."""
    expect = case.expect
    counts = {name: count for name, count in expect["counts"].items() if name != "sub"}
    subtests = expect["counts"].get("sub", {})
    words = [f"{count:,} {name}" for name, count in counts.items() if count]
    words += [f"{count} subtests {name}" for name, count in subtests.items() if count]
    for name, number in (
        ("died", len(expect["at_death"])),
        ("not run", len(expect["not_run"])),
        ("deselected", expect["deselected"]),
    ):
        if number:
            words.append(f"{number} {name}")
    return ", ".join(words) or "none"


def _deviations() -> str:
    parts = ["## Deviations\n"]
    for (case, way), reason in truth.DEVIATIONS.items():
        parts.append(f"- `{case}` through the {way}. {reason}")
    return "\n".join(parts) + "\n"


def _line(cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"  # type: ignore[attr-defined]
