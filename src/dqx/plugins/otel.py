"""The built-in plugin `dqx_otel`: checks and assertions as spans, what a run found as metrics, by OpenTelemetry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from opentelemetry import trace

from dqx.plugins.declared import validated
from dqx.telemetry import installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from dqx.common import AssertionResult, PluginOutcome, SymbolInfo
    from dqx.telemetry.instruments import Instruments
    from dqx.telemetry.labels import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class OtelSettings:
    """What `dqx_otel` makes of a run. Where it goes is said by the `OTEL_*` variables, or by the program."""

    spans: Literal["auto", "all", "failed", "none"] = field(
        default="auto",
        metadata={"meaning": "assertions that get a span; auto: all of up to 1,000, above those that failed"},
    )
    metrics: bool = field(default=True, metadata={"meaning": "send metrics"})


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that was processed, and is not finished."""

    results: list[AssertionResult]
    symbols: list[SymbolInfo]
    suite: str
    context: dict[str, Any]
    identity: Identity


class OtelPlugin:
    """Make spans and metrics of each run, by the providers handed in, those that DQX built, or the global ones.

    Where these are the stand-ins of OpenTelemetry's API nothing is made, and nothing imported.

    Args:
        tracer_provider: Makes the spans.
        meter_provider: Makes the instruments.
    """

    Settings: ClassVar = OtelSettings

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._settings = OtelSettings()
        self._run: _Run | None = None

    def initialize(self, config: dict[str, Any]) -> None:
        """Take the settings: what `OtelSettings` has, by name.

        Raises:
            ConfigurationError: When a setting is unknown or has a wrong value.
        """
        self._settings = OtelSettings(**validated("dqx_otel", OtelSettings, config))

    def process(
        self,
        results: list[AssertionResult],
        symbols: list[SymbolInfo],
        suite_name: str,
        context: dict[str, Any],
    ) -> None:
        """Make the spans, and let the instruments show the run; they are read when they are sent.

        Raises:
            ConfigurationError: When a tag of the run is named like one of our labels.
        """
        self._run = None
        tracer_provider = self._tracer_provider or installed.tracers()
        if tracer_provider is not None and self._settings.spans != "none":
            from dqx.telemetry.assertion_spans import make_spans

            fail_on = context.get("fail_on") or "P1"
            make_spans(results, tracer_provider, _parent(context), fail_on, self._settings.spans)
        instruments = self._instruments()
        if instruments is not None:
            from dqx.telemetry.labels import identity_of

            identity = identity_of(suite_name, context.get("labels") or {})
            self._run = _Run(results, symbols, suite_name, context, identity)
            self._show(instruments, self._run, [])
            if telemetry := installed.current():
                telemetry.metrics_are_known()

    def finish(self, outcomes: list[PluginOutcome]) -> None:
        """Let the instruments show the run with what became of the plugins; count it in a long-lived process."""
        run, self._run = self._run, None
        instruments = self._instruments()
        if run is None or instruments is None:
            return
        self._show(instruments, run, outcomes)
        telemetry = installed.current()
        if telemetry is None or telemetry.long_lived:
            verdict = run.context.get("verdict") or ""
            with trace.use_span(trace.get_current_span(_parent(run.context))):
                instruments.record(
                    run.identity.series,
                    run.context.get("duration_s"),
                    "" if verdict == "passed" else verdict,
                    outcomes,
                )

    def _show(self, instruments: Instruments, run: _Run, outcomes: list[PluginOutcome]) -> None:
        """Let a run take the place of the one before, unless it is about an older day."""
        if not run.context.get("newest", True):
            return
        from dqx.telemetry.snapshot import snapshot_of

        instruments.show(
            run.identity.text, lambda: snapshot_of(run.results, run.symbols, run.suite, run.context, outcomes)
        )

    def _instruments(self) -> Instruments | None:
        provider = self._meter_provider or installed.meters()
        if provider is None or not self._settings.metrics:
            return None
        from dqx.telemetry.instruments import instruments_on

        return instruments_on(provider)


def _parent(context: Mapping[str, Any]) -> Context | None:
    """Return the context of the run's span; None when it had none."""
    traceparent = context.get("traceparent")
    if not traceparent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})
