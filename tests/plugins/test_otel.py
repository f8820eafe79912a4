"""The plugin `dqx_otel`: what it makes of a run, read back from the SDK that a user would bring."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, __version__, check
from dqx.common import PluginOutcome
from dqx.plugins.otel import OtelPlugin
from dqx.telemetry import names, tracing
from dqx.telemetry.instruments import instruments_on
from dqx.telemetry.snapshot import snapshot_of
from dqx.testing import assertion_result, context_of, deliver, manager_with, suite_run, symbol_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqx.common import SuiteRun

BY_NAME = {metric.name: metric for metric in names.METRICS}


@dataclass(frozen=True, slots=True)
class Sdk:
    """Providers of the SDK, and what they collect."""

    tracers: TracerProvider
    kept: InMemorySpanExporter
    meters: MeterProvider
    reader: InMemoryMetricReader

    def plugin(self) -> OtelPlugin:
        """Return a plugin that makes its spans and instruments here."""
        return OtelPlugin(self.tracers, self.meters)

    def spans(self, name: str | None = None) -> list[Any]:
        """Return the spans, or those of a name, in the order in which they ended."""
        return [span for span in self.kept.get_finished_spans() if name in (None, span.name)]

    def metrics(self) -> dict[str, Any]:
        """Collect, and return the metrics by name."""
        data = self.reader.get_metrics_data()
        parts = data.resource_metrics[0].scope_metrics if data and data.resource_metrics else []
        return {metric.name: metric for part in parts for metric in part.metrics}

    def gauges(self) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
        """Collect, and return the points of gauges: name, labels, value."""
        return {
            (name, frozenset(point.attributes.items()), point.value)
            for name, metric in self.metrics().items()
            if BY_NAME[name].kind == "gauge"
            for point in metric.data.data_points
        }


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    """Make providers that are nobody else's."""
    tracers, kept, reader = (
        TracerProvider(shutdown_on_exit=False),
        InMemorySpanExporter(),
        InMemoryMetricReader(),
    )
    tracers.add_span_processor(SimpleSpanProcessor(kept))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    yield Sdk(tracers, kept, meters, reader)
    tracers.shutdown()
    meters.shutdown()


def process(plugin: OtelPlugin, run: SuiteRun, **context: Any) -> None:
    """Hand a run to a plugin, without finishing it."""
    plugin.process(list(run.results), list(run.symbols), run.suite, context_of(run) | context)


def shown(run: SuiteRun, **context: Any) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
    """Return what a snapshot of the run holds, in the form of `Sdk.gauges`."""
    snapshot = snapshot_of(run.results, run.symbols, run.suite, context_of(run) | context)
    return {(s.metric.name, frozenset(s.labels.items()), s.value) for s in snapshot.samples}


@pytest.mark.parametrize(
    ("status", "severity", "case", "error_type"),
    [
        ("SUCCESS", "P0", "pass", None),
        ("FAILURE", "P0", "fail", "failed"),
        ("FAILURE", "P1", "fail", "failed"),
        ("FAILURE", "P2", "fail", None),
        ("ERROR", "P0", "fail", "not_evaluated"),
        ("ERROR", "P3", "fail", "not_evaluated"),
        ("SKIPPED", "P1", None, None),
    ],
)
def test_an_assertion_is_a_span(
    sdk: Sdk, status: str, severity: str, case: str | None, error_type: str | None
) -> None:
    """An error when it failed at or above `fail_on` or could not be evaluated; else its status is unset."""
    process(sdk.plugin(), suite_run([assertion_result(status, severity=severity)]))
    (span,) = sdk.spans("assertion")
    assert span.attributes.get("dqx.assertion.status") == status
    assert span.attributes.get("dqx.severity") == severity
    assert span.attributes.get("test.case.result.status") == case
    assert span.attributes.get("error.type") == error_type
    assert span.status.status_code is (StatusCode.ERROR if error_type else StatusCode.UNSET)
    (parent,) = sdk.spans("evaluate_check")
    assert parent.attributes.get("error.type") == error_type
    assert parent.status.status_code is span.status.status_code


def test_a_span_of_an_assertion_says_what_the_catalogue_has(sdk: Sdk) -> None:
    """And nothing else: no reason, which may hold what the data holds."""
    process(
        sdk.plugin(),
        suite_run([assertion_result("FAILURE", thresholds={"lower": 1, "upper": Decimal("2.5")}, value=3)]),
    )
    (span,) = sdk.spans("assertion")
    assert dict(span.attributes) == {
        "dqx.check.name": "Orders are complete",
        "dqx.assertion.name": "few prices are missing",
        "dqx.assertion.expression": "minimum(price) > 0",
        "dqx.assertion.value": 3.0,
        "dqx.assertion.threshold.lower": 1.0,
        "dqx.assertion.threshold.upper": 2.5,
        "dqx.assertion.status": "FAILURE",
        "dqx.severity": "P1",
        "test.case.name": "few prices are missing",
        "test.case.result.status": "fail",
        "error.type": "failed",
    }
    assert set(span.attributes) <= set(names.ASSERTION.attributes)
    assert "0.25" not in str(span.status.description)
    scope = span.instrumentation_scope
    assert (scope.name, scope.version, scope.schema_url) == ("dqx", __version__, names.SCHEMA_URL)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, None, Decimal("NaN"), Decimal("sNaN"), 10**400]
)
def test_what_is_no_finite_number_is_left_out(sdk: Sdk, value: Any) -> None:
    """Of spans and of metrics."""
    run = suite_run(
        [assertion_result(value=value, thresholds={"lower": value})], symbols=(symbol_info(value),)
    )
    process(sdk.plugin(), run)
    (span,) = sdk.spans("assertion")
    assert not {"dqx.assertion.value", "dqx.assertion.threshold.lower"} & set(span.attributes)
    assert not {"dqx.assertion.value", "dqx.assertion.threshold", "dqx.metric.value"} & set(sdk.metrics())


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-0.0, -0.0), (2**53 + 1, 2.0**53), (Decimal("1.5"), 1.5), (date(1970, 1, 2), 86400.0)],
)
def test_what_is_a_number_is_sent_as_a_double(sdk: Sdk, value: Any, expected: float) -> None:
    """A date as the seconds of its beginning."""
    process(sdk.plugin(), suite_run([assertion_result(value=value)]))
    (span,) = sdk.spans("assertion")
    found = span.attributes["dqx.assertion.value"]
    assert (type(found), found) == (float, expected)
    assert math.copysign(1, found) == math.copysign(1, expected)


def test_a_check_spans_the_times_of_its_assertions(sdk: Sdk) -> None:
    """Each has the time at which it was evaluated, to the microsecond."""
    at = datetime(2024, 2, 1, 3, 4, 5, 678_901, tzinfo=UTC)
    results = [
        assertion_result(assertion=f"a{n}", evaluated_at=at + timedelta(seconds=n), duration_s=0.25)
        for n in range(3)
    ]
    process(sdk.plugin(), suite_run([*results, assertion_result(check="other", evaluated_at=at)]))
    start = int(at.timestamp()) * 10**9 + 678_901_000
    times = [(span.start_time, span.end_time) for span in sdk.spans("assertion")]
    assert times[:3] == [(start + n * 10**9, start + n * 10**9 + 250_000_000) for n in range(3)]
    first, second = sdk.spans("evaluate_check")
    assert (first.start_time, first.end_time) == (start, start + 2_250_000_000)
    assert [span.parent.span_id for span in sdk.spans("assertion")] == [
        *[first.context.span_id] * 3,
        second.context.span_id,
    ]


@pytest.mark.parametrize(
    ("spans", "count", "expected"),
    [
        ("all", 4, 4), ("failed", 4, 2), ("none", 4, 0), ("auto", 4, 4), ("auto", 1_000, 1_000),
        ("auto", 1_004, 502), ("all", 1_004, 1_004),
    ],
)  # fmt: skip
def test_which_assertions_get_a_span(sdk: Sdk, spans: str, count: int, expected: int) -> None:
    """All of up to 1,000, above those that did not pass, unless told otherwise."""
    run = suite_run(
        [assertion_result(("SUCCESS", "FAILURE", "ERROR", "SKIPPED")[n % 4]) for n in range(count)]
    )
    plugin = sdk.plugin()
    plugin.initialize({"spans": spans})
    process(plugin, run)
    assert len(sdk.spans("assertion")) == expected
    assert len(sdk.spans("evaluate_check")) == (spans != "none")


def test_spans_are_under_the_span_of_the_run(sdk: Sdk) -> None:
    """By the context's `traceparent`, which is the run's, not the plugin's call."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with sdk.tracers.get_tracer("host").start_as_current_span("another"):
        process(sdk.plugin(), suite_run(), traceparent=traceparent)
    (check_span,) = sdk.spans("evaluate_check")
    assert f"{check_span.context.trace_id:032x}" == traceparent[3:35]
    assert f"{check_span.parent.span_id:016x}" == traceparent[36:52]


@check(name="Orders", datasets=["orders"])
def orders(mp: Any, ctx: Any) -> None:
    """Pass once, fail once."""
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()
    ctx.assert_that(mp.average("price")).where(name="cheap").is_lt(1)


def test_spans_nest_as_the_contract_says(sdk: Sdk) -> None:
    """One trace for a run: scan, checks and calls into plugins under it, assertions under their check."""
    before = tracing.use_provider(sdk.tracers)
    try:
        with VerificationSuite([orders], MetricDB(), "orders", plugins_deny=["dqx_otel"]) as suite:
            suite.register_plugin("mine", sdk.plugin())
            suite.run({"orders": DataSource.from_records([{"price": 2.0}])}, ResultKey(date(2024, 1, 31)))
    finally:
        tracing.use_provider(before)
    by_id = {span.context.span_id: span.name for span in sdk.spans()}
    tree = {span.name: by_id.get(span.parent.span_id) if span.parent else None for span in sdk.spans()}
    assert tree["run_suite"] is None
    assert tree["assertion"] == "evaluate_check"
    for name in ("SELECT orders", "evaluate_check", "process mine", "finish mine", "process dqx_audit"):
        assert tree[name] == "run_suite"
    assert len({span.context.trace_id for span in sdk.spans()}) == 1
    root = sdk.spans("run_suite")[0]
    for span in sdk.spans("assertion") + sdk.spans("evaluate_check"):
        assert root.start_time <= span.start_time <= span.end_time <= root.end_time


def test_instruments_show_the_snapshot(sdk: Sdk) -> None:
    """Name by name, label by label, value by value, with unit and help of the catalogue."""
    run = suite_run()
    process(sdk.plugin(), run)
    assert sdk.gauges() == shown(run)
    for name, metric in sdk.metrics().items():
        assert (metric.unit, metric.description) == (BY_NAME[name].unit, BY_NAME[name].help)


def test_plugins_are_shown_when_the_run_is_finished(sdk: Sdk) -> None:
    """The verdict stands before that."""
    run = suite_run()
    manager = manager_with(sdk.plugin(), name="dqx_otel")
    outcomes = manager.process_all(run.results, run.symbols, run.suite, context_of(run))
    manager.close()
    assert [outcome.outcome for outcome in outcomes] == ["ok"] * 3
    durations = {dict(labels)["phase"] for name, labels, _ in sdk.gauges() if name == "dqx.plugin.duration"}
    assert durations == {"initialize", "process"}
    assert shown(run) <= sdk.gauges()


def test_a_snapshot_replaces_the_one_before(sdk: Sdk) -> None:
    """A renamed assertion is gone; the snapshot of another environment stays."""
    plugin = sdk.plugin()
    prod, test = ({"labels": {"env": name}} for name in ("prod", "test"))
    first, renamed = (suite_run([assertion_result(assertion=name)]) for name in ("old", "new"))
    process(plugin, first, **prod)
    process(plugin, first, **test)
    assert sdk.gauges() == shown(first, **prod) | shown(first, **test)
    process(plugin, renamed, **prod)
    assert sdk.gauges() == shown(renamed, **prod) | shown(first, **test)


def test_a_backfill_overwrites_nothing(sdk: Sdk) -> None:
    """Last month goes to the store; its spans are sent all the same."""
    plugin = sdk.plugin()
    process(plugin, suite_run())
    now = sdk.gauges()
    process(plugin, suite_run([assertion_result("FAILURE")]), newest=False)
    assert sdk.gauges() == now
    assert len(sdk.spans("evaluate_check")) == 2


def test_what_is_shown_outlives_the_suite_that_made_it(sdk: Sdk) -> None:
    """A host's reader collects once a minute; and two suites share the instruments."""
    run, other = suite_run(), suite_run(suite="other")
    for each in (run, other):
        assert {outcome.outcome for outcome in deliver(sdk.plugin(), each)} == {"ok"}
    assert {dict(labels)["suite"] for _, labels, _ in sdk.gauges()} == {"orders", "other"}


def test_runs_that_end_at_once_are_all_shown(sdk: Sdk) -> None:
    """None takes the place of another."""
    instruments = instruments_on(sdk.meters)
    snapshot = snapshot_of([], [], "orders", {})
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def show(thread: int) -> None:
        for number in range(100):
            instruments.show(f"{thread}-{number}", lambda: snapshot)

    try:
        threads = [threading.Thread(target=show, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    assert len(list(instruments.observe(names.BUILD_INFO.name))) == 800


def test_metrics_can_be_switched_off(sdk: Sdk) -> None:
    """Where the numbers come by another road."""
    deliver(sdk.plugin(), config={"metrics": False})
    assert not sdk.metrics()
    assert sdk.spans("assertion")


def test_a_long_lived_process_counts_its_runs(sdk: Sdk) -> None:
    """With the trace of a run as exemplar of its duration."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    plugin = sdk.plugin()
    for verdict in ("passed", "failed", "failed"):
        process(plugin, suite_run(), verdict=verdict, traceparent=traceparent)
        plugin.finish([])
    metrics = sdk.metrics()
    runs = {
        point.attributes["error_type"]: point.value for point in metrics["dqx.suite.runs"].data.data_points
    }
    assert runs == {"": 1, "failed": 2}
    (duration,) = metrics["dqx.suite.run.duration"].data.data_points
    assert duration.count == 3
    assert set(duration.attributes) == {"suite", "snapshot", "env"}
    exemplars = getattr(duration, "exemplars", None)  # from 1.28 on
    assert exemplars is None or {f"{e.trace_id:032x}" for e in exemplars} == {traceparent[3:35]}


def test_calls_into_plugins_are_measured(sdk: Sdk) -> None:
    """Each by plugin and phase; one that is switched off has none."""
    plugin, run = sdk.plugin(), suite_run()
    plugin.initialize({})
    plugin.process(list(run.results), list(run.symbols), run.suite, context_of(run))
    plugin.finish([PluginOutcome("a", "process", "timed_out", 0.5), PluginOutcome("b", "load", "disabled")])
    (point,) = sdk.metrics()["dqx.plugin.call.duration"].data.data_points
    assert (point.attributes["plugin"], point.attributes["phase"]) == ("a", "process")
    assert (point.count, point.sum) == (1, 0.5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"spans": "some"}, "spans"),
        ({"span": "all"}, "did you mean 'spans'?"),
        ({"metrics": "perhaps"}, "metrics"),
    ],
)
def test_a_wrong_setting_is_an_outcome_that_names_it(sdk: Sdk, config: dict[str, Any], message: str) -> None:
    """And nothing is sent."""
    (outcome,) = deliver(sdk.plugin(), config=config)
    assert (outcome.phase, outcome.outcome) == ("initialize", "error")
    assert message in str(outcome.message)


def test_a_tag_named_like_a_label_is_refused(sdk: Sdk) -> None:
    """It would take its place."""
    run = replace(suite_run(), key=ResultKey(date(2024, 1, 31), {"check": "x"}))
    outcome = deliver(sdk.plugin(), run)[1]
    assert (outcome.phase, outcome.outcome) == ("process", "error")
    assert "label_tags" in str(outcome.message)


@pytest.mark.parametrize("name", ["a\nb", 'quo"te', "🛫", "x" * 10_000, "", "\ud800"])
def test_any_name_is_shown(sdk: Sdk, name: str) -> None:
    """Cut and legal."""
    deliver(sdk.plugin(), suite_run([assertion_result(assertion=name)]))
    (span,) = sdk.spans("assertion")
    assert len(span.attributes["dqx.assertion.name"]) <= 256
    (point,) = sdk.metrics()["dqx.assertion.passed"].data.data_points
    assert len(point.attributes["assertion"]) <= 256


def test_nothing_is_imported_where_there_is_no_sdk() -> None:
    """Who does not trace does not pay."""
    program = """
import sys
import threading
from dqx.plugins.otel import OtelPlugin
from dqx.testing import deliver
assert {outcome.outcome for outcome in deliver(OtelPlugin())} == {"ok"}
heavy = ("opentelemetry.sdk", "opentelemetry.metrics", "dqx.telemetry.instruments", "dqx.telemetry.providers")
print([name for name in sys.modules if name.startswith(heavy)])
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"
