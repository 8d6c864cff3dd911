"""A task backend, written from the contract alone: both generations, with and without accounts."""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Backend:
    """Hands out tasks and takes results. What went wrong on purpose is asked for by its fields."""

    def __init__(self, generation: str = "attempt", account: tuple[str, str] | None = None) -> None:
        assert generation in ("attempt", "id")
        self.generation = generation
        self.account = account
        self.tasks: list[dict[str, Any]] = []
        # Bodies in the order in which they were taken.
        self.results: list[dict[str, Any]] = []
        # Path and status of every request.
        self.answered: list[tuple[str, int]] = []
        # Statuses of the next answers to a result, instead of taking it.
        self.result_faults: list[int] = []
        # A result is taken, and the answer never comes.
        self.hang_up_after_result = False
        self.slow_s = 0.0
        # Processes that work for it.
        self.runners: list[subprocess.Popen[bytes]] = []
        # Requests that a token of a login is good for, and whether it can be refreshed.
        self.token_requests = 1_000_000
        self.takes_refresh = True
        self._tokens: dict[str, int] = {}
        self._refresh_tokens: set[str] = set()
        self._next_number = 21
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.url = ""
        self.port = 0

    def __enter__(self) -> Backend:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts to listen, where it listened before if it did."""
        backend = self

        class Handler(_Handler):
            owner = backend

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Is away."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def offer(self, url: str, branch: str = "main", **fields: Any) -> int:
        """Adds a task; answers with its number."""
        with self._lock:
            number = self._next_number
            self._next_number += 1
            task = {"repositoryUrl": url, "branch": branch, "connectedTests": [], **fields}
            if self.generation == "attempt":
                task = {"attempt": number, "laboratoryNumber": 1, **task}
            else:
                task = {"id": number, "status": "AVAILABLE", **task}
            self.tasks.append(task)
        return number

    def forget_tokens(self) -> None:
        """What was handed out is worth nothing from now on."""
        with self._lock:
            self._tokens.clear()

    def count(self, path: str, status: int = 200) -> int:
        """How often this was answered so."""
        return self.answered.count((path, status))

    # --- what the requests do ---

    def answer(self, method: str, path: str, authorization: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        with self._lock:
            if (method, path) == ("POST", "/api/v1/login"):
                if (body.get("username"), body.get("password")) != self.account:
                    return 401, {"message": "unknown account"}
                return 200, self._log_in()
            if (method, path) == ("POST", "/api/v1/auth/refresh"):
                token = body.get("refreshToken")
                if not self.takes_refresh or token not in self._refresh_tokens:
                    return 401, {"message": "log in again"}
                self._refresh_tokens.discard(token)
                return 200, self._log_in()
            if self.account is not None and not self._is_good(authorization):
                return 401, {"message": "who are you?"}
            if (method, path) == ("GET", "/api/task/available"):
                return self._hand_out()
            if (method, path) == ("POST", "/api/task/result"):
                return self._take(body)
        return 404, {"message": "no such place"}

    def _log_in(self) -> dict[str, str]:
        access, refresh = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self._tokens[access] = self.token_requests
        self._refresh_tokens.add(refresh)
        return {"type": "Bearer", "accessToken": access, "refreshToken": refresh}

    def _is_good(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        left = self._tokens.get(token, 0)
        self._tokens[token] = left - 1
        return authorization.startswith("Bearer ") and left > 0

    def _hand_out(self) -> tuple[int, Any]:
        if self.tasks:
            return 200, self.tasks.pop(0)
        # The earlier generation has no status in its answers.
        return (404 if self.generation == "attempt" else 200), {"status": "UNAVAILABLE"}

    def _take(self, body: Any) -> tuple[int, Any]:
        if self.result_faults:
            return self.result_faults.pop(0), {"message": "not now"}
        self.results.append(body)
        return (0 if self.hang_up_after_result else 200), {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(BaseHTTPRequestHandler):
    owner: Backend

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        time.sleep(self.owner.slow_s)
        authorization = self.headers.get("Authorization", "")
        status, answer = self.owner.answer(self.command, self.path, authorization, body)
        self.owner.answered.append((self.path, status))
        if status == 0:
            self.close_connection = True
            return
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
