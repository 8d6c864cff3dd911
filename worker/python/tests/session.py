"""Runs a small pytest session with the plugin on a raw pipe and hands out its events."""

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional

PLUGIN_FOLDER = str(Path(__file__).resolve().parent.parent)
LIMIT_S = 60


class Session:
    """What a session said and how it ended."""

    def __init__(self, lines: List[bytes], exit_code: int, output: str) -> None:
        self.lines = lines
        self.exit_code = exit_code
        self.output = output
        self.events: List[Dict[str, Any]] = [json.loads(line) for line in lines]

    def all(self, name: str) -> List[Any]:
        return [event[name] for event in self.events if name in event]

    def one(self, name: str) -> Any:
        found = self.all(name)
        assert len(found) == 1, f"{len(found)} events {name} in {self.lines}, output {self.output}"
        return found[0]

    def names(self) -> List[str]:
        return [key for event in self.events for key in event]

    def nodeids(self) -> List[str]:
        return [row[0] for chunk in self.all("tests") for row in chunk["tests"]]


def run(
    folder: Path,
    files: Dict[str, str],
    *args: str,
    env: Optional[Dict[str, str]] = None,
    before: str = "",
    plugins: str = "",
) -> Session:
    """Writes files and runs pytest on them.

    `before` is Python that runs in the process first, `plugins` a folder with installed plugins.
    """
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    reading, writing = os.pipe()
    environment = {
        **os.environ,
        **(env or {}),
        "PYTEST_PLATFORM_FD": str(writing),
        "PYTHONPATH": f"{PLUGIN_FOLDER}:{plugins}" if plugins else PLUGIN_FOLDER,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "pytest_platform.plugin"]
    if before:
        program = f"{before}\nimport sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))"
        command = [sys.executable, "-c", program, "-p", "pytest_platform.plugin"]
    process = subprocess.Popen(
        [*command, "-p", "no:cacheprovider", *args],
        cwd=folder,
        env=environment,
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(writing)
    chunks: List[bytes] = []
    reader = threading.Thread(target=_read, args=(reading, chunks))
    reader.start()
    output, _ = process.communicate(timeout=LIMIT_S)
    reader.join(LIMIT_S)
    assert not reader.is_alive(), "somebody still holds the pipe"
    os.close(reading)
    data = b"".join(chunks)
    lines = [line for line in data.split(b"\n") if line]
    return Session(lines, process.returncode, output.decode(errors="replace"))


def _read(descriptor: int, chunks: List[bytes]) -> None:
    while True:
        chunk = os.read(descriptor, 1 << 20)
        if not chunk:
            return
        chunks.append(chunk)
