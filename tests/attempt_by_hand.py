"""One attempt of a job, ordered by hand: the process that does the steps, without agent and master.

What the orders look like is the agent's own affair; these tests are of the same version.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ATTEMPT_TIME_MAX_S = 240
LEASE_NS = ATTEMPT_TIME_MAX_S * 1_000_000_000


@dataclass
class Carried:
    """What came of an attempt."""

    ending: str
    error_kind: str | None
    error: str
    exit_code: int | None
    log: str
    steps: list[str]
    run: dict[str, Any] | None
    folder: Path

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome of each test, by the end of its nodeid."""
        cases = (self.run or {}).get("cases") or []
        return {case["nodeid"].rpartition("::")[2]: case["outcome"] for case in cases}


@dataclass
class Workshop:
    """Where attempts are carried out; what they leave for one another is kept."""

    worker: Path
    folder: Path
    python: str
    steps: dict[str, Any] = field(default_factory=dict)
    user: int | None = None

    def attempt(
        self,
        source: dict[str, Any],
        *,
        tests: Sequence[str] = (),
        args: Sequence[str] = (),
        env: dict[str, str] | None = None,
        timeout_s: int = 200,
        environment: dict[str, str] | None = None,
        **steps: Any,
    ) -> Carried:
        """Carries it out; `steps` are flags of `agent`, with underscores."""
        name = f"{uuid.uuid4()}-1"
        folder = self.folder / "jobs" / name
        folder.mkdir(parents=True)
        run_file = self.folder / f"{name}.json"
        orders = {
            "work": {
                "name": name,
                "run_id": f"job-{name}",
                "project": "by-hand",
                "source": source,
                "tests": list(tests),
                "args": list(args),
                "env": env or {},
                "timeout_s": timeout_s,
            },
            "workshop": {
                "folder": str(self.folder),
                "state_dir": str(self.folder / "state"),
                "python": self.python,
                "agent": "by-hand",
                "steps": {**self.steps, **steps},
            },
            "reporting": None,
            "lease": None,
            "keep_run": str(run_file),
            "until": time.clock_gettime_ns(time.CLOCK_BOOTTIME) + LEASE_NS,
        }
        message = json.dumps(orders).encode()
        as_user: list[str] = []
        if self.user is not None:
            subprocess.run(["chown", "-R", str(self.user), str(self.folder)], check=True)
            user = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
            as_user = ["setpriv", *user, "env", f"HOME={self.folder}"]
        command = [*as_user, str(self.worker), "attempt"]
        variables = {**os.environ, **(environment or {})}
        said, lines = self._heard(command, message, folder, variables)
        run = json.loads(run_file.read_text()) if run_file.exists() else None
        ended: dict[str, Any] = next((line["ended"] for line in lines if "ended" in line), {})
        return Carried(
            ending=ended.get("ending", "none"),
            error_kind=ended.get("error_kind"),
            error=ended.get("error") or "",
            exit_code=ended.get("exit_code"),
            log=said,
            steps=[line["step"]["name"] for line in lines if "step" in line],
            run=run,
            folder=folder,
        )

    def _heard(
        self, command: list[str], message: bytes, folder: Path, variables: dict[str, str]
    ) -> tuple[str, list[dict[str, Any]]]:
        """The log and the reports of a process that is told this and lives until its end."""
        with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as reports:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=reports,
                stderr=log,
                cwd=folder,
                env=variables,
            )
            assert process.stdin is not None
            # It stays open: its end is what an attempt takes for the agent's death.
            with process, process.stdin as told:
                told.write(f"{len(message):08x}".encode() + message)
                told.flush()
                try:
                    process.wait(ATTEMPT_TIME_MAX_S)
                finally:
                    process.kill()
            log.seek(0)
            reports.seek(0)
            return log.read().decode(errors="replace"), [json.loads(line) for line in reports]
