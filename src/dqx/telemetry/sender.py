"""The thread that sends one signal to one place, when somebody asks, and from time to time."""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from dqx.telemetry.ledger import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from dqx.telemetry.ledger import Ledger, Reason

_GRPC_REASONS: dict[str, Reason] = {"UNAVAILABLE": "unreachable", "DEADLINE_EXCEEDED": "timeout"}

EXPORTER_LOGGERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
)


class SenderThread(threading.Thread):
    """A thread of ours, so that what an exporter logs on it can be told from what it logs for others."""

    def __init__(self, name: str, target: Callable[[], None], ledger: Ledger) -> None:
        super().__init__(name=name, target=target, daemon=True)
        self.ledger = ledger


class Sender:
    """A daemon thread that calls `send`. Whoever waits for it waits as long as he wants, whatever `send` does.

    The SDK's own processors are not used for that: their `force_flush` knows no deadline.

    Args:
        name: Name of the thread.
        send: Sends all there is; called on the thread alone.
        ledger: Counts what is sent.
        interval_s: Seconds between two calls that nobody asked for; infinity for none.
        close: Lets the exporter go, which also ends what it is trying; called once, when the sender is stopped.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[], None],
        ledger: Ledger,
        interval_s: float,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._send = send
        self._close = close
        self._ledger = ledger
        self._interval_s = interval_s
        self.start_clean()

    def start_clean(self) -> None:
        """Forget the thread: after a fork it is the parent process's. The next request starts another."""
        self._changed = threading.Condition()
        self._thread: SenderThread | None = None
        self._asked = 0
        self._done = 0
        self._stopped = False
        self._busy = False
        self._due = math.inf

    @property
    def busy(self) -> bool:
        """Tell whether a call is under way."""
        return self._busy

    @property
    def stopped(self) -> bool:
        """Tell whether it was stopped, for good."""
        return self._stopped

    def start(self) -> None:
        """Start the thread, unless it runs; from Python 3.12 on none starts when the process ends already."""
        with self._changed, suppress(RuntimeError):
            if self._thread is None and not self._stopped:
                self._due = time.monotonic() + self._interval_s
                thread = SenderThread(self._name, self._run, self._ledger)
                thread.start()
                self._thread = thread

    def ask(self) -> int:
        """Ask for a call; return the ticket that `wait` takes."""
        self.start()
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
            return self._asked

    def soon(self, delay_s: float) -> None:
        """Ask for a call in `delay_s` seconds at the latest."""
        self.start()
        with self._changed:
            self._due = min(self._due, time.monotonic() + delay_s)
            self._changed.notify_all()

    def wait(self, ticket: int, until: float) -> bool:
        """Wait for the call of a ticket, until a time of the monotonic clock; tell whether it is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._done >= ticket or self._stopped, max(0.0, until - time.monotonic())
            )
            return self._done >= ticket

    def stop(self) -> None:
        """Let the thread end, its current call soon. There is no way back."""
        with self._changed:
            if self._stopped:
                return
            self._stopped = True
            self._changed.notify_all()
            busy = self._busy
        if busy:
            # Older exporters wait for their own export, for up to 30 s: not on the caller's time.
            with suppress(RuntimeError):  # from 3.12 on no thread starts at the end of the process
                threading.Thread(target=self._let_go, name=f"{self._name}-close", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_due():  # not wait_for: `soon` changes how long to wait
                    self._changed.wait(self._until_due())
                if self._stopped:
                    break
                ticket, self._busy = self._asked, True
                self._due = time.monotonic() + self._interval_s
            try:
                self._send()
            except Exception as error:  # noqa: BLE001  # a stranger's exporter or callback; the next call may do
                self._ledger.failure = Failure("unusable", f"{type(error).__name__}: {error}")
            with self._changed:
                self._done, self._busy = ticket, False
                if self._stopped:
                    return  # who stopped it in the middle has let the exporter go
                self._changed.notify_all()
        self._let_go()

    def _let_go(self) -> None:
        with suppress(Exception):  # a stranger's; nothing is sent any more
            self._close()

    def _is_due(self) -> bool:
        return self._stopped or self._asked > self._done or time.monotonic() >= self._due

    def _until_due(self) -> float | None:
        return None if self._due == math.inf else max(0.0, self._due - time.monotonic())


class _Quiet(logging.Filter):
    """Takes note of what an exporter logs on a thread of ours, which is said once, by us, and redacted."""

    def filter(self, record: logging.LogRecord) -> bool:
        thread = threading.current_thread()
        if not isinstance(thread, SenderThread):
            return True
        for argument in record.args if isinstance(record.args, tuple) else ():
            if type(argument).__name__ == "StatusCode" and hasattr(argument, "name"):
                reason = _GRPC_REASONS.get(argument.name, "rejected")
                thread.ledger.failure = Failure(reason, f"gRPC status {argument.name}")
        return False


_quiet = _Quiet()


def quieten_exporters() -> None:
    """Keep from the logs what exporters log on threads of ours: a line for each attempt, URLs and all."""
    for name in EXPORTER_LOGGERS:
        filters = logging.getLogger(name).filters
        if _quiet not in filters:
            # First of all: a filter of the SDK's drops what was said a moment ago, also about the other signal.
            filters.insert(0, _quiet)
