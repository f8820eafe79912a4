"""`sys.stdout` and `sys.stderr`, put back after a plugin replaced or closed them."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_DESCRIPTORS: dict[object, int] = {"<stdout>": 1, "<stderr>": 2, 1: 1, 2: 2}
"""By the names of the process's own streams, as Python makes them and as they are opened anew here."""


class Streams:
    """The two streams as they were before the calls that are now under way; one for the process."""

    def __init__(self) -> None:
        self.start_clean()

    def start_clean(self) -> None:
        """Forget the calls that are under way: in a forked child nobody else is."""
        self._lock = threading.Lock()
        self._users = 0
        self._kept: tuple[TextIO, TextIO] | None = None
        self._were_open = (False, False)

    @contextmanager
    def kept(self) -> Iterator[Callable[[], bool]]:
        """Put the streams back at the end when they were replaced or closed, by a plugin that hangs, too.

        What is yielded tells, afterwards, whether they had to be. Where several suites call plugins at the same
        time, the last call to end does it: a plugin of another one may have redirected them for a while.
        """
        with self._lock:
            self._users += 1
            if self._kept is None:
                self._kept = (sys.stdout, sys.stderr)
                self._were_open = (_is_open(sys.stdout), _is_open(sys.stderr))
        replaced = False
        try:
            yield lambda: replaced
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    kept = [
                        _open(stream) if was_open else stream
                        for stream, was_open in zip(self._kept, self._were_open, strict=True)
                    ]
                    replaced = sys.stdout is not kept[0] or sys.stderr is not kept[1]
                    sys.stdout, sys.stderr = kept
                    self._kept = None


def _is_open(stream: TextIO) -> bool:
    return not getattr(stream, "closed", True)


def _open(stream: TextIO) -> TextIO:
    """Return a stream that was open; one of the process's own is opened anew: its descriptor still is open."""
    fd = _DESCRIPTORS.get(getattr(stream, "name", None))
    if fd is None or _is_open(stream):
        return stream
    try:
        return open(fd, "w", encoding=stream.encoding, errors=stream.errors, closefd=False)
    except OSError:  # that was closed, too
        return stream


streams = Streams()
os.register_at_fork(after_in_child=streams.start_clean)
