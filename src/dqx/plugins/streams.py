"""`sys.stdout` and `sys.stderr`, put back after a plugin replaced them."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Streams:
    """The two streams as they were before the calls that are now under way; one for the process."""

    def __init__(self) -> None:
        self.start_clean()

    def start_clean(self) -> None:
        """Forget the calls that are under way: in a forked child nobody else is."""
        self._lock = threading.Lock()
        self._users = 0
        self._kept: tuple[TextIO, TextIO] | None = None

    @contextmanager
    def kept(self) -> Iterator[Callable[[], bool]]:
        """Put the streams back at the end when they were replaced, by a plugin that hangs, too.

        What is yielded tells, afterwards, whether they had to be. Where several suites call plugins at the same
        time, the last call to end does it: a plugin of another one may have redirected them for a while.
        """
        with self._lock:
            self._users += 1
            if self._kept is None:
                self._kept = (sys.stdout, sys.stderr)
        replaced = False
        try:
            yield lambda: replaced
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    replaced = sys.stdout is not self._kept[0] or sys.stderr is not self._kept[1]
                    sys.stdout, sys.stderr = self._kept
                    self._kept = None


streams = Streams()
os.register_at_fork(after_in_child=streams.start_clean)
