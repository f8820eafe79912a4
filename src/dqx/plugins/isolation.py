"""The thread that all calls into one plugin are made on, so that nothing it does holds up the run.

A call that is not back at its deadline is abandoned: whatever it brings later is thrown away. Threads and not
processes, because a plugin gets the results as they are and its spans nest; never signals, because suites run off
the main thread, too.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from dqx.frozen_dict import Tags
from dqx.plugins.failure import Failure


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a call: a value, a failure, or neither in time."""

    value: Any = None
    failure: Failure | None = None
    timed_out: bool = False


class Worker:
    """A daemon thread that makes the calls into one plugin, one after the other; it starts with the first."""

    def __init__(self, name: str) -> None:
        self._name = f"dqx-plugin-{name[:40]}"
        self._calls: SimpleQueue[_Call | None] | None = None
        self._latest: _Call | None = None

    @property
    def hanging(self) -> bool:
        """Tell whether the latest call was abandoned and has not come back."""
        return self._latest is not None and not self._latest.over

    def call(
        self,
        function: Callable[[], Any],
        timeout_s: float,
        on_late: Callable[[float], None],
        secrets: Callable[[], Iterable[str]] = tuple,
    ) -> Reply:
        """Call `function` on the thread, with the caller's context variables, and wait `timeout_s` for it.

        Args:
            function: What to call. Anything it raises, SystemExit too, becomes the reply's failure.
            timeout_s: Seconds to wait; `timed_out` in the reply says that they passed.
            on_late: Called on the thread with the seconds by which an abandoned call was late.
            secrets: Returns values that the failure's texts must not contain; called when there is a failure.

        Raises:
            RuntimeError: When the thread cannot be started, or the latest call has not come back.
        """
        if self.hanging:
            raise RuntimeError("its previous call has not come back")
        call = _Call(function, on_late, secrets)
        if self._calls is None:
            self._calls = _start(self._name)
            weakref.finalize(self, self._calls.put, None).atexit = False
        self._latest = call
        self._calls.put(call)
        try:
            in_time = call.done.acquire(timeout=timeout_s)
        except BaseException:  # the user's Ctrl-C: it goes on its way, the call is nobody's any more
            call.abandon()
            raise
        if not in_time and call.abandon():
            return Reply(timed_out=True)
        return call.reply

    def stop(self) -> None:
        """Let the thread end when it has nothing left to do; a later call starts another."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None


class _Call:
    """One call on its way through the thread: over in time, or abandoned, and never both."""

    __slots__ = (
        "_context",
        "_deadline",
        "_function",
        "_lock",
        "_on_late",
        "_secrets",
        "done",
        "over",
        "reply",
    )

    def __init__(
        self,
        function: Callable[[], Any],
        on_late: Callable[[float], None],
        secrets: Callable[[], Iterable[str]],
    ) -> None:
        self._function = function
        self._on_late = on_late
        self._secrets = secrets
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._deadline: float | None = None
        self.reply = Reply()
        self.over = False
        # A bare lock as the signal: threading.Event costs 15 µs more for each call.
        self.done = threading.Lock()
        self.done.acquire()

    def make(self) -> None:
        """Make the call, on the worker's thread."""
        process = os.getpid()
        try:
            value = self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001  # sys.exit in a plugin is its failure, not the end of all
            _end_if_forked(process, error)
            reply = Reply(failure=Failure.of(error, self._secrets))
        else:
            _end_if_forked(process, None)
            reply = Reply(value=value)
        with self._lock:
            self.over = True
            late_by = None if self._deadline is None else time.monotonic() - self._deadline
            if late_by is None:
                self.reply = reply
        self.done.release()
        if late_by is not None:
            self._on_late(late_by)

    def abandon(self) -> bool:
        """Give the call up; return False when it is over after all."""
        with self._lock:
            if self.over:
                return False
            self._deadline = time.monotonic()
            return True


def _start(name: str) -> SimpleQueue[_Call | None]:
    calls: SimpleQueue[_Call | None] = SimpleQueue()
    threading.Thread(target=_serve, args=(calls,), name=name, daemon=True).start()
    return calls


def _serve(calls: SimpleQueue[_Call | None]) -> None:
    """Make calls until None comes. It knows the queue alone, so that a forgotten worker can end."""
    while True:
        call = calls.get()
        if call is None:
            return
        call.make()
        del call  # an idle thread holds no plugin and no results


def _end_if_forked(process: int, error: BaseException | None) -> None:
    """End a child process that a plugin forked and let return.

    It would wait in this loop for ever, holding the standard output that somebody reads to its end.
    """
    if os.getpid() == process:
        return
    code = error.code if isinstance(error, SystemExit) else error
    os._exit(code if isinstance(code, int) else int(code is not None))


def own_copy(value: Any) -> Any:
    """Return a copy of nested dicts, lists, tuples and sets; what is in them is shared, read-only tags too."""
    match value:
        case Tags():
            return value
        case Mapping():
            return {key: own_copy(item) for key, item in value.items()}
        case list():
            return [own_copy(item) for item in value]
        case set():
            return set(value)
        case tuple() if type(value) is tuple:
            return tuple(own_copy(item) for item in value)
        case _:
            return value
