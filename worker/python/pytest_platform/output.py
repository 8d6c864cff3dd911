"""Where pytest prints when the worker, through which its output goes, is gone.

The worker gives pytest its own standard output and error as well. While it lives nobody uses them;
once it was killed, everything that led to the worker leads there. Without this, the first dot that
pytest prints would end the session.
"""

import os
from typing import Callable, List, Tuple

from .pipe import hide

# What tells that two descriptors lead to the same place.
Place = Tuple[int, int, int]


class SpareOutput:
    """Descriptors in reserve, as the worker names them: for standard output, for standard error."""

    def __init__(self, names: str) -> None:
        self._dup2 = os.dup2
        self._fstat = os.fstat
        self._close = os.close
        self._listdir = os.listdir
        self._get_inheritable = os.get_inheritable
        self._spares: List[Tuple[Place, int]] = []
        for descriptor, name in zip((1, 2), names.split(",")):
            if name:
                place = _place(os.fstat, descriptor)
                self._spares.append((place, hide(int(name))))
        os.register_at_fork(after_in_child=self.close)

    def take_over(self) -> None:
        """Makes every descriptor that led to the worker lead past it."""
        own = [spare for _, spare in self._spares]
        for name in self._listdir("/dev/fd"):
            descriptor = int(name)
            if descriptor in own:
                continue
            try:
                place = _place(self._fstat, descriptor)
                for worker, spare in self._spares:
                    if place == worker:
                        self._dup2(spare, descriptor, self._get_inheritable(descriptor))
                        break
            except OSError:
                pass  # The list names the descriptor that read it, which is closed.
        self.close()

    def close(self) -> None:
        """Lets go of the reserve."""
        spares, self._spares = self._spares, []
        for _, spare in spares:
            try:
                self._close(spare)
            except OSError:
                pass  # A test has closed it.


def _place(fstat: Callable[[int], os.stat_result], descriptor: int) -> Place:
    status = fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_rdev
