"""Whatever the master does, the exit code is pytest's. `test_upload_matrix.py` has more faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_masters import Server, hangs
from platform_under_test import Master, run_worker

TESTS = """
def test_passes():
    pass

def test_fails():
    assert 1 == 2
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "test_two.py").write_text(TESTS)
    return folder


def test_a_master_that_was_never_there_changes_no_exit_code_and_names_the_way_out(
    worker_binary: Path, project: Path, tmp_path: Path
) -> None:
    environment = {
        "WORKER_STATE_DIR": str(tmp_path / "state"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }
    with Server(hangs, listening=False) as server:
        ended = run_worker(worker_binary, server.url, project, environment=environment)
        only_passing = run_worker(
            worker_binary, server.url, project, "-k", "passes", environment=environment
        )
    assert ended.exit_code == 1 and only_passing.exit_code == 0
    assert "1 failed, 1 passed" in ended.output
    for words in ("NOT uploaded", "Connection refused", "MASTER_URL", "flush"):
        assert words in ended.output, ended.output


def test_the_exit_code_is_pytests_own(worker_binary: Path, master: Master, project: Path) -> None:
    passing = run_worker(worker_binary, master.url, project, "-k", "passes")
    assert passing.exit_code == 0
    nothing = run_worker(worker_binary, master.url, project, "-k", "nowhere")
    assert nothing.exit_code == 5
    misused = run_worker(worker_binary, master.url, project, "--no-such-option")
    assert misused.exit_code == 4
    statuses = [run["status"] for run in master.get("/results")]
    assert statuses == ["usage_error", "no_tests", "passed"]
