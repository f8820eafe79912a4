"""One run down all the roads to Prometheus: the same names, labels and numbers by each of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.exporter.conftest import fetch
from tests.servers.node_exporter import node_exporter  # noqa: F401  # a fixture
from tests.servers.processes import free_port
from tests.servers.pushgateway import pushgateway  # noqa: F401  # a fixture

from dqx import Context, MetricProvider, ResultKey, VerificationSuite, check
from dqx.exporter import in_process
from dqx.exporter.app import ExporterApp
from dqx.exporter.server import Server
from dqx.exporter.store import StoreSource
from dqx.orm import MetricDB
from dqx.plugins import PluginManager
from dqx.plugins.prometheus import PrometheusPlugin
from dqx.provider import DataSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.node_exporter import NodeExporter
    from tests.servers.pushgateway import Gateway

    from dqx.common import SuiteRun
    from dqx.engine.collect import DecoratedCheck

Series = tuple[str, tuple[tuple[str, str], ...]]

# By `dqx serve` alone; and what no sink can send of itself: the time that it takes to send.
LEFT_OUT = ("dqx_suite_started_timestamp_seconds", "dqx_exporter_", "node_textfile_")
TODAY = datetime.now(UTC).date()


def parsed(text: str) -> dict[Series, float]:
    return {
        (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if v))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def comparable(series: dict[Series, float]) -> dict[Series, float]:
    """Leave out what the roads cannot have in common: the gateway's job, and the plugin's own `finish`."""
    found = {}
    for (name, labels), value in series.items():
        own = dict(labels)
        own.pop("job", None)
        if not name.startswith(LEFT_OUT) and own.get("phase") != "finish":
            found[name, tuple(sorted(own.items()))] = value
    return found


@dataclass
class Roads:
    """A suite that sends down every road, and what arrives at the end of each."""

    db: MetricDB
    registry: CollectorRegistry
    http_url: str
    serve_url: str
    node_exporter: NodeExporter
    pushgateway: Gateway

    def run(self, checks: DecoratedCheck, days_ago: int = 0, **row: Any) -> SuiteRun:
        """Run the suite on a table of one row."""
        config: dict[str, Any] = {
            "registry": self.registry,
            "http": self.http_url.removeprefix("http://"),
            "textfile": str(self.node_exporter.folder),
            "pushgateway": {"url": self.pushgateway.url},
        }
        with VerificationSuite(
            [checks],
            self.db,
            "Orders, daily",
            {"dqx_prometheus": config},
            every=timedelta(days=1),
            owner="a@b.c",
        ) as suite:
            manager = PluginManager({"dqx_prometheus": config}, entry_points=())
            manager.register("dqx_prometheus", PrometheusPlugin())
            suite._plugin_manager = manager
            key = ResultKey(TODAY - timedelta(days=days_ago), {"env": "prod", "attempt": "1"})
            return suite.run({"orders": DataSource.from_records([{"id": 1, "price": 9.5, **row}])}, key)

    def texts(self) -> dict[str, str]:
        """Return what arrived by road, as it is."""
        files = (path.read_text() for path in self.node_exporter.folder.iterdir())
        return {
            "registry": generate_latest(self.registry).decode(),
            "http": fetch(self.http_url + "/metrics").text,
            "textfile": "".join(files),
            "pushgateway": fetch(self.pushgateway.url + "/metrics").text,
            "serve": fetch(self.serve_url + "/metrics").text,
        }

    def arrived(self) -> dict[str, dict[Series, float]]:
        """Return the series by road."""
        return {
            "registry": comparable(parsed(generate_latest(self.registry).decode())),
            "http": comparable(fetch(self.http_url + "/metrics").series()),
            "textfile": comparable(self.node_exporter.series()),
            "pushgateway": comparable(self.pushgateway.series()),
            "serve": comparable(fetch(self.serve_url + "/metrics").series()),
        }

    def same(self) -> dict[Series, float]:
        """Return the series, after a look whether they are the same by all roads."""
        arrived = self.arrived()
        for road, series in arrived.items():
            assert series == arrived["registry"], road
        assert arrived["registry"]
        return arrived["registry"]


@pytest.fixture
def roads(
    tmp_path: Path,
    node_exporter: NodeExporter,  # noqa: F811
    pushgateway: Gateway,  # noqa: F811
) -> Iterator[Roads]:
    """Every road, open."""
    with (
        closing(MetricDB(f"sqlite:///{tmp_path / 'quality.db'}")) as db,
        closing(StoreSource(db, ("env",))) as source,
        closing(Server(ExporterApp(source), "127.0.0.1", 0)) as server,
    ):
        http_url = f"http://127.0.0.1:{free_port()}"
        yield Roads(db, CollectorRegistry(), http_url, server.url, node_exporter, pushgateway)
    in_process.stop()


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


def by_assertion(series: dict[Series, float], metric: str) -> dict[str, float]:
    return {dict(labels)["assertion"]: value for (name, labels), value in series.items() if name == metric}


def test_one_run_is_the_same_by_all_roads_and_nothing_stale_stays(roads: Roads) -> None:
    """Then a run with other assertions, then a backfill of an older date."""
    run = roads.run(first)
    series = roads.same()
    assert by_assertion(series, "dqx_assertion_passed") == {
        "there are orders": 1, "cheap": 0, "ids are small": 1, "going away": 1,
    }  # fmt: skip
    failing = by_assertion(series, "dqx_assertion_failing_since_timestamp_seconds")
    assert failing == {"cheap": run.finished_at.timestamp()}

    again = roads.run(second)
    series = roads.same()
    assert by_assertion(series, "dqx_assertion_passed") == {"enough orders": 1, "cheap": 0}
    assert by_assertion(series, "dqx_assertion_errored") == {"enough orders": 0, "cheap": 1}
    assert by_assertion(series, "dqx_assertion_failing_since_timestamp_seconds") == failing
    assert set(by_assertion(series, "dqx_assertion_info")) == {"enough orders", "cheap", "ids are small"}
    assert set(by_assertion(series, "dqx_assertion_evaluated_timestamp_seconds").values()) == {
        again.finished_at.timestamp()
    }

    roads.run(first, days_ago=40)
    assert roads.same() == series


def test_a_run_that_passes_clears_what_failed_and_is_the_last_success(roads: Roads) -> None:
    """By all roads; and a failure after it keeps the last success."""
    roads.run(first)
    good = roads.run(first, price=2.5)
    series = roads.same()
    assert not by_assertion(series, "dqx_assertion_failing_since_timestamp_seconds")
    last_success = {
        v for (name, _), v in series.items() if name == "dqx_suite_last_success_timestamp_seconds"
    }
    assert last_success == {good.finished_at.timestamp()}
    roads.run(first)
    series = roads.same()
    assert last_success == {
        v for (name, _), v in series.items() if name == "dqx_suite_last_success_timestamp_seconds"
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
    assert "canary-7f3a" in repr(run.results)
    for road, text in roads.texts().items():
        assert "dqx_assertion_info" in text, road
        assert "canary-7f3a" not in text, road
