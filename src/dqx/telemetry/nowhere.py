"""Exporters in the place of those that could not be made: they send nothing, and what they lose is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from dqx.telemetry.ledger import Failure

if TYPE_CHECKING:
    from dqx.telemetry.ledger import Ledger


class NoSpanExporter(SpanExporter):
    """Takes spans nowhere."""

    def __init__(self, ledger: Ledger, message: str) -> None:
        self._ledger = ledger
        self._message = message

    def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002  # the SDK calls it by keyword
        """Fail, for the reason that the configuration has."""
        self._ledger.failure = Failure("unusable", self._message)
        return SpanExportResult.FAILURE


class NoMetricExporter(MetricExporter):
    """Takes metrics nowhere."""

    def __init__(self, ledger: Ledger, message: str) -> None:
        super().__init__()
        self._ledger = ledger
        self._message = message

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:  # noqa: ARG002  # the SDK passes it
        """Fail, for the reason that the configuration has."""
        self._ledger.failure = Failure("unusable", self._message)
        return MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002  # the SDK passes it
        """Have nothing to flush."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Have nothing to shut down."""
