"""What an agent does with a job: real git, real uv, real pytest, a real sandbox."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from attempt_by_hand import Carried, Workshop
from own_environment import python_with

# uv is one of the packages that these tests run with.
UV_FIRST = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
NOBODY = 65534

Repository = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Makes a git repository of files, and answers with its address."""

    def make(name: str = "code", **files: str) -> str:
        return make_repository(tmp_path / name, files)

    return make


def make_repository(folder: Path, files: dict[str, str]) -> str:
    folder.mkdir(parents=True)
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return f"file://{folder}"


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=Steve", "-c", "user.email=steve@example.org")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True, timeout=60)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where attempts work; packages are downloaded once for all of them."""
    return tmp_path_factory.mktemp("agent")


@pytest.fixture
def workshop(worker_binary: Path, kept: Path, tmp_path: Path) -> Workshop:
    steps = {"allow_url": [f"file://{tmp_path}/*"]}
    return Workshop(worker_binary, kept, sys.executable, steps)


@pytest.fixture
def prepared(workshop: Workshop) -> Workshop:
    """The same, which installs nothing: its Python has pytest."""
    workshop.steps["no_prepare"] = True
    workshop.python = str(python_with("pytest==9.2.0"))
    return workshop


def carried(workshop: Workshop, url: str, **rest: Any) -> Carried:
    rest.setdefault("environment", UV_FIRST)
    return workshop.attempt({"type": "git", "url": url}, **rest)


# Prepare


def test_a_project_is_synchronised_with_what_its_tests_need(
    workshop: Workshop, repository: Repository
) -> None:
    url = repository(
        **{
            "pyproject.toml": """
                [project]
                name = "shop"
                version = "1.0"
                requires-python = ">=3.10"
                [dependency-groups]
                qa = ["pytest==9.2.0"]
                docs = ["no-such-package-as-this-one"]
                [build-system]
                requires = ["setuptools"]
                build-backend = "setuptools.build_meta"
                [tool.setuptools]
                py-modules = ["shop"]
                [tool.uv]
                conflicts = [[{ group = "qa" }, { group = "docs" }]]
                environments = ["sys_platform == 'linux'"]
                """,
            "shop.py": "PRICE = 3\n",
            "tests/test_shop.py": """
                import pytest, shop
                def test_price(): assert shop.PRICE == 3
                def test_version(): assert pytest.__version__ == "9.2.0"
                """,
        }
    )
    # What is in no index cannot be locked, whoever asks for it.
    failed = carried(workshop, url)
    assert (failed.ending, failed.error_kind) == ("error", "install")
    assert "no-such-package-as-this-one" in failed.error
    assert failed.steps == ["fetch", "fetch", "prepare", "prepare", "clean", "clean"]
    assert not failed.folder.exists()

    code = Path(url[len("file://") :])
    text = (code / "pyproject.toml").read_text()
    (code / "pyproject.toml").write_text(text.replace("no-such-package-as-this-one", "iniconfig"))
    git(code, "commit", "--quiet", "--all", "--message", "y")
    came = carried(workshop, url, args=["-v"])
    assert came.ending == "passed", came.log
    assert came.outcomes == {"test_price": "passed", "test_version": "passed"}
    assert "uv sync --group qa\n" in came.log

    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "lock", "--quiet"], cwd=code, check=True, timeout=120)
    git(code, "add", "--all")
    git(code, "commit", "--quiet", "--message", "lock")
    locked = carried(workshop, url)
    assert locked.ending == "passed", locked.log
    assert "uv sync --group qa --locked\n" in locked.log
    assert "once more" not in locked.log


def test_requirements_are_installed_and_pytest_is_added(
    workshop: Workshop, repository: Repository
) -> None:
    url = repository(
        **{
            "requirements.txt": "iniconfig==2.0.0\n",
            "test_it.py": """
                import iniconfig, importlib.metadata as metadata
                def test_it(): assert metadata.version("iniconfig") == "2.0.0"
                """,
        }
    )
    came = carried(workshop, url)
    assert came.ending == "passed", came.log
    assert "the source does not say which pytest" in came.log


def test_uv_is_installed_by_the_agent_where_there_is_none(
    workshop: Workshop, repository: Repository, tmp_path: Path
) -> None:
    url = repository(**{"test_it.py": "def test_it(): pass\n"})
    workshop.folder = tmp_path / "work"
    without = os.pathsep.join(
        folder
        for folder in os.environ["PATH"].split(os.pathsep)
        if not (Path(folder) / "uv").exists()
    )
    came = carried(workshop, url, environment={"PATH": without})
    assert came.ending == "passed", came.log
    assert (workshop.folder / "cache" / "tools" / "uv").is_file()


def test_tests_of_another_repository_run_against_the_code(
    workshop: Workshop, repository: Repository
) -> None:
    code = repository("code", **{"shop.py": "PRICE = 3\n"})
    tests = repository(
        "tests-of-it",
        **{
            "requirements.txt": "iniconfig\n",
            "checks/test_shop.py": """
                import iniconfig, shop
                def test_price(): assert shop.PRICE == 3
                """,
        },
    )
    source = {"type": "git", "url": code, "tests_url": tests}
    came = workshop.attempt(source, tests=["checks/test_shop.py"], environment=UV_FIRST)
    assert came.ending == "passed", came.log
    assert came.outcomes == {"test_price": "passed"}


def test_a_build_that_hangs_is_ended_at_the_limit(
    workshop: Workshop, repository: Repository
) -> None:
    url = repository(
        **{
            "pyproject.toml": """
                [project]
                name = "slow"
                version = "1.0"
                [build-system]
                requires = []
                build-backend = "slow"
                backend-path = ["."]
                """,
            "slow.py": "import time; time.sleep(300)\n",
        }
    )
    came = carried(workshop, url, prepare_timeout=5)
    assert (came.ending, came.error_kind) == ("error", "install"), came.log
    assert "limit of 5 s (--prepare-timeout)" in came.error
    assert not came.folder.exists()


def test_the_tests_see_no_secret_of_the_agent(prepared: Workshop, repository: Repository) -> None:
    url = repository(
        **{
            "test_it.py": """
                import os, pathlib
                def test_environment():
                    assert "secret" not in repr(dict(os.environ))
                    assert os.environ["GREETING"] == "hello"
                def test_processes():
                    pids = [path for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
                    ours = os.getppid()
                    if os.geteuid() != 0:
                        try:
                            text = pathlib.Path(f"/proc/{ours}/environ").read_bytes()
                        except PermissionError:
                            return
                    else:
                        text = pathlib.Path(f"/proc/{ours}/environ").read_bytes()
                    assert b"secret" not in text
                """,
        }
    )
    secrets = {
        "MASTER_TOKEN": "secret",
        "UV_INDEX_URL": "https://me:secret@index.example.org/",
        "HTTPS_PROXY": "http://me:secret@proxy.example.org/",
        "SSH_AUTH_SOCK": "/secret",
        "CI_JOB_TOKEN": "secret",
        "GIT_SSH_COMMAND": "secret",
    }
    came = carried(prepared, url, env={"GREETING": "hello"}, environment=secrets)
    assert came.outcomes == {"test_environment": "passed", "test_processes": "passed"}, came.log


# Fetch


class Redirecting(http.server.BaseHTTPRequestHandler):
    """Sends everybody on to another address."""

    to = ""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.to + self.path)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Static(http.server.SimpleHTTPRequestHandler):
    """Serves a bare repository as files, and counts who asks."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_that_sends_git_elsewhere_is_not_followed(
    prepared: Workshop, repository: Repository, tmp_path: Path
) -> None:
    repository(**{"test_it.py": "def test_it(): pass\n"})
    bare = tmp_path / "served" / "code.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "code"), str(bare))
    git(bare, "update-server-info")

    class Here(Static):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path / "served"))

    class Elsewhere(Redirecting):
        pass

    with serving(Here) as here, serving(Elsewhere) as elsewhere:
        prepared.steps["allow_url"] = [f"{here}/*", f"{elsewhere}/*"]
        Elsewhere.to = here
        refused = carried(prepared, f"{elsewhere}/code.git")
        assert (refused.ending, refused.error_kind) == ("error", "git"), refused.log
        assert Here.asked == 0
        Elsewhere.to = "file:///etc"
        assert carried(prepared, f"{elsewhere}/code.git").error_kind == "git"
        prepared.steps["allow_url"] = [f"{elsewhere}/*"]
        not_allowed = carried(prepared, f"{here}/code.git")
        assert "--allow-url" in not_allowed.error
        assert Here.asked == 0


def test_git_never_asks_and_says_why_it_cannot_log_in(prepared: Workshop, tmp_path: Path) -> None:
    class Closed(Redirecting):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Closed) as url:
        prepared.steps["allow_url"] = [f"{url}/*"]
        came = carried(prepared, f"{url}/code.git")
    assert (came.ending, came.error_kind) == ("error", "git")
    assert "terminal prompts disabled" in came.error, came.error


def test_a_password_in_an_address_is_in_no_log_and_no_error(
    prepared: Workshop, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    prepared.steps["allow_url"] = [f"https://127.0.0.1:{port}/*"]
    came = carried(prepared, f"https://steve:hunter2@127.0.0.1:{port}/code.git")
    assert (came.ending, came.error_kind) == ("error", "git")
    assert f"https://127.0.0.1:{port}/code.git" in came.log
    assert "hunter2" not in came.log + came.error


# Arguments


def test_refused_arguments_end_the_job_before_anything_is_installed(
    workshop: Workshop, repository: Repository
) -> None:
    url = repository(**{"test_it.py": "def test_it(): pass\n"})
    came = carried(workshop, url, args=["-p", "evil"])
    assert (came.ending, came.error_kind) == ("error", "subprocess")
    assert "-p is refused: it loads code" in came.error
    assert "prepare" not in came.steps


def test_arguments_mean_to_pytest_what_they_mean_to_the_agent(
    prepared: Workshop, repository: Repository
) -> None:
    url = repository(
        **{
            "arguments.txt": "--collect-only\n",
            "tests/test_it.py": """
                def test_one(): pass
                def test_two(): pass
                def test_three(): assert False
                def test_four(): assert False
                """,
        }
    )
    for args, expected in [
        (["-k", "one or two"], {"test_one": "passed", "test_two": "passed"}),
        (["-k=one"], {"test_one": "passed"}),
        (["-vvxk", "three or four"], {"test_three": "failed"}),
        (["--maxfail=1", "-q", "--tb", "line"], None),
        (["--deselect=tests/test_it.py::test_one", "-k", "one or two"], {"test_two": "passed"}),
        (["tests/test_it.py::test_two"], {"test_two": "passed"}),
    ]:
        came = carried(prepared, url, args=args)
        if expected is None:
            expected = {"test_one": "passed", "test_two": "passed", "test_three": "failed"}
        assert came.outcomes == expected, (args, came.log)
    # pytest reads arguments from files; as the value of an option it gets it as it is.
    came = carried(prepared, url, args=["-k", "@arguments.txt"])
    assert "Wrong expression passed to '-k': @arguments.txt" in came.log, came.log


def test_a_report_with_an_absolute_path_is_written_inside_the_job(
    prepared: Workshop, repository: Repository, tmp_path: Path
) -> None:
    url = repository(**{"test_it.py": "def test_it(): pass\n"})
    report = tmp_path / "report.xml"
    came = carried(prepared, url, args=[f"--junitxml={report}"])
    assert came.ending == "passed", came.log
    assert f"--junitxml writes below the job's folder: {came.folder}/reports{report}" in came.log
    assert not report.exists()


# Sandbox

PRISON_BREAK = """
    import os, pathlib, socket, subprocess, sys, time
    import pytest

    def test_files():
        for path in (HIDDEN, "/root/.bashrc", "/etc/shadow", "/home", "/var/lib", "/opt"):
            assert not os.path.exists(path), path

    def test_writes():
        for path in ("/usr/x", "/etc/x", "/bin/x", sys.base_prefix + "/x"):
            with pytest.raises(OSError):
                open(path, "w")
        for path in ("x", "/tmp/x", os.environ["HOME"] + "/x", os.environ["TMPDIR"] + "/y"):
            open(path, "w").close()

    def test_beside_the_job():
        # Where it is the job's own /tmp it may, and nobody else sees it.
        try:
            os.makedirs(WORK, exist_ok=True)
            open(WORK + "/escaped", "w").close()
        except OSError:
            pass

    def test_git():
        if os.path.exists(".git"):
            with pytest.raises(OSError):
                open(".git/config", "a")

    def test_processes():
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        assert len(pids) < 10 and max(pids) < 100, pids
        for pid in pids:
            assert b"by-hand" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()

    def test_network():
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", PORT), timeout=5)
        assert socket.if_nameindex() == [(1, "lo")]

    def test_no_further_namespaces():
        assert subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode != 0

    def test_powers():
        status = pathlib.Path("/proc/self/status").read_text()
        assert "CapEff:\\t0000000000000000" in status
        assert "NoNewPrivs:\\t1" in status

    def test_children():
        assert subprocess.run([sys.executable, "-c", "import pytest"]).returncode == 0
"""


@contextmanager
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def prison_break(hidden: Path, work: Path, port: int) -> str:
    text = textwrap.dedent(PRISON_BREAK)
    return f"HIDDEN = {str(hidden)!r}\nWORK = {str(work)!r}\nPORT = {port}\n{text}"


def passed(came: Carried) -> None:
    assert came.ending == "passed", came.log
    assert set(came.outcomes.values()) == {"passed"}
    assert len(came.outcomes) == PRISON_BREAK.count("def test_")


def test_a_sandbox_shows_nothing_but_the_job(
    prepared: Workshop, repository: Repository, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    hidden.write_text("secret")
    with open_port() as port:
        text = prison_break(hidden, prepared.folder, port)
        url = repository(**{"test_it.py": text})
        passed(carried(prepared, url, args=["-v"], sandbox=True))
        assert not (prepared.folder / "escaped").exists()


def test_a_sandbox_holds_for_an_ordinary_user_who_installs(
    worker_binary: Path, tmp_path: Path
) -> None:
    # pytest keeps its temporary folders from other users.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        worker = folder / "worker"
        shutil.copy(worker_binary, worker)
        uv = folder / "bin" / "uv"
        uv.parent.mkdir()
        shutil.copy(Path(sys.executable).parent / "uv", uv)
        (folder / "work").mkdir(mode=0o777)
        (folder / "work").chmod(0o777)
        hidden = folder / "hidden"
        hidden.write_text("secret")
        user = NOBODY if os.geteuid() == 0 else None
        steps = {"allow_url": [f"file://{folder}/*"], "sandbox": True, "sandbox_processes": 200}
        workshop = Workshop(worker, folder / "work", "/usr/bin/python3", steps, user)
        with open_port() as port:
            text = prison_break(hidden, folder / "work", port)
            url = make_repository(folder / "code", {"test_it.py": text})
            if user is not None:
                subprocess.run(["chown", "-R", str(user), str(folder / "code")], check=True)
            environment = {"PATH": f"{uv.parent}:/usr/local/bin:/usr/bin:/bin"}
            passed(carried(workshop, url, args=["-v"], environment=environment))
            assert not (folder / "work" / "escaped").exists()


@pytest.mark.parametrize("wants", ["project", "list"])
def test_a_sandbox_installs_where_work_is_kept_outside_of_tmp(
    worker_binary: Path, repository: Repository, tmp_path: Path, wants: str
) -> None:
    files = {
        "project": {"pyproject.toml": '[project]\nname = "x"\nversion = "1"\n'},
        "list": {"requirements.txt": "iniconfig==2.0.0\n"},
    }[wants]
    url = repository(**files, **{"test_it.py": "def test_it(): pass\n"})
    steps = {"allow_url": [f"file://{tmp_path}/*"], "sandbox": True}
    # Below /tmp everything can be written in a sandbox. Programs are seldom built there.
    with tempfile.TemporaryDirectory(dir=worker_binary.parent) as work:
        came = carried(Workshop(worker_binary, Path(work), sys.executable, steps), url)
    assert came.ending == "passed", came.log


def test_what_a_build_leaves_for_git_starts_nothing_outside(
    workshop: Workshop, repository: Repository, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    # The worker asks git about the source, outside of the sandbox.
    url = repository(
        **{
            ".gitattributes": "* filter=evil\n",
            "pyproject.toml": """
                [project]
                name = "evil"
                version = "1.0"
                [build-system]
                requires = ["setuptools"]
                build-backend = "evil"
                backend-path = ["."]
                [tool.setuptools]
                py-modules = []
                """,
            "evil.py": f"""
                import os, pathlib
                from setuptools.build_meta import *
                home = pathlib.Path(os.environ["HOME"])
                text = '[filter "evil"]\\n\\tclean = touch {sign}\\n'
                (home / ".gitconfig").write_text(text)
                for place in (".git/config", "../.git/config"):
                    try:
                        with open(place, "a") as config:
                            config.write(text)
                    except OSError:
                        pass
                pathlib.Path("changed.txt").write_text("changed")
                """,
            "changed.txt": "",
            "test_it.py": "def test_it(): pass\n",
        }
    )
    came = carried(workshop, url, sandbox=True)
    assert came.ending == "passed", came.log
    assert not sign.exists()


def test_limits_of_a_sandbox_hold(prepared: Workshop, repository: Repository) -> None:
    url = repository(
        **{
            "test_it.py": """
                import pytest
                def test_memory():
                    with pytest.raises(MemoryError):
                        bytearray(2_000_000_000)
                    bytearray(50_000_000)
                """,
        }
    )
    came = carried(prepared, url, sandbox=True, sandbox_memory=1000)
    assert came.ending == "passed", came.log


def test_a_sandbox_may_have_the_network_and_further_folders(
    prepared: Workshop, repository: Repository, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "file").write_text("hello")
    with open_port() as port:
        url = repository(
            **{
                "test_it.py": f"""
                    import socket
                    def test_network(): socket.create_connection(("127.0.0.1", {port})).close()
                    def test_file(): assert open("{shown}/file").read() == "hello"
                    """,
            }
        )
        came = carried(prepared, url, sandbox=True, sandbox_network=True, sandbox_read=[str(shown)])
    assert came.ending == "passed", came.log


def test_in_a_sandbox_the_time_limit_names_the_test_that_ran(
    prepared: Workshop, repository: Repository
) -> None:
    url = repository(
        **{
            "test_it.py": """
                import time
                def test_quick(): pass
                def test_slow(): time.sleep(300)
                """,
        }
    )
    came = carried(prepared, url, sandbox=True, timeout_s=15)
    assert came.ending == "timed_out", came.log
    assert came.outcomes["test_quick"] == "passed"
    assert came.run is not None and came.run["status"] == "timeout"
    # pytest was interrupted, not killed: it said where it was.
    assert "KeyboardInterrupt" in came.log
    assert not came.folder.exists()


def test_in_a_sandbox_a_crash_is_seen_and_named(prepared: Workshop, repository: Repository) -> None:
    url = repository(
        **{
            "test_it.py": """
                import os, signal
                def test_quick(): pass
                def test_crash(): os.kill(os.getpid(), signal.SIGSEGV)
                """,
        }
    )
    came = carried(prepared, url, sandbox=True)
    assert came.ending == "failed", came.log
    assert came.outcomes == {"test_quick": "passed", "test_crash": "crashed"}


def test_no_job_runs_without_the_sandbox_that_was_asked_for(
    prepared: Workshop, repository: Repository, tmp_path: Path
) -> None:
    url = repository(**{"test_it.py": "def test_it(): pass\n"})
    empty = tmp_path / "empty"
    empty.mkdir()
    came = carried(prepared, url, sandbox=True, environment={"PATH": str(empty)})
    assert (came.ending, came.run) == ("error", None)
    assert "apt-get install bubblewrap" in came.error
    (empty / "bwrap").write_text("#!/bin/sh\necho no namespaces here >&2\nexit 1\n")
    (empty / "bwrap").chmod(0o755)
    path = f"{empty}:{os.environ['PATH']}"
    came = carried(prepared, url, sandbox=True, environment={"PATH": path})
    assert (came.ending, came.run) == ("error", None)
    assert "no namespaces here" in came.error
