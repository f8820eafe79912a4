"""What a store of any kind does with runs, results and suites."""

from __future__ import annotations

import os
import pickle
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from dqx.common import ConfigurationError, DatasetRun, PluginOutcome, ResultKey, StoredMetric, StoreError
from dqx.frozen_dict import Tags
from dqx.orm import MetricDB, SnapshotState, StoredRun
from dqx.orm.runs import newest
from dqx.orm.schedules import known_tags

if TYPE_CHECKING:
    from pathlib import Path

    from tests.orm.conftest import Examples

    from dqx.orm.state import Stamp

ODD_NAMES = [
    "🛫 départ",
    'it\'s "quoted" `twice`',
    "two\nlines\ttab",
    "x" * 10_000,
    "%s %(a)s :b ? {c}",
    " ",
    "\\",
]


def test_a_started_run_is_listed_without_a_verdict(store: MetricDB, make: Examples) -> None:
    """A run that has started shows with what its suite expects, and nothing that is known only at its end."""
    store.start_run("r1", make.info(), make.key(), make.at(0))

    assert store.runs() == [
        StoredRun(
            run_id="r1",
            suite="flights",
            key=make.key(),
            started_at=make.at(0),
            finished_at=None,
            duration_s=None,
            verdict=None,
            counts={"SUCCESS": 0, "FAILURE": 0, "ERROR": 0, "SKIPPED": 0},
            every_s=86_400.0,
            grace_s=3_600.0,
            timeout_s=600.0,
            fail_on="P1",
            owner="team-flights@example.com",
            runbook_url="https://example.com/runbook",
        )
    ]
    assert store.results("r1") == []


def test_a_finished_run_is_listed_with_verdict_times_and_counts(store: MetricDB, make: Examples) -> None:
    """A finished run shows its verdict, when it finished, how long it took, and results by status."""
    results = [
        make.result(f"a{number}", status=status)
        for number, status in enumerate(["SUCCESS", "SUCCESS", "FAILURE", "ERROR", "SKIPPED"])
    ]
    make.store(store, make.run("r1", make.key(), verdict="failed", results=results))

    (run,) = store.runs()

    assert (run.verdict, run.duration_s) == ("failed", 2.0)
    assert run.finished_at == make.at(0) + timedelta(seconds=2)
    assert run.counts == {"SUCCESS": 2, "FAILURE": 1, "ERROR": 1, "SKIPPED": 1}


def test_results_come_back_equal_and_in_their_order(store: MetricDB, make: Examples) -> None:
    """What was stored of a result is exactly what comes back, whatever it holds."""
    results = [
        make.result("plain"),
        make.result(
            "all",
            severity="P0",
            status="FAILURE",
            reason="0.07 is not < 0.05",
            value=Decimal("1.20"),
            thresholds={"lower": 2**64 + 1, "upper": Decimal("1E+3")},
            owner="me",
            runbook_url="https://example.com",
            datasets=("b", "a"),
            expression_redacted="count_values(status, ?)",
            tags={"env": "prod", "team": "a"},
        ),
        make.result("nothing", status="SKIPPED", value=None, thresholds={}, evaluated_at=None, datasets=()),
        make.result("plain", check="another check"),
    ]
    make.store(store, make.run("r1", make.key(), results=results))

    found = store.results("r1")

    assert found == results
    assert [type(result.value) for result in found] == [float, Decimal, type(None), float]
    assert pickle.loads(pickle.dumps(found)) == results


def test_the_results_of_an_unknown_run_are_none(store: MetricDB) -> None:
    """A run that was never stored has no results."""
    assert store.results("nobody") == []


def test_times_without_a_zone_are_utc_and_come_back_aware(store: MetricDB, make: Examples) -> None:
    """Whatever zone a time has when it is stored, it comes back in UTC."""
    naive = make.at(0).replace(tzinfo=None)
    elsewhere = datetime(2024, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    results = [make.result("a", evaluated_at=naive), make.result("b", evaluated_at=elsewhere)]
    make.store(store, make.run("r1", make.key(), started_at=elsewhere, results=results))

    (run,) = store.runs()
    times = [run.started_at, *(result.evaluated_at for result in store.results("r1"))]

    assert times == [make.at(0)] * 3
    assert all(moment is not None and moment.tzinfo is UTC for moment in times)


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: name[:8].encode("unicode_escape").decode())
def test_any_name_is_stored(store: MetricDB, make: Examples, name: str) -> None:
    """A name may be long, have quotes and newlines, and look like a placeholder, wherever names stand."""
    key = ResultKey(make.day(0), {name: name})
    result = make.result(
        name, suite=name, check=name, metric=name, expression=name, tags=key.tags, owner=name, reason=name,
        datasets=(name,), runbook_url=name, expression_redacted=name, thresholds={name: 1},
    )  # fmt: skip
    outcome = PluginOutcome(name, "process", "error", message=name)
    run = make.run(
        "r1",
        key,
        suite=name,
        results=[result],
        datasets=(DatasetRun(name, 1, 0.1, 1, 1, error=name),),
        plugin_outcomes=(outcome,),
    )
    metric = StoredMetric(name, name, name, 1, name, metric_redacted=name)

    make.store(store, run, [metric], {(name, name): make.at(0)})

    assert store.results("r1") == [result]
    assert store.suites() == [name]
    assert [stored.key for stored in store.runs(name, tags={name: name})] == [key]
    assert store.history(name, key.tags, [(name, name, make.day(0))]) == {(name, name, make.day(0)): 1}
    assert store.snapshot(name, {name: name}, [name], make.day(0)).failing_since == {(name, name): make.at(0)}


def test_names_that_differ_only_at_their_end_stay_apart(store: MetricDB, make: Examples) -> None:
    """Two names of 10 kB that differ in the last letter are two."""
    names = ["x" * 10_000 + end for end in "ab"]
    make.store(store, make.run("r1", make.key(), results=[make.result(name) for name in names]))

    assert [result.assertion for result in store.results("r1")] == names


@pytest.mark.parametrize("text", ["a\0b", "half \ud800 pair", "\udcff"])
def test_free_text_that_no_store_takes_costs_no_results(store: MetricDB, make: Examples, text: str) -> None:
    """A NUL or a lone surrogate in a reason or message is stored as what shows it."""
    run = make.run(
        "r1",
        make.key(),
        results=[make.result(reason=text)],
        datasets=(DatasetRun("d", None, 0.1, 1, 1, error=text),),
        plugin_outcomes=(PluginOutcome("p", "process", "error", message=text),),
    )
    make.store(store, run)

    (result,) = store.results("r1")
    assert result.reason in {"a␀b", "half \\ud800 pair", "\\udcff"}


def test_runs_come_newest_first_by_key_date_then_start(store: MetricDB, make: Examples) -> None:
    """A backfill of an older day, though run last, stands below the runs of newer days."""
    make.store(store, make.run("day 1", make.key(1)))
    make.store(store, make.run("day 2, early", make.key(2), minute=1))
    make.store(store, make.run("day 2, late", make.key(2), minute=2))
    make.store(store, make.run("backfill", make.key(0), started_at=make.at(9)))

    assert [run.run_id for run in store.runs()] == ["day 2, late", "day 2, early", "day 1", "backfill"]
    assert [run.run_id for run in store.runs(limit=2)] == ["day 2, late", "day 2, early"]


def test_the_newest_of_more_suites_than_a_statement_takes_are_in_one_order(
    store: MetricDB, make: Examples
) -> None:
    """They are asked for in parts, and the newest run may be in the last."""
    for day, suite in ((2, "second"), (1, "first"), (3, "third")):
        make.store(store, make.run(suite, make.key(day), suite=suite))
    gap = range(1_000, 6_000)  # of no suite
    with store._database.transaction("read") as connection:
        first, second, third = (known_tags(connection, s)[0].number for s in ("first", "second", "third"))
        found = newest(connection, [first, *gap, second, *gap, third], limit=2)
    assert [row.run_id for row in found] == ["third", "second"]


def test_runs_are_chosen_by_suite_and_by_at_least_these_tags(store: MetricDB, make: Examples) -> None:
    """A suite and some of the tags keep to the runs that have both."""
    make.store(store, make.run("a", make.key(env="prod", region="eu")))
    make.store(store, make.run("b", make.key(1, env="prod")))
    make.store(store, make.run("c", make.key(2, env="dev")))
    make.store(store, make.run("d", make.key(3, env="prod"), suite="orders"))

    def found(*arguments: str, **options: dict[str, str]) -> list[str]:
        return [run.run_id for run in store.runs(*arguments, **options)]

    assert found() == ["d", "c", "b", "a"]
    assert found("flights") == ["c", "b", "a"]
    assert found("flights", tags={"env": "prod"}) == ["b", "a"]
    assert found(tags={"region": "eu"}) == ["a"]
    assert found("flights", tags={"env": "prod", "region": "us"}) == []
    assert found("nobody") == []


def test_a_run_keeps_what_its_suite_expected_then(store: MetricDB, make: Examples) -> None:
    """A suite that changes its interval changes that of its next run, not of those that were."""
    store.start_run("old", make.info(every_s=3_600.0, owner=None), make.key(0), make.at(0))
    store.start_run("new", make.info(every_s=None, owner="you"), make.key(1), make.at(1))

    assert [(run.every_s, run.owner) for run in store.runs()] == [(None, "you"), (3_600.0, None)]


def test_a_run_can_be_finished_once(store: MetricDB, make: Examples) -> None:
    """Results of a run that has results are refused, and those that were there stay."""
    run = make.store(store, make.run("r1", make.key(), results=[make.result("first")]))

    with pytest.raises(StoreError, match="'r1' cannot be stored: it was never started"):
        store.finish_run(make.run("r1", make.key(), verdict="failed"), [], {})

    assert store.results("r1") == list(run.results)
    assert store.runs()[0].verdict == "passed"


def test_a_run_that_was_not_started_cannot_be_finished(store: MetricDB, make: Examples) -> None:
    """Nothing of a run is stored whose start is not there."""
    with pytest.raises(StoreError, match="'r1' cannot be stored: it was never started in this store"):
        store.finish_run(make.run("r1", make.key()), [], {})

    assert store.runs() == []


def test_a_run_id_is_used_once(store: MetricDB, make: Examples) -> None:
    """A second run of the same id is refused."""
    store.start_run("r1", make.info(), make.key(), make.at(0))

    with pytest.raises(StoreError, match="refused"):
        store.start_run("r1", make.info(), make.key(1), make.at(1))

    assert [run.key for run in store.runs()] == [make.key()]


@pytest.mark.parametrize("culprit", ["result", "metric", "threshold"])
def test_a_value_of_another_type_is_named_and_nothing_is_stored(
    store: MetricDB, make: Examples, culprit: str
) -> None:
    """Results and metrics are stored all or not at all, and the message says whose value was wrong."""
    good, bad = make.result("good"), object()
    changes = {"result": {"value": bad}, "threshold": {"thresholds": {"upper": bad}}, "metric": {}}[culprit]
    run = make.run("r1", make.key(), results=[good, make.result("bad", **changes)])
    store.start_run("r1", make.info(), make.key(), make.at(0))

    with pytest.raises(StoreError, match=r"bad.*type object") as caught:
        store.finish_run(run, [StoredMetric("d", "bad", "bad", bad if culprit == "metric" else 1)], {})

    assert caught.value.url == store.url
    assert store.results("r1") == []
    assert store.runs()[0].verdict is None
    assert store.history("flights", make.key().tags, [("d", "bad", make.day(0))]) == {}
    store.finish_run(make.run("r1", make.key(), results=[good]), [], {})
    assert store.results("r1") == [good]


def test_outcomes_replace_those_of_the_same_plugin_and_phase(store: MetricDB, make: Examples) -> None:
    """What finish adds follows in a second write, which may be repeated."""
    first = PluginOutcome("dqx_audit", "process", "ok", 0.1, version="1", distribution="dqx", timeout_s=10.0)
    slow = PluginOutcome("dqx_otel", "process", "timed_out", 10.0, "TimeoutError", "no answer", required=True)
    make.store(store, make.run("r1", make.key(), plugin_outcomes=(first, slow)))
    finished = PluginOutcome("dqx_audit", "finish", "ok", 0.2)
    better = PluginOutcome("dqx_otel", "process", "ok", 0.3)

    store.record_outcomes("r1", [finished, better])
    store.record_outcomes("r1", [finished])

    assert _outcomes(store) == [first, better, finished]


def test_outcomes_of_an_unknown_run_are_refused(store: MetricDB) -> None:
    """Outcomes without their run would be lost in silence."""
    with pytest.raises(StoreError, match="'nobody' cannot be stored: it is not in this store"):
        store.record_outcomes("nobody", [PluginOutcome("p", "process", "ok")])


def test_what_telemetry_lost_replaces_what_was_known_of_that(store: MetricDB, make: Examples) -> None:
    """Written after everything else of its run, and read with the state of its snapshot."""
    make.store(store, make.run("r1", make.key(0)))
    assert store.snapshot("flights", {}, [], make.day(0)).telemetry_dropped == {}
    store.record_dropped("r1", {("traces", "timeout"): 2**53 + 1, ("metrics", "timeout"): 1})
    store.record_dropped("r1", {("traces", "timeout"): 7})
    assert store.snapshot("flights", {}, [], make.day(0)).telemetry_dropped == {("traces", "timeout"): 7}
    make.store(store, make.run("r2", make.key(1)))
    assert store.snapshot("flights", {}, [], make.day(1)).telemetry_dropped == {}
    with pytest.raises(StoreError, match="what was lost of the telemetry of run 'nobody' cannot be stored"):
        store.record_dropped("nobody", {})


def test_the_state_has_how_the_plugins_of_the_newest_run_finished(store: MetricDB, make: Examples) -> None:
    """Of a backfill it has nothing."""
    finish = PluginOutcome("dqx_prometheus", "finish", "error", 0.5, "OSError", "no room", timeout_s=10.0)
    make.store(store, make.run("new", make.key(5)))
    make.store(store, make.run("old", make.key(1)))
    store.record_outcomes("new", [PluginOutcome("dqx_prometheus", "process", "ok", 0.1), finish])
    store.record_outcomes("old", [PluginOutcome("dqx_prometheus", "finish", "ok", 9.0)])
    assert store.snapshot("flights", {}, [], make.day(6)).finish_outcomes == (finish,)


def test_the_state_names_the_tags_in_which_its_runs_differ(store: MetricDB, make: Examples) -> None:
    """Those of other snapshots, and of what was forgotten, do not count."""

    def differing() -> tuple[str, ...]:
        return store.snapshot("flights", {"env": "prod"}, ["env"], make.day(0)).unlabelled_tags

    make.store(store, make.run("a", make.key(0, env="prod", region="eu", shard="1")))
    make.store(store, make.run("b", make.key(0, env="test", region="us", shard="2")))
    assert differing() == ()
    make.store(store, make.run("c", make.key(0, env="prod", region="eu", shard="2")))
    assert differing() == ("shard",)
    make.store(store, make.run("d", make.key(0, env="prod")))
    assert differing() == ("region", "shard")
    store.forget("flights", {"shard": "2"})
    store.forget("flights", {"shard": "1"})
    assert differing() == ()


def _outcomes(store: MetricDB) -> list[PluginOutcome]:
    from dqx.orm.tables import plugin_outcomes as table

    columns = [column for column in table.c if column.name not in ("run", "position")]
    with store._database.transaction("read") as connection:
        rows = connection.execute(select(*columns).order_by(table.c.run, table.c.position)).all()
    return [PluginOutcome(**row._mapping) for row in rows]


def test_datasets_are_stored_with_their_run(store: MetricDB, make: Examples) -> None:
    """Rows, time, reads and freshness of each dataset are there for an exporter, in their order."""
    from dqx.orm.tables import dataset_runs as table

    datasets = (DatasetRun("b", 2**40, 0.5, 1, 2, make.at(0)), DatasetRun("a", None, 0.1, 0, 0, error="gone"))
    make.store(store, make.run("r1", make.key(), datasets=datasets))

    with store._database.transaction("read") as connection:
        rows = connection.execute(select(table).order_by(table.c.position)).all()

    assert [(r.name, r.rows, r.scan_duration_s, r.reads, r.metrics, r.error) for r in rows] == [
        ("b", 2**40, 0.5, 1, 2, None),
        ("a", None, 0.1, 0, 0, "gone"),
    ]
    assert [r.freshness_at for r in rows] == [int(make.at(0).timestamp()) * 10**6, None]


def test_definitions_are_stored_once(store: MetricDB, make: Examples) -> None:
    """Ten runs of the same assertions and metrics hold their texts once, and the rows refer to them."""
    from dqx.orm import tables

    for day in range(10):
        make.store(store, make.run(f"r{day}", make.key(day), results=[make.result()]), {"num_rows()": day})
    make.store(store, make.run("dev", make.key(env="dev"), results=[make.result(tags={"env": "dev"})]))

    with store._database.transaction("read") as connection:
        stored = {
            table.name: len(connection.execute(select(table)).all())
            for table in (tables.assertions, tables.results, tables.metrics, tables.metric_values)
        }

    assert stored == {"dqx_assertion": 1, "dqx_result": 11, "dqx_metric": 1, "dqx_metric_value": 10}


def test_registered_suites_are_known_before_they_run(store: MetricDB, make: Examples) -> None:
    """A registered suite is known by name and has no run."""
    store.register([make.info("orders"), make.info("flights")], {"env": "prod"}, make.at(0))

    assert store.suites() == ["flights", "orders"]
    assert store.runs() == []


def test_a_second_registration_keeps_the_time_of_the_first(store: MetricDB, make: Examples) -> None:
    """Registering at each deployment does not put off the alert that a suite never ran."""
    store.register([make.info(every_s=60.0)], {}, make.at(0))
    store.register([make.info(every_s=30.0)], {}, make.at(5))

    assert _schedules(store) == [("{}", 30.0, make.at(0), False)]


def test_a_forgotten_suite_is_not_known_and_keeps_its_history(store: MetricDB, make: Examples) -> None:
    """Forgetting retires a suite from all that alert on its silence, while its runs and values stay."""
    make.store(store, make.run("r1", make.key(), results=[make.result()]), {"num_rows()": 5})

    assert store.forget("flights") == 1

    assert store.suites() == []
    assert store.forget("flights") == 0
    assert [run.run_id for run in store.runs("flights")] == ["r1"]
    assert len(store.history("flights", make.key().tags, [("flights", "num_rows()", make.day(0))])) == 1


def test_a_suite_is_forgotten_under_some_of_its_tags(store: MetricDB, make: Examples) -> None:
    """Tags keep to the schedules that have at least these."""
    for tags in ({"env": "dev"}, {"env": "dev", "region": "eu"}, {"env": "prod"}, {}):
        store.register([make.info()], tags, make.at(0))

    assert store.forget("flights", {"env": "dev"}) == 2

    assert store.suites() == ["flights"]
    assert [tags for tags, *_, forgotten in _schedules(store) if not forgotten] == ['{"env":"prod"}', "{}"]
    assert store.forget("nobody") == 0


@pytest.mark.parametrize("by", ["run", "registration"])
def test_a_forgotten_suite_comes_back(store: MetricDB, make: Examples, by: str) -> None:
    """A later run or registration makes a suite known again, a registration from its own time on."""
    store.register([make.info()], {"env": "prod"}, make.at(0))
    store.forget("flights")

    if by == "run":
        store.start_run("r1", make.info(), make.key(), make.at(9))
    else:
        store.register([make.info()], {"env": "prod"}, make.at(9))

    assert store.suites() == ["flights"]
    registered_at = None if by == "run" else make.at(9)
    assert _schedules(store) == [('{"env":"prod"}', 86_400.0, registered_at, False)]


def _schedules(store: MetricDB) -> list[tuple[str, float, datetime | None, bool]]:
    from dqx.orm.tables import schedules as table
    from dqx.orm.values import decode_time

    with store._database.transaction("read") as connection:
        rows = connection.execute(select(table).order_by(table.c.id)).all()
    return [
        (r.tags, r.every_s, r.registered_at and decode_time(r.registered_at), r.forgotten_at is not None)
        for r in rows
    ]


def test_an_unknown_snapshot_has_no_state(store: MetricDB, make: Examples) -> None:
    """Nothing is known of a snapshot that never ran."""
    assert store.snapshot("flights", {"env": "prod"}, ["env"], make.day(0)) == SnapshotState()


def test_a_snapshot_knows_its_newest_date_and_last_success(store: MetricDB, make: Examples) -> None:
    """A failed run moves the date and does not erase the last success; a crashed one moves nothing."""
    make.store(store, make.run("passed", make.key(1)))
    make.store(store, make.run("failed", make.key(2), verdict="failed"))
    store.start_run("crashed", make.info(), make.key(3), make.at(3))

    state = store.snapshot("flights", {"env": "prod"}, ["env"], make.day(9))

    assert state.newest_key_date == make.day(2)
    assert state.last_success_at == make.at(1) + timedelta(seconds=2)


def test_a_backfill_that_passes_is_not_the_last_success(store: MetricDB, make: Examples) -> None:
    """The last success is that of the newest key date that passed, not of what ran last."""
    make.store(store, make.run("today", make.key(5)))
    make.store(store, make.run("backfill", make.key(0), started_at=make.at(6)))

    state = store.snapshot("flights", {"env": "prod"}, ["env"], make.day(5))

    assert state.last_success_at == make.at(5) + timedelta(seconds=2)


def test_a_snapshot_is_told_by_labels_alone(store: MetricDB, make: Examples) -> None:
    """Runs that differ in other tags share a snapshot; a label that is missing, or more, is another one."""
    make.store(store, make.run("a", make.key(1, env="prod", job="1")))
    make.store(store, make.run("b", make.key(2, env="prod", job="2")))
    make.store(store, make.run("c", make.key(3, env="dev")))
    make.store(store, make.run("d", make.key(4, job="3")))
    make.store(store, make.run("e", make.key(5, env="prod", region="eu")))
    make.store(store, make.run("f", make.key(6, env="prod"), suite="orders"))

    def newest(labels: dict[str, str], *label_tags: str) -> object:
        return store.snapshot("flights", labels, label_tags, make.day(9)).newest_key_date

    assert newest({"env": "prod"}, "env", "region") == make.day(2)
    assert newest({"env": "prod"}, "env") == make.day(5)
    assert newest({"env": "dev"}, "env") == make.day(3)
    assert newest({}, "env") == make.day(4)
    assert newest({}) == make.day(5)
    assert newest({"env": "prod", "region": "us"}, "env", "region") is None


def test_failing_since_is_what_the_newest_run_up_to_the_date_stored(store: MetricDB, make: Examples) -> None:
    """A backfill sees what was failing by its own date, and a crashed run hides nothing."""
    failing, other = make.result("a", status="FAILURE"), make.result("b", status="ERROR")
    since = {(failing.check, "a"): make.at(0), (other.check, "b"): make.at(0, minute=1)}
    make.store(store, make.run("0", make.key(0), results=[failing, other]), failing_since=since)
    make.store(store, make.run("1a", make.key(1), results=[failing]), failing_since=since)
    make.store(store, make.run("1b", make.key(1), minute=1, results=[make.result("a")]))
    store.start_run("1c", make.info(), make.key(1), make.at(1, minute=2))

    def failing_since(day: int) -> object:
        return store.snapshot("flights", {"env": "prod"}, ["env"], make.day(day)).failing_since

    assert failing_since(-1) == {}
    assert failing_since(0) == since
    assert failing_since(1) == failing_since(9) == {}


def test_failing_since_counts_for_assertions_that_have_a_result(store: MetricDB, make: Examples) -> None:
    """A deleted assertion does not go on failing."""
    run = make.run("0", make.key(0), results=[make.result("a", status="FAILURE")])
    since = {(run.results[0].check, "a"): make.at(0), ("deleted", "b"): make.at(0)}
    make.store(store, run, failing_since=since)

    state = store.snapshot("flights", {"env": "prod"}, ["env"], make.day(0))

    assert state.failing_since == {(run.results[0].check, "a"): make.at(0)}


def test_the_stamp_is_another_one_after_what_is_written_and_after_nothing_else(
    store: MetricDB, make: Examples
) -> None:
    """By it an exporter knows whether to read again."""
    seen: list[Stamp] = []

    def note() -> None:
        state = store.state([])
        assert state is not None
        seen.append(state.stamp)

    make.store(store, make.run("r0", make.key(-9)))
    note()
    make.store(store, make.run("r1", make.key()))
    note()
    store.record_outcomes("r1", [])
    note()
    store.register([make.info("orders")], {}, make.at(0))
    note()
    store.forget("orders")
    note()
    assert store.prune(timedelta(days=1), make.at(0)) == 1
    note()
    store.delete_run("r1")
    note()
    with pytest.raises(StoreError):
        store.record_outcomes("r1", [])
    store.suites(), store.runs(), store.results("r1")

    assert len(set(seen)) == len(seen)
    assert store.state([], unless=seen[-1]) is None


def test_a_second_object_sees_what_the_first_stored(persistent_url: str, make: Examples) -> None:
    """What is stored outlives the object that stored it."""
    with closing(MetricDB(persistent_url)) as first:
        run = make.store(first, make.run("r1", make.key(), results=[make.result()]), {"num_rows()": 2**70})
    with closing(MetricDB(persistent_url)) as second:
        assert second.results("r1") == list(run.results)
        wanted = ("flights", "num_rows()", make.day(0))
        assert second.history("flights", make.key().tags, [wanted]) == {wanted: 2**70}


def test_two_stores_in_memory_are_two(make: Examples) -> None:
    """A store in memory belongs to its object."""
    with closing(MetricDB()) as one, closing(MetricDB()) as other:
        make.store(one, make.run("r1", make.key()))
        assert (len(one.runs()), len(other.runs())) == (1, 0)


def test_a_closed_store_says_so(store: MetricDB, make: Examples) -> None:
    """Closing may be repeated, and what comes after it is an error rather than an empty store."""
    make.store(store, make.run("r1", make.key()))
    store.close()
    store.close()

    with pytest.raises(StoreError, match="was closed: make another MetricDB"):
        store.runs()


def test_a_store_that_was_never_used_can_be_closed(tmp_path: Path) -> None:
    """Closing opens nothing."""
    MetricDB(f"sqlite:///{tmp_path}/quality.db").close()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path, make: Examples, mode: int) -> None:
    """Neither the umask nor SQLite decides who may read the file, its log and its index."""
    before = os.umask(0o022)
    try:
        store = MetricDB(f"sqlite:///{tmp_path}/quality.db", file_mode=mode)
        with closing(store), store._database.transaction("write"):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(["quality.db", "quality.db-wal", "quality.db-shm"], mode)


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """The mode is for a file that DQX makes; one that somebody else made is theirs."""
    path = tmp_path / "quality.db"
    path.touch(0o644)
    path.chmod(0o644)
    with closing(MetricDB(f"sqlite:///{path}")) as store:
        assert store.suites() == []

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_relative_path_is_that_of_the_folder_at_construction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that changes its folder later, as a daemon does, still finds its store."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with closing(MetricDB("sqlite:///quality.db")) as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.suites()
        assert store.url == f"sqlite:///{tmp_path}/quality.db"

    assert (tmp_path / "quality.db").exists()


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "#1.db", "ünï🛫.db", "q'uote\".db", "a&b=c.db"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Characters that mean something in a URL mean nothing in a file's name."""
    with closing(MetricDB(f"sqlite:///{tmp_path}/{name}")) as store:
        assert store.suites() == []

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_leads_to_a_file_with_the_right_mode(tmp_path: Path) -> None:
    """A link whose target does not exist yet is followed, and the target is as private as any."""
    (tmp_path / "link.db").symlink_to(tmp_path / "target.db")
    with closing(MetricDB(f"sqlite:///{tmp_path}/link.db")) as store:
        store.suites()

    assert stat.S_IMODE((tmp_path / "target.db").stat().st_mode) == 0o600


def test_stored_things_cannot_be_changed(store: MetricDB, make: Examples) -> None:
    """What a store gives back is a value."""
    failing = make.result("a", status="FAILURE")
    make.store(
        store, make.run("r1", make.key(), results=[failing]), failing_since={(failing.check, "a"): make.at(0)}
    )
    state = store.snapshot("flights", {"env": "prod"}, ["env"], make.day(0))
    (run,) = store.runs()

    for mapping in (run.counts, run.key.tags, state.failing_since, store.results("r1")[0].thresholds):
        with pytest.raises(TypeError):
            mapping["x"] = 1
    assert isinstance(run.key.tags, Tags)


def test_pruning_for_less_than_nothing_is_refused(store: MetricDB, make: Examples) -> None:
    """A negative time to keep would remove runs of the future."""
    with pytest.raises(ConfigurationError, match="at least 0 days") as caught:
        store.prune(timedelta(days=-1), make.at(0))
    assert caught.value.culprit == timedelta(days=-1)
