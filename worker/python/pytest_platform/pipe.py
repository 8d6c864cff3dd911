"""The way out of pytest's process: whole lines, written at once, in bounded time.

Tests replace `time`, `os` and `json`, and freezegun replaces every module-level name that refers to
a clock. So the pipe keeps what it needs in itself, taken when it is made.
"""

import errno
import json.encoder
import os
import select
import time
from typing import Callable, Mapping, Optional

from .text import clean

# How long the plugin waits, in all, for a worker that does not read.
STUCK_S_MAX = 5.0
PIPE_BYTES = 1024 * 1024


class Pipe:
    """The way out: writes whole lines, waits a bounded time, gives up for good, never raises."""

    def __init__(self, descriptor: int, on_lost: Optional[Callable[[], None]] = None) -> None:
        self._os_write = os.write
        self._os_close = os.close
        self._getpid = os.getpid
        self._poll = select.poll
        self._pollout = select.POLLOUT
        self._monotonic = time.monotonic
        self._epoch = time.time() - time.monotonic()
        self._quote = json.encoder.encode_basestring_ascii
        self._descriptor = _prepare(descriptor)
        self._owner = os.getpid()
        self._rest = b""
        self._patience_s = STUCK_S_MAX
        self._on_lost = on_lost
        os.register_at_fork(after_in_child=self.close)

    def now(self) -> float:
        """Seconds since 1970, by a clock that tests cannot stop."""
        return self._epoch + self._monotonic()

    def write(self, data: bytes) -> None:
        """Writes lines; data that does not fit is kept and written first the next time."""
        if self._descriptor < 0 or self._getpid() != self._owner:
            return
        if self._rest:
            self._write_all(data)
            return
        try:
            written = self._os_write(self._descriptor, data)
        except BlockingIOError:
            written = 0
        except OSError:
            self._lose()
            return
        if written != len(data):
            self._write_all(data[written:])

    def _write_all(self, data: bytes) -> None:
        self._rest += data
        try:
            while self._rest:
                if not self._wait():
                    self.close()
                    return
                try:
                    written = self._os_write(self._descriptor, self._rest)
                except BlockingIOError:
                    continue
                self._rest = self._rest[written:]
        except OSError:
            self._lose()

    def check(self) -> None:
        """Notices a worker that is gone before anything else is printed."""
        if self._descriptor < 0 or self._getpid() != self._owner:
            return
        try:
            poll = self._poll()
            poll.register(self._descriptor, 0)
            if poll.poll(0):
                self._lose()
        except OSError:
            self._lose()

    def _lose(self) -> None:
        """The worker is gone, and with it the way of what pytest prints."""
        self.close()
        if self._on_lost is not None:
            try:
                self._on_lost()
            except Exception:
                pass  # The tests go on as far as they can.

    def _wait(self) -> bool:
        if self._patience_s <= 0:
            return False
        started = self._monotonic()
        poll = self._poll()
        poll.register(self._descriptor, self._pollout)
        ready = poll.poll(self._patience_s * 1000)
        self._patience_s -= self._monotonic() - started
        return bool(ready)

    def send(self, name: str, value: object) -> None:
        """Writes one event that is not frequent."""
        self.write(self.line(name, value))

    def line(self, name: str, value: object) -> bytes:
        """One event as a line."""
        return f'{{"{name}":{self.encode(value)}}}\n'.encode("ascii")

    def encode(self, value: object) -> str:
        """JSON, by hand: the interpreter's own encoder can be patched under our feet."""
        if isinstance(value, str):
            return self._quote(clean(value))
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, float):
            return f"{value:.6f}" if -1e15 < value < 1e15 else "0"
        if isinstance(value, Mapping):
            fields = [f"{self.encode(str(k))}:{self.encode(v)}" for k, v in value.items()]
            return "{" + ",".join(fields) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ",".join([self.encode(item) for item in value]) + "]"
        return self.encode(str(value))

    def close(self) -> None:
        """Ends the reporting of this process, and of a forked child."""
        descriptor, self._descriptor = self._descriptor, -1
        self._rest = b""
        if descriptor >= 0:
            try:
                self._os_close(descriptor)
            except OSError:
                pass


def _prepare(descriptor: int) -> int:
    """Makes the pipe roomy, and never waits for it."""
    import fcntl

    hidden = hide(descriptor)
    os.set_blocking(hidden, False)
    try:
        fcntl.fcntl(hidden, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
    except OSError:
        pass  # Not Linux, or over the user's quota: the pipe stays as it is.
    return hidden


def hide(descriptor: int) -> int:
    """Moves a descriptor to a high number, where tests rarely look, and keeps it from children."""
    import fcntl
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    lowest = 4000 if soft == resource.RLIM_INFINITY else max(3, min(soft, 4096) - 96)
    try:
        hidden = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.EINVAL):
            raise
        os.set_inheritable(descriptor, False)
        return descriptor
    os.close(descriptor)
    return hidden
