"""Metrics on their way to an exporter: collected and sent by a thread of ours, every point accounted for."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

# The key has no public name; without it instrumented HTTP libraries would trace the sending of metrics.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
)

from dqx.telemetry import allow_list, names
from dqx.telemetry.failure import failure_of
from dqx.telemetry.ledger import Ledger
from dqx.telemetry.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.metrics.export import Metric, ResourceMetrics, ScopeMetrics

MAX_REQUEST_BYTES = 3 * 1024 * 1024
"""A Collector takes 4 MiB by gRPC unless told otherwise, and 20 MiB by HTTP."""

INTERVAL_S = 60.0
COLLECT_S = 60.0


class MetricPush(MetricReader):
    """Collect metrics and send them, in one request where they fit, else with `last_run` in the last.

    Args:
        shown: Where they go, for people; without secrets.
        make_exporter: Makes the exporter; called again in a forked child, which cannot share a connection.
        interval_s: Seconds between two collections that nobody asked for.
        max_request_bytes: Size of a request, as estimated; it is not exceeded.
    """

    def __init__(
        self,
        shown: str,
        make_exporter: Callable[[Ledger], MetricExporter],
        *,
        interval_s: float = INTERVAL_S,
        max_request_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self.shown = shown
        self.ledger = Ledger("metrics")
        self.sender = Sender("dqx-metrics", self._send, self.ledger, interval_s, self._close)
        self._make_exporter = make_exporter
        self._max_request_bytes = max_request_bytes
        self._latest = 1
        exporter = make_exporter(self.ledger)
        self._exporter: MetricExporter | None = exporter
        # What the SDK's own reader asks of an exporter; there is no public way to it.
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)

    def start_clean(self) -> None:
        """Forget what a parent process held; it sends that itself."""
        self._exporter = None
        self.ledger.start_clean()
        self.sender.start_clean()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Collect and send; tell whether all of it has arrived, in time."""
        dropped = sum(self.ledger.dropped.values())
        in_time = self.sender.wait(self.sender.ask(), time.monotonic() + timeout_millis / 1e3)
        return in_time and sum(self.ledger.dropped.values()) == dropped

    def write_off(self, taken: int) -> None:
        """Count as lost what a flush, which began when `taken` points had been taken, did not see arrive.

        Where the thread is held up, by an earlier request or by a callback of others, that are as many points as the
        time before: nobody knows better.
        """
        if not self.ledger.write_off() and self.ledger.taken == taken and self.sender.busy:
            self.ledger.miss(self._latest)

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:  # noqa: ARG002  # the SDK's signature
        """Stop sending. What was not collected is not sent: flush first."""
        self.sender.stop()

    def _send(self) -> None:
        self.collect(timeout_millis=COLLECT_S * 1e3)

    def _close(self) -> None:
        """Hold nothing any more: older SDKs, such as 1.27, keep every reader that there was."""
        exporter, self._exporter = self._exporter, None
        self._set_collect_callback(None)
        if exporter is not None:
            exporter.shutdown()

    def _receive_metrics(
        self, metrics_data: MetricsData | None, timeout_millis: float = 10_000, **_: Any
    ) -> None:
        """Send what was collected. After a request that failed nothing more: half a run must not look newest."""
        if metrics_data is None:
            return
        if self._exporter is None:
            self._exporter = self._make_exporter(self.ledger)
        exporter = self._exporter
        requests = list(requests_of(metrics_data, self._max_request_bytes))
        self._latest = sum(count for _, count in requests)
        self.ledger.take(self._latest)
        self.ledger.attempt()
        failed = False
        for request, count in requests:
            failed = failed or not self._export(exporter, request, timeout_millis)
            if failed:
                self.ledger.fail(count)
            else:
                self.ledger.arrive(count)

    def _export(self, exporter: MetricExporter, request: MetricsData, timeout_millis: float) -> bool:
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        self.ledger.attempt()
        try:
            return exporter.export(request, timeout_millis=timeout_millis) is MetricExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001  # of the exporter, or of a proxy, certificate, encoder
            self.ledger.failure = self.ledger.failure or failure_of(error)
            return False
        finally:
            detach(token)


def requests_of(data: MetricsData, max_bytes: int) -> Iterator[tuple[MetricsData, int]]:
    """Yield what may leave of a collection as requests, each with its number of points; `last_run` comes last."""
    metrics = [
        _Points(resource, scope, metric, [_fit(scope, point) for point in metric.data.data_points])
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if allow_list.has_metric(scope.scope.name, metric.name)
    ]
    metrics.sort(key=lambda each: each.metric.name == names.SUITE_LAST_RUN.name)
    request: list[_Points] = []
    size = 0
    for each in metrics:
        begin = 0
        for end, point in enumerate(each.points):
            point_size = _size(point)
            if size and size + point_size > max_bytes:
                yield _request([*request, each.part(begin, end)])
                request, size, begin = [], 0, end
            size += point_size
        request.append(each.part(begin, len(each.points)))
    if size:
        yield _request(request)


@dataclass(frozen=True, slots=True)
class _Points:
    """Points of one metric."""

    resource: ResourceMetrics
    scope: ScopeMetrics
    metric: Metric
    points: Sequence[Any]

    def part(self, begin: int, end: int) -> _Points:
        return replace(self, points=self.points[begin:end])


def _request(parts: list[_Points]) -> tuple[MetricsData, int]:
    """Return points as a request, by resource and scope as they were."""
    tree: dict[int, tuple[ResourceMetrics, dict[int, tuple[ScopeMetrics, list[Metric]]]]] = {}
    for part in parts:
        if part.points:
            scopes = tree.setdefault(id(part.resource), (part.resource, {}))[1]
            metrics = scopes.setdefault(id(part.scope), (part.scope, []))[1]
            data: Any = part.metric.data
            metrics.append(replace(part.metric, data=replace(data, data_points=part.points)))
    requested = [
        replace(
            resource, scope_metrics=[replace(scope, metrics=metrics) for scope, metrics in scopes.values()]
        )
        for resource, scopes in tree.values()
    ]
    return MetricsData(requested), sum(len(part.points) for part in parts)


def _fit(scope: ScopeMetrics, point: Any) -> Any:
    attributes = allow_list.of_point(scope.scope.name, point.attributes)
    return point if attributes is point.attributes else replace(point, attributes=attributes)


def _size(point: Any) -> int:
    """Return about how many bytes a point takes, rather too many: 16 for each attribute beside its UTF-8."""
    attributes = point.attributes or {}
    texts = "".join([*attributes, *map(str, attributes.values())])
    size = 64 + 16 * len(attributes) + len(texts) * (1 if texts.isascii() else 4)
    return size + 16 * len(getattr(point, "bucket_counts", ()))
