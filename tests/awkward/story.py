"""What both ways share: run a case, compare what is stored, and see that the document says so."""

from __future__ import annotations

from pathlib import Path

from platform_under_test import Master

from awkward import document, truth
from awkward.cases import Case
from awkward.comparison import described, differences
from awkward.document import Way
from awkward.session import Ended, project
from awkward.stored import the_run


def project_folder(case: Case, folder: Path) -> Path:
    """The project of a case, written out."""
    made = folder / "project"
    made.mkdir()
    case.write(made)
    return made


def check(case: Case, way: Way, expected: truth.Truth, ended: Ended, master: Master) -> None:
    """Fails with every difference but a listed deviation, and when that is none any more."""
    stored = the_run(master, project(case))
    assert stored is not None, described(["nothing was stored"], ended, None)
    found = differences(case, expected.expect, ended, stored)
    deviation = truth.DEVIATIONS.get((case.id, way))
    if deviation is None:
        assert not found, described(found, ended, stored)
        measured = document.SAME
        if expected.unknown:
            measured += f", but no {' and no '.join(expected.unknown)}"
        if remark := truth.note(case, way):
            measured += f" ({remark})"
    else:
        assert found, f"{case.id} agrees again: take it out of DEVIATIONS"
        measured = f"differs in {', '.join(dict.fromkeys(map(_subject, found)))}; see below"
    document.check_or_update(case, way, measured)


def _subject(difference: str) -> str:
    """What a difference is about, without the figures."""
    return difference.partition(":")[0]
