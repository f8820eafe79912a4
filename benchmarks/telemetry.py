"""What it costs to hand a run to Prometheus, beside a bare loop on the same client library.

    python benchmarks/telemetry.py

Limits: 1.3 times the bare loop for a run of 1,000 assertions; 2.5 KB for each series held; `dqx serve` with 100,000
series answers 2 scrapers at once within 50 ms and 20 within 250 ms (p99, rendered already), and renders a store of
a million results within 2 s; a `dqx run` with the built-in plugins and nothing configured is as fast as one without
plugins, within noise. The bare loop sets the same series on gauges and writes them out, once; the plugin does
so twice, with the verdict and again with the plugins' series. The rounds of what is compared take turns.
"""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from measure import median, paired, python, table
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from dqx.common import ResultKey, StoredMetric, SuiteInfo, SuiteRun
from dqx.exporter.app import ExporterApp
from dqx.exporter.server import Server
from dqx.exporter.store import StoreSource
from dqx.orm.repositories import MetricDB
from dqx.plugins.prometheus import PrometheusPlugin
from dqx.telemetry.families import SnapshotCollector
from dqx.telemetry.snapshot import snapshot_of
from dqx.testing import assertion_result, context_of, suite_run, symbol_info

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
PAIRS = 21

CHECKS = """
from dqx import check

@check(name="Orders", datasets=["orders"])
def orders(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="there are orders").is_positive()
    ctx.assert_that(mp.null_count("price") / mp.num_rows()).where(name="prices are known").is_lt(0.05)
    ctx.assert_that(mp.minimum("price")).where(name="prices are not negative").is_geq(0)
    ctx.assert_that(mp.duplicate_count(["id"])).where(name="ids are unique").is_zero()
"""


def many(number: int, suite: str = "orders") -> SuiteRun:
    """Return a run of so many assertions, a metric to each."""
    results = [assertion_result(assertion=f"assertion {i}", suite=suite) for i in range(number)]
    symbols = tuple(symbol_info(float(i), label=f"metric {i}") for i in range(number))
    return suite_run(results, suite=suite, symbols=symbols)


def seconds(way: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def nothing_configured() -> None:
    """Whole `dqx run`s with the three built-in plugins and nothing for them to do, beside runs without plugins."""
    for name in [*os.environ]:
        if name.startswith(("DQX_", "OTEL_")):
            del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        data, checks = Path(folder) / "orders.csv", Path(folder) / "checks.py"
        data.write_text("id,price\n" + "".join(f"{i},{i / 4}\n" for i in range(10_000)))
        checks.write_text(CHECKS)

        def command(switch: str, store: str) -> list[str]:
            run = [str(Path(sys.executable).with_name("dqx")), "run", str(checks), "--data", f"orders={data}"]
            return ["env", switch, *run, "--db", f"sqlite:///{folder}/{store}.db", "-q"]

        # The same variable, set to what switches nothing off, so that both start by way of `env`.
        pair = paired(
            command("DQX_DISABLE_PLUGINS=0", "with"), command("DQX_DISABLE_PLUGINS=1", "none"), PAIRS
        )
    table(
        "A `dqx run` with nothing configured (no slower than without plugins, within noise)",
        ["three built-in plugins", "no plugins", "ratio", "from", "to"],
        [
            [
                f"{1e3 * pair.a_s:.0f} ms",
                f"{1e3 * pair.b_s:.0f} ms",
                f"**{pair.ratio:.3f}**",
                f"{pair.ratio_min:.2f}",
                f"{pair.ratio_max:.2f}",
            ]
        ],
    )


def a_run() -> None:
    """One run through the plugin, into a registry and a text file, beside the bare loop."""
    rows = []
    for number in (100, 1_000, 10_000):
        run = many(number)
        context = context_of(run)
        samples = snapshot_of(run.results, run.symbols, run.suite, context).samples
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "bare.prom"

            def bare(samples=samples, target=target) -> None:
                registry = CollectorRegistry()
                gauges: dict[str, Gauge] = {}
                for sample in samples:
                    name = sample.metric.prometheus_name
                    if name not in gauges:
                        gauges[name] = Gauge(name, sample.metric.help, list(sample.labels), registry=registry)
                    gauges[name].labels(**sample.labels).set(sample.value)
                target.write_bytes(generate_latest(registry))

            plugin = PrometheusPlugin()
            plugin.initialize({"registry": CollectorRegistry(), "textfile": Path(folder)})

            def ours(plugin=plugin, run=run, context=context) -> None:
                plugin.process(list(run.results), list(run.symbols), run.suite, context)
                plugin.finish([])

            bare(), ours()
            rounds = [(seconds(ours), seconds(bare)) for _ in range(ROUNDS)]
        a, b = (median([times[i] for times in rounds]) for i in (0, 1))
        ratio = median([x / y for x, y in rounds])
        rows.append(
            [f"{number:,}", f"{len(samples):,}", f"{1e3 * a:.1f} ms", f"{1e3 * b:.1f} ms", f"**{ratio:.2f}**"]
        )
    table(
        "A run into a registry and a text file (limit 1.3 at 1,000)",
        ["assertions", "series", "dqx_prometheus", "bare loop", "ratio"],
        rows,
    )


def memory() -> None:
    """What a snapshot holds."""
    rows = []
    for number in (1_000, 10_000):
        run = many(number)
        context = context_of(run)
        tracemalloc.start()
        collector = SnapshotCollector()
        collector.replace(snapshot_of(run.results, run.symbols, run.suite, context))
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        count = sum(len(family.samples) for family in collector.collect())
        rows.append([f"{count:,}", f"{held / 2**20:.1f} MiB", f"**{held / count:,.0f} B**"])
    table("Memory (limit 2,500 B for each series)", ["series", "held", "for each"], rows)


def fill(path: Path, runs: int, suites: int, assertions: int) -> str:
    """Make a store of so many runs of each suite, and return its URL."""
    url = f"sqlite:///{path}"
    first = date(2024, 1, 1)
    with closing(MetricDB(url)) as db:
        for suite in (f"suite {i}" for i in range(suites)):
            run = many(assertions, suite)
            metrics = [
                StoredMetric("orders", str(s.label), s.metric, 1.0, s.label, "scan", s.metric)
                for s in run.symbols
            ]
            for day in range(runs):
                key = ResultKey(first + timedelta(days=day), {"env": "prod"})
                started = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
                each = replace(run, run_id=f"{suite}-{day}", key=key, started_at=started)
                db.start_run(each.run_id, SuiteInfo(suite, 86_400, 3_600, 600, "P1"), key, started)
                db.finish_run(each, metrics if day == runs - 1 else [], {})
    return url


def rendering() -> None:
    """A store of a million results: from the first question to bytes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for runs, suites, assertions in ((1_000, 10, 100), (100, 10, 1_000), (100, 1, 10_000)):
            url = fill(Path(folder) / f"{runs}-{suites}.db", runs, suites, assertions)
            times, series = [], 0
            for _ in range(3):
                with closing(MetricDB(url)) as db, closing(StoreSource(db, ["env"], 60)) as source:
                    db.changes()  # opens it: the import of SQLAlchemy is no part of rendering
                    started = time.perf_counter()
                    body = source.page().body("text", compressed=False)
                    source.page().body("text", compressed=True)
                    times.append(time.perf_counter() - started)
                    series = sum(not line.startswith(b"#") for line in body.splitlines())
            what = f"{suites} suites, {runs:,} runs of {assertions:,}"
            rows.append([what, f"{series:,}", f"{len(body) / 2**20:.1f} MiB", f"**{median(times):.2f} s**"])
    table(
        "Rendering a store of 1,000,000 results, with gzip (limit 2 s)",
        ["store", "series", "text", "time"],
        rows,
    )


def scrapes() -> None:
    """Scrapers at once, each over and over on a connection that it keeps, as Prometheus does."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        url = fill(Path(folder) / "large.db", 1, 10, 1_430)
        with (
            closing(MetricDB(url)) as db,
            closing(StoreSource(db, ["env"], 60)) as source,
            closing(Server(ExporterApp(source), "127.0.0.1", 0)) as server,
        ):
            for encoding in ("gzip", "identity"):
                size = len(source.page().body("text", compressed=encoding == "gzip"))
                for scrapers in (1, 2, 20, 100):
                    times = at_once(server, encoding, scrapers, 200)
                    cuts = statistics.quantiles(times, n=100)
                    rows.append(
                        [
                            encoding,
                            f"{size / 2**20:.1f} MiB",
                            str(scrapers),
                            f"{1e3 * median(times):.1f} ms",
                            f"**{1e3 * cuts[98]:.0f} ms**",
                        ]
                    )
    table(
        "Scrapes of 100,000 series (limits: p99 50 ms for 2 at once, 250 ms for 20)",
        ["encoding", "size", "at once", "median", "p99"],
        rows,
    )


def at_once(server: Server, encoding: str, scrapers: int, total: int) -> list[float]:
    """Return how long each of `total` scrapes took, by so many scrapers at once in a process of their own."""
    command = python("scraper.py", server.host, server.port, encoding, scrapers, total)
    return [float(time) for time in subprocess.run(command, capture_output=True, check=True).stdout.split()]


if __name__ == "__main__":
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    parts = {part.__name__: part for part in (a_run, memory, rendering, scrapes, nothing_configured)}
    for name in sys.argv[1:] or parts:
        parts[name]()
