"""What the exporter shows of a store: of each snapshot the newest run, and what is known without one."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.exporter.conftest import fetch

import dqx
from dqx import Context, MetricProvider, ResultKey, VerificationSuite, check
from dqx.common import PluginOutcome
from dqx.orm import MetricDB
from dqx.plugins import PluginManager
from dqx.provider import DataSource
from dqx.telemetry import names
from dqx.telemetry import snapshot as snapshots
from dqx.telemetry.snapshot import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.exporter.conftest import Answer, Exporter
    from tests.orm.conftest import Examples

Page = "Callable[[], Answer]"

ONLY_HERE = (
    "dqx_suite_started_timestamp_seconds",
    "dqx_exporter_store_read_timestamp_seconds",
    "dqx_exporter_render_duration_seconds",
)


class Witness:
    """A plugin that keeps what it is given."""

    def initialize(self, config: dict[str, Any]) -> None:
        self.run: tuple[Any, ...] = ()

    def process(self, results: Any, symbols: Any, suite_name: str, context: dict[str, Any]) -> None:
        self.run = (results, symbols, suite_name, context)


@check(name="Orders", datasets=["orders"])
def orders(mp: MetricProvider, ctx: Context) -> None:
    """Check something of every kind: passed, failed, not evaluated, skipped; named metrics and plain ones."""
    ctx.assert_that(mp.num_rows()).where(name="there are orders", severity="P0").is_geq(1)
    ctx.assert_that(mp.average("price", name="mean price")).where(name="cheap").is_between(0, 3)
    ctx.assert_that(mp.maximum("id")).where(name="not 4", owner="ids@example.com").is_neq(4)
    ctx.assert_that(mp.maximum("nothing")).where(name="no such column", severity="P2").is_gt(0)
    ctx.assert_that(mp.num_rows(lag=1) / mp.num_rows()).where(name="stable").is_lt(2)


def test_the_exporter_shows_what_the_run_itself_would_send(
    store: MetricDB, page: Callable[[], Answer]
) -> None:
    """Name by name, label by label, value by value, but for what only the exporter knows."""
    witness = Witness()
    manager = PluginManager(entry_points=())
    manager.register("witness", witness)
    suite = VerificationSuite(
        [orders],
        store,
        "Orders 🦆",
        every=timedelta(days=1),
        owner="data@example.com",
        runbook_url="https://x/y",
    )
    suite._plugin_manager = manager
    source = DataSource.from_records([{"id": i, "price": 9.5} for i in range(5)])
    for _ in range(2):
        run = suite.run(
            {"orders": source}, ResultKey(datetime.now(UTC).date(), {"env": "prod", "other": "x"})
        )
    results, symbols, name, context = witness.run
    sent = snapshot_of(results, symbols, name, context, run.plugin_outcomes)
    expected = {
        (s.metric.prometheus_name, tuple(sorted((k, v) for k, v in s.labels.items() if v))): s.value
        for s in sent.samples
    }
    found = {place: value for place, value in page().series().items() if place[0] not in ONLY_HERE}
    assert found == expected
    assert page().values("dqx_suite_started_timestamp_seconds", "suite") == {
        ("Orders 🦆",): run.started_at.timestamp()
    }
    statuses = {result.status for result in results}
    assert statuses >= {"SUCCESS", "FAILURE", "ERROR"}


def test_an_empty_store_is_no_error(page: Callable[[], Answer]) -> None:
    """There is nothing to show but the exporter itself."""
    answer = page()
    assert answer.status == 200
    assert {name for name, _ in answer.series()} == {
        "dqx_exporter_store_read_timestamp_seconds",
        "dqx_exporter_render_duration_seconds",
    }


def test_a_new_run_shows_at_the_next_scrape(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """And takes the place of the one before: a renamed assertion is gone."""
    make.store(store, make.run("a", make.key(0), results=[make.result("old")]))
    assert page().values("dqx_assertion_passed", "assertion") == {("old",): 1}
    make.store(
        store, make.run("b", make.key(1), results=[make.result("new", status="FAILURE")], verdict="failed")
    )
    assert page().values("dqx_assertion_passed", "assertion") == {("new",): 0}


def test_as_long_as_nothing_changes_the_bytes_are_the_same(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """The page is rendered once for each change of the store."""
    make.store(store, make.run("a", make.key(0)))
    first, second = page(), page()
    assert first.body == second.body
    store.record_outcomes("a", [PluginOutcome("p", "process", "ok", 0.1)])
    assert page().body != first.body


def test_a_backfill_overwrites_nothing(store: MetricDB, page: Callable[[], Answer], make: Examples) -> None:
    """Neither its results nor its start show, nor that it passed."""
    make.store(store, make.run("new", make.key(5), results=[make.result("x")], verdict="failed"))
    before = page().series()
    started_at = make.at(6)
    make.store(store, make.run("old", make.key(1), started_at=started_at, results=[make.result("y")]))
    after = page().series()
    without = [
        {
            k: v
            for k, v in found.items()
            if k[0] not in (*ONLY_HERE[1:], "dqx_suite_last_success_timestamp_seconds")
        }
        for found in (before, after)
    ]
    assert without[0] == without[1]


def test_of_several_runs_of_a_day_the_last_to_start_counts(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """A rerun repairs what the first run found."""
    make.store(store, make.run("b", make.key(0), minute=10, results=[make.result()]))
    make.store(
        store, make.run("a", make.key(0), minute=5, results=[make.result(status="ERROR")], verdict="error")
    )
    assert set(page().values("dqx_assertion_passed").values()) == {1}
    assert page().values("dqx_suite_last_run_timestamp_seconds") == {(): make.at(0, 10).timestamp() + 2}


def test_a_failed_run_keeps_the_last_success(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """It is the newest run that passed, whenever that was."""
    make.store(store, make.run("a", make.key(0)))
    make.store(store, make.run("b", make.key(1), verdict="failed"))
    assert page().values("dqx_suite_last_success_timestamp_seconds") == {(): make.at(0).timestamp() + 2}
    assert page().values("dqx_suite_passed") == {(): 0}


def test_failing_since_is_that_of_the_store(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """The first of the runs in a row."""
    results = [
        make.result("bad", status="FAILURE"),
        make.result("good"),
        make.result("gap", status="SKIPPED"),
    ]
    since = {(r.check, r.assertion): make.at(-3) for r in results if r.status != "SUCCESS"}
    make.store(store, make.run("a", make.key(0), results=results, verdict="failed"), failing_since=since)
    assert page().values("dqx_assertion_failing_since_timestamp_seconds", "assertion") == {
        ("bad",): make.at(-3).timestamp()
    }


def test_of_runs_that_never_finished_the_first_shows(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """Else one that runs more often than its time limit is long, and always crashes, would never be past it."""

    def started() -> float:
        (only,) = page().values("dqx_suite_started_timestamp_seconds").values()
        return only

    def start(minute: int, **tags: str) -> None:
        store.start_run(f"crashed at {minute}", make.info(), make.key(0, **tags), make.at(0, minute))

    for minute in (0, 5, 10):
        start(minute)
        assert started() == make.at(0).timestamp()
    make.store(store, make.run("finished", make.key(0), minute=15))
    assert started() == make.at(0, 15).timestamp()
    for minute in (20, 25):
        start(minute, env="prod", team="another")
        assert started() == make.at(0, 20).timestamp()
    store.start_run("backfill", make.info(), make.key(-9), make.at(0, 30))
    assert started() == make.at(0, 20).timestamp()


def test_a_suite_that_was_registered_and_never_ran_shows(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """With what is expected of it, until its first run starts."""
    store.register([make.info("silent")], {"env": "prod", "team": "a"}, make.at(0))
    answer = page()
    where = ("silent", "silent,env=prod", "prod")
    labels = ("suite", "snapshot", "env")
    assert answer.values("dqx_suite_registered_timestamp_seconds", *labels) == {where: make.at(0).timestamp()}
    assert answer.values("dqx_suite_expected_interval_seconds", *labels) == {where: 86_400}
    assert answer.values("dqx_suite_grace_seconds", *labels) == {where: 3_600}
    assert answer.values("dqx_suite_timeout_seconds", *labels) == {where: 600}
    assert answer.values("dqx_suite_info", "owner") == {("team-flights@example.com",): 1}
    assert not answer.values("dqx_suite_last_run_timestamp_seconds")
    store.start_run("a", make.info("silent"), make.key(0), make.at(0))
    answer = page()
    assert not answer.values("dqx_suite_registered_timestamp_seconds")
    assert answer.values("dqx_suite_started_timestamp_seconds", *labels) == {where: make.at(0).timestamp()}


def test_a_run_that_crashed_shows_by_its_start(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """Its start is later than the last run that finished, whose results stay."""
    make.store(store, make.run("a", make.key(0), results=[make.result()]))
    store.start_run("b", make.info(), make.key(1), make.at(1))
    answer = page()
    assert answer.values("dqx_suite_started_timestamp_seconds") == {(): make.at(1).timestamp()}
    assert answer.values("dqx_suite_last_run_timestamp_seconds") == {(): make.at(0).timestamp() + 2}
    assert answer.values("dqx_assertion_passed", "assertion") == {("no gaps",): 1}


def test_a_first_run_that_crashed_shows_with_its_time_limit(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """Without the limit nobody could tell that it does not run any more."""
    store.start_run("a", make.info(), make.key(0), make.at(0))
    answer = page()
    assert answer.values("dqx_suite_started_timestamp_seconds") == {(): make.at(0).timestamp()}
    assert answer.values("dqx_suite_timeout_seconds") == {(): 600}


def test_a_backfill_that_crashed_does_not_show(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """Only the newest key date of a snapshot sets gauges, its start too."""
    make.store(store, make.run("a", make.key(5)))
    store.start_run("b", make.info(), make.key(1), make.at(9))
    assert page().values("dqx_suite_started_timestamp_seconds") == {(): make.at(5).timestamp()}


def test_of_a_forgotten_suite_only_whose_it_was_is_left_for_a_day(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """So that nobody is told that it vanished, as `dqx db forget` promises; the others stay."""
    make.store(store, make.run("a", make.key(0), suite="flights"))
    make.store(store, make.run("b", make.key(0), suite="other"))
    make.store(store, make.run("c", make.key(0), suite="long ago"))
    store.forget("long ago", forgotten_at=datetime.now(UTC) - timedelta(hours=26))
    store.forget("flights", forgotten_at=datetime.now(UTC) - timedelta(hours=24))
    answer = page()
    assert answer.values("dqx_suite_info", "suite") == {("flights",): 1, ("other",): 1}
    assert {name for name, labels in answer.series() if ("suite", "flights") in labels} == {"dqx_suite_info"}
    make.store(store, make.run("d", make.key(1), suite="flights"))
    assert page().values("dqx_suite_passed", "suite") == {("flights",): 1, ("other",): 1}


def test_a_snapshot_is_shown_whole_until_all_its_tags_are_forgotten(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """A tag that is no label tells no snapshots apart."""
    first = make.store(store, make.run("a", make.key(0, env="prod", shard="1")))
    make.store(store, make.run("b", make.key(1, env="prod", shard="2")))
    store.forget("flights", {"shard": "2"})
    assert page().values("dqx_suite_last_run_timestamp_seconds") == {(): first.finished_at.timestamp()}
    store.forget("flights", {"shard": "1"})
    assert page().values("dqx_suite_last_run_timestamp_seconds") == {}


def test_label_tags_tell_snapshots_apart_and_the_others_do_not(
    store: MetricDB,
    exporter: Exporter,
    make: Examples,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs that differ in other tags share a snapshot, with one warning that names the setting."""
    monkeypatch.setattr(snapshots, "_said", set())
    make.store(store, make.run("a", make.key(0, env="prod", shard="1"), results=[make.result("one")]))
    make.store(
        store, make.run("b", make.key(0, env="prod", shard="2"), minute=5, results=[make.result("two")])
    )
    make.store(store, make.run("c", make.key(0, env="test"), results=[make.result("three")]))
    url = exporter(store)
    answer = fetch(url + "/metrics")
    make.store(store, make.run("d", make.key(-9, env="prod", shard="3")))
    assert fetch(url + "/metrics").status == 200
    assert answer.values("dqx_assertion_passed", "snapshot", "assertion") == {
        ("flights,env=prod", "two"): 1,
        ("flights,env=test", "three"): 1,
    }
    (record,) = [each for each in caplog.records if each.name.startswith("dqx")]
    assert record.getMessage() == (
        "suite flights: runs that differ in shard share the snapshot flights,env=prod, and the newest of them is "
        "shown; the setting label_tags names the tags that keep snapshots apart"
    )
    apart = fetch(exporter(store, ("env", "shard")) + "/metrics")
    assert apart.values("dqx_assertion_passed", "snapshot", "shard") == {
        ("flights,env=prod,shard=1", "1"): 1,
        ("flights,env=prod,shard=2", "2"): 1,
        ("flights,env=test", ""): 1,
    }
    together = fetch(exporter(store, ()) + "/metrics")
    assert together.values("dqx_assertion_passed", "snapshot", "assertion") == {("flights", "two"): 1}


def test_what_became_of_the_plugins_shows(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """Their time in `finish`, too, which no sink can send of itself."""
    make.store(store, make.run("a", make.key(0)))
    outcomes = [
        PluginOutcome("good", "process", "ok", 0.25, timeout_s=10.0),
        PluginOutcome("good", "finish", "ok", 0.5, timeout_s=10.0),
        PluginOutcome("bad", "process", "error", 0.1, "ValueError", "canary"),
    ]
    store.record_outcomes("a", outcomes)
    answer = page()
    assert answer.values("dqx_plugin_ok", "plugin") == {("good",): 1, ("bad",): 0}
    assert answer.values("dqx_plugin_duration_seconds", "plugin", "phase")["good", "finish"] == 0.5
    assert "canary" not in answer.text


def test_what_the_flush_after_the_newest_run_lost_shows(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """Every signal and reason, zeros too; no other road knows it before the next run."""
    make.store(store, make.run("a", make.key(0)))
    make.store(store, make.run("b", make.key(1)))
    store.record_dropped("a", {("metrics", "timeout"): 70})
    store.record_dropped("b", {("traces", "rejected"): 9})
    store.record_dropped("b", {("traces", "unreachable"): 2, ("traces", "queue_full"): 5})
    shown = page().values("dqx_telemetry_dropped", "signal", "reason")
    signals, reasons = (names.LABELS[label].values for label in ("signal", "reason"))
    assert shown == dict.fromkeys(product(signals, reasons), 0) | {
        ("traces", "unreachable"): 2,
        ("traces", "queue_full"): 5,
    }
    store.delete_run("b")
    assert page().values("dqx_telemetry_dropped", "signal", "reason")["metrics", "timeout"] == 70


def test_nothing_of_the_data_is_read(store: MetricDB, page: Callable[[], Answer], make: Examples) -> None:
    """Raw expressions, reasons and metrics stay in the store."""
    result = make.result(expression="x = 'canary'", metric="canary", reason="canary", status="FAILURE")
    make.store(store, make.run("a", make.key(0, env="prod", note="canary"), results=[result]))
    assert "canary" not in page().text


def test_many_runs_are_read_in_one_go(store: MetricDB, make: Examples) -> None:
    """The state has all of a suite's runs looked at, and the content of the newest alone."""
    for day in range(30):
        make.store(store, make.run(f"r{day}", make.key(day), results=[make.result(f"day {day}")]))
    state = store.state(("env",))
    assert state is not None
    (snapshot,) = state.snapshots
    assert [result.assertion for result in snapshot.results] == ["day 29"]
    assert store.state(("env",), unless=state.stamp) is None
    store.delete_run("r29")
    again = store.state(("env",), unless=state.stamp)
    assert again is not None
    assert [result.assertion for result in again.snapshots[0].results] == ["day 28"]


def test_dqx_build_info_is_of_this_version(
    store: MetricDB, page: Callable[[], Answer], make: Examples
) -> None:
    """So that a dashboard can say who wrote what it shows."""
    make.store(store, make.run("a", make.key(0)))
    assert page().values("dqx_build_info", "version") == {(dqx.__version__,): 1}


def test_a_store_of_another_process_is_seen(store_url: str, exporter: Exporter, make: Examples) -> None:
    """The run writes by its own connection; the exporter has another."""
    with closing(MetricDB(store_url)) as mine, closing(MetricDB(store_url)) as theirs:
        url = exporter(mine)
        assert not fetch(url + "/metrics").values("dqx_suite_passed")
        make.store(theirs, replace(make.run("a", make.key(0))))
        assert fetch(url + "/metrics").values("dqx_suite_passed") == {(): 1}
