"""The spans of a run, made by the OpenTelemetry API alone: without an SDK each costs a few microseconds.

What is set on a span passes here: names from the catalogue, texts redacted and cut, no number that is not finite.
Exceptions are never recorded by the API's own means, which would put their raw text on the span.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.trace import SpanKind, Status, StatusCode

from dqx import __version__
from dqx.telemetry import names
from dqx.telemetry.redaction import MAX_QUERY, MAX_TEXT, error_type, redact, redact_exception
from dqx.telemetry.sample import INT_MAX, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer, TracerProvider
    from opentelemetry.util.types import AttributeValue

    from dqx.common import PluginOutcome, ScanReport, SuiteRun

_RUN_STATUS = {"passed": "success", "failed": "failure", "error": "failure", "skipped": "skipped"}

_provider: TracerProvider | None = None


def use_provider(provider: TracerProvider | None) -> TracerProvider | None:
    """Make DQX's spans by `provider` instead of the global one (None: by the global one again).

    Return the provider that was used before, None for the global one.
    """
    global _provider  # one per process, as the global provider that it stands in for
    before, _provider = _provider, provider
    return before


def give_up(provider: TracerProvider | None) -> None:
    """Make DQX's spans by the global provider again, if they are made by this one."""
    if _provider is provider:
        use_provider(None)


@contextmanager
def run_suite(suite: str, run_id: str, key_date: date) -> Iterator[Span]:
    """Make the span of a run the active one. What is raised inside marks it as aborted, and goes on.

    End it with `end_run`, when the verdict is known.
    """
    attributes = {
        names.SUITE_NAME: suite,
        names.RUN_ID: run_id,
        names.KEY_DATE: key_date,
        names.TEST_SUITE_NAME: suite,
    }
    with _span(names.RUN_SUITE.name, attributes) as span:
        try:
            yield span
        except BaseException as error:
            timed_out = isinstance(error, TimeoutError)
            put(span, {names.TEST_SUITE_STATUS: "timed_out" if timed_out else "aborted"})
            fail(span, error_type(error), redact_exception(error))
            raise


def end_run(span: Span, run: SuiteRun) -> None:
    """Put what a run found on its span. A run that did not pass is an error, its verdict the `error.type`."""
    if not span.is_recording():
        return
    counts = {names.SUITE_COUNTS[status]: number for status, number in run.counts().items()}
    verdict = {names.SUITE_VERDICT: run.verdict, names.TEST_SUITE_STATUS: _RUN_STATUS[run.verdict]}
    put(span, {**verdict, **counts})
    if not run.passed:
        fail(span, run.verdict, f"the suite did not pass: {run.verdict}")


@contextmanager
def select(dataset: str, system: str, *, embedded: bool) -> Iterator[Span]:
    """Make the span of a dataset's scan the active one. What is raised inside marks it as failed, and goes on.

    End it with `end_select`, when there is a report.
    """
    name = names.SELECT.name.format(dataset=dataset)
    attributes = {
        names.DB_SYSTEM_NAME: system,
        names.DB_QUERY_SUMMARY: name,
        names.DATASET_NAME: dataset,
    }
    kind = SpanKind.INTERNAL if embedded else SpanKind.CLIENT
    with _span(name, attributes, kind=kind) as span:
        try:
            yield span
        except BaseException as error:
            fail(span, error_type(error), redact_exception(error))
            raise


def end_select(span: Span, report: ScanReport) -> None:
    """Put what a scan found on its span: rows, metrics, reads beyond the first, and the query as it was run."""
    facts = {
        names.DATASET_ROWS: report.run.rows,
        names.SCAN_METRICS: report.run.metrics,
        names.SCAN_RETRIES: max(0, report.run.reads - 1),
        names.DB_QUERY_TEXT: report.query_text or None,
    }
    put(span, facts)
    if report.run.error is not None:
        fail(span, "scan_failed", report.run.error)


def plugin_call(
    phase: str, plugin: str, version: str | None, distribution: str | None, parent: Context | None = None
) -> AbstractContextManager[Span]:
    """Make the span of a call into a plugin the active one, under `parent` or the span that is active now."""
    attributes = {
        names.PLUGIN_NAME: plugin,
        names.PLUGIN_VERSION: version,
        names.PLUGIN_DISTRIBUTION: distribution,
    }
    return _span(names.PLUGIN_CALLS[phase].name.format(plugin=plugin), attributes, parent=parent)


def end_plugin_call(span: Span, outcome: PluginOutcome) -> None:
    """Put what became of a call on its span. What is neither ok nor disabled is an error."""
    put(span, {names.PLUGIN_OUTCOME: outcome.outcome})
    if outcome.outcome not in ("ok", "disabled"):
        fail(span, outcome.error_type or outcome.outcome, outcome.message or outcome.outcome)


def put(span: Span, attributes: Mapping[str, object]) -> None:
    """Set attributes on a span; None and numbers that are not finite are left out."""
    if span.is_recording():
        span.set_attributes(_clean(attributes))


def fail(span: Span, error_type: str, message: str) -> None:
    """Mark a span as failed, with a low-cardinality `error_type` and a message that is redacted here."""
    if span.is_recording():
        put(span, {names.ERROR_TYPE: error_type})
        span.set_status(Status(StatusCode.ERROR, redact(message)))


def traceparent(span: Span) -> str | None:
    """Return a span's identity as the text of a W3C `traceparent` header, or None when it has none."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def current() -> Context:
    """Return the current context, to be the `parent` of a span that is made later."""
    return get_current()


@contextmanager
def _span(
    name: str,
    attributes: Mapping[str, object],
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
) -> Iterator[Span]:
    span = _tracer().start_span(redact(name), context=parent, kind=kind, attributes=_clean(attributes))
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        yield span


def _tracer() -> Tracer:
    try:
        return trace.get_tracer(names.SCOPE, __version__, _provider, schema_url=names.SCHEMA_URL)
    except Exception:  # noqa: BLE001  # OTEL_PYTHON_TRACER_PROVIDER names none that can be loaded: the API logs why
        use_provider(trace.NoOpTracerProvider())  # once: it takes 40 ms to find out
        return trace.NoOpTracer()


def _clean(attributes: Mapping[str, object]) -> dict[str, AttributeValue]:
    cleaned = {name: _attribute_value(name, value) for name, value in attributes.items() if value is not None}
    return {name: value for name, value in cleaned.items() if value is not None}


def _attribute_value(name: str, value: object) -> AttributeValue | None:
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) <= INT_MAX else number(value)
        case float() | Decimal():
            return number(value)
        case date():
            return value.isoformat()
        case _:
            return redact(str(value), MAX_QUERY if name == names.DB_QUERY_TEXT else MAX_TEXT)
