"""Peak memory of each test, in real pytest sessions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict

from session import PLUGIN_FOLDER, Session, run

MEMORY = {"PYTEST_PLATFORM_MEMORY": "1"}
MIB = 1024
HEAVY = """
    def grow(mib):
        data = bytearray(mib << 20)
        for at in range(0, len(data), 4096):
            data[at] = 1
    def test_a_great(): grow(200)
    def test_b_middling(): grow(50)
    def test_c_small(): pass
"""


def peaks(session: Session) -> Dict[str, int]:
    """KiB by the name of the test; the greatest, as the worker does it."""
    names = [nodeid.split("::")[1] for nodeid in session.nodeids()]
    found: Dict[str, int] = {}
    for number, kib in session.all("memory"):
        found[names[number]] = max(kib, found.get(names[number], 0))
    return found


def assert_each_has_its_own(session: Session) -> None:
    found = peaks(session)
    base = found["test_c_small"]
    assert 4 * MIB < base < 190 * MIB, found
    assert 180 * MIB < found["test_a_great"] - base < 220 * MIB, found
    assert 40 * MIB < found["test_b_middling"] - base < 70 * MIB, found


def test_a_test_after_a_greater_one_has_its_own_peak(tmp_path: Path) -> None:
    session = run(tmp_path, {"test_a.py": HEAVY}, env=MEMORY)
    assert_each_has_its_own(session)
    # Before the end of the test, so that a case is complete when it is sent.
    names = [name for name in session.names() if name in ("memory", "end")]
    assert names == ["memory", "end"] * 3


def test_workers_of_xdist_measure_their_own_tests(tmp_path: Path) -> None:
    session = run(tmp_path, {"test_a.py": HEAVY}, "-n", "1", env=MEMORY)
    assert_each_has_its_own(session)


def test_without_being_asked_nothing_is_measured(tmp_path: Path) -> None:
    for more in ([], ["-n", "1"]):
        session = run(tmp_path, {"test_a.py": HEAVY}, *more, env={"WORKER_MEMORY": "1"})
        assert session.exit_code == 0 and session.all("memory") == []


def test_setup_and_teardown_count_and_so_does_every_attempt(tmp_path: Path) -> None:
    text = """
        import pytest
        tries = []
        @pytest.fixture
        def before():
            bytearray(60 << 20).count(1)
        @pytest.fixture
        def after():
            yield
            bytearray(60 << 20).count(1)
        def test_a_small(): pass
        def test_b_setup(before): pass
        def test_c_teardown(after): pass
        def test_d_attempts():
            tries.append(1)
            if len(tries) == 1:
                bytearray(60 << 20).count(1)
            assert len(tries) == 2
        def test_e_fails():
            bytearray(60 << 20).count(1)
            assert 0
    """
    session = run(tmp_path, {"test_a.py": text}, "--reruns", "1", env=MEMORY)
    found = peaks(session)
    small = found.pop("test_a_small")
    assert set(found) == {"test_b_setup", "test_c_teardown", "test_d_attempts", "test_e_fails"}
    for name, kib in found.items():
        assert 50 * MIB < kib - small < 80 * MIB, (name, kib, small)


def test_tests_that_close_descriptors_and_patch_os_stay_measured(tmp_path: Path) -> None:
    text = """
        import builtins, os
        def broken(*args, **kwargs): raise OSError("patched")
        def test_a_patches(monkeypatch):
            for name in ("open", "read", "write", "close"):
                monkeypatch.setattr(os, name, broken)
            monkeypatch.setattr(builtins, "open", broken)
        def test_b_closes_descriptors():
            os.closerange(20, 60)
        def test_c_patches_for_good():
            os.open = os.read = broken
        def test_d_goes_on(): pass
    """
    session = run(tmp_path, {"test_a.py": text}, "-s", env=MEMORY)
    assert session.exit_code == 0, session.output
    assert len(peaks(session)) == 4


def test_where_the_system_measures_nothing_nothing_is_said_and_nothing_fails(
    tmp_path: Path,
) -> None:
    # All descriptors are in use from the first test on: no file of /proc can be opened.
    text = """
        import os, resource
        kept = []
        def test_a_takes_all():
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
            try:
                while True: kept.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
        def test_b_passes(): pass
        def test_c_gives_back():
            for descriptor in kept: os.close(descriptor)
        def test_d_passes(): pass
    """
    session = run(tmp_path, {"test_a.py": text}, env=MEMORY)
    assert session.exit_code == 0, session.output
    # The third could not forget the peak of those before it, so what it saw is not told.
    assert set(peaks(session)) == {"test_d_passes"}


def test_an_installed_plugin_measures_where_the_user_asks_for_it(tmp_path: Path) -> None:
    """A script stands in for the worker beside pytest and keeps the events."""
    kept = tmp_path / "kept"
    binary = tmp_path / "bin" / "pytest-platform-worker"
    binary.parent.mkdir()
    binary.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "data = b''.join(iter(lambda: os.read(int(sys.argv[3]), 65536), b''))\n"
        f"open({str(kept)!r}, 'wb').write(data)\n"
    )
    binary.chmod(0o755)
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin", "-q"]
    for asked, times in (("1", 1), ("no", 0)):
        unwanted = ("PYTEST_XDIST_WORKER", "PYTEST_PLATFORM_NESTED")
        env = {
            **{name: value for name, value in os.environ.items() if name not in unwanted},
            "PYTHONPATH": PLUGIN_FOLDER,
            "MASTER_URL": "http://127.0.0.1:9",
            "WORKER_MEMORY": asked,
            "PATH": f"{binary.parent}:{os.environ['PATH']}",
        }
        subprocess.run(command, check=True, cwd=tmp_path, env=env, capture_output=True)
        names = [name for line in kept.read_bytes().splitlines() for name in json.loads(line)]
        assert (names.count("memory"), names.count("passed")) == (times, 1)
