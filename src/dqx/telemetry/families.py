"""Snapshots as the metric families of prometheus-client, in the order of the catalogue."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample as FamilySample

from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.registry import CollectorRegistry

    from dqx.telemetry.names import Metric
    from dqx.telemetry.sample import Sample
    from dqx.telemetry.snapshot import Snapshot


def families(samples: Iterable[Sample]) -> list[Family]:
    """Return the families of some samples; a metric without samples has none."""
    by_metric: dict[str, list[FamilySample]] = {}
    prometheus_names = {metric.name: metric.prometheus_name for metric in names.METRICS}
    for sample in samples:
        name = sample.metric.name
        by_metric.setdefault(name, []).append(
            FamilySample(prometheus_names[name], sample.labels, sample.value)
        )
    found = []
    for metric in names.METRICS:
        if metric.name in by_metric:
            family = _family(metric)
            family.samples = by_metric[metric.name]
            found.append(family)
    return found


def _family(metric: Metric) -> Family:
    return Family(metric.prometheus_name, metric.help, metric.kind)


class Families:
    """Families that are there already, in the place of a registry: for the functions of prometheus-client."""

    def __init__(self, found: Iterable[Family]) -> None:
        self._found = list(found)

    def collect(self) -> list[Family]:
        """Return them."""
        return self._found


class SnapshotCollector:
    """Yields the families of the newest snapshot of each identity. Threads may share it.

    Snapshots are never changed, only replaced, so a scrape sees all of a run or nothing of it.
    """

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}

    def replace(self, snapshot: Snapshot) -> None:
        """Take a snapshot in the place of the one of the same identity."""
        with _lock:
            self._snapshots = {**self._snapshots, snapshot.identity.text: snapshot}

    def collect(self) -> list[Family]:
        """Return the families as they are now."""
        snapshots = self._snapshots
        return families(sample for snapshot in snapshots.values() for sample in snapshot.samples)

    def describe(self) -> list[Family]:
        """Return the families without samples, by which a registry sees that a name is taken."""
        return [_family(metric) for metric in names.METRICS if metric.source == "run"]


_collectors: weakref.WeakKeyDictionary[CollectorRegistry, SnapshotCollector] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
"""For what changes here, held while the process forks: a child has none of the threads that would release it."""

os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def collector_of(registry: CollectorRegistry) -> SnapshotCollector:
    """Return the collector of a registry, after registering it the first time.

    There is one for each, because two would yield every family twice.

    Raises:
        ValueError: When the registry has a metric of the same name from somebody else.
    """
    with _lock:
        collector = _collectors.get(registry)
        if collector is None:
            collector = SnapshotCollector()
            registry.register(collector)
            _collectors[registry] = collector
        return collector
