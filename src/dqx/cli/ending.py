"""How the process ends: by a signal, or with its work done; in time whatever threads of others still do."""

from __future__ import annotations

import atexit
import os
import select
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    _Handler = Callable[[int, FrameType | None], object] | signal.Handlers

EXIT_CODES = (2, 1, 3, 4)
"""The exit codes of suites, in the order in which they count when several apply."""

UNWIND_S = 8.0
"""How long what is open may take to close after a signal; `docker stop` kills after 10 s."""

EXIT_FUNCTIONS_S = 5.0
"""How long functions of `atexit` may take: one may wait for a thread that hangs, or for a child process."""

_NUDGE_EVERY_S = 0.05
_OVER = b"\0"
_SIGNALS: dict[signal.Signals, _Handler] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Stopped(BaseException):
    """SIGINT or SIGTERM asked the process to end."""


class StopSignals:
    """SIGINT and SIGTERM as an exception, `Stopped`, so that what is open is closed.

    A thread of its own sees to it that the process ends although its main thread, where Python handles signals,
    is held up: it interrupts the scan, which may be deep in the engine, and ends the process at a second signal
    or after `unwind_s` seconds.
    """

    _hearing: ClassVar[StopSignals | None] = None

    def __init__(self, unwind_s: float = UNWIND_S) -> None:
        self._unwind_s = unwind_s
        self._received: signal.Signals | None = None
        self._unfinished = ""
        self._interrupt: Callable[[], None] | None = None
        self._taken: dict[signal.Signals, _Handler] = {}

    @property
    def exit_code(self) -> int:
        """Return 130 for SIGINT, 143 for SIGTERM."""
        return 128 + (self._received or signal.SIGINT)

    @property
    def said(self) -> str:
        """Return the line that says what became of the process."""
        word = "terminated" if self._received is signal.SIGTERM else "interrupted"
        return f"dqx: {word}{'; ' if self._unfinished else ''}{self._unfinished}"

    @contextmanager
    def during(self, unfinished: str, interrupt: Callable[[], None]) -> Iterator[None]:
        """Know, while the block runs, what to say and what to call should a signal end it."""
        self._unfinished, self._interrupt = unfinished, interrupt
        try:
            yield
        finally:
            if self._received is None:
                self._unfinished, self._interrupt = "", None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen inside the block. A signal that is ignored, as by nohup, or handled by others, stays so."""
        self._taken = {number: own for number, own in _SIGNALS.items() if signal.getsignal(number) is own}
        arrivals, arrived = os.pipe()
        os.set_blocking(arrived, False)
        before = signal.set_wakeup_fd(arrived, warn_on_full_buffer=False)
        for number in self._taken:
            signal.signal(number, self._raise)
        watcher = threading.Thread(target=self._watch, args=(arrivals,), name="dqx-signals", daemon=True)
        watcher.start()
        StopSignals._hearing = self
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            self.give_back()
            if StopSignals._hearing is self:  # not in a forked child: the pipe's other end is its parent's
                os.write(arrived, _OVER)
                watcher.join()
            StopSignals._hearing = None
            os.close(arrived)
            os.close(arrivals)

    def give_back(self) -> None:
        """Handle signals as it was before."""
        for number, own in self._taken.items():
            signal.signal(number, own)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if _loads_extension(frame):
            self._end_at_once(number)
        # Kept, as the exception may be lost: DuckDB ends a query with an error of its own in its place.
        if self._received is None:
            self._received = signal.Signals(number)
            raise Stopped

    def _watch(self, arrivals: int) -> None:
        """Read the numbers of signals as they arrive, on a thread, until it is over."""
        left_s = self._unwind_s
        stopping = 0
        while True:
            if stopping and not select.select([arrivals], [], [], _NUDGE_EVERY_S)[0]:
                left_s -= _NUDGE_EVERY_S
                if left_s <= 0:
                    self._end_at_once(stopping)
                if self._interrupt is not None:
                    with suppress(Exception):  # the scan may just have ended, and its connection with it
                        self._interrupt()
                continue
            number = os.read(arrivals, 1)
            if number == _OVER:
                return
            if number[0] in self._taken:
                if stopping:
                    self._end_at_once(stopping)
                stopping = number[0]

    def _end_at_once(self, number: int) -> NoReturn:
        self._received = signal.Signals(number)
        _say(self.said)
        os._exit(self.exit_code)


def _loads_extension(frame: FrameType | None) -> bool:
    """Tell whether an extension module is being imported: many abort at an exception, DuckDB with exit code 134."""
    while frame is not None:
        if frame.f_code.co_qualname.startswith("ExtensionFileLoader."):
            return True
        frame = frame.f_back
    return False


def _after_fork() -> None:
    """Let a forked child be ended as any process: its signals are none of its parent's."""
    hearing = StopSignals._hearing
    if hearing is not None:
        signal.set_wakeup_fd(-1)
        hearing.give_back()
        StopSignals._hearing = None


os.register_at_fork(after_in_child=_after_fork)


def first_that_applies(codes: set[int]) -> int:
    """Return the exit code of several suites together."""
    return next((code for code in EXIT_CODES if code in codes), 0)


def leave(code: int, exit_functions_s: float = EXIT_FUNCTIONS_S) -> NoReturn:
    """End the process with this exit code, without waiting for a thread or a child process that is not ours.

    Functions registered with `atexit` are called, and have `exit_functions_s` seconds: a thread that hangs may hold
    what one waits for, as logging's own does for its handlers, and that of multiprocessing waits for children.
    """
    _flush()
    limit = threading.Timer(exit_functions_s, _end_unfinished, (code, exit_functions_s))
    limit.daemon = True
    with suppress(RuntimeError):  # no more threads: it ends without a limit
        limit.start()
    atexit._run_exitfuncs()
    _flush()
    # Taking the interpreter apart, with DuckDB and SQLAlchemy in it, took 80 of the 680 ms of a small run; a daemon
    # thread inside DuckDB made exit code 1 a 134; and what a plugin left in a pool would be waited for.
    os._exit(code)


def _end_unfinished(code: int, after_s: float) -> NoReturn:
    _say(f"dqx: what was registered with atexit has not ended within {after_s:g} s")
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Its reader has left, its disk is full, somebody took it away: nobody is left to be told.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _say(line: str) -> None:
    """Write a line to stderr past its buffer, which the thread that is held up may have locked."""
    with suppress(OSError, ValueError):  # a plugin may have closed it
        if sys.__stderr__:  # without one, descriptor 2 may be the store's
            os.write(sys.__stderr__.fileno(), f"{line}\n".encode())
