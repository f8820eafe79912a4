"""The providers of OpenTelemetry that DQX builds, and their flush."""

from __future__ import annotations

import atexit
import logging
import math
import os
import time
import weakref
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqx.telemetry import tracing
from dqx.telemetry.exporters import reading_variables
from dqx.telemetry.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from dqx.common import ConfigurationError
    from dqx.telemetry.exporters import Destination
    from dqx.telemetry.ledger import Reason, Signal
    from dqx.telemetry.metric_push import MetricPush
    from dqx.telemetry.span_buffer import SpanBuffer

logger = logging.getLogger(__name__)

DEADLINE_S = 3.0
LAST_TRY_S = 0.5
"""For the flush at the end of a process when the one before failed: it has had its deadline."""

SOON_S = 1.0
"""A run whose plugins take longer than that after `dqx_otel` has its verdict sent meanwhile."""


_WITHOUT_FAILURE: Mapping[Reason, str] = {
    "timeout": "no answer in time",
    "queue_full": "more spans than the queue holds",
    "rejected": "a part was not accepted",
}
"""Why something was lost that no failed attempt tells of."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the telemetry of this process so far: items that arrived, and those that did not, and why.

    `delivered` is by signal, `dropped` by signal and reason.
    """

    delivered: Mapping[Signal, int]
    dropped: Mapping[tuple[str, str], int]

    @property
    def complete(self) -> bool:
        """Tell whether nothing was dropped."""
        return not self.dropped

    def dropped_since(self, before: Delivery) -> dict[tuple[str, str], int]:
        """Return what was dropped after `before`, less what was written off until then and has arrived since."""
        grown = {place: count - before.dropped.get(place, 0) for place, count in self.dropped.items()}
        return {place: count for place, count in grown.items() if count > 0}


class Telemetry:
    """The providers that DQX built. With no exporter configured there are none, and nothing here does anything.

    Attributes:
        tracer_provider: Makes spans; None when none are sent.
        meter_provider: Makes instruments; None when no metrics are sent.
        problems: What about the configuration cannot be used; what is lost by it is counted as `unusable`.
        long_lived: Whether the process outlives its runs, so that counters and histograms say something.
        lost: What was lost up to the latest flush, and after the one before, by signal and reason.
        closed: Whether it was shut down, and is in use no more.

    Raises:
        ConfigurationError: When the SDK cannot be used as its own variables have it.
    """

    def __init__(
        self,
        wanted: Sequence[Destination],
        problems: Sequence[ConfigurationError] = (),
        *,
        deadline_s: float = DEADLINE_S,
        long_lived: bool = True,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self.tracer_provider: TracerProvider | None = None
        self.meter_provider: MeterProvider | None = None
        self.problems = tuple(problems)
        self.long_lived = long_lived
        self.lost: Mapping[tuple[str, str], int] = {}
        self.closed = False
        self._deadline_s = deadline_s
        self._failing = False
        self._said = False
        self._pipes: list[SpanBuffer | MetricPush] = []
        self._known: list[Counter[Reason]] = []
        if wanted:
            with reading_variables():
                self._build(wanted, secrets)
            _built.add(self)

    def _build(self, wanted: Sequence[Destination], secrets: frozenset[str]) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.trace import TracerProvider

        from dqx.telemetry.metric_push import INTERVAL_S, MetricPush
        from dqx.telemetry.resource import make_resource
        from dqx.telemetry.sender import quieten_exporters
        from dqx.telemetry.span_buffer import MAX_QUEUE, SpanBuffer
        from dqx.telemetry.views import make_views

        resource = make_resource()
        interval_s = _number("OTEL_METRIC_EXPORT_INTERVAL", INTERVAL_S * 1e3) / 1e3
        spans = [
            SpanBuffer(
                each.shown,
                each.make,
                max_queue=int(_number("OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUE)),
                secrets=secrets,
            )
            for each in wanted
            if each.signal == "traces"
        ]
        metrics = [
            MetricPush(each.shown, each.make, interval_s=interval_s if self.long_lived else math.inf)
            for each in wanted
            if each.signal == "metrics"
        ]
        if spans:
            tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            for buffer in spans:
                tracer_provider.add_span_processor(buffer)
            self.tracer_provider = tracer_provider
        if metrics:
            self.meter_provider = MeterProvider(
                metrics, resource=resource, views=make_views(), shutdown_on_exit=False
            )
        _own.update(
            provider for provider in (self.tracer_provider, self.meter_provider) if provider is not None
        )
        self._pipes = [*spans, *metrics]
        self._known = self._dropped()
        quieten_exporters()
        for pipe in self._pipes:
            pipe.sender.start()

    @property
    def active(self) -> bool:
        """Tell whether anything is sent anywhere."""
        return bool(self._pipes)

    @property
    def places(self) -> tuple[str, ...]:
        """Return where telemetry goes, for people; without secrets."""
        return tuple(dict.fromkeys(pipe.shown for pipe in self._pipes))

    def delivery(self) -> Delivery:
        """Return what became of everything so far."""
        return _delivery(self._pipes)

    def by_place(self) -> dict[str, Delivery]:
        """Return what became of everything so far, for each of the places."""
        return {
            place: _delivery([pipe for pipe in self._pipes if pipe.shown == place]) for place in self.places
        }

    def flush(self, deadline_s: float | None = None) -> Delivery:
        """Send everything, all signals at once, and return what became of it when it is sent or time is up.

        Args:
            deadline_s: Seconds to take at most; those of the constructor unless given. What is not sent by then
                is counted as dropped; one warning says so.
        """
        until = time.monotonic() + (self._deadline_s if deadline_s is None else deadline_s)
        before = self._dropped()
        asked = [(pipe, pipe.ledger.taken, pipe.sender.ask()) for pipe in self._pipes]
        for pipe, taken, ticket in asked:
            if not pipe.sender.wait(ticket, until):
                pipe.write_off(taken)
        after = self._dropped()
        self._failing = any(now - then for now, then in zip(after, before, strict=True))
        # Of Counters, & is the smaller and - never below 0: what was known and has arrived since is forgotten.
        lost = [now - (known & then) for now, known, then in zip(after, self._known, before, strict=True)]
        self._known = after
        self._say_lost(lost)
        return self.delivery()

    def metrics_are_known(self) -> None:
        """Have the metrics of a run sent soon, before its end if that is far: a plugin may take its time."""
        for pipe in self._pipes:
            if pipe.ledger.signal == "metrics":
                pipe.sender.soon(SOON_S)

    def shutdown(self) -> Delivery:
        """Flush, and stop sending for good."""
        atexit.unregister(self.flush_if_used)
        delivery = self.flush(LAST_TRY_S if self._failing else None)
        for pipe in self._pipes:
            pipe.sender.stop()
        _built.discard(self)
        self.closed = True
        tracing.give_up(self.tracer_provider)
        return delivery

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.shutdown()

    def flush_if_used(self) -> None:
        """Flush at the end of a process, unless nothing was made in it: a forked child shows what its parent did."""
        if any(pipe.ledger.taken for pipe in self._pipes):
            self.flush(LAST_TRY_S if self._failing else None)

    def _start_clean(self) -> None:
        for pipe in self._pipes:
            pipe.start_clean()
            if self.long_lived:  # in a worker of a web server nobody may ever ask for a flush
                pipe.sender.start()
        self._failing = self._said = False
        self._known = self._dropped()
        self.lost = {}

    def _dropped(self) -> list[Counter[Reason]]:
        """Return what was dropped so far, pipe by pipe."""
        return [Counter(pipe.ledger.dropped) for pipe in self._pipes]

    def _say_lost(self, by_pipe: Sequence[Mapping[Reason, int]]) -> None:
        """Keep what was lost, and log it: once, until a flush with nothing lost before it."""
        self.lost = _by_signal(self._pipes, by_pipe)
        said, self._said = self._said, bool(self.lost)
        if not self.lost or said:
            return
        if self.problems and {reason for _, reason in self.lost} == {"unusable"}:
            return  # that was said before the run
        items = ", ".join(f"{count} {signal} {reason}" for (signal, reason), count in self.lost.items())
        why: dict[str, list[str]] = {}
        for pipe, counts in zip(self._pipes, by_pipe, strict=True):
            failure = pipe.ledger.failure
            for reason in counts:
                if failure is not None and failure.reason == reason:
                    text = redact(failure.message)
                else:
                    text = _WITHOUT_FAILURE.get(reason, reason)
                why.setdefault(pipe.shown, []).append(text)
        places = (f"{shown}: {', '.join(dict.fromkeys(texts))}" for shown, texts in why.items())
        logger.warning("Telemetry was lost: %s; %s", items, "; ".join(places))


def _delivery(pipes: Sequence[SpanBuffer | MetricPush]) -> Delivery:
    delivered: Counter[Signal] = Counter()
    for pipe in pipes:
        delivered[pipe.ledger.signal] += pipe.ledger.delivered
    return Delivery(dict(delivered), _by_signal(pipes, [pipe.ledger.dropped for pipe in pipes]))


def _by_signal(
    pipes: Sequence[SpanBuffer | MetricPush], by_pipe: Sequence[Mapping[Reason, int]]
) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for pipe, counts in zip(pipes, by_pipe, strict=True):
        for reason, count in counts.items():
            found[pipe.ledger.signal, reason] += count
    return dict(found)


_built: weakref.WeakSet[Telemetry] = weakref.WeakSet()
_own: weakref.WeakSet[object] = weakref.WeakSet()
"""The providers that DQX built in this process, also those that are shut down."""


def is_own(provider: object) -> bool:
    """Tell whether DQX built a provider."""
    return provider in _own


def _number(variable: str, default: float) -> float:
    """Return a variable as a finite number of 1 or more; the default when it is none, as the SDK does it."""
    try:
        number = float(os.environ.get(variable) or default)
    except ValueError:
        number = 0.0
    if 1 <= number < math.inf:
        return number
    logger.warning(
        "%s is %r; it takes a number of 1 or more, and %g is used", variable, os.environ[variable], default
    )
    return default


def _after_fork() -> None:
    for telemetry in _built:
        telemetry._start_clean()


os.register_at_fork(after_in_child=_after_fork)
