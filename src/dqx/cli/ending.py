"""How the process ends: by a signal, or with its work done; in time whatever threads of others still do."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from dqx.cli.output import drop_stdout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}

EXIT_CODES = (2, 1, 3, 4)
"""The exit codes of suites, in the order in which they count when several apply."""


class Stopped(BaseException):
    """SIGINT or SIGTERM asked the process to end. Its notes say what it was doing."""


class StopSignals:
    """SIGINT and SIGTERM as an exception, `Stopped`, so that what is open is closed; a second one ends at once."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """Return 130 for SIGINT, 143 for SIGTERM."""
        return 128 + (self.received or signal.SIGINT)

    @property
    def said(self) -> str:
        """Return what became of the process, for people."""
        return "terminated" if self.received is signal.SIGTERM else "interrupted"

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen inside the block. A signal that is ignored, as by nohup, or handled by others, stays so."""
        taken = {number: own for number, own in _SIGNALS.items() if signal.getsignal(number) is own}
        for number in taken:
            signal.signal(number, self._stop)
        try:
            yield
        finally:
            for number, own in taken.items():
                signal.signal(number, own)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        # Kept, as the exception may be lost: DuckDB ends a query with an error of its own in its place.
        if self.received is not None:
            os._exit(128 + number)
        self.received = signal.Signals(number)
        raise Stopped(self.received.name)


def first_that_applies(codes: set[int]) -> int:
    """Return the exit code of several suites together."""
    return next((code for code in EXIT_CODES if code in codes), 0)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, without waiting for a thread that is not ours."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            drop_stdout()
        except (OSError, ValueError):  # a full disk, a closed stream: nobody is left to be told
            code = code or 1
    if threading.active_count() > 1:
        # A plugin's pool would be waited for, and a daemon thread inside DuckDB made exit code 1 a 134.
        os._exit(code)
    sys.exit(code)
