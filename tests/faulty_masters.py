"""Masters that fail in one way each, and the front behind which a real one comes and goes."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass
from types import TracebackType
from typing import Callable

REQUEST_TIME_MAX_S = 60
BYTE_EVERY_S = 1.0


@dataclass(frozen=True)
class Request:
    """A request as it came; `body` may be cut when only a part was wanted."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def call(self) -> str:
        """`PUT`, `cases`, `finish` or `POST`: which of the four it is."""
        if self.method == "PUT":
            return "PUT"
        last = self.path.rstrip("/").rsplit("/", 1)[-1]
        return "POST" if last == "results" else last


def read_request(connection: socket.socket, body_part: float = 1.0) -> Request | None:
    """The next request of a connection, or as much of its body as is wanted; None at the end."""
    connection.settimeout(REQUEST_TIME_MAX_S)
    text = b""
    while b"\r\n\r\n" not in text:
        received = connection.recv(65_536)
        if not received:
            return None
        text += received
    head, body = text.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    wanted = int(int(headers.get("content-length", "0")) * body_part)
    while len(body) < wanted:
        received = connection.recv(65_536)
        if not received:
            return None
        body += received
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, body[: max(wanted, 0)])


def reset(connection: socket.socket) -> None:
    """Closes with a reset instead of a goodbye: lingering for no time at all does that."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answer(connection: socket.socket, status: str, media_type: str, body: bytes) -> None:
    """One whole answer; the connection stays open."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


Behaviour = Callable[["Server", socket.socket], None]


class Server:
    """Listens on a port of its own and treats every connection the same way.

    Its port is reserved from the beginning; until it listens, connections are refused.
    """

    def __init__(self, behaviour: Behaviour, listening: bool = True) -> None:
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._bound(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._acceptor: threading.Thread | None = None
        if listening:
            self.listen()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        return listener

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_listening()
        self._listener.close()
        self._drop_connections()

    def listen(self) -> None:
        """Starts to accept connections."""
        self._listener.listen()
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()

    def refuse(self) -> None:
        """Resets what is connected, and refuses connections from now on."""
        self._stop_listening()
        self._listener.close()
        self._drop_connections()
        self._listener = self._bound(self.port)

    def _stop_listening(self) -> None:
        if self._acceptor is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._acceptor.join(REQUEST_TIME_MAX_S)
            self._acceptor = None

    def _drop_connections(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            try:
                # Wakes the thread that reads from it.
                connection.shutdown(socket.SHUT_RDWR)
                reset(connection)
            except OSError:
                pass

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection: socket.socket) -> None:
        try:
            self.behaviour(self, connection)
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            connection.close()
            with self._lock:
                self._connections.discard(connection)

    def calls(self) -> list[str]:
        """Which calls arrived, in order."""
        return [request.call for request in self.requests]

    def note(self, request: Request) -> None:
        self.requests.append(request)


def hangs(server: Server, connection: socket.socket) -> None:
    """Takes the request and never answers."""
    while (request := read_request(connection)) is not None:
        server.note(request)


def trickles(server: Server, connection: socket.socket) -> None:
    """Answers with one byte a second."""
    request = read_request(connection)
    if request is None:
        return
    server.note(request)
    for byte in b"HTTP/1.1 201 Created\r\ncontent-length: 40\r\n\r\n" + b" " * 40:
        connection.sendall(bytes([byte]))
        time.sleep(BYTE_EVERY_S)


def answers_500(server: Server, connection: socket.socket) -> None:
    """Fails at everything."""
    while (request := read_request(connection)) is not None:
        server.note(request)
        answer(connection, "500 Internal Server Error", "text/plain", b"no")


def resets(server: Server, connection: socket.socket) -> None:
    """Resets the connection when half of the body is there."""
    request = read_request(connection, body_part=0.5)
    if request is not None:
        server.note(request)
        reset(connection)


def answers_html(server: Server, connection: socket.socket) -> None:
    """Is no master, but something that says 200 to everything."""
    while (request := read_request(connection)) is not None:
        server.note(request)
        answer(connection, "200 OK", "text/html", b"<html>Welcome to nginx!</html>")


def answers_other_json(server: Server, connection: socket.socket) -> None:
    """Says 200 in JSON, about something else."""
    while (request := read_request(connection)) is not None:
        server.note(request)
        answer(connection, "200 OK", "application/json", b'{"run_id": "another", "ok": true}')


def answers_mail(server: Server, connection: socket.socket) -> None:
    """Speaks another protocol."""
    connection.sendall(b"220 mail.example.org ESMTP ready\r\n")
    read_request(connection)


class Front(Server):
    """Stands before a real master: passes requests on, and may lose answers.

    With `loses_answers`, the first answer to every different request gets lost, after the master
    has done what it asks for; the same request sent again is answered.
    """

    def __init__(self, listening: bool = True, loses_answers: bool = False) -> None:
        self.target = ""
        self.loses_answers = loses_answers
        self.lost: list[str] = []
        self._seen: set[tuple[str, str, bytes]] = set()
        super().__init__(Front.passes_on, listening)

    def passes_on(self, connection: socket.socket) -> None:
        while (request := read_request(connection)) is not None:
            self.note(request)
            target = urllib.parse.urlsplit(self.target)
            onward = http.client.HTTPConnection(target.netloc, timeout=REQUEST_TIME_MAX_S)
            try:
                onward.request(request.method, request.path, request.body, request.headers)
                said = onward.getresponse()
                body = said.read()
            finally:
                onward.close()
            key = (request.method, request.path, request.body)
            if self.loses_answers and key not in self._seen:
                self._seen.add(key)
                self.lost.append(request.call)
                reset(connection)
                return
            media_type = said.headers.get("content-type", "")
            answer(connection, f"{said.status} {said.reason}", media_type, body)
