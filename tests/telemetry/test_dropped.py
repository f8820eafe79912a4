"""What a program's telemetry lost in a run: on the run, in its store, and sent with the next run."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from tests.servers.otlp import OtlpReceiver, refused

from dqx import Context, DataSource, MetricDB, MetricProvider, ResultKey, VerificationSuite, check
from dqx.plugins import PluginManager
from dqx.plugins.otel import OtelPlugin
from dqx.plugins.prometheus import PrometheusPlugin
from dqx.telemetry.exporters import destinations
from dqx.telemetry.installation import install
from dqx.telemetry.providers import Delivery, Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqx.common import SuiteRun

KEY = ResultKey(date(2024, 1, 31))
UNSAMPLED = {"OTEL_TRACES_SAMPLER": "always_off"}


@check(name="Orders")
def orders(mp: MetricProvider, ctx: Context) -> None:
    """One assertion."""
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()


class Witness:
    """A plugin that keeps the context it is given."""

    def initialize(self, config: dict[str, Any]) -> None:
        self.context: dict[str, Any] = {}

    def process(self, results: Any, symbols: Any, suite_name: str, context: dict[str, Any]) -> None:
        self.context = context

    def finish(self, outcomes: list[Any]) -> None:
        """Take no time."""


@contextmanager
def telemetry_to(url: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[Telemetry]:
    """Send the telemetry of a program that lives long, as `configure` does, with a shorter deadline."""
    for name, value in ({"OTEL_EXPORTER_OTLP_ENDPOINT": url} | variables).items():
        monkeypatch.setenv(name, value)
    telemetry = Telemetry(*destinations(), deadline_s=0.6)
    install(telemetry, set_global=False)
    with telemetry:
        yield telemetry


def run_in(db: MetricDB, registry: CollectorRegistry | None = None) -> tuple[SuiteRun, Witness]:
    """Run a suite with `dqx_otel`, `dqx_prometheus` on a registry, and a witness; return what came of it."""
    witness = Witness()
    config = {} if registry is None else {"dqx_prometheus": {"registry": registry}}
    with VerificationSuite([orders], db, "orders", config) as suite:
        manager = PluginManager(config, entry_points=())
        plugins = {"dqx_otel": OtelPlugin(), "dqx_prometheus": PrometheusPlugin(), "witness": witness}
        for name, plugin in plugins.items():
            manager.register(name, plugin)
        suite._plugin_manager = manager
        return suite.run({"orders": DataSource.from_records([{"id": 1}])}, KEY), witness


def dropped_in(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Return what the series say was lost, without zeros."""
    return {
        (sample.labels["signal"], sample.labels["reason"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "dqx_telemetry_dropped" and sample.value
    }


def stored(db: MetricDB) -> dict[tuple[str, str], int]:
    """Return what the store has of the newest run, as `dqx serve` reads it."""
    state = db.state(("env",))
    assert state is not None
    return dict(state.snapshots[0].telemetry_dropped)


def test_what_a_run_lost_is_on_the_run_in_the_store_and_sent_with_the_next(
    monkeypatch: pytest.MonkeyPatch, otlp: OtlpReceiver
) -> None:
    """By every road; and is gone with a run that loses nothing."""
    registry = CollectorRegistry()
    with closing(MetricDB()) as db:
        with refused() as url, telemetry_to(url, monkeypatch):
            lost, witness = run_in(db, registry)
            assert set(lost.telemetry_dropped) == {("traces", "unreachable"), ("metrics", "unreachable")}
            assert lost.exit_code == 0
            assert stored(db) == lost.telemetry_dropped
            assert witness.context["telemetry_dropped"] == {}
            assert dropped_in(registry) == {}
        with telemetry_to(otlp.url, monkeypatch):
            well, witness = run_in(db, registry)
        assert well.telemetry_dropped == {}
        assert stored(db) == {}
        assert witness.context["telemetry_dropped"] == lost.telemetry_dropped
        assert dropped_in(registry) == lost.telemetry_dropped
        sent = {
            (dict(labels)["signal"], dict(labels)["reason"]): value
            for labels, value in otlp.gauges()["dqx.telemetry.dropped"].items()
            if value
        }
        assert sent == lost.telemetry_dropped


def test_the_next_run_is_told_how_finish_ended() -> None:
    """No sink can send how its own did."""
    registry = CollectorRegistry()
    with closing(MetricDB()) as db:
        first, witness = run_in(db, registry)
        assert witness.context["finish_outcomes"] == ()
        _, witness = run_in(db, registry)
    finished = [outcome for outcome in first.plugin_outcomes if outcome.phase == "finish"]
    assert [outcome.plugin for outcome in finished] == ["dqx_otel", "dqx_prometheus", "witness"]
    assert list(witness.context["finish_outcomes"]) == finished
    shown = {
        sample.labels["plugin"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "dqx_plugin_duration_seconds" and sample.labels["phase"] == "finish"
    }
    assert shown["dqx_prometheus"] == finished[1].duration_s
    assert shown["witness"] == finished[2].duration_s


@pytest.mark.parametrize("variables", [{}, UNSAMPLED, {"OTEL_TRACES_EXPORTER": "none"}], ids=repr)
def test_everything_has_arrived_when_a_run_returns(
    monkeypatch: pytest.MonkeyPatch, otlp: OtlpReceiver, variables: dict[str, str]
) -> None:
    """Also where the run has no span that is sent."""
    with closing(MetricDB()) as db, telemetry_to(otlp.url, monkeypatch, **variables):
        run_in(db)
        assert otlp.gauges()["dqx.suite.passed"]
        assert len(otlp.spans("dqx")) == 0 if variables else len(otlp.spans("dqx")) > 3


def test_a_run_that_is_refused_is_sent_too(monkeypatch: pytest.MonkeyPatch, otlp: OtlpReceiver) -> None:
    """Its span says why."""
    with closing(MetricDB()) as db, telemetry_to(otlp.url, monkeypatch):
        with (
            VerificationSuite([orders], db, "orders", {"nobody": {"required": True}}) as suite,
            pytest.raises(Exception, match="nobody"),
        ):
            suite.run({"orders": DataSource.from_records([{"id": 1}])}, KEY)
        (span,) = otlp.spans("dqx")
        assert (span.name, span.status.code) == ("run_suite", 2)


def test_a_store_that_cannot_take_it_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is warned of, and the run is as it was."""
    from dqx.common import StoreError

    def refuse(*_: object) -> None:
        raise StoreError("no room")

    db = MetricDB()
    monkeypatch.setattr(db, "record_dropped", refuse)
    with closing(db), refused() as url, telemetry_to(url, monkeypatch):
        run, _ = run_in(db)
    assert run.telemetry_dropped
    assert (run.exit_code, run.store_error) == (0, None)
    assert "what was lost of the telemetry was not stored: no room" in caplog.text


@pytest.mark.parametrize(
    ("before", "after", "dropped"),
    [
        ({}, {}, {}),
        ({}, {("traces", "timeout"): 3}, {("traces", "timeout"): 3}),
        ({("traces", "timeout"): 3}, {("traces", "timeout"): 3}, {}),
        ({("traces", "timeout"): 3}, {("traces", "timeout"): 5}, {("traces", "timeout"): 2}),
        ({("traces", "timeout"): 3}, {("metrics", "timeout"): 1}, {("metrics", "timeout"): 1}),
    ],
)
def test_what_was_dropped_since(
    before: dict[tuple[str, str], int],
    after: dict[tuple[str, str], int],
    dropped: dict[tuple[str, str], int],
) -> None:
    """What was written off and arrived all the same is no loss."""
    assert Delivery({}, after).dropped_since(Delivery({}, before)) == dropped
