"""126 awkward runs through the worker: what is stored is the truth, or a listed deviation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from awkward import document, environment, session, story, truth
from awkward.cases import CASES_FILE, Case, cases
from awkward.words import GROUPS, WORDS
from platform_under_test import Master, Programs

# Where this repository was cloned beside the folder that the cases came from.
ORIGINAL = Path(__file__).resolve().parents[2] / "shared" / "cases" / "pytest" / "cases.json"
# What only makes sense when the worker is the parent.
MORE_ENVIRONMENT = {
    "h32_reads_secrets": {"MASTER_TOKEN": "something that no test may see"},
    "h34_ptrace_parent": {"CASE_ATTACK": "1"},
}
TIMED_OUT = 124


@pytest.fixture(scope="module")
def the_master(binaries: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """One for all cases; each has a project of its own there."""
    folder = tmp_path_factory.mktemp("master")
    with Master(binaries.master, f"sqlite://{folder}/results.db", folder) as running:
        yield running


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment.plain(tmp_path_factory.mktemp("warm-up"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_what_is_stored_is_the_truth(
    case: Case, worker_binary: Path, python: Path, the_master: Master, tmp_path: Path
) -> None:
    ended = session.through_the_worker(
        case,
        worker_binary,
        python,
        story.project_folder(case, tmp_path),
        the_master.url,
        **MORE_ENVIRONMENT.get(case.id, {}),
    )
    expected = truth.through_the_worker(case)
    story.check(case, "worker", expected, ended, the_master)
    if (case.id, "worker") not in truth.DEVIATIONS:
        assert ended.exit_code == own_exit_code(expected.expect), ended.output


def own_exit_code(expect: dict) -> int:
    """pytest's own; as a shell says it where a signal ended pytest."""
    if expect["exit"] is None:
        return TIMED_OUT
    return expect["exit"] if expect["exit"] >= 0 else 128 - expect["exit"]


def test_the_cases_are_those_of_the_list() -> None:
    if ORIGINAL.is_file():
        assert CASES_FILE.read_bytes() == ORIGINAL.read_bytes()
    listed = json.loads(CASES_FILE.read_text(encoding="utf-8"))
    assert len({case["id"] for case in listed}) == len(listed) == 126


def test_every_case_has_words_and_a_group() -> None:
    named = [case.id for case in cases()]
    assert list(WORDS) == named
    assert {case[0] for case in named} == set(GROUPS)


def test_at_most_three_cases_deviate_and_each_has_a_reason() -> None:
    deviating = {case for case, _ in truth.DEVIATIONS}
    assert len(deviating) <= truth.DEVIATIONS_MAX
    assert deviating <= set(WORDS)
    assert all(len(reason) > 40 for reason in truth.DEVIATIONS.values())


def test_the_document_follows_from_its_rows() -> None:
    cells = document.read()
    assert list(cells) == [case.id for case in cases()]
    written = document.DOCUMENT.read_text(encoding="utf-8")
    assert written == document.render(cells), "set UPDATE=1 to write it anew"
    assert document.UNMEASURED not in written
