"""Runs that differ only in tags that are no labels: one snapshot, and one warning by whatever road it is sent."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from dqx import Context, DataSource, MetricDB, MetricProvider, ResultKey, VerificationSuite, check
from dqx.plugins import PluginManager
from dqx.plugins.otel import OtelPlugin
from dqx.plugins.prometheus import PrometheusPlugin
from dqx.telemetry import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from dqx.plugins import ResultProcessor

WARNING = (
    "suite orders: runs that differ in shard share the snapshot orders,env=prod, and the newest of them is shown; "
    "the setting label_tags names the tags that keep snapshots apart"
)


@check(name="Orders")
def orders(mp: MetricProvider, ctx: Context) -> None:
    """One assertion."""
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()


@pytest.mark.parametrize(
    "roads", [("dqx_prometheus",), ("dqx_otel",), ("dqx_otel", "dqx_prometheus"), ()], ids=str
)
def test_one_warning_by_whatever_road(
    roads: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store knows, also of runs of another process; where nothing is sent there is nothing to warn of."""
    monkeypatch.setattr(snapshot, "_said", set())
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    config = {"dqx_prometheus": {"registry": CollectorRegistry()}}

    def run(shard: str, label_tags: tuple[str, ...] = ("env",)) -> list[str]:
        """Run the suite by a store of its own on the same file, and return the warnings so far."""
        plugins: dict[str, ResultProcessor] = {
            "dqx_prometheus": PrometheusPlugin(),
            "dqx_otel": OtelPlugin(meter_provider=provider),
        }
        with (
            closing(MetricDB(f"sqlite:///{tmp_path / 'quality.db'}")) as db,
            VerificationSuite([orders], db, "orders", config, label_tags=label_tags) as suite,
        ):
            manager = PluginManager(config, entry_points=())
            for name in roads:
                manager.register(name, plugins[name])
            suite._plugin_manager = manager
            key = ResultKey(date(2024, 1, 31), {"env": "prod", "shard": shard})
            suite.run({"orders": DataSource.from_records([{"id": 1}])}, key)
        reader.get_metrics_data()
        return [record.getMessage() for record in caplog.records if record.name == snapshot.__name__]

    assert run("1") == run("1", ("env", "shard")) == []
    assert run("2", ("env", "shard")) == []
    assert run("2") == run("1") == run("3") == ([WARNING] if roads else [])
    provider.shutdown()
