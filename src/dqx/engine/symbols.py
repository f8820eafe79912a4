"""The values of a run's metrics: as expressions look them up, as results show them, as the store keeps them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dqx.common import ResultValue, ScanError, StoredMetric, SymbolInfo, ValueSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dqx.common import ResultKey, ScanReport
    from dqx.engine.plan import Plan, Symbol


def scanned_values(plan: Plan, reports: Mapping[str, ScanReport]) -> dict[Symbol, ResultValue]:
    """Return the values of the key date's own symbols."""
    return {s: reports[s.dataset].values[planned.spec] for s, planned in plan.symbols.items() if not s.lag}


def describe_symbols(
    plan: Plan,
    reports: Mapping[str, ScanReport],
    values: Mapping[Symbol, ResultValue],
    suite: str,
    key: ResultKey,
) -> dict[Symbol, SymbolInfo]:
    """Return every symbol of a run with its value, or the reason why there is none, named x_1, x_2, ..."""
    described: dict[Symbol, SymbolInfo] = {}
    for number, (symbol, planned) in enumerate(plan.symbols.items(), 1):
        day = key.yyyy_mm_dd - timedelta(days=symbol.lag)
        source: ValueSource = "history"
        if not symbol.lag:
            source = reports[symbol.dataset].sources.get(planned.spec, "scan")
        metric = planned.spec.render(lag=symbol.lag)
        value = values.get(symbol)
        if value is None:
            value = ResultValue.failure(ScanError(f"no history yet: {metric} is not stored for {day}"))
        described[symbol] = SymbolInfo(
            name=f"x_{number}",
            metric=metric,
            dataset=symbol.dataset,
            value=value,
            yyyy_mm_dd=day,
            suite=suite,
            tags=key.tags,
            label=planned.label,
            source=source,
            metric_redacted=planned.spec.render(redacted=True, lag=symbol.lag),
        )
    return described


def stored_metrics(plan: Plan, symbols: Mapping[Symbol, SymbolInfo]) -> list[StoredMetric]:
    """Return what the store keeps: the key date's own values, without those that could not be computed."""
    return [
        StoredMetric(
            dataset=symbol.dataset,
            metric_id=plan.symbols[symbol].spec.metric_id,
            metric=info.metric,
            value=info.value.unwrap(),
            label=info.label,
            source=info.source,
            metric_redacted=info.metric_redacted,
        )
        for symbol, info in symbols.items()
        if not symbol.lag and info.value.is_success()
    ]
