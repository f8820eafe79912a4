"""For people who write plugins: runs to try one on, a manager with just yours, and what it logged and traced.

```python
from dqx.testing import deliver

def test_my_plugin_is_happy():
    assert all(outcome.outcome == "ok" for outcome in deliver(MyPlugin(), config={"channel": "#data"}))
```
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import INVALID_SPAN

from dqx.common import (
    AssertionResult,
    DatasetRun,
    PluginOutcome,
    ResultKey,
    ResultValue,
    SuiteInfo,
    SuiteRun,
    SymbolInfo,
    verdict_of,
)
from dqx.frozen_dict import Tags
from dqx.orm.records import SnapshotState
from dqx.plugins import PluginManager, ResultProcessor
from dqx.publish import Publication
from dqx.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from opentelemetry.sdk.trace import ReadableSpan

__all__ = [
    "assertion_result",
    "captured_logs",
    "captured_spans",
    "context_of",
    "deliver",
    "manager_with",
    "suite_run",
    "symbol_info",
]

KEY = ResultKey(date(2024, 1, 31), {"env": "test"})
STARTED_AT = datetime(2024, 2, 1, 3, 4, 5, tzinfo=UTC)

_RESULT = AssertionResult(
    yyyy_mm_dd=KEY.yyyy_mm_dd,
    suite="orders",
    check="Orders are complete",
    assertion="price is positive",
    severity="P1",
    status="SUCCESS",
    metric="minimum(price)",
    expression="minimum(price) > 0",
    tags=Tags(KEY.tags),
    value=0.5,
    thresholds={"lower": 0},
    evaluated_at=STARTED_AT,
    duration_s=0.001,
    datasets=("orders",),
    expression_redacted="minimum(price) > 0",
)
_OTHERS: dict[str, dict[str, Any]] = {
    "SUCCESS": {},
    "FAILURE": {"assertion": "few prices are missing", "value": 0.25, "reason": "0.25 is not below 0.05"},
    "ERROR": {
        "assertion": "stock is known",
        "value": None,
        "reason": "dataset 'orders' has no column 'stock'",
    },
    "SKIPPED": {
        "assertion": "volume is stable",
        "value": None,
        "reason": "no value is stored for 2024-01-30",
    },
}


def assertion_result(status: str = "SUCCESS", **changes: Any) -> AssertionResult:
    """Return a result of a status (SUCCESS, FAILURE, ERROR or SKIPPED), with any field changed."""
    return replace(_RESULT, **{"status": status, **_OTHERS[status], **changes})


def symbol_info(value: Any = 0.5, **changes: Any) -> SymbolInfo:
    """Return the value of a metric, with any field changed; an exception as `value` is a failure."""
    failed = isinstance(value, BaseException)
    symbol = SymbolInfo(
        name="x_1",
        metric="minimum(price)",
        dataset="orders",
        value=ResultValue.failure(value) if failed else ResultValue.success(value),
        yyyy_mm_dd=KEY.yyyy_mm_dd,
        suite=_RESULT.suite,
        tags=_RESULT.tags,
        metric_redacted="minimum(price)",
    )
    return replace(symbol, **changes)


def suite_run(results: Iterable[AssertionResult] | None = None, **changes: Any) -> SuiteRun:
    """Return a run with these results and the verdict they make; without results, one of each status."""
    chosen = tuple(assertion_result(status) for status in _OTHERS) if results is None else tuple(results)
    run = SuiteRun(
        run_id="00000000000000000000000000000001",
        suite=_RESULT.suite,
        key=KEY,
        verdict=verdict_of(chosen, "P1"),
        results=chosen,
        symbols=(symbol_info(),),
        datasets=(DatasetRun("orders", rows=1000, scan_duration_s=0.2, reads=1, metrics=4),),
        started_at=STARTED_AT,
        duration_s=0.3,
        fail_on="P1",
    )
    return replace(run, **changes)


def context_of(run: SuiteRun) -> dict[str, Any]:
    """Return the context of a run, as a daily suite on a store in memory puts it together."""
    publication = Publication(
        run=run,
        info=SuiteInfo(run.suite, every_s=86_400.0, grace_s=21_600.0, timeout_s=3_600.0, fail_on=run.fail_on),
        labels=run.key.tags,
        state=SnapshotState(),
        failing_since={
            (result.check, result.assertion): run.finished_at
            for result in run.results
            if result.status in ("FAILURE", "ERROR")
        },
        persistent=False,
        span=INVALID_SPAN,
    )
    return publication.context()


def manager_with(
    plugin: ResultProcessor,
    *,
    name: str = "my_plugin",
    config: Mapping[str, Any] | None = None,
    total_timeout: float = 30.0,
) -> PluginManager:
    """Return a manager with this plugin and no other, whatever is installed.

    Args:
        plugin: An instance.
        name: What it is called.
        config: Its settings, as in `[plugins.NAME]`.
        total_timeout: Seconds for all calls of a run.

    Raises:
        ConfigurationError: When it lacks a hook, or one has a wrong signature.
    """
    settings = {} if config is None else {name: config}
    manager = PluginManager(settings, total_timeout=total_timeout, entry_points=())
    manager.register(name, plugin)
    return manager


def deliver(
    plugin: ResultProcessor, run: SuiteRun | None = None, *, config: Mapping[str, Any] | None = None
) -> tuple[PluginOutcome, ...]:
    """Hand a run to a plugin as a suite would, shut it down, and return what became of each call.

    Args:
        plugin: An instance.
        run: The run; None for `suite_run()`.
        config: Its settings, as in `[plugins.NAME]`.

    Raises:
        ConfigurationError: When it lacks a hook, or one has a wrong signature.
    """
    run = suite_run() if run is None else run
    manager = manager_with(plugin, config=config)
    outcomes = manager.process_all(run.results, run.symbols, run.suite, context_of(run))
    return outcomes + manager.close()


@contextmanager
def captured_spans() -> Iterator[list[ReadableSpan]]:
    """Collect the spans that end inside: those around the calls into plugins, and a plugin's own.

    Where the process has no provider of the SDK yet, one becomes the global provider, for good: OpenTelemetry
    lets nobody take it back. A test process is where that does no harm.
    """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    spans: list[ReadableSpan] = []

    class Keeper(SpanProcessor):
        keeping = True

        def on_end(self, span: ReadableSpan) -> None:
            if self.keeping:
                spans.append(span)

    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    keeper = Keeper()
    provider.add_span_processor(keeper)
    before = tracing.use_provider(provider)
    try:
        yield spans
    finally:
        tracing.use_provider(before)
        keeper.keeping = False


@contextmanager
def captured_logs(level: int = logging.INFO, logger: str = "") -> Iterator[list[logging.LogRecord]]:
    """Collect the log records of a logger (all loggers, unless named) that are of `level` or above."""
    keeper = _LogKeeper(level)
    target = logging.getLogger(logger)
    before = target.level
    target.addHandler(keeper)
    target.setLevel(min(level, before) if before else level)
    try:
        yield keeper.records
    finally:
        target.removeHandler(keeper)
        target.setLevel(before)


class _LogKeeper(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
