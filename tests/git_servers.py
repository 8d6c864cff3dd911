"""A git repository over https, for those who know the token, and what stands in for ssh."""

from __future__ import annotations

import base64
import http.server
import os
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trustme

ANSWER_TIME_MAX_S = 120


class HttpsGit:
    """`git http-backend` behind https and a password."""

    def __init__(self, folder: Path, root: Path, user: str, token: str) -> None:
        self.root = root
        self.expected = "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()
        # A fetch is not answered before this is set.
        self.go_on = threading.Event()
        self.go_on.set()
        # Method, path and status of every request.
        self.answered: list[tuple[str, str, int]] = []
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        authority = trustme.CA()
        self.authority = folder / "git-authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> HttpsGit:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server_of: HttpsGit

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        git = self.server_of
        if self.headers.get("Authorization") != git.expected:
            return self._say(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
        assert git.go_on.wait(ANSWER_TIME_MAX_S)
        address = urlsplit(self.path)
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROJECT_ROOT": str(git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": address.path,
            "QUERY_STRING": address.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        finished = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env=variables,
            capture_output=True,
            timeout=ANSWER_TIME_MAX_S,
            check=True,
        )
        head, _, content = finished.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = int(next((text[:3] for name, text in headers if name == "Status"), "200"))
        self._say(status, [(name, text) for name, text in headers if name != "Status"], content)

    def _say(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.server_of.answered.append((self.command, self.path, status))
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def stand_in_for_ssh(path: Path, seen: Path) -> None:
    """A program that takes what ssh takes, notes it, and runs here what was meant for the host."""
    path.write_text(f"""#!/bin/sh
printf '%s\\n' "$*" >> '{seen}'
for last; do :; done
exec sh -c "$last"
""")
    path.chmod(0o755)
