"""The instruments that show snapshots: gauges that are read when they are sent, one set for each meter provider.

They belong to the process, not to a suite: what stands is sent again and again until a later run takes its place,
also when the suite that made it is long closed.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation

from dqx import __version__
from dqx.telemetry import names
from dqx.telemetry.snapshot import warn_once
from dqx.telemetry.views import SERIES_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.metrics import CallbackOptions, MeterProvider

    from dqx.common import PluginOutcome
    from dqx.telemetry.sample import Sample
    from dqx.telemetry.snapshot import Snapshot

logger = logging.getLogger(__name__)


class Shown:
    """A snapshot as it is shown: made when it is first read, as the next one may come before."""

    def __init__(self, make: Callable[[], Snapshot]) -> None:
        self._make: Callable[[], Snapshot] | None = make
        self._lock = threading.Lock()
        self._samples: Mapping[str, list[Sample]] = {}

    def of(self, metric: str) -> list[Sample]:
        """Return the samples of a metric."""
        with self._lock:
            if self._make is not None:
                snapshot = self._make()
                warn_once(snapshot)
                samples: defaultdict[str, list[Sample]] = defaultdict(list)
                for sample in snapshot.samples:
                    samples[sample.metric.name].append(sample)
                self._samples = dict(samples)
                self._make = None  # it holds the results of the run
        return self._samples.get(metric, [])


class Instruments:
    """All instruments of the catalogue on one meter provider, and the snapshots that they show."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(names.SCOPE, __version__, schema_url=names.SCHEMA_URL)
        self._shown: dict[str, Shown] = {}
        self._full: set[str] = set()
        for metric in names.METRICS:
            if metric.kind == "gauge" and metric.source == "run":
                meter.create_observable_gauge(
                    metric.name, [partial(_observe, weakref.ref(self), metric.name)], metric.unit, metric.help
                )
        self._runs = meter.create_counter(names.SUITE_RUNS.name, names.SUITE_RUNS.unit, names.SUITE_RUNS.help)
        self._run_duration, self._call_duration = (
            meter.create_histogram(metric.name, metric.unit, metric.help)
            for metric in (names.SUITE_RUN_DURATION, names.PLUGIN_CALL_DURATION)
        )

    def show(self, identity: str, make: Callable[[], Snapshot]) -> None:
        """Show a snapshot in the place of the one of the same identity."""
        with _lock:
            self._shown = {**self._shown, identity: Shown(make)}

    def record(
        self,
        labels: Mapping[str, str],
        duration_s: float | None,
        error_type: str,
        outcomes: Iterable[PluginOutcome],
    ) -> None:
        """Count a run and its calls into plugins; in the context of its span, so that exemplars lead there."""
        self._runs.add(1, {**labels, "error_type": error_type})
        if duration_s is not None:
            self._run_duration.record(duration_s, labels)
        for outcome in outcomes:
            if outcome.outcome != "disabled":
                place = {**labels, "plugin": outcome.plugin, "phase": outcome.phase}
                self._call_duration.record(outcome.duration_s, place)

    def observe(self, metric: str) -> Iterator[Observation]:
        """Yield what a metric shows, within the limit of series; what is beyond is left out, with a warning."""
        found = [sample for shown in self._shown.values() for sample in shown.of(metric)]
        if len(found) > SERIES_LIMIT and metric not in self._full:
            self._full.add(metric)
            logger.warning(
                "%s has %d series; the first %d are sent: fewer suites or label_tags in one process make fewer",
                metric,
                len(found),
                SERIES_LIMIT,
            )
        for sample in found[:SERIES_LIMIT]:
            yield Observation(sample.value, sample.labels)

    def start_clean(self) -> None:
        """Show nothing: after a fork it is the parent process that does."""
        self._shown = {}


_by_provider: weakref.WeakKeyDictionary[MeterProvider, Instruments] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
"""For what changes here, held while the process forks: a child has none of the threads that would release it."""


def instruments_on(provider: MeterProvider) -> Instruments:
    """Return the instruments on a provider; made once, as a second set of the same names would send all twice."""
    with _lock:
        if provider not in _by_provider:
            _by_provider[provider] = Instruments(provider)
        return _by_provider[provider]


def _observe(
    instruments: weakref.ref[Instruments], metric: str, _options: CallbackOptions
) -> Iterable[Observation]:
    held = instruments()
    return held.observe(metric) if held is not None else ()


def _after_fork_in_child() -> None:
    _lock.release()
    for instruments in list(_by_provider.values()):
        instruments.start_clean()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork_in_child)
