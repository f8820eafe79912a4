"""What goes away when somebody prunes or deletes, and what stays."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from dqx.common import ConfigurationError, PluginOutcome

if TYPE_CHECKING:
    from tests.orm.conftest import Examples

    from dqx.orm import MetricDB


def counts(store: MetricDB) -> dict[str, int]:
    """Count the rows of each table that has any."""
    from dqx.orm.tables import metadata

    with store._database.transaction("read") as connection:
        found = {
            name.removeprefix("dqx_"): connection.execute(
                select(func.count()).select_from(table)
            ).scalar_one()
            for name, table in metadata.tables.items()
        }
    return {name: count for name, count in found.items() if count}


def full_run(make: Examples, run_id: str, day: int, **tags: str) -> object:
    """Make a run that has something in every table."""
    result = make.result(run_id, tags=tags or {"env": "prod"})
    outcome = PluginOutcome("p", "process", "ok")
    return make.run(run_id, make.key(day, **tags), results=[result], plugin_outcomes=(outcome,))


def test_old_runs_are_pruned_with_all_that_is_theirs(store: MetricDB, make: Examples) -> None:
    """After pruning the store holds what it would if the old runs had never been."""
    for day in range(6):
        make.store(store, full_run(make, f"r{day}", day), {f"metric {day}": day})

    assert store.prune(timedelta(days=2), make.at(5)) == 3

    assert [run.run_id for run in store.runs()] == ["r5", "r4", "r3"]
    assert counts(store) == {"store": 1, "suite": 1, "schedule": 1} | dict.fromkeys(
        ["run", "result", "assertion", "metric", "metric_value", "dataset_run", "plugin_outcome"], 3
    )
    assert [result.assertion for result in store.results("r3")] == ["r3"]
    assert store.prune(timedelta(days=2), make.at(5)) == 0


@pytest.mark.parametrize(
    ("keep_days", "left"),
    [(0, ["r3"]), (1, ["r3", "r2"]), (9, ["r3", "r2", "r1", "r0"]), (999_999_999, ["r3", "r2", "r1", "r0"])],
)
def test_a_run_is_kept_for_whole_days(
    store: MetricDB, make: Examples, keep_days: int, left: list[str]
) -> None:
    """What counts is the date a run is about, not the hour."""
    for day in range(4):
        make.store(store, make.run(f"r{day}", make.key(day)))

    store.prune(timedelta(days=keep_days), make.at(3))

    assert [run.run_id for run in store.runs()] == left


def test_the_newest_finished_run_of_suite_and_tags_stays(store: MetricDB, make: Examples) -> None:
    """However old, it says what the state is: of each suite under each set of tags."""
    for name, suite, tags in [("a", "flights", "prod"), ("b", "flights", "dev"), ("c", "orders", "prod")]:
        for day in range(2):
            make.store(store, make.run(f"{name}{day}", make.key(day, env=tags), suite=suite))
    make.store(store, make.run("a1 again", make.key(1), minute=9))
    store.start_run("crashed", make.info(), make.key(2), make.at(2))

    assert store.prune(timedelta(days=10), make.at(100)) == 5

    assert {run.run_id for run in store.runs()} == {"a1 again", "b1", "c1"}


def test_a_backfill_at_work_is_not_pruned(store: MetricDB, make: Examples) -> None:
    """A run about an old day that started a moment ago can still finish; one that crashed long ago goes."""
    store.start_run("crashed", make.info(), make.key(0), make.at(0))
    store.start_run("at work", make.info(), make.key(0), make.at(99))

    assert store.prune(timedelta(days=10), make.at(100)) == 1

    store.finish_run(make.run("at work", make.key(0), started_at=make.at(99)), [], {})
    assert [run.run_id for run in store.runs()] == ["at work"]


def test_a_registered_suite_that_never_ran_is_not_pruned(store: MetricDB, make: Examples) -> None:
    """Pruning must not silence the alert that a suite never ran."""
    store.register([make.info()], {}, make.at(0))
    store.start_run("crashed", make.info("orders"), make.key(0), make.at(0))

    store.prune(timedelta(days=1), make.at(99))

    assert store.suites() == ["flights"]


def test_a_run_is_deleted_with_all_that_is_theirs(store: MetricDB, make: Examples) -> None:
    """A deleted run leaves no rows of its own, and other runs whole."""
    for day in range(2):
        make.store(store, full_run(make, f"r{day}", day), {"num_rows()": day})

    store.delete_run("r1")

    assert [run.run_id for run in store.runs()] == ["r0"]
    rows = counts(store)
    assert [rows[name] for name in ("run", "result", "metric_value", "dataset_run", "plugin_outcome")] == [
        1
    ] * 5
    assert len(store.results("r0")) == 1


def test_a_suite_whose_only_run_is_deleted_is_not_known(store: MetricDB, make: Examples) -> None:
    """A run that somebody made by mistake leaves no suite that is late for ever."""
    make.store(store, make.run("mistake", make.key(env="typo")))
    make.store(store, make.run("right", make.key()))
    store.delete_run("mistake")
    assert store.suites() == ["flights"]

    store.delete_run("right")
    assert store.suites() == []


def test_an_unknown_run_is_named_with_one_like_it(store: MetricDB, make: Examples) -> None:
    """A mistyped id is answered with the id that was probably meant, and nothing is deleted."""
    make.store(store, make.run("2024-03-01-flights", make.key()))

    with pytest.raises(
        ConfigurationError, match="no run '2024-03-01-flight'; did you mean '2024-03-01-f"
    ) as e:
        store.delete_run("2024-03-01-flight")

    assert e.value.culprit == "2024-03-01-flight"
    assert len(store.runs()) == 1


def test_more_runs_than_a_statement_takes_values_are_pruned(store: MetricDB, make: Examples) -> None:
    """Years of runs go at once."""
    from dqx.orm.tables import runs

    make.store(store, make.run("newest", make.key(1)))
    with store._database.transaction("write") as connection:
        row = dict(connection.execute(select(runs)).mappings().one()) | {"key_date": make.day(0)}
        del row["id"]
        connection.execute(runs.insert(), [row | {"run_id": str(number)} for number in range(40_000)])

    assert store.prune(timedelta(days=0), make.at(1)) == 40_000
    assert [run.run_id for run in store.runs()] == ["newest"]
