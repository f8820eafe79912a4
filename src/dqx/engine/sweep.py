"""Scanning every dataset of a run, one after the other; each engine uses all cores by itself."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from dqx.common import DatasetRun, ResultValue, ScanError, ScanReport, ScanRequest
from dqx.engine.metrics import plain_value
from dqx.engine.reasons import without_secrets
from dqx.telemetry import tracing
from dqx.telemetry.redaction import MAX_REASON, redact_exception

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from dqx.common import Analyzer, ResultKey, SqlDataSource
    from dqx.engine.metrics import MetricSpec
    from dqx.engine.plan import Plan
    from dqx.engine.watch import Watch


def scan_datasets(
    plan: Plan,
    sources: Mapping[str, SqlDataSource],
    key: ResultKey,
    now: datetime,
    deadline: float,
    watch: Watch,
) -> dict[str, ScanReport]:
    """Return a report for each dataset of the plan, in the order in which the checks name them.

    Args:
        plan: What to compute.
        sources: The data by name.
        key: The day that a date column keeps a scan to.
        now: The run's time (aware, UTC).
        deadline: When the time for all scans is over, by `time.perf_counter`.
        watch: Where other threads see each scan, and end it.

    Raises:
        KeyboardInterrupt: When one of them did.
    """
    reports: dict[str, ScanReport] = {}
    for dataset, metrics in plan.scans.items():
        begun = time.perf_counter()
        left_s = max(deadline - begun, 0.0)
        request = ScanRequest(dataset, tuple(metrics), key.yyyy_mm_dd, now, left_s)
        try:
            analyzer = sources[dataset].analyzer()
            system, embedded = analyzer.system, analyzer.embedded
        except Exception as error:  # noqa: BLE001  # a source of somebody else's may raise whatever it likes
            reports[dataset] = _failed(request, _unreadable(dataset, error), begun)
            continue
        with tracing.select(dataset, system, embedded=embedded) as span:
            with watch.over(dataset, analyzer):
                try:
                    report = analyzer.scan(request)
                    reports[dataset] = report if _is_ours(analyzer) else _complete(request, report)
                except ScanError as error:
                    reports[dataset] = _failed(request, error, begun)
                except Exception as error:
                    if _is_ours(analyzer):
                        raise
                    reports[dataset] = _failed(request, _unreadable(dataset, error), begun)
            tracing.end_select(span, reports[dataset])
    return {dataset: without_secrets(report) for dataset, report in reports.items()}


def _is_ours(analyzer: Analyzer) -> bool:
    """Tell whether what it raises is a defect of DQX: DQX's own makes a ScanError of all that is the data's."""
    from dqx.engine.scan import DuckDBAnalyzer

    return type(analyzer) is DuckDBAnalyzer


def _unreadable(dataset: str, error: Exception) -> ScanError:
    said = redact_exception(error, MAX_REASON)
    return ScanError(f"dataset '{dataset}' could not be read: {type(error).__name__}: {said}", dataset)


def _complete(request: ScanRequest, report: ScanReport) -> ScanReport:
    """Return the report of somebody else's engine, each metric with a value that DQX knows or an error."""
    return replace(report, values={spec: _known(spec, report.values.get(spec)) for spec in request.metrics})


def _known(spec: MetricSpec, found: ResultValue | None) -> ResultValue:
    if found is None:
        return ResultValue.failure(ScanError(f"{spec.render()}: the engine gave no value"))
    if found.is_failure():
        return found
    value = plain_value(found.value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, date)):
        return ResultValue.failure(
            ScanError(f"{spec.render()}: the engine gave {value!r}, no number or moment")
        )
    return ResultValue.success(value)


def _failed(request: ScanRequest, error: ScanError, begun: float) -> ScanReport:
    """Return the report of a scan that read nothing: the same reason for every metric."""
    failure = ResultValue.failure(error)
    duration_s = time.perf_counter() - begun
    run = DatasetRun(request.dataset, None, duration_s, 0, len(request.metrics), error=str(error))
    return ScanReport(dict.fromkeys(request.metrics, failure), {}, run)
