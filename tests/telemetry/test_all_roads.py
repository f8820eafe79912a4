"""One run down all the roads there are: the same names, labels and numbers at the end of each of them.

A Prometheus scrapes what can be scraped, and takes OTLP; a second one takes what a Collector hands on by OTLP.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.exporter.conftest import fetch
from tests.page import page
from tests.servers.processes import free_port
from tests.servers.series import Series, read, series

from dqx import Context, MetricProvider, ResultKey, VerificationSuite, check
from dqx.exporter import in_process
from dqx.exporter.app import ExporterApp
from dqx.exporter.server import Server
from dqx.exporter.store import StoreSource
from dqx.orm import MetricDB
from dqx.provider import DataSource
from dqx.telemetry import names
from dqx.telemetry.exporters import Destination
from dqx.telemetry.installation import install
from dqx.telemetry.providers import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.jaeger import Jaeger
    from tests.servers.node_exporter import NodeExporter
    from tests.servers.prometheus import Prometheus
    from tests.servers.pushgateway import Gateway

    from dqx.common import SuiteRun
    from dqx.engine.check import DecoratedCheck
    from dqx.telemetry.ledger import Ledger, Signal

TODAY = datetime.now(UTC).date()

SCRAPED = ("http", "textfile", "pushgateway", "serve", "Collector")
ROADS = ("registry", *SCRAPED, "OTLP", "OTLP through a Collector")

# Who sent it, and on which road of this test.
OF_THE_ROAD = ("job", "instance", "road")
# By `dqx serve` alone, or by OTLP alone.
OF_ONE_ROAD = tuple(metric.prometheus_name for metric in names.METRICS if metric.source != "run")

OF_NEWEST = """dqx_assertion_passed{road=""} and on (snapshot, check, assertion) (
    dqx_assertion_evaluated_timestamp_seconds{road=""}
    == on (snapshot) group_left () max by (snapshot) (dqx_suite_last_run_timestamp_seconds{road=""})
)"""


def comparable(found: dict[Series, float]) -> dict[Series, float]:
    """Leave out what the roads cannot have in common: who sent it, and what is known only after all sending."""
    return {
        series(name, {k: v for k, v in labels if k not in OF_THE_ROAD}): value
        for (name, labels), value in found.items()
        if name.startswith("dqx_") and not name.startswith(OF_ONE_ROAD) and ("phase", "finish") not in labels
    }


def otlp_to(url: str, signal: Signal) -> Destination:
    """Return where to send a signal; two of one signal cannot be told by the `OTEL_*` variables."""

    def make(ledger: Ledger) -> Any:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from dqx.telemetry.http_session import ObservedSession

        kind = OTLPSpanExporter if signal == "traces" else OTLPMetricExporter
        return kind(endpoint=f"{url}/v1/{signal}", session=ObservedSession(ledger))

    return Destination(signal, url, make)


def dropped_by_the_guide() -> str:
    """Return which labels of a Collector's exporter `prometheus` readers are told to drop: our version is in one."""
    (regex,) = re.findall(r"regex: (\S+)\n +action: labeldrop", page("docs/operating.md").text)
    return str(regex)


@dataclass(frozen=True)
class Roads:
    """A suite that sends down every road, and what arrives at the end of each."""

    db: MetricDB
    registry: CollectorRegistry
    http_url: str
    serve_url: str
    node_exporter: NodeExporter
    pushgateway: Gateway
    telemetry: Telemetry
    jaeger: Jaeger
    prometheus: Prometheus
    behind_collector: Prometheus

    def run(self, checks: DecoratedCheck, days_ago: int = 0, **row: Any) -> SuiteRun:
        """Run the suite on a table of one row."""
        config: dict[str, Any] = {
            "dqx_prometheus": {
                "registry": self.registry,
                "http": urlsplit(self.http_url).netloc,
                "textfile": str(self.node_exporter.folder),
                "pushgateway": {"url": self.pushgateway.url},
            }
        }
        day = timedelta(days=1)
        key = ResultKey(TODAY - days_ago * day, {"env": "prod", "attempt": "1"})
        data = {"orders": DataSource.from_records([{"id": 1, "price": 9.5, **row}])}
        with VerificationSuite([checks], self.db, "Orders, daily", config, every=day, owner="a@b.c") as suite:
            run = suite.run(data, key)
        assert {outcome.outcome for outcome in run.plugin_outcomes} == {"ok"}
        return run

    def arrived(self, since: float) -> dict[str, dict[Series, float]]:
        """Return the series by road, of what was scraped or sent since then: what is older has vanished."""
        now = time.time()
        found: dict[str, dict[Series, float]] = {
            "registry": read(generate_latest(self.registry).decode()),
            "OTLP through a Collector": self.behind_collector.query('{__name__=~"dqx_.+"}', now, now - since),
        }
        for (name, labels), value in self.prometheus.query('{__name__=~"dqx_.+"}', now, now - since).items():
            found.setdefault(dict(labels).get("road", "OTLP"), {})[name, labels] = value
        return {road: comparable(of_road) for road, of_road in found.items()}

    def same(self) -> dict[Series, float]:
        """Return the series, after a look whether from now on they are the same by all roads.

        The process lives on meanwhile, and sends by OTLP what it shows, again and again.
        """
        since = time.time()
        give_up_at = time.monotonic() + 20
        while True:
            self.telemetry.flush()
            arrived = self.arrived(since)
            expected = arrived["registry"]
            assert expected
            wrong = {road: dict(arrived.get(road, {}).items() ^ expected.items()) for road in ROADS}
            if not any(wrong.values()):
                return expected
            assert time.monotonic() < give_up_at, {road: found for road, found in wrong.items() if found}
            time.sleep(0.1)

    def texts(self) -> dict[str, str]:
        """Return all that arrived by each road, as it is."""
        dump = "match[]={__name__!=''}"
        return {
            "registry": generate_latest(self.registry).decode(),
            "http": fetch(self.http_url + "/metrics").text,
            "serve": fetch(self.serve_url + "/metrics").text,
            "textfile": "".join(path.read_text() for path in self.node_exporter.folder.iterdir()),
            "pushgateway": fetch(self.pushgateway.url + "/metrics").text,
            "OTLP": fetch(f"{self.prometheus.url}/api/v1/series?{dump}").text,
            "OTLP through a Collector": fetch(f"{self.behind_collector.url}/api/v1/series?{dump}").text,
            "Collector": fetch(self.jaeger.metrics_url).text + self.jaeger.log.read_text(),
            "Jaeger": json.dumps(self.jaeger.wait_for_traces()),
        }


@pytest.fixture
def roads(
    tmp_path: Path,
    node_exporter: NodeExporter,
    pushgateway: Gateway,
    start_prometheus: Callable[..., Prometheus],
    start_jaeger: Callable[..., Jaeger],
) -> Iterator[Roads]:
    """Every road, open."""
    behind_collector = start_prometheus()
    jaeger = start_jaeger(metrics_to=behind_collector.otlp_url, metric_expiration="1s")
    with ExitStack() as stack:
        db = stack.enter_context(closing(MetricDB(f"sqlite:///{tmp_path / 'quality.db'}")))
        source = stack.enter_context(closing(StoreSource(db, ("env",))))
        server = stack.enter_context(closing(Server(ExporterApp(source), "127.0.0.1", 0)))
        stack.callback(in_process.stop)
        http_url = f"http://127.0.0.1:{free_port()}"
        scraped = (http_url, node_exporter.url, pushgateway.url, server.url, jaeger.metrics_url)
        drop = {"action": "labeldrop", "regex": dropped_by_the_guide()}
        prometheus = start_prometheus(
            [
                {
                    "job_name": road,
                    "honor_labels": True,
                    "static_configs": [{"targets": [urlsplit(url).netloc], "labels": {"road": road}}],
                    "metric_relabel_configs": [drop] if road == "Collector" else [],
                }
                for road, url in zip(SCRAPED, scraped, strict=True)
            ],
            interval="500ms",
        )
        wanted = [
            otlp_to(jaeger.http_url, "traces"),
            otlp_to(prometheus.otlp_url, "metrics"),
            otlp_to(jaeger.http_url, "metrics"),
        ]
        telemetry = stack.enter_context(Telemetry(wanted, deadline_s=10))
        install(telemetry, set_global=False)
        yield Roads(
            db,
            CollectorRegistry(),
            http_url,
            server.url,
            node_exporter,
            pushgateway,
            telemetry,
            jaeger,
            prometheus,
            behind_collector,
        )


@check(name="Orders", datasets=["orders"])
def first(mp: MetricProvider, ctx: Context) -> None:
    """Four assertions, one of them bad."""
    ctx.assert_that(mp.num_rows()).where(name="there are orders", severity="P0").is_geq(1)
    ctx.assert_that(mp.average("price", name="mean price")).where(name="cheap").is_between(0, 3)
    ctx.assert_that(mp.maximum("id")).where(name="ids are small").is_lt(100)
    ctx.assert_that(mp.minimum("id")).where(name="going away", severity="P2").is_gt(0)


@check(name="Orders", datasets=["orders"])
def second(mp: MetricProvider, ctx: Context) -> None:
    """One is renamed, one deleted, one cannot be evaluated, one is skipped."""
    ctx.assert_that(mp.num_rows()).where(name="enough orders", severity="P0").is_geq(1)
    ctx.assert_that(mp.average("prize", name="mean price")).where(name="cheap").is_between(0, 3)
    ctx.assert_that(mp.maximum("id", lag=1)).where(name="ids are small").is_lt(100)


def by_assertion(found: dict[Series, float], metric: str) -> dict[str, float]:
    return {dict(labels)["assertion"]: value for (name, labels), value in found.items() if name == metric}


def test_one_run_is_the_same_by_all_roads_and_nothing_stale_stays(roads: Roads) -> None:
    """Then a run with other assertions, then a backfill of an older date."""
    run = roads.run(first)
    found = roads.same()
    assert by_assertion(found, "dqx_assertion_passed") == {
        "there are orders": 1, "cheap": 0, "ids are small": 1, "going away": 1,
    }  # fmt: skip
    failing = by_assertion(found, "dqx_assertion_failing_since_timestamp_seconds")
    assert failing == {"cheap": run.finished_at.timestamp()}

    again = roads.run(second)
    found = roads.same()
    assert by_assertion(found, "dqx_assertion_passed") == {"enough orders": 1, "cheap": 0}
    assert by_assertion(found, "dqx_assertion_errored") == {"enough orders": 0, "cheap": 1}
    assert by_assertion(found, "dqx_assertion_failing_since_timestamp_seconds") == failing
    assert set(by_assertion(found, "dqx_assertion_info")) == {"enough orders", "cheap", "ids are small"}
    assert set(by_assertion(found, "dqx_assertion_evaluated_timestamp_seconds").values()) == {
        again.finished_at.timestamp()
    }

    # By OTLP the samples of the first run are there for five minutes; whoever alerts joins on the newest run.
    now = roads.prometheus.query('dqx_assertion_passed{road=""}')
    assert set(by_assertion(now, "dqx_assertion_passed")) == {
        "enough orders", "cheap", "there are orders", "ids are small", "going away",
    }  # fmt: skip
    assert by_assertion(roads.prometheus.query(OF_NEWEST), "dqx_assertion_passed") == {
        "enough orders": 1, "cheap": 0,
    }  # fmt: skip

    roads.run(first, days_ago=40)
    assert roads.same() == found
    assert len(roads.jaeger.wait_for_traces(3)) == 3
    assert roads.telemetry.delivery().complete
    for server in (roads.prometheus, roads.behind_collector):
        assert sum(server.query('dqx_suite_runs_total{road=""}').values()) == 3


def test_a_run_that_passes_clears_what_failed_and_is_the_last_success(roads: Roads) -> None:
    """By all roads; and a failure after it keeps the last success."""
    roads.run(first)
    good = roads.run(first, price=2.5)
    found = roads.same()
    assert not by_assertion(found, "dqx_assertion_failing_since_timestamp_seconds")
    last_success = {v for (name, _), v in found.items() if name == "dqx_suite_last_success_timestamp_seconds"}
    assert last_success == {good.finished_at.timestamp()}
    roads.run(first)
    found = roads.same()
    assert last_success == {
        v for (name, _), v in found.items() if name == "dqx_suite_last_success_timestamp_seconds"
    }


@check(name="Orders", datasets=["orders"])
def leaky(mp: MetricProvider, ctx: Context) -> None:
    """Everything that could carry a value of the data, or a text that its author thought private."""
    ctx.assert_that(mp.count_values("name", "canary-7f3a")).where(name="values").is_eq(7)
    ctx.assert_that(mp.pattern_count("name", "canary-7f3a.*")).where(name="pattern").is_eq(7)
    ctx.assert_that(mp.num_rows(where="name = 'canary-7f3a'")).where(name="condition").is_eq(7)
    ctx.assert_that(mp.custom_sql("count(*) FILTER (WHERE name = 'canary-7f3a')")).where(name="sql").is_eq(7)
    ctx.assert_that(mp.maximum("name")).where(name="text column").is_gt(0)
    ctx.assert_that(mp.custom_sql("sum(CAST(name AS INTEGER))")).where(name="engine error").is_gt(0)
    ctx.assert_that(mp.num_rows()).where(
        name="runbook", runbook_url="https://me:canary-7f3a@example.com/x?token=canary-7f3a"
    ).is_eq(7)
    raise ValueError("canary-7f3a")


def test_no_value_of_the_data_and_no_secret_leaves_by_any_road(
    roads: Roads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A canary in data, SQL, URLs, an exception, a tag that is no label and the environment stays at home."""
    monkeypatch.setenv("SECRET", "canary-7f3a")
    run = roads.run(leaky, name="canary-7f3a")
    roads.same()
    assert "canary-7f3a" in repr(run.results)
    for road, text in roads.texts().items():
        assert re.search("dqx.assertion", text), road
        assert "canary-7f3a" not in text, road
