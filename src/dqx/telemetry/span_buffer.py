"""Spans on their way to an exporter: a bounded queue, sent by a thread of ours, every span accounted for."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

# The key has no public name; without it instrumented HTTP libraries would trace the sending of traces.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExportResult

from dqx.telemetry import allow_list
from dqx.telemetry.failure import failure_of
from dqx.telemetry.ledger import Ledger
from dqx.telemetry.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

MAX_QUEUE = 20_000
"""Spans of a run with 10,000 assertions, twice; 40 MB at worst. The SDK's 2,048 lose half of 5,000 assertions."""

MAX_BATCH = 512
INTERVAL_S = 5.0


class SpanBuffer(SpanProcessor):
    """Queue spans and send them in batches, through the allow-list.

    Args:
        shown: Where they go, for people; without secrets.
        make_exporter: Makes the exporter; called again in a forked child, which cannot share a connection.
        max_queue: Spans to hold at most; more are dropped and counted.
        max_batch: Spans in one request.
        interval_s: Seconds between two batches that nobody asked for.
        secrets: Values that must not leave, wherever they stand.
    """

    def __init__(
        self,
        shown: str,
        make_exporter: Callable[[Ledger], SpanExporter],
        *,
        max_queue: int = MAX_QUEUE,
        max_batch: int = MAX_BATCH,
        interval_s: float = INTERVAL_S,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self.shown = shown
        self.ledger = Ledger("traces")
        self.sender = Sender("dqx-spans", self._send, self.ledger, interval_s, self._close)
        self._make_exporter = make_exporter
        self._exporter: SpanExporter | None = make_exporter(self.ledger)
        self._secrets = secrets
        self._max_queue = max_queue
        self._max_batch = max_batch
        self._queue: deque[ReadableSpan] = deque()
        self._lock = threading.Lock()

    def start_clean(self) -> None:
        """Forget what a parent process held; it sends that itself."""
        self._queue = deque()
        self._lock = threading.Lock()
        self._exporter = None
        self.ledger.start_clean()
        self.sender.start_clean()

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that is sampled; drop it when the queue is full."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        self.ledger.take(1)
        if self.sender.stopped:  # nobody sends it, and a provider that is global stays for good
            return
        with self._lock:
            queued = len(self._queue)
            if queued < self._max_queue:
                self._queue.append(span)
        if queued >= self._max_queue:
            self.ledger.drop(1, "queue_full")
        elif queued + 1 == self._max_batch:
            self.sender.soon(0)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; tell whether all of it has arrived, in time."""
        mark, dropped = self.ledger.taken, sum(self.ledger.dropped.values())
        in_time = self.sender.wait(self.sender.ask(), time.monotonic() + timeout_millis / 1e3)
        return in_time and not self.ledger.open(mark) and sum(self.ledger.dropped.values()) == dropped

    def write_off(self, taken: int) -> None:
        """Count what is open of the first `taken` spans as lost; what came later has a flush of its own."""
        self.ledger.write_off(taken)

    def shutdown(self) -> None:
        """Stop sending. What is still queued is not sent: flush first."""
        self.sender.stop()

    def _send(self) -> None:
        if not self._queue:
            return
        if self._exporter is None:
            self._exporter = self._make_exporter(self.ledger)
        exporter = self._exporter
        while batch := self._next_batch():
            token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
            self.ledger.attempt()
            try:
                result = exporter.export([allow_list.of_span(span, self._secrets) for span in batch])
            except Exception as error:  # noqa: BLE001  # of the exporter, or of a proxy, certificate, encoder
                self.ledger.failure = self.ledger.failure or failure_of(error)
                result = SpanExportResult.FAILURE
            finally:
                detach(token)
            if result is SpanExportResult.SUCCESS:
                self.ledger.arrive(len(batch))
            else:
                self.ledger.fail(len(batch))

    def _close(self) -> None:
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()

    def _next_batch(self) -> list[ReadableSpan]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch))]
