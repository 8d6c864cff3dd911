"""The awkward runs again as plain `pytest`, reported by the installed wheel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from awkward import environment, session, story, truth
from awkward.cases import Case, cases
from platform_under_test import Master, Programs

POSSIBLE = [case for case in cases() if not truth.through_the_wheel(case).impossible]


@pytest.fixture(scope="module")
def the_master(binaries: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """One for all cases; each has a project of its own there."""
    folder = tmp_path_factory.mktemp("master")
    with Master(binaries.master, f"sqlite://{folder}/results.db", folder) as running:
        yield running


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment.with_wheel(tmp_path_factory.mktemp("warm-up"), wheel)


@pytest.mark.timeout(900)  # The first one builds the wheel.
@pytest.mark.parametrize("case", POSSIBLE, ids=lambda case: case.id)
def test_plain_pytest_stores_what_can_be_known(
    case: Case, python: Path, the_master: Master, tmp_path: Path
) -> None:
    expected = truth.through_the_wheel(case)
    folder = story.project_folder(case, tmp_path)
    ended = session.through_the_wheel(case, python, folder, the_master.url)
    story.check(case, "wheel", expected, ended, the_master)
