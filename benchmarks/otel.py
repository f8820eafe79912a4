"""What `dqx_otel` costs beside a bare loop that makes the same spans and points on the same SDK.

    python benchmarks/otel.py

Limits: 1.3 times the loop with 1,000 assertions, all of them as spans (above that those that failed are); linear up
to the limit of series; 2.5 KB for each series held. The rounds of what is compared take turns, so that whatever else
the machine does slows all of them.
"""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from measure import median, table
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from dqx.plugins.otel import OtelPlugin
from dqx.telemetry import names
from dqx.telemetry.assertion_spans import ALL_UP_TO
from dqx.telemetry.exporters import Destination
from dqx.telemetry.installation import install
from dqx.telemetry.providers import Telemetry
from dqx.telemetry.snapshot import snapshot_of
from dqx.telemetry.views import SERIES_LIMIT
from dqx.testing import assertion_result, context_of, suite_run, symbol_info

if TYPE_CHECKING:
    from dqx.common import SuiteRun

ROUNDS = 9


class Spans(SpanExporter):
    """Takes spans, as an endpoint that answers at once."""

    def export(self, _spans: Any) -> SpanExportResult:
        """Take them."""
        return SpanExportResult.SUCCESS


class Points(MetricExporter):
    """Takes points, as an endpoint that answers at once."""

    def export(self, *_: Any, **__: Any) -> MetricExportResult:
        """Take them."""
        return MetricExportResult.SUCCESS

    def force_flush(self, *_: Any, **__: Any) -> bool:
        """Hold nothing."""
        return True

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Hold nothing."""


def run_of(assertions: int) -> SuiteRun:
    """Return a run with so many assertions, one in ten failed, and half as many metrics."""
    results = [
        assertion_result(
            "FAILURE" if number % 10 == 0 else "SUCCESS",
            check=f"check {number // 50}",
            assertion=f"column {number} is as it should be",
            expression_redacted=f"average(column_{number}) > 0",
            thresholds={"lower": 0, "upper": 10},
        )
        for number in range(assertions)
    ]
    symbols = tuple(
        symbol_info(name=f"x_{n}", metric_redacted=f"average(column_{n})") for n in range(assertions // 2)
    )
    return suite_run(results, symbols=symbols)


class Loop:
    """The floor: a loop over what is known already, on the SDK as it comes."""

    def __init__(self, run: SuiteRun) -> None:
        self._tracers = TracerProvider(shutdown_on_exit=False)
        self._tracers.add_span_processor(BatchSpanProcessor(Spans(), max_queue_size=50_000))
        reader = PeriodicExportingMetricReader(Points(), export_interval_millis=math.inf)
        # Without a limit of its own an SDK folds what is above 2,000 series, and the loop would do less.
        view = View(meter_name=names.SCOPE, aggregation_cardinality_limit=SERIES_LIMIT)
        self._meters = MeterProvider([reader], views=[view], shutdown_on_exit=False)
        meter = self._meters.get_meter("dqx")
        snapshot = snapshot_of(run.results, run.symbols, run.suite, context_of(run))
        gauges = {
            m.name: meter.create_gauge(m.name, m.unit, m.help) for m in names.METRICS if m.kind == "gauge"
        }
        self._points = [(gauges[s.metric.name], s.value, dict(s.labels)) for s in snapshot.samples]
        self._spans = [
            (
                {
                    names.CHECK_NAME: r.check,
                    names.ASSERTION_NAME: r.assertion,
                    names.ASSERTION_EXPRESSION: r.expression_redacted or "",
                    names.ASSERTION_ACTUAL: 0.5,
                    names.ASSERTION_LOWER: 0.0,
                    names.ASSERTION_UPPER: 10.0,
                    names.ASSERTION_STATUS: r.status,
                    names.SEVERITY: r.severity,
                    names.TEST_CASE_NAME: r.assertion,
                    names.TEST_CASE_STATUS: "pass",
                },
                r.status == "FAILURE",
            )
            for r in run.results
            if len(run.results) <= ALL_UP_TO or r.status == "FAILURE"
        ]

    def __call__(self) -> None:
        """Make all spans and points, and have them exported."""
        tracer = self._tracers.get_tracer("dqx")
        within = trace.set_span_in_context(tracer.start_span("evaluate_check"))
        for attributes, failed in self._spans:
            span = tracer.start_span("assertion", within, attributes=attributes, start_time=10**18)
            if failed:
                span.set_attribute(names.ERROR_TYPE, "failed")
                span.set_status(Status(StatusCode.ERROR, "the assertion failed"))
            span.end(10**18 + 1)
        for gauge, value, labels in self._points:
            gauge.set(value, labels)
        self._tracers.force_flush()
        self._meters.force_flush()

    def close(self) -> None:
        """Let go of the threads."""
        self._tracers.shutdown()
        self._meters.shutdown()


class Plugin:
    """The plugin, from results to the export, as in a run."""

    def __init__(self, run: SuiteRun) -> None:
        self._run = run
        self._context = context_of(run)
        self._telemetry = Telemetry(
            [
                Destination("traces", "nowhere", lambda _: Spans()),
                Destination("metrics", "nowhere", lambda _: Points()),
            ],
            long_lived=False,
        )
        self._plugin = OtelPlugin()
        self._plugin.initialize({})

    def __call__(self) -> None:
        """Process, finish, flush."""
        install(self._telemetry, set_global=False)
        self._plugin.process(list(self._run.results), list(self._run.symbols), self._run.suite, self._context)
        self._plugin.finish([])
        self._telemetry.flush(60)

    def close(self) -> None:
        """Let go of the threads."""
        assert self._telemetry.delivery().complete
        self._telemetry.shutdown()


def seconds(way: Any) -> float:
    """Return how long a call takes."""
    gc.collect()
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def beside_the_loop() -> None:
    """Time the plugin and the loop in turn."""
    rows = []
    for assertions in (1_000, 3_000, 10_000):
        run = run_of(assertions)
        ways = (Loop(run), Plugin(run))
        for way in ways:
            way()
        gc.collect()
        gc.freeze()  # what the loop knows already is half a million objects, which a run does not have to walk
        rounds = [[seconds(way) for way in ways] for _ in range(ROUNDS if assertions <= 3_000 else 3)]
        gc.unfreeze()
        for way in ways:
            way.close()
        loop, plugin = (median([each[column] for each in rounds]) for column in (0, 1))
        ratio = median([each[1] / each[0] for each in rounds])
        rows.append(
            [
                f"{assertions:,}",
                f"{1e3 * loop:.0f} ms",
                f"{1e3 * plugin:.0f} ms",
                f"**{ratio:.2f}**",
                f"{1e6 * plugin / assertions:.0f} µs",
            ]
        )
    head = ["assertions", "bare loop", "dqx_otel", "ratio (limit 1.3)", "each"]
    table("Spans and points of a run, to the exporter", head, rows)


def held() -> None:
    """Measure the memory that series take, in a process of its own."""
    program = """
import sys, tracemalloc
sys.path.insert(0, sys.argv[1])
from otel import Plugin, run_of, names
run = run_of(int(sys.argv[2]))
small = Plugin(run_of(10)); small()
tracemalloc.start()
plugin = Plugin(run)
before = tracemalloc.get_traced_memory()[0]
plugin()
series = plugin._telemetry.delivery().delivered["metrics"]
import gc; gc.collect()
print(series, tracemalloc.get_traced_memory()[0] - before)
"""
    rows = []
    for assertions in (1_000, 10_000):
        folder = __file__.rpartition("/")[0] or "."
        said = subprocess.check_output(
            [sys.executable, "-c", program, folder, str(assertions)], text=True
        ).split()
        series, taken = map(int, said)
        rows.append(
            [
                f"{assertions:,}",
                f"{series:,}",
                f"{taken / 2**20:.1f} MiB",
                f"**{taken / series / 1e3:.2f} KB**",
            ]
        )
    table("Memory of series held (limit 2.5 KB each)", ["assertions", "series", "memory", "each"], rows)


if __name__ == "__main__":
    beside_the_loop()
    held()
