"""What the plugin manager costs beside the handing over of a call to a thread, which it cannot do without.

    python benchmarks/plugins.py

Limits: 150 µs for each call of a plugin that does nothing, 300 µs with an SDK and a batch processor, 10 ms to
hand over 100,000 results, 20 ms for the built-in plugins at the start of a run that configures none of them. The
rounds of what is compared take turns, so that whatever else the machine does slows all of them.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from measure import median, table
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from dqx.plugins import PluginManager
from dqx.telemetry import tracing
from dqx.testing import assertion_result, context_of, suite_run

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 61
PLUGINS = 20
"""Plugins in a run: what belongs to the run and not to a call is spread over so many."""

STARTS = 15


class Nothing:
    """A plugin that does nothing."""

    def initialize(self, config: dict[str, Any]) -> None:
        """Do nothing."""

    def process(self, results: Any, symbols: Any, suite_name: str, context: dict[str, Any]) -> None:
        """Do nothing."""


class Nowhere(SpanExporter):
    """Takes spans, as an exporter whose endpoint answers at once."""

    def export(self, _spans: Any) -> SpanExportResult:
        """Take them."""
        return SpanExportResult.SUCCESS


class Handoff:
    """A thread that makes calls, and nothing else."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], None], threading.Lock]] = SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def call(self, function: Callable[[], None]) -> None:
        """Have a call made and wait for it."""
        done = threading.Lock()
        done.acquire()
        self._calls.put((function, done))
        done.acquire(timeout=10)

    def _serve(self) -> None:
        while True:
            function, done = self._calls.get()
            function()
            done.release()


def calls() -> None:
    """One call into a plugin: the bare handoff, the manager, the manager with an SDK and a batch processor."""
    handoffs = [Handoff() for _ in range(PLUGINS)]
    manager = PluginManager(entry_points=())
    for number in range(PLUGINS):
        manager.register(f"plugin_{number}", Nothing())
    run = suite_run()
    context = context_of(run)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))

    def bare() -> None:
        for handoff in handoffs:
            handoff.call(_nothing)

    def managed() -> None:
        manager.process_all(run.results, run.symbols, run.suite, context)

    def traced() -> None:
        tracing.use_provider(provider)
        managed()
        tracing.use_provider(None)

    for way in (bare, managed, traced):
        way()
    rounds = [[_seconds(way) / PLUGINS for way in (bare, managed, traced)] for _ in range(ROUNDS)]
    ways = [
        "a bare handoff to a thread",
        "the manager, no SDK (limit 150 µs)",
        "with SDK and batch (limit 300 µs)",
    ]
    rows = []
    for column, way in enumerate(ways):
        times = sorted(round_[column] for round_ in rounds)
        rows.append([way, *(f"{1e6 * t:.0f} µs" for t in (median(times), times[0], times[-1]))])
        rows[-1].append(f"{1e6 * median([r[column] - r[0] for r in rounds]):+.0f} µs")
    table("One call into a plugin", ["", "median", "fastest", "slowest", "beyond the handoff"], rows)
    manager.close()
    provider.shutdown()


def results() -> None:
    """Handing a run of many results to a plugin."""
    rows = []
    for number in (1_000, 10_000, 100_000):
        manager = PluginManager(entry_points=())
        manager.register("plugin", Nothing())
        run = suite_run([assertion_result()] * number)
        context = context_of(run)
        times = [
            _seconds(lambda m=manager, r=run, c=context: m.process_all(r.results, r.symbols, r.suite, c))
            for _ in range(ROUNDS)
        ]
        rows.append([f"{number:,}", f"{1e3 * median(times):.2f} ms", f"{1e3 * max(times):.2f} ms"])
        manager.close()
    table("Handing results to one plugin (limit 10 ms for 100,000)", ["results", "median", "slowest"], rows)


def starts() -> None:
    """What the built-in plugins add to the start of a run that configures none of them: processes in turn."""
    program = """
import sys, time
from dqx.plugins import PluginManager
from dqx.testing import context_of, suite_run
run = suite_run([])
names = sys.argv[1].split(",") if sys.argv[1] else []
started = time.perf_counter()
manager = PluginManager(allow=names)
manager.process_all(run.results, run.symbols, run.suite, context_of(run))
print(time.perf_counter() - started, len(manager.get_plugins()))
"""
    built_in = "dqx_audit,dqx_otel,dqx_prometheus"
    times: dict[str, list[float]] = {"": [], built_in: []}
    loaded = {}
    for _ in range(STARTS):
        for names, seconds in times.items():
            done = subprocess.run(
                [sys.executable, "-c", program, names], capture_output=True, text=True, check=True
            )
            taken, loaded[names] = done.stdout.split()
            seconds.append(float(taken))
    rows = [
        [
            f"{loaded[names]} plugins",
            *(f"{1e3 * t:.1f} ms" for t in (median(seconds), min(seconds), max(seconds))),
        ]
        for names, seconds in times.items()
    ]
    added = median([b - a for a, b in zip(*times.values(), strict=True)])
    rows.append(["added (limit 20 ms)", f"**{1e3 * added:.1f} ms**", "", ""])
    table("Start of a run, nothing configured", ["", "median", "fastest", "slowest"], rows)


def _nothing() -> None:
    pass


def _seconds(way: Callable[[], object]) -> float:
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


if __name__ == "__main__":
    logging.getLogger("dqx").setLevel(logging.WARNING)
    calls()
    results()
    starts()
