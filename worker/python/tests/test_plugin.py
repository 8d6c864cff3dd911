"""The plugin inside real pytest sessions, seen from the other end of its pipe.

Run with the interpreter and the pytest to be tested; pytest-xdist and pytest-rerunfailures have to
be installed beside it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Tuple

from session import PLUGIN_FOLDER, run

import pytest

PYTEST_VERSION: Tuple[int, ...] = tuple(int(part) for part in pytest.__version__.split(".")[:2])


def test_a_passing_test_is_announced_started_passed_and_ended(tmp_path: Path) -> None:
    session = run(tmp_path, {"test_a.py": "import pytest\n@pytest.mark.slow\ndef test_a(): pass"})
    names = session.names()
    order = ["hello", "session", "tests", "collected", "start", "passed", "end", "finish"]
    assert [name for name in names if name != "warning"] == [*order, "goodbye", "exit"]
    row = session.one("tests")["tests"][0]
    assert row[:2] == ["test_a.py::test_a", "test_a.py"] and row[3] == ["slow"]
    assert session.one("finish")["stats"]["passed"] == 1
    assert session.one("session")["pytest"] == pytest.__version__
    assert session.one("hello")["python"] == ".".join(map(str, sys.version_info[:3]))


def test_what_is_no_plain_pass_is_reported_with_pytests_own_category(tmp_path: Path) -> None:
    text = """
        import pytest
        def test_fail():
            print("out"); assert 1 == 2
        @pytest.mark.skip(reason="later")
        def test_skip(): pass
        @pytest.mark.xfail(reason="known")
        def test_xfail(): assert 0
        @pytest.mark.xfail(reason="fixed")
        def test_xpass(): pass
        @pytest.fixture
        def broken(): raise ValueError("no fixture")
        def test_error(broken): pass
        @pytest.fixture
        def messy():
            yield
            raise ValueError("no end")
        def test_teardown(messy): pass
    """
    session = run(tmp_path, {"test_a.py": text})
    found = [(r["when"], r["category"], r["message"]) for r in session.all("report")]
    assert found == [
        ("call", "failed", "assert 1 == 2"),
        ("setup", "skipped", "later"),
        ("call", "xfailed", "known"),
        ("call", "xpassed", "fixed"),
        ("setup", "error", "ValueError: no fixture"),
        ("teardown", "error", "ValueError: no end"),
    ]
    failed = session.all("report")[0]
    assert failed["stdout"] == "out\n" and "> " in failed["traceback"]


def test_the_call_is_in_the_pipe_when_the_teardown_kills_the_process(tmp_path: Path) -> None:
    text = """
        import os, pytest
        @pytest.fixture
        def deadly():
            yield
            os.kill(os.getpid(), 9)
        def test_a(deadly): pass
    """
    session = run(tmp_path, {"test_a.py": text})
    assert session.exit_code == -9
    assert session.names()[-2:] == ["start", "passed"]


def test_os_exit_has_no_exit_event_and_a_raising_hook_has_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    dead = run(tmp_path / "a", {"test_a.py": "import os\ndef test_a(): os._exit(0)"})
    assert dead.exit_code == 0 and dead.names()[-1] == "start"
    files = {
        "conftest.py": "def pytest_sessionfinish(): raise ValueError('boom')",
        "test_a.py": "def test_a(): pass",
    }
    raised = run(tmp_path / "b", files)
    assert raised.exit_code == 1 and "ValueError: boom" in raised.one("exit")


def test_tests_that_replace_clocks_json_and_os_are_reported_truly(tmp_path: Path) -> None:
    text = """
        import json, os, time, select
        def bad(*args, **kwargs): raise RuntimeError("patched")
        def test_a():
            for name in ("time", "monotonic", "perf_counter"):
                setattr(time, name, bad)
            json.dumps = json.encoder.encode_basestring_ascii = bad
            os.write = os.getpid = os.close = select.poll = bad
        def test_b(): assert 0
    """
    session = run(tmp_path, {"test_a.py": text})
    assert session.one("report")["message"].startswith("assert 0")
    assert all(at > 1_700_000_000 for _, at in session.all("start"))
    assert session.one("finish")["exit_status"] == 1


def test_texts_that_are_no_unicode_and_huge_texts_are_made_fit(tmp_path: Path) -> None:
    text = r"""
        def test_a():
            print("x" * 50_000_000)
            assert False, "\ud800 \0 " + "y" * 1_000_000
    """
    session = run(tmp_path, {"test_a.py": text}, "--tb=short")
    report = session.one("report")
    assert "\\ud800 \\x00" in report["message"]
    for field, limit in (("message", 65536), ("stdout", 65536), ("traceback", 262144)):
        assert len(report[field].encode()) <= limit
    assert "bytes cut" in report["message"] and "bytes cut" in report["stdout"]


def test_tests_and_their_children_see_no_trace_of_the_plugin(tmp_path: Path) -> None:
    text = """
        import os, subprocess, sys
        CODE = "import os; print(sorted(os.environ)); print(os.environ.get('PYTHONPATH'))"
        def test_a():
            assert os.environ["PYTHONPATH"] == "/somewhere"
            command = [sys.executable, "-c", CODE]
            out = subprocess.run(command, stdout=subprocess.PIPE, close_fds=False)
            assert b"PYTEST_PLATFORM_FD" not in out.stdout and b"MASTER_TOKEN" not in out.stdout
            assert b"/somewhere" in out.stdout
        def test_descriptors():
            links = {}
            for descriptor in map(int, os.listdir("/proc/self/fd")):
                try:
                    links[descriptor] = os.readlink(f"/proc/self/fd/{descriptor}")
                except OSError:
                    pass
            ours = {link for descriptor, link in links.items() if descriptor > 256}
            low = {link for descriptor, link in links.items() if descriptor <= 256}
            assert len(ours) == 1 and not ours & low
    """
    env = {"PYTEST_PLATFORM_PYTHONPATH": "/somewhere", "MASTER_TOKEN": "secret"}
    session = run(tmp_path, {"test_a.py": text}, env=env)
    assert session.exit_code == 0, session.output


def test_a_forked_child_that_runs_on_reports_nothing(tmp_path: Path) -> None:
    text = """
        import os
        def test_a():
            if os.fork():
                os.wait()
        def test_b(): pass
    """
    session = run(tmp_path, {"test_a.py": text})
    assert len(session.all("start")) == 2 and len(session.all("finish")) == 1


def test_a_pytest_inside_pytest_is_not_reported(tmp_path: Path) -> None:
    text = """
        import pytest, subprocess, sys
        def test_inner(tmp_path):
            inner = tmp_path / "test_inner.py"
            inner.write_text("def test_x(): assert 0")
            args = ["-p", "pytest_platform.plugin", "-p", "no:cacheprovider", str(inner)]
            assert pytest.main(args) == 1
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(inner)]
            assert subprocess.run(command).returncode == 1
    """
    session = run(tmp_path, {"test_a.py": text})
    assert session.exit_code == 0, session.output
    assert session.nodeids() == ["test_a.py::test_inner"] and len(session.all("finish")) == 1


def test_with_xdist_the_controller_reports_and_names_the_worker(tmp_path: Path) -> None:
    text = """
        import os, pytest
        @pytest.mark.parametrize("n", range(6))
        def test_a(n):
            assert "PYTEST_PLATFORM_FD" not in os.environ
        def test_bad(): assert 0
    """
    session = run(tmp_path, {"test_a.py": text}, "-n", "2")
    assert len([place for place in session.all("place") if place[2]]) == 7
    assert session.one("session")["distributed"] is True
    assert session.all("collected") == [7, 7]
    assert len(session.all("start")) == len(session.all("on")) == 7
    assert {worker for _, worker in session.all("on")} <= {"gw0", "gw1"}
    assert len(session.all("passed")) == 6 and session.one("report")["category"] == "failed"
    assert session.one("finish")["stats"] == {"passed": 6, "failed": 1}


def test_with_xdist_places_and_markers_are_those_of_a_plain_run(tmp_path: Path) -> None:
    text = """
        import os, pytest
        pytestmark = pytest.mark.whole
        @pytest.mark.slow
        def test_a(): pass
        class TestB:
            @pytest.mark.parametrize("n", [1, 2])
            def test_b(self, n): assert n == 1
        @pytest.mark.skip
        def test_c(): pass
        def test_d(): os._exit(9)
    """
    known = []
    for number, arguments in enumerate([["--deselect=test_a.py::test_d"], ["-n", "2"]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        session = run(folder, {"test_a.py": text}, *arguments)
        rows = [list(row) for chunk in session.all("tests") for row in chunk["tests"]]
        for test, file, line, markers in session.all("place"):
            old = rows[test]
            rows[test] = [old[0], file or old[1], line or old[2], markers or old[3]]
        known.append({row[0]: row[1:] for row in rows})
    plain, distributed = known
    assert distributed.pop("test_a.py::test_d") == ["test_a.py", 11, ["whole"]]
    assert distributed == plain
    assert plain["test_a.py::test_a"] == ["test_a.py", 4, ["slow", "whole"]]


def test_a_crashed_xdist_worker_is_reported_with_the_test_it_ran(tmp_path: Path) -> None:
    text = """
        import os, pytest
        @pytest.mark.parametrize("n", range(4))
        def test_a(n):
            if n == 2: os._exit(9)
    """
    session = run(tmp_path, {"test_a.py": text}, "-n", "1")
    report = session.one("report")
    assert report["when"] == "???" and "crashed while running" in report["message"]
    assert session.nodeids()[report["test"]] == "test_a.py::test_a[2]"
    assert session.one("worker_down")["worker"] == "gw0"


def test_reruns_are_counted_as_pytest_counts_them(tmp_path: Path) -> None:
    text = """
        import pytest
        tries = []
        @pytest.mark.flaky(reruns=2)
        def test_a():
            tries.append(1)
            assert len(tries) == 3
    """
    session = run(tmp_path, {"test_a.py": text})
    assert [report["category"] for report in session.all("report")] == ["rerun", "rerun"]
    assert len(session.all("passed")) == 1 and session.names()[-4] == "end"


def _subtests(folder: Path) -> str:
    """A folder with the plug-in that brought subtests before pytest 9 had them itself."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    done = subprocess.run(
        [*command, str(folder), "pytest-subtests", "attrs"], check=False, capture_output=True
    )
    assert done.returncode == 0, f"pip must be able to install pytest-subtests: {done.stderr!r}"
    return str(folder)


def test_subtests_are_told_apart_from_their_test(tmp_path: Path) -> None:
    text = """
        def test_a(subtests):
            with subtests.test("first", n=1): assert 0, "sub boom"
            with subtests.test("second"): pass
    """
    built_in = PYTEST_VERSION >= (9, 0)
    plugins = "" if built_in else _subtests(tmp_path / "plugins")
    session = run(tmp_path / "project", {"test_a.py": text}, plugins=plugins)
    reports = session.all("report")
    assert [(r.get("subtest"), r["outcome"]) for r in reports[:3]] == [
        ("[first] (n=1)", "failed"),
        ("[second]", "passed"),
        # The plug-in leaves a test passed whose subtests failed.
        (None, "failed" if built_in else "passed"),
    ]
    assert "sub boom" in reports[0]["message"]
    assert not session.all("passed"), "told once, by its report"


def test_collection_problems_deselection_and_module_skips_are_told(tmp_path: Path) -> None:
    files = {
        "test_a.py": "import no_such_module",
        "test_b.py": "import pytest\npytest.skip('not here', allow_module_level=True)",
        "test_c.py": "def test_yes(): pass\ndef test_no(): pass",
    }
    session = run(tmp_path, files, "-k", "yes")
    collect = {c["nodeid"]: c for c in session.all("collect")}
    assert "no_such_module" in collect["test_a.py"]["text"]
    assert collect["test_b.py"]["outcome"] == "skipped"
    assert collect["test_b.py"]["text"] == "not here"
    assert session.all("deselected") == [1]
    assert session.one("interrupt")["kind"] == "Interrupted"


def test_five_thousand_warnings_are_bounded_and_counted(tmp_path: Path) -> None:
    text = """
        import warnings
        def test_a():
            for n in range(5000): warnings.warn(f"number {n}")
    """
    session = run(tmp_path, {"test_a.py": text})
    told, dropped = len(session.all("warning")), session.one("warnings_dropped")
    assert told == 100 and told + dropped >= 5000


def test_pytest_exit_tells_its_reason_and_the_running_test_has_no_result(tmp_path: Path) -> None:
    text = "import pytest\ndef test_a(): pytest.exit('enough', returncode=0)"
    session = run(tmp_path, {"test_a.py": text})
    assert session.one("interrupt") == {"kind": "Exit", "reason": "enough"}
    assert not session.all("passed") and session.one("finish")["exit_status"] == 0


def test_a_worker_that_does_not_read_costs_a_bounded_wait(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', range(3000))\n"
        "def test_a(n): assert 0, 'x' * 2000\n"
    )
    reading, writing = os.pipe()
    env = {**os.environ, "PYTEST_PLATFORM_FD": str(writing), "PYTHONPATH": PLUGIN_FOLDER}
    command = [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin", "-q", "--tb=no"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        check=False,
        cwd=tmp_path,
        env=env,
        pass_fds=(writing,),
        stdout=subprocess.PIPE,
        timeout=120,
    )
    os.close(reading)
    os.close(writing)
    assert done.returncode == 1 and b"3000 failed" in done.stdout


def test_a_broken_descriptor_leaves_the_tests_alone(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): pass")
    for descriptor in ("987", "nonsense", "-1"):
        env = {**os.environ, "PYTEST_PLATFORM_FD": descriptor, "PYTHONPATH": PLUGIN_FOLDER}
        command = [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin", "-q"]
        done = subprocess.run(command, check=False, cwd=tmp_path, env=env, stdout=subprocess.PIPE)
        assert done.returncode == 0, done.stdout


def test_without_a_pipe_and_a_master_the_plugin_is_inert(tmp_path: Path) -> None:
    text = """
        import sys
        def test_a(pytestconfig):
            assert pytestconfig.pluginmanager.get_plugin("pytest-platform") is None
            assert "pytest_platform.reporter" not in sys.modules
    """
    (tmp_path / "test_a.py").write_text("\n".join(line[8:] for line in text.splitlines()))
    unwanted = ("PYTEST_PLATFORM_FD", "MASTER_URL")
    env = {key: value for key, value in os.environ.items() if key not in unwanted}
    env["PYTHONPATH"] = PLUGIN_FOLDER
    command = [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin", "-q"]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=env, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stdout


def test_an_installed_plugin_starts_the_worker_beside_pytest(tmp_path: Path) -> None:
    """A script stands in for the worker: it keeps the events, its environment and one last line."""
    kept = tmp_path / "kept"
    binary = tmp_path / "bin" / "pytest-platform-worker"
    binary.parent.mkdir()
    binary.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "assert sys.argv[1:3] == ['sidecar', '--fd']\n"
        "data = b''.join(iter(lambda: os.read(int(sys.argv[3]), 65536), b''))\n"
        f"open({str(kept)!r}, 'wb').write(os.environ['MASTER_TOKEN'].encode() + b'\\n' + data)\n"
        "sys.stderr.write('the last line\\n')\n"
    )
    binary.chmod(0o755)
    (tmp_path / "test_a.py").write_text(
        "import os, subprocess, sys\n"
        "def test_a():\n"
        "    assert 'MASTER_TOKEN' not in os.environ and 'MASTER_URL' in os.environ\n"
        "    args = ['-p', 'pytest_platform.plugin', '--markers']\n"
        "    command = [sys.executable, '-m', 'pytest', *args]\n"
        "    assert subprocess.run(command).returncode == 0\n"
    )
    env = {
        **os.environ,
        "PYTHONPATH": PLUGIN_FOLDER,
        "MASTER_URL": "http://127.0.0.1:9",
        "MASTER_TOKEN": "secret",
        "PATH": f"{binary.parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin", "-q"]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=env, capture_output=True)
    assert done.returncode == 0, done.stdout
    assert done.stderr.endswith(b"the last line\n")
    token, *lines = kept.read_bytes().splitlines()
    assert token == b"secret"
    assert [key for line in lines for key in json.loads(line)].count("passed") == 1
