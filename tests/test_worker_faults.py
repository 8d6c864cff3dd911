"""A faulty master costs a run a bounded moment at its end, and nothing is lost."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import pytest
from platform_under_test import Master, run_worker

UPLOAD_TIMEOUT_S = 3
# Starting Python and pytest on a busy machine, next to the bounded wait itself.
SLACK_S = 20
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


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does one thing with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            try:
                answer(connection)
            except OSError:
                pass

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        for connection in kept:
            connection.close()


def hang(connection: socket.socket) -> None:
    """Takes the connection and never says anything."""


def answer_500(connection: socket.socket) -> None:
    connection.settimeout(5)
    connection.recv(65_536)
    body = b"no"
    head = f"HTTP/1.1 500 Internal Server Error\r\ncontent-length: {len(body)}\r\n"
    connection.sendall(head.encode() + b"connection: close\r\n\r\n" + body)
    connection.shutdown(socket.SHUT_WR)


def answer_garbage(connection: socket.socket) -> None:
    connection.settimeout(5)
    connection.recv(65_536)
    connection.sendall(b"220 mail.example.org ESMTP ready\r\n")
    connection.close()


def reset(connection: socket.socket) -> None:
    # Lingering for zero seconds makes close() send a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


@contextmanager
def refused() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


FAULTS = {
    "refused": refused,
    "hung": lambda: server(hang),
    "500": lambda: server(answer_500),
    "garbage": lambda: server(answer_garbage),
    "reset": lambda: server(reset),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_master_changes_nothing_and_the_result_is_saved(
    fault: str, worker_binary: Path, project: Path, master: Master, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "WORKER_UPLOAD_TIMEOUT": str(UPLOAD_TIMEOUT_S),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
    }
    with FAULTS[fault]() as url:
        ended = run_worker(
            worker_binary, url, project, "-p", "no:cacheprovider", environment=environment
        )
    assert ended.exit_code == 1, ended.output
    assert "1 failed, 1 passed" in ended.output
    assert ended.time_s < UPLOAD_TIMEOUT_S + SLACK_S, ended.output
    saved = [
        path
        for folder in (home, project, tmp_path)
        for path in folder.rglob("*")
        if path.is_file() and ".json" in path.name
    ]
    assert saved, f"no saved result; the worker said:\n{ended.output}"
    assert any("test_two.py::test_fails" in path.read_text(errors="replace") for path in saved)


def test_the_exit_code_is_pytests_own(worker_binary: Path, master: Master, project: Path) -> None:
    passing = run_worker(worker_binary, master.url, project, "-k", "passes")
    assert passing.exit_code == 0
    nothing = run_worker(worker_binary, master.url, project, "-k", "nowhere")
    assert nothing.exit_code == 5
    misused = run_worker(worker_binary, master.url, project, "--no-such-option")
    assert misused.exit_code == 4
    statuses = [run["status"] for run in master.get("/results")]
    assert statuses == ["usage_error", "no_tests", "passed"]
