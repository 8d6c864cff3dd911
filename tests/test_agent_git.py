"""Where agents fetch from: https with a certificate and a password, and ssh."""

from __future__ import annotations

import json
import os
import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest
from git_servers import HttpsGit, stand_in_for_ssh
from jobs_under_test import Place, Repository, place_on
from platform_under_test import Programs
from worker_sessions import wait_until

TOKEN = "ghp_hunter2hunter2"
TESTS = """
import pathlib

def test_it():
    kept = [path for path in pathlib.Path(".git").rglob("*") if path.is_file()]
    secret = "hunter" + "2"
    assert kept and not [path for path in kept if secret.encode() in path.read_bytes()]
"""


@pytest.fixture
def place(binaries: Programs, tmp_path: Path) -> Iterator[Place]:
    with place_on(binaries, tmp_path) as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "served").mkdir()
    return Repository(tmp_path / "served" / "code.git", {"test_it.py": TESTS})


@pytest.fixture
def https(tmp_path: Path, repository: Repository) -> Iterator[HttpsGit]:
    with HttpsGit(tmp_path, repository.folder.parent, "steve", TOKEN) as server:
        yield server


def trusting(https: HttpsGit) -> dict[str, str]:
    """Variables of an agent whose git trusts the server."""
    return {"GIT_SSL_CAINFO": str(https.authority)}


class CommandLines:
    """Every command line of this machine that shows a secret, looked for all the time."""

    def __init__(self, secret: str) -> None:
        self.secret = secret.encode()
        self.shown: set[bytes] = set()
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> CommandLines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            for entry in filter(str.isdigit, os.listdir("/proc")):
                try:
                    line = Path(f"/proc/{entry}/cmdline").read_bytes()
                except OSError:
                    continue
                if b"git" in line:
                    self.seen.add(line)
                if self.secret in line:
                    self.shown.add(line)

    def has_seen(self, words: str) -> bool:
        return any(words.encode() in line for line in set(self.seen))


def test_a_token_in_an_https_address_shows_nowhere(
    place: Place, https: HttpsGit, tmp_path: Path
) -> None:
    agent = place.agent("--allow-url", f"https://{https.host}/*", environment=trusting(https))
    https.go_on.clear()
    with CommandLines(TOKEN) as lines:
        url = f"https://steve:{TOKEN}@{https.host}/code.git"
        job = place.create(source={"type": "git", "url": url, "branch": "main"})
        # git is held up in the middle of its fetch, and its helpers are there to be seen.
        wait_until(lambda: lines.has_seen("git-remote-https"), "git to fetch", 60)
        wait_until(lambda: lines.has_seen(https.host), "its address", 60)
        https.go_on.set()
        over = place.wait_passed(job)
    assert lines.shown == set()
    assert ("POST", "/code.git/git-upload-pack", 200) in https.answered
    log = place.log(job)
    assert f"https://{https.host}/code.git" in log
    run = place.master.get(f"/results/{over['run_id']}")
    for text in (log, agent.said(), json.dumps(run)):
        assert "hunter2" not in text
    for path in (tmp_path / agent.name).rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            assert b"hunter2" not in path.read_bytes(), path


def test_a_wrong_token_and_an_unknown_authority_are_told_apart_and_show_nothing(
    place: Place, https: HttpsGit
) -> None:
    allowed = ("--allow-url", f"https://{https.host}/*")
    distrustful = place.agent(*allowed)
    url = f"https://steve:wrong-{TOKEN}@{https.host}/code.git"
    with CommandLines(TOKEN) as lines:
        unknown = place.wait(place.create(source={"type": "git", "url": url}), "error")
        assert "certificate" in unknown["error"]["text"], unknown
        assert https.answered == []
        distrustful.end()
        place.agent(*allowed, environment=trusting(https))
        refused = place.wait(place.create(source={"type": "git", "url": url}), "error")
        assert "the server takes no login" in refused["error"]["text"], refused
    assert lines.shown == set()
    for over in (unknown, refused):
        assert over["error"]["kind"] == "git"
        assert "hunter2" not in over["error"]["text"] + place.log(over)
    assert {status for _, _, status in https.answered} == {401}


def test_the_owner_of_an_agent_may_keep_the_password_to_himself(
    place: Place, https: HttpsGit, tmp_path: Path
) -> None:
    stored = tmp_path / "credentials"
    stored.write_text(f"https://steve:{TOKEN}@{https.host}\n")
    config = tmp_path / "gitconfig"
    config.write_text(f'[credential]\n\thelper = "store --file={stored}"\n')
    options = ("--allow-url", f"https://{https.host}/*", "--git-config", str(config))
    place.agent(*options, environment=trusting(https))
    job = place.create(source={"type": "git", "url": f"https://{https.host}/code.git"})
    over = place.wait_passed(job)
    assert "hunter2" not in place.log(job) + json.dumps(over)


@contextmanager
def no_ssh(folder: Path) -> Iterator[tuple[str, Path]]:
    """A `PATH` on which ssh is a program that stays here, and what it was called with."""
    programs, seen = folder / "programs", folder / "ssh-seen"
    programs.mkdir()
    stand_in_for_ssh(programs / "ssh", seen)
    yield f"{programs}:{os.environ['PATH']}", seen


def test_ssh_asks_nobody_and_takes_both_forms_of_an_address(
    place: Place, repository: Repository, tmp_path: Path
) -> None:
    with no_ssh(tmp_path) as (path, seen):
        place.agent(environment={"PATH": path, "GIT_SSH_VARIANT": "ssh"})
        folder = repository.folder
        for url in (f"ssh://git@git.example.org{folder}", f"git@git.example.org:{folder}"):
            place.wait_passed(place.create(source={"type": "git", "url": url}))
        calls = seen.read_text().splitlines()
    assert len(calls) >= 2
    for call in calls:
        assert "-o BatchMode=yes -o ConnectTimeout=30" in call
        assert f"git@git.example.org git-upload-pack '{folder}'" in call, call


def test_the_way_to_start_ssh_is_the_owners_and_no_address_adds_to_it(
    place: Place, repository: Repository, tmp_path: Path
) -> None:
    own, seen = tmp_path / "own-ssh", tmp_path / "seen"
    stand_in_for_ssh(own, seen)
    config = tmp_path / "gitconfig"
    config.write_text(f'[core]\n\tsshCommand = "{own} -i key"\n[ssh]\n\tvariant = ssh\n')
    place.agent("--git-config", str(config))
    source = {"type": "git", "url": f"ssh://git.example.org{repository.folder}"}
    # What a job sets reaches its tests, and not git.
    mark = tmp_path / "mark"
    env = {"GIT_SSH_COMMAND": f"touch {mark}; false"}
    place.wait_passed(place.create(source=source, env=env))
    calls = seen.read_text().splitlines()
    assert calls and all(call.startswith("-i key ") for call in calls), calls
    assert not mark.exists()
    for url in (
        f"ssh://-oProxyCommand=touch%20{mark}/x",
        f"-oProxyCommand=touch {mark}:x",
        f"ssh://git@-oProxyCommand=x{repository.folder}",
    ):
        answer = place.request(
            "POST",
            "/jobs",
            {"username": "Steve", "project": "p", "source": {"type": "git", "url": url}},
        )
        if answer.status == 201:
            over = place.wait(answer.json, "error")
            assert over["error"]["kind"] == "git", over
        else:
            assert answer.status in (400, 422), answer.body
    assert seen.read_text().splitlines() == calls
    assert not mark.exists()
