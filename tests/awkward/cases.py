"""The cases: small projects with the truth about their runs, as `cases.json` lists them."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
CASES_FILE = FOLDER / "cases.json"
REQUIREMENTS_FILE = FOLDER / "requirements.txt"

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One project, how pytest is started in it, and what is to be stored."""

    id: str
    note: str
    files: dict[str, str | Json]
    arguments: tuple[str, ...]
    """After `pytest`."""
    python_arguments: tuple[str, ...]
    """Before `-m pytest`."""
    environment: dict[str, str]
    stop_after_s: float | None
    """Plain pytest never ends: somebody has to end it after this time."""
    sigint_ignored: bool
    """Started by somebody who ignores SIGINT, as a shell does with `pytest &`."""
    expect: Json

    @property
    def distributed(self) -> bool:
        return "-n" in self.arguments

    def write(self, folder: Path) -> None:
        """Makes the project; names of files may hold bytes that are no Unicode."""
        for name, content in self.files.items():
            path = os.path.join(os.fsencode(folder), os.fsencode(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if isinstance(content, dict):
                data = base64.b64decode(content["base64"])
            else:
                data = content.encode("utf-8", "surrogatepass")
            with open(path, "wb") as file:
                file.write(data)


def cases() -> list[Case]:
    """All of them, in the order of the list."""
    with CASES_FILE.open(encoding="utf-8") as file:
        listed = json.load(file)
    return [
        Case(
            id=case["id"],
            note=case["note"],
            files=case["files"],
            arguments=tuple(case["args"]),
            python_arguments=tuple(case["python_args"]),
            environment=case["env"],
            stop_after_s=case["stop_after_s"],
            sigint_ignored=case["sigint_ignored"],
            expect=case["expect"],
        )
        for case in listed
    ]


def requirements() -> list[str]:
    """What the truth was measured with."""
    return REQUIREMENTS_FILE.read_text(encoding="utf-8").split()
