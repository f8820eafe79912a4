"""What history gives back: values of earlier runs, from the right one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from dqx.common import StoredMetric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.orm.conftest import Examples

    from dqx.orm import MetricDB


def test_values_come_from_the_day_that_is_asked_for(store: MetricDB, make: Examples) -> None:
    """Each wanted day has its own value, and a day without a run has none."""
    for day in (0, 1, 3):
        make.store(store, make.run(f"r{day}", make.key(day)), {"num_rows()": 100 + day, "other": day})
    wanted = [("flights", "num_rows()", make.day(day)) for day in range(4)]

    found = store.history("flights", {"env": "prod"}, wanted)

    assert found == {wanted[0]: 100, wanted[1]: 101, wanted[3]: 103}


def test_nothing_wanted_is_nothing_found(store: MetricDB, make: Examples) -> None:
    """A suite without lagged metrics asks for none."""
    make.store(store, make.run("r", make.key()), {"num_rows()": 1})

    assert store.history("flights", {"env": "prod"}, []) == {}


@pytest.mark.parametrize(
    ("suite", "tags", "dataset", "metric_id"),
    [
        ("orders", {"env": "prod"}, "flights", "num_rows()"),
        ("flights", {}, "flights", "num_rows()"),
        ("flights", {"env": "dev"}, "flights", "num_rows()"),
        ("flights", {"env": "prod", "region": "eu"}, "flights", "num_rows()"),
        ("flights", {"env": "prod"}, "orders", "num_rows()"),
        ("flights", {"env": "prod"}, "flights", "num_rows() "),
    ],
)
def test_suite_tags_dataset_and_metric_are_exact(
    store: MetricDB, make: Examples, suite: str, tags: dict[str, str], dataset: str, metric_id: str
) -> None:
    """A value of another suite, dataset or metric, or under fewer or more tags, is another value."""
    make.store(store, make.run("r", make.key()), {"num_rows()": 1})

    assert store.history(suite, tags, [(dataset, metric_id, make.day(0))]) == {}
    assert len(store.history("flights", {"env": "prod"}, [("flights", "num_rows()", make.day(0))])) == 1


def test_the_order_of_tags_does_not_matter(store: MetricDB, make: Examples) -> None:
    """Tags are a set of names with values."""
    make.store(store, make.run("r", make.key(a="1", b="2")), {"num_rows()": 1})
    wanted = ("flights", "num_rows()", make.day(0))

    assert store.history("flights", {"b": "2", "a": "1"}, [wanted]) == {wanted: 1}


def test_the_newest_finished_run_of_a_day_counts(store: MetricDB, make: Examples) -> None:
    """A rerun replaces the value of its day; one that started and did not finish replaces nothing."""
    make.store(store, make.run("late", make.key(), minute=5), {"num_rows()": 2})
    make.store(store, make.run("early", make.key(), minute=1), {"num_rows()": 1})
    store.start_run("crashed", make.info(), make.key(), make.at(0, minute=9))
    wanted = ("flights", "num_rows()", make.day(0))

    assert store.history("flights", {"env": "prod"}, [wanted]) == {wanted: 2}


def test_a_metric_that_the_newest_run_lacks_comes_from_the_one_before(
    store: MetricDB, make: Examples
) -> None:
    """A rerun whose scan of one dataset failed does not hide that dataset's values of its day."""
    make.store(store, make.run("1", make.key(), minute=1), {"a": 1, "b": 1, "c": 1})
    make.store(store, make.run("2", make.key(), minute=2), {"a": 2, "b": 2})
    make.store(store, make.run("3", make.key(), minute=3), {"a": 3})
    wanted = [("flights", name, make.day(0)) for name in "abcd"]

    assert store.history("flights", {"env": "prod"}, wanted) == dict(zip(wanted, [3, 2, 1], strict=False))


def test_a_metric_whose_label_changed_keeps_its_history(store: MetricDB, make: Examples) -> None:
    """What a metric is called is no part of what it is."""
    for day, label in enumerate([None, "rows", "all rows"]):
        metric = StoredMetric("flights", "num_rows()", "num_rows()", day, label)
        make.store(store, make.run(f"r{day}", make.key(day)), [metric])
    wanted = [("flights", "num_rows()", make.day(day)) for day in range(3)]

    assert store.history("flights", {"env": "prod"}, wanted) == dict(zip(wanted, range(3), strict=True))


def test_a_metric_that_is_stored_twice_in_a_run_is_there_once(store: MetricDB, make: Examples) -> None:
    """The last of two equal metrics counts; the run is not lost for it."""
    metrics = [StoredMetric("flights", "num_rows()", "num_rows()", value) for value in (1, 2)]
    make.store(store, make.run("r", make.key()), metrics)
    wanted = ("flights", "num_rows()", make.day(0))

    assert store.history("flights", {"env": "prod"}, [wanted]) == {wanted: 2}


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Collect the statements that any engine executes."""
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_many_metrics_of_many_days_take_few_queries(store: MetricDB, make: Examples) -> None:
    """The number of queries does not grow with the number of metrics, days or runs of a day."""
    names = [f"sum(column_{number})" for number in range(300)]
    for day in range(5):
        for minute in range(3):
            run = make.run(f"{day}-{minute}", make.key(day), minute=minute)
            make.store(store, run, dict.fromkeys(names, day * 10 + minute))
    wanted = [("flights", name, make.day(day)) for name in names for day in range(5)]
    one = wanted[:1]

    with counted_statements() as few:
        store.history("flights", {"env": "prod"}, one)
    with counted_statements() as many:
        found = store.history("flights", {"env": "prod"}, wanted)

    assert found == {want: (want[2] - make.day(0)).days * 10 + 2 for want in wanted}
    assert len(many) == len(few)


def test_more_metrics_than_a_statement_takes_values(store: MetricDB, make: Examples) -> None:
    """A suite may look up more metrics than SQLite and PostgreSQL take in one statement."""
    names = [str(number) for number in range(70_000)]
    make.store(store, make.run("r", make.key()), dict.fromkeys(names, 1))
    wanted = [("flights", name, make.day(0)) for name in names]

    assert store.history("flights", {"env": "prod"}, wanted) == dict.fromkeys(wanted, 1)
