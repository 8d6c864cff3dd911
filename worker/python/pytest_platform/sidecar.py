"""The worker beside a pytest that was started without it."""

import os
import shutil
import subprocess
import sys
from typing import Any, Dict, List, Optional, Tuple

from .pipe import Pipe

# How long pytest waits at its end for the worker; the worker's own limit on uploading is lower.
WAIT_S_MAX = 30.0
# Of a longer command line only the program is told: a system takes so many words and no more.
COMMAND_LENGTH_MAX = 16 * 1024
# Options with which nobody waits for a result: no worker is started for them.
NO_TESTS_OPTIONS = (
    "help",
    "version",
    "collectonly",
    "showfixtures",
    "show_fixtures_per_test",
    "markers",
    "cacheshow",
)


def wanted(options: Any) -> bool:
    """Whether these options of pytest run tests."""
    return not any(getattr(options, name, False) for name in NO_TESTS_OPTIONS)


def start(
    environment: Dict[str, str], terminal: int, words: List[str]
) -> Optional[Tuple[Pipe, Any]]:
    """Starts the installed worker at the other end of a new pipe, its messages on `terminal`.

    `words` are pytest's command line, which is stored with the run.
    """
    if sum(map(len, words)) > COMMAND_LENGTH_MAX:
        words = [*words[:1], "..."]
    name = "pytest-platform-worker"
    binary = os.path.join(os.path.dirname(sys.executable), name)
    if not os.access(binary, os.X_OK):
        binary = shutil.which(name, path=environment.get("PATH")) or ""
    if not binary:
        return None
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [binary, "sidecar", "--fd", str(reading), "--", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            pass_fds=(reading,),
            start_new_session=True,
            env=environment,
        )
    except OSError:
        os.close(writing)
        return None
    finally:
        os.close(reading)
    return Pipe(writing), process


def wait(process: Any) -> None:
    """Waits for the worker's upload, so that its last line comes before the prompt."""
    try:
        process.wait(WAIT_S_MAX)
    except Exception:
        pass  # It goes on in its own session; the tests are over and must not hang.
