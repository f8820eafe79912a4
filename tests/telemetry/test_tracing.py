"""The spans of a run, read back from the SDK that a user would bring."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dqx import __version__
from dqx.common import DatasetRun, PluginOutcome, ScanReport
from dqx.telemetry import names, tracing
from dqx.testing import assertion_result, suite_run

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = date(2024, 1, 31)


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Keep DQX's spans, made by a provider of our own; the global one is left alone."""
    provider = TracerProvider(shutdown_on_exit=False)
    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    before = tracing.use_provider(provider)
    yield kept
    tracing.use_provider(before)
    provider.shutdown()


def _only(exporter: InMemorySpanExporter) -> Any:
    (span,) = exporter.get_finished_spans()
    return span


def test_a_run_that_passed(exporter: InMemorySpanExporter) -> None:
    """Its span has identity, verdict and counts; its status is left unset, never OK."""
    run = suite_run([assertion_result(), assertion_result("SKIPPED", severity="P3")])
    with tracing.run_suite(run.suite, run.run_id, DAY) as span:
        tracing.end_run(span, run)
    span = _only(exporter)
    assert (span.name, span.kind, span.status.status_code) == (
        "run_suite",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert dict(span.attributes) == {
        "dqx.suite.name": "orders",
        "dqx.run.id": run.run_id,
        "dqx.key.date": "2024-01-31",
        "dqx.suite.verdict": "passed",
        "dqx.suite.assertions.success": 1,
        "dqx.suite.assertions.failure": 0,
        "dqx.suite.assertions.error": 0,
        "dqx.suite.assertions.skipped": 1,
        "test.suite.name": "orders",
        "test.suite.run.status": "success",
    }


@pytest.mark.parametrize(
    ("status", "verdict", "test_status"),
    [("FAILURE", "failed", "failure"), ("ERROR", "error", "failure"), ("SKIPPED", "skipped", "skipped")],
)
def test_a_run_that_did_not_pass_is_an_error(
    exporter: InMemorySpanExporter, status: str, verdict: str, test_status: str
) -> None:
    """Its verdict is the class of what went wrong."""
    run = suite_run([assertion_result(status)])
    with tracing.run_suite(run.suite, run.run_id, DAY) as span:
        tracing.end_run(span, run)
    span = _only(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes[names.ERROR_TYPE] == verdict == span.attributes[names.SUITE_VERDICT]
    assert span.attributes[names.TEST_SUITE_STATUS] == test_status


@pytest.mark.parametrize(
    ("error", "error_type", "test_status"),
    [
        (ValueError("password=hunter2"), "ValueError", "aborted"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "aborted"),
        (TimeoutError("late"), "TimeoutError", "timed_out"),
    ],
)
def test_what_is_raised_in_a_run_goes_on_and_leaves_no_raw_text(
    exporter: InMemorySpanExporter, error: BaseException, error_type: str, test_status: str
) -> None:
    """Type and redacted message are on the span; the API's own recording of exceptions is off."""
    with pytest.raises(type(error)), tracing.run_suite("s", "r", DAY):
        raise error
    span = _only(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes[names.ERROR_TYPE], span.attributes[names.TEST_SUITE_STATUS]) == (
        error_type,
        test_status,
    )
    assert span.events == ()
    assert "hunter2" not in span.to_json()


@pytest.mark.parametrize(("embedded", "kind"), [(True, SpanKind.INTERNAL), (False, SpanKind.CLIENT)])
def test_a_scan(exporter: InMemorySpanExporter, embedded: bool, kind: SpanKind) -> None:
    """Its span is named as the conventions summarize a query, and a server's is a client's call."""
    report = ScanReport({}, {}, DatasetRun("orders", 10, 0.1, reads=3, metrics=4), "SELECT count(*) FROM t")
    with tracing.select("orders", "duckdb", embedded=embedded) as span:
        tracing.end_select(span, report)
    span = _only(exporter)
    assert (span.name, span.kind, span.status.status_code) == ("SELECT orders", kind, StatusCode.UNSET)
    assert dict(span.attributes) == {
        "db.system.name": "duckdb",
        "db.query.summary": "SELECT orders",
        "db.query.text": "SELECT count(*) FROM t",
        "dqx.dataset.name": "orders",
        "dqx.dataset.rows": 10,
        "dqx.scan.metrics": 4,
        "dqx.scan.retries": 2,
    }


def test_a_scan_without_reads_has_no_retries(exporter: InMemorySpanExporter) -> None:
    """What a file's statistics answered was read zero times; rows that could not be counted are left out."""
    report = ScanReport({}, {}, DatasetRun("orders", None, 0.1, reads=0, metrics=4))
    with tracing.select("orders", "duckdb", embedded=True) as span:
        tracing.end_select(span, report)
    attributes = _only(exporter).attributes
    assert attributes[names.SCAN_RETRIES] == 0
    assert names.DATASET_ROWS not in attributes
    assert names.DB_QUERY_TEXT not in attributes


def test_a_failed_scan_is_an_error(exporter: InMemorySpanExporter) -> None:
    """Whether the engine says so in its report or raises; its text is redacted."""
    report = ScanReport(
        {}, {}, DatasetRun("a", None, 0.1, reads=1, metrics=0, error="postgresql://u:hunter2@h/d")
    )
    with tracing.select("a", "duckdb", embedded=True) as span:
        tracing.end_select(span, report)
    with pytest.raises(OSError, match="gone"), tracing.select("b", "duckdb", embedded=True):
        raise OSError("gone")
    reported, raised = exporter.get_finished_spans()
    assert reported.status.status_code is raised.status.status_code is StatusCode.ERROR
    assert reported.attributes[names.ERROR_TYPE] == "scan_failed"
    assert reported.status.description == "postgresql://***@h/d"
    assert raised.attributes[names.ERROR_TYPE] == "OSError"


@pytest.mark.parametrize("phase", list(names.PLUGIN_CALLS))
def test_a_call_into_a_plugin(exporter: InMemorySpanExporter, phase: str) -> None:
    """Each phase has a span by its name, with where the plugin came from and what became of the call."""
    outcome = PluginOutcome("mine", "process", "ok")
    with tracing.plugin_call(phase, "mine", "1.2.3", "my-dist") as span:
        tracing.end_plugin_call(span, outcome)
    span = _only(exporter)
    assert (span.name, span.kind, span.status.status_code) == (
        f"{phase} mine",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert dict(span.attributes) == {
        "dqx.plugin.name": "mine",
        "dqx.plugin.version": "1.2.3",
        "dqx.plugin.distribution": "my-dist",
        "dqx.plugin.outcome": "ok",
    }


@pytest.mark.parametrize(
    ("ending", "error_type", "expected"),
    [
        ("error", "ValueError", (StatusCode.ERROR, "ValueError")),
        ("timed_out", "timeout", (StatusCode.ERROR, "timeout")),
        ("not_run", None, (StatusCode.ERROR, "not_run")),
        ("disabled", None, (StatusCode.UNSET, None)),
    ],
)
def test_a_call_that_did_not_end_well_is_an_error(
    exporter: InMemorySpanExporter,
    ending: Any,
    error_type: str | None,
    expected: tuple[StatusCode, str | None],
) -> None:
    """But a plugin that somebody disabled is as it should be."""
    with tracing.plugin_call("process", "mine", None, None) as span:
        tracing.end_plugin_call(
            span, PluginOutcome("mine", "process", ending, error_type=error_type, message="why")
        )
    span = _only(exporter)
    assert (span.status.status_code, span.attributes.get(names.ERROR_TYPE)) == expected


def test_spans_nest(exporter: InMemorySpanExporter) -> None:
    """A scan and a call are in the run's trace, below its span; a given parent wins over the active span."""
    with tracing.run_suite("s", "r", DAY) as run:
        inside = tracing.current()
        with tracing.select("d", "duckdb", embedded=True):
            pass
    with tracing.plugin_call("shutdown", "mine", None, None, parent=inside):
        pass
    parents = {span.name: span.parent for span in exporter.get_finished_spans()}
    assert parents["run_suite"] is None
    assert parents["SELECT d"].span_id == parents["shutdown mine"].span_id == run.get_span_context().span_id


def test_scope_version_and_schema(exporter: InMemorySpanExporter) -> None:
    """Spans are of the scope `dqx`, of this version, and say which conventions they follow."""
    with tracing.run_suite("s", "r", DAY):
        pass
    scope = _only(exporter).instrumentation_scope
    assert (scope.name, scope.version, scope.schema_url) == ("dqx", __version__, names.SCHEMA_URL)


def test_the_facts_known_at_the_start_are_there_for_a_sampler(exporter: InMemorySpanExporter) -> None:
    """They are given to the span as it is made, not set on it afterwards."""
    seen: list[Any] = []

    class Sampler(trace_sampling().Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(kwargs.get("attributes") or args[4])
            return trace_sampling().SamplingResult(trace_sampling().Decision.RECORD_AND_SAMPLE)

        def get_description(self) -> str:
            return ""

    tracing.use_provider(TracerProvider(sampler=Sampler(), shutdown_on_exit=False))
    with tracing.select("d", "duckdb", embedded=True):
        pass
    assert seen[0][names.DB_SYSTEM_NAME] == "duckdb"


def trace_sampling() -> Any:
    from opentelemetry.sdk.trace import sampling

    return sampling


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x" * 10_000, "x" * 255 + "…"),
        ("postgresql://u:hunter2@h", "postgresql://***@h"),
        ("größer 😀", "größer 😀"),
        ("a\ud800b", "a b"),
        (True, True),
        (0, 0),
        (2**53 + 1, 2**53 + 1),
        (2**63 - 1, 2**63 - 1),
        (2**63, float(2**63)),
        (-(2**70), float(-(2**70))),
        pytest.param(10**400, None, id="huge"),
        pytest.param(Decimal("1e400"), None, id="huge decimal"),
        (1.5, 1.5),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (Decimal("1.25"), 1.25),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (None, None),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, tzinfo=UTC), "2024-01-31T00:00:00+00:00"),
    ],
)
def test_what_an_attribute_can_be(exporter: InMemorySpanExporter, value: object, expected: object) -> None:
    """Texts are redacted and cut; a number that is not finite, or None, is never sent."""
    with tracing.plugin_call("load", "mine", None, None) as span:
        tracing.put(span, {names.ASSERTION_ACTUAL: value})
    assert _only(exporter).attributes.get(names.ASSERTION_ACTUAL) == expected


def test_query_text_may_be_longer(exporter: InMemorySpanExporter) -> None:
    """It is cut at 2,048 characters where other texts are at 256; so is a span's name."""
    with tracing.select("d" * 300, "duckdb", embedded=True) as span:
        tracing.put(span, {names.DB_QUERY_TEXT: "q" * 3000})
    span = _only(exporter)
    assert len(span.attributes[names.DB_QUERY_TEXT]) == 2048
    assert len(span.name) == len(span.attributes[names.DATASET_NAME]) == 256


def test_no_attribute_is_set_that_the_catalogue_does_not_name(exporter: InMemorySpanExporter) -> None:
    """Every span of a run has only the attributes that the catalogue lists for it."""
    run = suite_run()
    report = ScanReport({}, {}, run.datasets[0], "SELECT 1")
    with tracing.run_suite("s", "r", DAY) as span:
        with tracing.select("d", "duckdb", embedded=True) as scan:
            tracing.end_select(scan, report)
        for phase in names.PLUGIN_CALLS:
            with tracing.plugin_call(phase, "p", "1", "d") as call:
                tracing.end_plugin_call(
                    call, PluginOutcome("p", "process", "error", error_type="E", message="m")
                )
        tracing.end_run(span, run)
    listed = {span.name.split(" ")[0]: set(span.attributes) for span in names.SPANS}
    for finished in exporter.get_finished_spans():
        assert set(finished.attributes or ()) <= listed[finished.name.split(" ")[0]], finished.name


def test_a_traceparent_is_the_w3c_header(exporter: InMemorySpanExporter) -> None:
    """It names trace, span and flags, so that whoever gets it can hang spans below."""
    with tracing.run_suite("s", "r", DAY) as span:
        text = tracing.traceparent(span)
    context = span.get_span_context()
    assert text == f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert context.trace_flags.sampled
    carried = trace.get_current_span(_extracted(text)).get_span_context()
    assert (carried.trace_id, carried.span_id) == (context.trace_id, context.span_id)


def _extracted(text: str | None) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": text or ""})


def test_a_span_without_identity_has_no_traceparent() -> None:
    """Without an SDK there is nothing that others could hang spans below."""
    assert tracing.traceparent(trace.INVALID_SPAN) is None


def test_the_provider_can_be_taken_back(exporter: InMemorySpanExporter) -> None:
    """What stood in for the global provider is returned by the next that takes its place."""
    mine = tracing.use_provider(None)
    assert isinstance(mine, TracerProvider)
    assert tracing.use_provider(mine) is None


def test_without_an_sdk_spans_do_nothing_and_the_sdk_is_not_imported() -> None:
    """The library needs the API alone."""
    program = """
import sys
from datetime import date
from dqx.telemetry import tracing
from dqx.testing import suite_run
with tracing.run_suite("s", "r", date(2024, 1, 31)) as span:
    tracing.end_run(span, suite_run())
    assert tracing.traceparent(span) is None
    assert not span.is_recording()
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
