"""What is asked of a store costs what it asks for, however many runs have gone by."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dqx.orm import MetricDB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.orm.conftest import Examples

    from dqx.common import Verdict

YOUNG, OLD = 10, 60
"""Days on which the suites have run."""


def aged(make: Examples, days: int, *, renamed: bool = False) -> MetricDB:
    """Make a store: two suites ran every day under two tags, one of them with an assertion that never passed.

    `renamed`: the assertion and its metric have another name every day.
    """
    store = MetricDB()
    verdicts: dict[str, Verdict] = {"flights": "passed", "orders": "failed"}
    for day in range(days):
        made = make.result(f"rows of {day}" if renamed else "rows")
        for suite, verdict in verdicts.items():
            for env in ("prod", "dev"):
                key, named = make.key(day - days, env=env), f"{suite} {env} {day}"
                run = make.run(named, key, suite=suite, verdict=verdict, results=[made])
                make.store(store, run, {made.assertion: day})
    return store


def steps(store: MetricDB, ask: Callable[[MetricDB], object]) -> int:
    """Count the instructions of SQLite's machine, in tens, that an answer takes."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    pooled = store._database._ready().raw_connection()
    connection: Any = pooled.driver_connection
    connection.set_progress_handler(step, 10)
    ask(store)
    connection.set_progress_handler(None, 10)
    pooled.close()
    return count


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda s, m: s.snapshot("flights", {"env": "prod"}, ["env"], m.day(0)), id="snapshot"),
        pytest.param(lambda s, m: s.snapshot("orders", {"env": "dev"}, ["env"], m.day(0)), id="never passed"),
        pytest.param(lambda s, m: s.snapshot("flights", {}, [], m.day(0)), id="tags that are no labels"),
        pytest.param(lambda s, m: s.snapshot("orders", {}, [], m.day(0)), id="never passed, tags no labels"),
        pytest.param(lambda s, _: s.state(["env"]), id="state"),
        pytest.param(lambda s, _: s.state([]), id="state, tags no labels"),
        pytest.param(lambda s, _: s.runs("flights", limit=5), id="runs"),
        pytest.param(lambda s, _: s.runs(limit=5), id="runs of all suites"),
        pytest.param(lambda s, _: s.results("flights prod 3"), id="results"),
        pytest.param(
            lambda s, m: s.history("flights", {"env": "dev"}, [("flights", "rows", m.day(-1))]), id="history"
        ),
        pytest.param(lambda s, _: s.delete_run("flights prod 3"), id="delete"),
    ],
)
def test_age_costs_nothing(ask: Callable[[MetricDB, Examples], object], make: Examples) -> None:
    """With six times as many runs an answer takes no more than half as much again."""
    with closing(aged(make, YOUNG)) as young, closing(aged(make, OLD)) as old:
        took = steps(young, lambda store: ask(store, make))
        assert took > 0
        assert steps(old, lambda store: ask(store, make)) < 1.5 * took


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda s, m: m.store(s, m.run("new", m.key(0), results=[m.result()])), id="store"),
        pytest.param(lambda s, m: s.state(["env"]), id="state"),
    ],
)
def test_names_of_other_days_cost_nothing(
    ask: Callable[[MetricDB, Examples], object], make: Examples
) -> None:
    """A name or a threshold that is another one every day is not read with every run."""
    with closing(aged(make, YOUNG, renamed=True)) as young, closing(aged(make, OLD, renamed=True)) as old:
        took = steps(young, lambda store: ask(store, make))
        assert steps(old, lambda store: ask(store, make)) < 1.5 * took


def test_pruning_a_day_costs_a_day(make: Examples) -> None:
    """The runs that stay are not read to remove the others."""
    with closing(aged(make, YOUNG)) as young, closing(aged(make, OLD)) as old:
        took = steps(young, lambda store: store.prune(timedelta(days=YOUNG - 1), make.at(0)))
        took_later = steps(old, lambda store: store.prune(timedelta(days=OLD - 1), make.at(0)))
        assert (len(young.runs(limit=1_000)), len(old.runs(limit=1_000))) == (4 * YOUNG - 4, 4 * OLD - 4)
        assert took_later < 1.5 * took
