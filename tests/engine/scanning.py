"""One scan, without a suite around it: what the tests of the engine share."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from dqx.common import ScanReport, ScanRequest
from dqx.provider import DataSource, MetricProvider

if TYPE_CHECKING:
    from dqx.common import ResultValue
    from dqx.engine.expression import Metric
    from dqx.value import Value

mp = MetricProvider()
NOW = datetime(2024, 3, 5, 12, 0, 0, 250_000, tzinfo=UTC)
DAY = date(2024, 2, 29)


def scan(source: DataSource, *metrics: Metric, day: date = DAY, timeout_s: float = 60.0) -> ScanReport:
    """Compute metrics of a dataset named t in one scan."""
    request = ScanRequest("t", tuple(metric.spec for metric in metrics), day, NOW, timeout_s)
    return source.analyzer().scan(request)


def found(source: DataSource, *metrics: Metric, day: date = DAY) -> list[ResultValue]:
    """Return what each metric is, in their order."""
    report = scan(source, *metrics, day=day)
    return [report.values[metric.spec] for metric in metrics]


def values(source: DataSource, *metrics: Metric, day: date = DAY) -> list[Value]:
    """Return the value of each metric, in their order; raise the reason of the first that has none."""
    return [result.unwrap() for result in found(source, *metrics, day=day)]


def reason(source: DataSource, metric: Metric) -> str:
    """Return why a metric has no value."""
    (result,) = found(source, metric)
    assert result.error is not None, f"{metric} is {result.value!r}"
    return str(result.error)
