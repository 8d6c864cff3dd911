"""Real projects from PyPI whose suites the tests run: pinned, fetched once, kept apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).resolve().parent.parent / "target"))
INSTALL_TIME_MAX_S = 600


@dataclass(frozen=True)
class Suite:
    """A project's tests, with the Python and the pytest that suit them."""

    name: str
    version: str
    sha256: str
    python_minor: int
    """The Python 3 to take where it is found; else the newest from `python_minor_min` on."""
    python_minor_min: int
    pytest: str
    packages: tuple[str, ...] = ()
    runs: tuple[tuple[str, ...], ...] = field(default=((),))
    """pytest arguments of each run."""
    tests_min: int = 0
    """A smaller number of results means that the suite did not really run."""


SUITES = (
    Suite(
        "pluggy",
        "1.7.0",
        "d1eaa46ebb595891b860ab086b4d09c8588af65ebd4361b8e8f4bb8920b90ba8",
        python_minor=10,
        python_minor_min=10,
        pytest="8.4.2",
        tests_min=200,
    ),
    Suite(
        "click",
        "8.5.1",
        "9bbfada76703fd1d784b83eea012e3e8c6a001a876543ef104fa56aaaeb072b4",
        python_minor=11,
        python_minor_min=10,
        pytest="8.3.5",
        tests_min=2_400,
    ),
    Suite(
        "attrs",
        "26.1.0",
        "d03ceb89cb322a8fd706d4fb91940737b6642aa36998fe130a9bc96c985eff32",
        python_minor=12,
        python_minor_min=9,
        pytest="9.2.0",
        packages=("hypothesis", "pytest-xdist", "cloudpickle"),
        runs=((), ("-n", "2")),
        tests_min=1_350,
    ),
    Suite(
        "packaging",
        "26.3",
        "94edc256424af38762eb31306eed28beb9f0efc50a8837492c9d6fd6004aed79",
        python_minor=13,
        python_minor_min=9,
        pytest="9.2.0",
        packages=("hypothesis", "pretend", "tomli; python_version < '3.11'", "tomli_w"),
        tests_min=60_000,
    ),
    Suite(
        "jinja2",
        "3.1.6",
        "0137fb05990d35f1275a587e9aee6d56da821fc83491a0fb838183be43f66d6d",
        python_minor=8,
        python_minor_min=8,
        pytest="7.4.4",
        packages=("trio",),
        tests_min=900,
    ),
    Suite(
        "werkzeug",
        "3.1.9",
        "55ca7c70a75689be937aa27f8ff4b018f06ff4838fc73045560bf0f5a1291060",
        python_minor=9,
        python_minor_min=9,
        pytest="7.4.4",
        packages=("ephemeral-port-reserve", "pytest-timeout", "cryptography", "watchdog"),
        tests_min=900,
    ),
    Suite(
        "more-itertools",
        "11.2.1",
        "cbf08fd0af284dc69718b9b76a8e6203df624d70209ea511e4219d350c856f63",
        python_minor=11,
        python_minor_min=11,
        pytest="9.1.1",
        runs=(("--doctest-modules", "more_itertools", "tests"),),
        tests_min=900,
    ),
)


@dataclass(frozen=True)
class Python:
    path: str
    minor: int


def pythons() -> list[Python]:
    """The Pythons of this machine, oldest first, one a minor version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    # Not the virtual environment that these tests run in: it is made anew now and then.
    found: dict[int, str] = {sys.version_info[1]: getattr(sys, "_base_executable", sys.executable)}
    candidates = [shutil.which(f"python3.{minor}") for minor in range(8, 15)]
    candidates += [str(path) for path in sorted(pyenv.glob("3.*/bin/python"))]
    for path in filter(None, candidates):
        probe = "import sys, ensurepip, venv; print(sys.version_info[1])"
        answer = subprocess.run(
            [path, "-c", probe], capture_output=True, text=True, check=False, timeout=60
        )
        if answer.returncode == 0:
            found.setdefault(int(answer.stdout), path)
    return [Python(path, minor) for minor, path in sorted(found.items()) if minor >= 8]


def python_for(suite: Suite) -> Python:
    """The suite's own Python, else the newest that it can run on."""
    fitting = [python for python in pythons() if python.minor >= suite.python_minor_min]
    if not fitting:
        raise AssertionError(
            f"{suite.name} needs Python 3.{suite.python_minor_min} or newer; "
            "install one (Debian, Ubuntu: apt-get install python3 python3-venv; or pyenv)"
        )
    exact = [python for python in fitting if python.minor == suite.python_minor]
    return (exact or fitting)[-1]


def prepare(suite: Suite) -> tuple[Path, Path]:
    """Folder of the suite's sources, and the interpreter that has all it needs."""
    python = python_for(suite)
    folder = TARGET / "suites" / f"{suite.name}-{suite.version}"
    interpreter = folder / "environment" / "bin" / "python"
    # pytest 7 cannot run on Python 3.14, which took away what it rewrites asserts with.
    pytest = suite.pytest if python.minor < 14 else max(suite.pytest, "8.4.2")
    recipe = f"{python.path} {suite.sha256} pytest=={pytest} {' '.join(suite.packages)}\n"
    stamp = folder / "made-of.txt"
    if not (stamp.is_file() and stamp.read_text() == recipe):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _command(python.path, "-m", "venv", str(folder / "environment"))
        archive = _fetch(suite, interpreter)
        _pip(interpreter, "install", f"pytest=={pytest}", str(archive), *suite.packages)
        with tarfile.open(archive) as packed:
            _unpack(packed, folder)
        stamp.write_text(recipe)
    sources = [path for path in folder.iterdir() if (path / "PKG-INFO").is_file()]
    assert len(sources) == 1, sources
    return sources[0], interpreter


def _fetch(suite: Suite, interpreter: Path) -> Path:
    folder = TARGET / "sdists" / suite.name
    folder.mkdir(parents=True, exist_ok=True)
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{suite.name}=={suite.version} --hash=sha256:{suite.sha256}\n")
    if not list(folder.glob("*.tar.gz")):
        _pip(
            interpreter,
            "download",
            "--no-deps",
            f"--no-binary={suite.name}",
            "--require-hashes",
            f"--dest={folder}",
            f"--requirement={pinned}",
        )
    (archive,) = folder.glob("*.tar.gz")
    return archive


def _unpack(packed: tarfile.TarFile, folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        packed.extractall(folder, filter="data")
    else:
        # The archive's hash is pinned, so that what it unpacks to is known.
        packed.extractall(folder)


def _pip(interpreter: Path, *arguments: str) -> None:
    cache = f"--cache-dir={TARGET / 'pip-cache'}"
    _command(str(interpreter), "-m", "pip", arguments[0], "--quiet", cache, *arguments[1:])


def _command(*command: str) -> None:
    answer = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_TIME_MAX_S,
        check=False,
    )
    assert answer.returncode == 0, f"{' '.join(command)}\n{answer.stdout}"
