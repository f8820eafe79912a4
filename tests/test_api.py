"""A suite runs: its verdict, its history, its limits, and what is refused before anything is read."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.naming import plain_id

from dqx import (
    ConfigurationError,
    DataSource,
    DQXError,
    MetricDB,
    ResultKey,
    StoreError,
    SuiteRun,
    VerdictError,
    VerificationSuite,
    check,
)
from dqx.common import DatasetRun, ResultValue, ScanError, ScanReport, ScanRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dqx.api import Context
    from dqx.common import AssertionResult
    from dqx.engine.check import DecoratedCheck
    from dqx.provider import MetricProvider

DAY = date(2024, 2, 29)
KEY = ResultKey(DAY, {"env": "prod"})
ORDERS = DataSource.from_records([{"id": n, "price": n / 2} for n in range(1, 5)])
ENDLESS = "SELECT a.range + b.range AS id FROM range(4000000) a, range(4000000) b"


def suite_of(
    *checks: Any, db: MetricDB | None = None, name: str = "orders", **options: Any
) -> VerificationSuite:
    """Return a suite without plugins, on a store of its own unless one is given."""
    return VerificationSuite(checks, db or MetricDB(), name, plugins_allow=(), **options)


def one(
    actual: Callable[[MetricProvider], Any], validator: str = "is_positive", *arguments: Any, **where: Any
) -> DecoratedCheck:
    """Return a check with one assertion, x; an argument that is a function gets `mp`, too."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        bounds = [a(mp) if callable(a) else a for a in arguments]
        getattr(ctx.assert_that(actual(mp)).where(name="x", **where), validator)(*bounds)

    return body


def result_of(run: SuiteRun) -> AssertionResult:
    """Return the only result of a run."""
    (result,) = run.results
    return result


class Python:
    """A foreign engine: counts rows and adds up columns in Python, and keeps what it was asked."""

    system = "python"
    embedded = True

    def __init__(
        self, rows: list[dict[str, Any]], name: str | None = None, act: Callable[[], object] = int
    ) -> None:
        self.name = name
        self.rows, self.act = rows, act
        self.requests: list[ScanRequest] = []

    def analyzer(self) -> Python:
        return self

    def progress(self) -> float | None:
        return 0.5

    def interrupt(self) -> None:
        """Go on, as an engine does that cannot be interrupted."""

    def scan(self, request: ScanRequest) -> ScanReport:
        self.requests.append(request)
        self.act()
        found = {}
        for spec in request.metrics:
            if spec.kind == "num_rows":
                found[spec] = ResultValue.success(len(self.rows))
            elif spec.kind == "sum":
                found[spec] = ResultValue.success(sum(row[spec.columns[0]] for row in self.rows))
        run = DatasetRun(request.dataset, len(self.rows), 0.1, 1, len(request.metrics))
        return ScanReport(found, {}, run)


# --- what a user does ---------------------------------------------------------------------------------------


@check(name="Flights are complete", datasets=["flights"])
def complete(mp: MetricProvider, ctx: Context) -> None:
    """Assert what the documentation's first example does."""
    ctx.assert_that(mp.null_count("dep_time") / mp.num_rows()).where(
        name="departure time known", severity="P1"
    ).is_lt(0.05)
    ctx.assert_that(mp.duplicate_count(["time_hour", "carrier", "flight"])).where(
        name="one row per flight", severity="P0"
    ).is_zero()
    ctx.assert_that(mp.sum("distance") / mp.sum("distance", lag=1)).where(name="stable volume").is_between(
        0.5, 2.0
    )


def test_the_first_example_runs(tmp_path: Path) -> None:
    """On a file with several days, run for each of them, with history from the second on."""
    start = datetime(2013, 1, 1)
    hours = [start + timedelta(hours=n) for n in range(72)]
    distances = [100 * (1 + (hour.day == 3) * 9) for hour in hours]
    table = pa.table(
        {
            "time_hour": hours,
            "carrier": ["UA"] * 72,
            "flight": range(72),
            "dep_time": [None if n == 40 else n for n in range(72)],
            "distance": distances,
        }
    )
    pq.write_table(table, tmp_path / "flights.parquet")
    db = MetricDB(f"sqlite:///{tmp_path / 'quality.db'}")
    suite = suite_of(complete, db=db, name="flights", every=timedelta(days=1))
    source = DataSource.from_parquet(tmp_path / "flights.parquet", date_column="time_hour")
    runs = [suite.run({"flights": source}, ResultKey(date(2013, 1, n), {"env": "prod"})) for n in (1, 2, 3)]

    assert [[r.status for r in run.results] for run in runs] == [
        ["SUCCESS", "SUCCESS", "SKIPPED"],
        ["SUCCESS", "SUCCESS", "SUCCESS"],
        ["SUCCESS", "SUCCESS", "FAILURE"],
    ]
    assert [run.verdict for run in runs] == ["passed", "passed", "failed"]
    assert [run.exit_code for run in runs] == [0, 0, 1]
    assert [run.datasets[0].rows for run in runs] == [24, 24, 24]
    assert [run.datasets[0].reads for run in runs] == [1, 1, 1]
    assert runs[2].results[2].value == 10
    assert runs[2].results[2].reason == (
        "sum(distance) / sum(distance, lag=1) is 10, which is not between 0.5 and 2"
    )
    assert [stored.verdict for stored in db.runs("flights")] == ["failed", "passed", "passed"]
    assert db.results(runs[2].run_id)[2].status == "FAILURE"


def test_a_run_gives_back_everything_about_itself() -> None:
    """Results, symbols, datasets, times, and the error that a task can be failed with."""
    suite = suite_of(one(lambda mp: mp.sum("price", name="turnover"), "is_gt", 100, owner="me"), owner="team")
    run = suite.run({"orders": ORDERS}, KEY)
    assert isinstance(run, SuiteRun)
    assert (run.suite, run.key, run.verdict, run.passed, run.exit_code) == ("orders", KEY, "failed", False, 1)
    assert run.started_at.tzinfo is UTC
    assert run.started_at <= result_of(run).evaluated_at <= run.finished_at + timedelta(seconds=1)
    assert 0 < run.duration_s < 60
    (symbol,) = run.symbols
    assert (symbol.name, symbol.metric, symbol.label, symbol.dataset) == (
        "x_1",
        "sum(price)",
        "turnover",
        "orders",
    )
    assert (symbol.value.unwrap(), symbol.source, symbol.suite, symbol.tags) == (
        5.0,
        "scan",
        "orders",
        {"env": "prod"},
    )
    assert [(d.name, d.rows, d.reads, d.metrics) for d in run.datasets] == [("orders", 4, 1, 1)]
    assert {outcome.outcome for outcome in run.plugin_outcomes} <= {"disabled"}
    with pytest.raises(VerdictError, match="failed: P1 c: x: sum\\(price\\) is 5, which is not > 100"):
        run.raise_for_verdict()
    assert suite.collect_results() == list(run.results)
    assert suite.collect_symbols() == list(run.symbols)
    assert result_of(run).owner == "me"


def test_a_run_survives_pickle() -> None:
    """With its errors, its decimals, its dates and its tags."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        for name, metric in {"d": mp.sum("d"), "error": mp.sum("nope"), "day": mp.maximum("day")}.items():
            ctx.assert_that(metric).where(name=name, tags={"k": "v"}).is_gt(0)

    source = DataSource.from_records([{"d": Decimal("1.10"), "day": DAY}])
    run = suite_of(body).run({"t": source}, KEY)
    again = pickle.loads(pickle.dumps(run))
    assert again.results == run.results
    assert str(again) == str(run)
    assert str(again.symbols[1].value.error) == "dataset 't' has no column 'nope'; there are: d, day"


def test_a_suite_may_run_again() -> None:
    """Each run is one of its own; what is collected is the last one's."""
    suite = suite_of(one(lambda mp: mp.sum("id")))
    first = suite.run({"orders": ORDERS}, KEY)
    second = suite.run([DataSource.from_records([{"id": -1}], name="orders")], KEY)
    assert first.run_id != second.run_id
    assert (first.verdict, second.verdict) == ("passed", "failed")
    assert suite.collect_results() == list(second.results)
    assert len(suite.db.runs("orders")) == 2


def test_nothing_can_be_collected_before_the_first_run() -> None:
    """And the error says so."""
    suite = suite_of(one(lambda mp: mp.num_rows()))
    for collect in (suite.collect_results, suite.collect_symbols):
        with pytest.raises(DQXError, match="suite 'orders' has not run yet; call run"):
            collect()


def test_a_suite_is_closed_by_with() -> None:
    """It may be closed again, and runs all the same."""
    with suite_of(one(lambda mp: mp.num_rows())) as suite:
        assert suite.run({"t": ORDERS}, KEY).passed
    suite.close()
    assert suite.run({"t": ORDERS}, KEY).passed


# --- verdicts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fail_on", "verdict", "exit_code"),
    [
        (one(lambda mp: mp.num_rows()), "P1", "passed", 0),
        (one(lambda mp: mp.num_rows(), "is_zero"), "P1", "failed", 1),
        (one(lambda mp: mp.num_rows(), "is_zero", severity="P2"), "P1", "passed", 0),
        (one(lambda mp: mp.num_rows(), "is_zero", severity="P2"), "P2", "failed", 1),
        (one(lambda mp: mp.sum("nope")), "P1", "error", 3),
        (one(lambda mp: mp.sum("nope"), severity="P3"), "P1", "skipped", 3),
        (one(lambda mp: mp.sum("id", lag=1)), "P1", "skipped", 3),
        (one(lambda mp: 1 / (mp.num_rows() - 4)), "P1", "error", 3),
    ],
)
def test_verdict_and_exit_code(body: DecoratedCheck, fail_on: str, verdict: str, exit_code: int) -> None:
    """By the severities that count for the suite."""
    run = suite_of(body, fail_on=fail_on).run({"t": ORDERS}, KEY)
    assert (run.verdict, run.exit_code, run.fail_on) == (verdict, exit_code, fail_on)
    if exit_code:
        with pytest.raises(VerdictError, match=f"suite 'orders' 2024-02-29: {verdict}"):
            run.raise_for_verdict()


def test_collecting_only_is_no_verdict_but_is_stored() -> None:
    """noop() makes no result; its metric is history for tomorrow."""

    @check(name="c")
    def collecting(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.sum("id")).noop()

    db = MetricDB()
    run = suite_of(collecting, db=db).run({"t": ORDERS}, KEY)
    assert (run.results, run.verdict, [s.value.unwrap() for s in run.symbols]) == ((), "skipped", [10])
    later = suite_of(one(lambda mp: mp.sum("id", lag=1), "is_eq", 10), db=db)
    assert later.run({"t": ORDERS}, ResultKey(date(2024, 3, 1), {"env": "prod"})).passed


def test_an_empty_dataset_is_counted_and_has_no_sum() -> None:
    """0 rows is a number, the sum of none is not."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()
        ctx.assert_that(mp.sum("id")).where(name="sum").is_geq(0)
        ctx.assert_that(mp.null_count("id") / mp.num_rows()).where(name="ratio").is_lt(0.05)

    empty = DataSource.from_arrow(pa.table({"id": pa.array([], pa.int64())}))
    results = suite_of(body).run({"t": empty}, KEY).results
    assert [(r.status, r.reason) for r in results] == [
        ("FAILURE", "num_rows() is 0, which is not > 0"),
        ("ERROR", "sum(id) has no value: no rows, or NULL in all of them"),
        ("ERROR", "division by zero: num_rows() is 0"),
    ]


def test_a_check_that_raises_is_its_own_trouble() -> None:
    """Its assertions end as ERROR with the line, those of others are decided."""

    @check(name="broken")
    def broken(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="rows", severity="P3").is_positive()
        raise LookupError("of the user's own")

    run = suite_of(broken, one(lambda mp: mp.num_rows())).run({"t": ORDERS}, KEY)
    assert [(r.check, r.assertion, r.severity, r.status) for r in run.results] == [
        ("broken", "rows", "P3", "ERROR"),
        ("broken", "check completes", "P0", "ERROR"),
        ("c", "x", "P1", "SUCCESS"),
    ]
    assert (run.verdict, run.exit_code) == ("error", 3)
    assert "the check raised LookupError: of the user's own (line " in str(run.results[0].reason)


def test_one_unreadable_dataset_leaves_the_others() -> None:
    """A missing file is a failed scan: its assertions end as ERROR, the rest is decided and stored."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows(dataset="gone")).where(name="gone").is_positive()
        ctx.assert_that(mp.num_rows(dataset="here")).where(name="here").is_positive()
        ctx.assert_that(mp.num_rows(dataset="here") - mp.num_rows(dataset="gone")).where(
            name="both"
        ).is_zero()

    db = MetricDB()
    run = suite_of(body, db=db).run({"gone": DataSource.from_parquet("no.parquet"), "here": ORDERS}, KEY)
    message = "dataset 'gone' could not be read: no such file: no.parquet"
    assert [(r.status, r.reason) for r in run.results] == [
        ("ERROR", message),
        ("SUCCESS", None),
        ("ERROR", message),
    ]
    assert [r.datasets for r in run.results] == [("gone",), ("here",), ("here", "gone")]
    shown = [(d.name, d.rows, d.reads, d.error) for d in run.datasets]
    assert shown == [("gone", None, 0, message), ("here", 4, 1, None)]
    assert (run.verdict, run.exit_code) == ("error", 3)
    assert db.runs("orders")[0].verdict == "error"


# --- data sources -------------------------------------------------------------------------------------------


def test_sources_come_by_name_or_as_a_list_of_named_ones() -> None:
    """What no check asks for is not read."""
    unread = Python([], "unread")
    named = DataSource.from_records([{"id": 1}], name="orders")
    suite = suite_of(one(lambda mp: mp.num_rows(dataset="orders")))
    for sources in ({"orders": ORDERS, "unread": unread}, [named, unread], (unread, named)):
        assert [d.name for d in suite.run(sources, KEY).datasets] == ["orders"]
    assert unread.requests == []


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            {"orders": "orders.parquet"},
            "dataset 'orders' is a str, not a data source; DataSource.from_parquet",
        ),
        ({"orders": None}, "dataset 'orders' is a NoneType"),
        ({5: ORDERS}, "the name of a dataset is text, not 5"),
        ({"": ORDERS}, "need names"),
        ([ORDERS], r"in a list need names, each its own: DataSource.from_parquet\(..., name='orders'\)"),
        ([Python([], "a"), Python([], "a")], "two data sources are named 'a'"),
        (["a"], "dataset '' is a str"),
        (ORDERS, "run takes data sources by name, such as {'orders': DataSource.from_parquet"),
        ("orders.parquet", "or a list of named ones, not 'orders.parquet'"),
        (None, "not None"),
        ({}, r"num_rows\(\) is of none of the run's datasets in particular \(none\)"),
        ([], "of none of the run's datasets"),
        ({"a": ORDERS, "b": ORDERS}, r"in particular \(a, b\); write dataset=..."),
    ],
    ids=plain_id,
)
def test_what_is_no_source_is_refused(sources: Any, message: str) -> None:
    """Before the store hears of the run."""
    suite = suite_of(one(lambda mp: mp.num_rows()))
    with pytest.raises(ConfigurationError, match=message):
        suite.run(sources, KEY)
    assert suite.db.runs() == []


def test_an_engine_of_somebody_elses_works() -> None:
    """Whatever has the methods of the protocols is a data source; DuckDB has no part in it."""
    source = Python([{"id": 1}, {"id": 2}], "orders")
    suite = suite_of(one(lambda mp: mp.sum("id") / mp.num_rows(), "is_eq", 1.5))
    run = suite.run([source], KEY)
    assert run.passed
    assert [d.reads for d in run.datasets] == [1]
    (request,) = source.requests
    assert (request.dataset, request.day, [s.kind for s in request.metrics]) == (
        "orders",
        DAY,
        ["sum", "num_rows"],
    )
    assert request.now.tzinfo is UTC
    assert 0 < request.timeout_s <= 3600


@pytest.mark.parametrize("kind", [ScanError, ConnectionError, ZeroDivisionError, StoreError])
def test_whatever_a_foreign_engine_raises_is_a_failed_scan(kind: type[Exception]) -> None:
    """Not an exception out of the run; the store has it."""

    def fail() -> None:
        raise kind("server is gone")

    run = suite_of(one(lambda mp: mp.num_rows())).run({"orders": Python([], act=fail)}, KEY)
    assert (result_of(run).status, run.exit_code) == ("ERROR", 3)
    assert "server is gone" in str(result_of(run).reason)
    assert "server is gone" in str(run.datasets[0].error)
    assert [symbol.source for symbol in run.symbols] == ["scan"]


def test_a_metric_that_a_foreign_engine_forgets_is_an_error() -> None:
    """It is told by name, and the others have their values."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.median("id")).where(name="median").is_positive()
        ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()

    run = suite_of(body).run({"orders": Python([{"id": 1}])}, KEY)
    assert [(r.status, r.reason) for r in run.results] == [
        ("ERROR", "median(id): the engine gave no value"),
        ("SUCCESS", None),
    ]


@pytest.mark.parametrize(
    ("given", "value"),
    [(np.int64(2**60 + 1), 2**60 + 1), (np.float32(0.5), 0.5), (Decimal("0.1"), Decimal("0.1"))],
)
def test_values_of_a_foreign_engine_are_plain(given: Any, value: Any) -> None:
    """Whatever class a number has there: it compares, prints, and is stored as what it stands for."""
    suite = suite_of(one(lambda mp: mp.sum("id")))
    run = suite.run({"orders": Python([{"id": given}])}, KEY)
    assert (run.verdict, run.store_error) == ("passed", None)
    assert result_of(run).value == value
    assert type(result_of(run).value) is type(value)


@pytest.mark.parametrize("given", ["5", None, True, [1], np.array([1, 2])], ids=plain_id)
def test_what_is_no_value_of_a_foreign_engine_is_an_error(given: Any) -> None:
    """Of that metric; it is shown what the engine gave."""

    class Odd(Python):
        """Gives the same for every metric."""

        def scan(self, request: ScanRequest) -> ScanReport:
            report = super().scan(request)
            return replace(report, values=dict.fromkeys(request.metrics, ResultValue.success(given)))

    run = suite_of(one(lambda mp: mp.num_rows())).run({"orders": Odd([])}, KEY)
    assert result_of(run).status == "ERROR"
    assert result_of(run).reason == f"num_rows(): the engine gave {given!r}, no number or moment"


def test_what_is_scanned_can_be_asked_from_outside() -> None:
    """While it is scanned: the dataset and how much is done."""
    seen: list[Any] = []
    source = Python([], act=lambda: seen.append(suite.scanning))
    suite = suite_of(one(lambda mp: mp.num_rows()))
    assert suite.scanning is None
    suite.run({"orders": source}, KEY)
    assert seen == [("orders", 0.5)]
    assert suite.scanning is None


def test_a_run_that_is_interrupted_from_outside_ends_and_the_next_one_runs() -> None:
    """Also where the engine ends its scan as if nothing were."""
    suite = suite_of(one(lambda mp: mp.num_rows(), "is_zero"))
    with pytest.raises(KeyboardInterrupt):
        suite.run({"orders": Python([], act=suite.interrupt)}, KEY)
    assert suite.scanning is None
    assert suite.run({"orders": Python([])}, KEY).passed


# --- one pass -----------------------------------------------------------------------------------------------


def test_a_suite_reads_each_dataset_once(tmp_path: Path) -> None:
    """However many checks and metrics; not at all when the file's own statistics answer everything."""
    pq.write_table(pa.table({"id": range(100), "price": [1.5] * 100}), tmp_path / "t.parquet")

    def numbered(number: int) -> DecoratedCheck:
        @check(name=f"check {number}")
        def body(mp: MetricProvider, ctx: Context) -> None:
            ctx.assert_that(mp.sum("price")).where(name="same").is_positive()
            ctx.assert_that(mp.num_rows(where=f"id > {number}")).where(name="own").is_eq(99 - number)
            ctx.assert_that(mp.maximum("id")).where(name="from statistics").is_eq(99)

        return body

    run = suite_of(*(numbered(n) for n in range(20))).run(
        {"t": DataSource.from_parquet(tmp_path / "t.parquet")}, KEY
    )
    assert run.passed
    assert len(run.results) == 60
    assert [(d.reads, d.metrics) for d in run.datasets] == [(1, 22)]
    assert {s.metric: s.source for s in run.symbols if "where" not in s.metric} == {
        "sum(price)": "scan",
        "maximum(id)": "statistics",
    }
    sure = suite_of(one(lambda mp: mp.maximum("id") - mp.num_rows() + mp.null_count("id"), "is_eq", -1))
    for trusted, reads in ((True, 0), (False, 1)):
        source = DataSource.from_parquet(tmp_path / "t.parquet", trust_statistics=trusted)
        assert sure.run({"t": source}, KEY).datasets[0].reads == reads


def test_only_what_uses_a_culprit_is_an_error() -> None:
    """The other assertions are decided, by the values of the same few reads."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        bad = mp.custom_sql("sum(CAST(price * 1e300 AS INTEGER))")
        for n in range(20):
            ctx.assert_that(mp.num_rows(where=f"id > {n}")).where(name=f"good {n}").is_geq(0)
        ctx.assert_that(bad).where(name="bad").is_positive()
        ctx.assert_that(mp.num_rows() + bad).where(name="bad, too").is_positive()
        ctx.assert_that(mp.num_rows()).where(name="bad bound").is_lt(bad)
        ctx.assert_that(mp.sum("nope")).where(name="unknown").is_positive()

    run = suite_of(body).run({"t": ORDERS}, KEY)
    errors = {r.assertion for r in run.results if r.status == "ERROR"}
    assert errors == {"bad", "bad, too", "bad bound", "unknown"}
    assert 2 <= run.datasets[0].reads <= 9


# --- time ---------------------------------------------------------------------------------------------------


def test_a_time_limit_is_for_all_scans_together() -> None:
    """What took too long is an ERROR, what came after had no time, and both are told; the suite runs again."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.sum("id", dataset="slow")).where(name="slow").is_positive()
        ctx.assert_that(mp.sum("id", dataset="slow, too")).where(name="after").is_positive()

    suite = suite_of(body, timeout=timedelta(seconds=0.3))
    endless = DataSource.from_duckdb(duckdb.connect(), query=ENDLESS)
    started = time.perf_counter()
    run = suite.run({"slow": endless, "slow, too": endless}, KEY)
    assert time.perf_counter() - started < 20
    assert [r.status for r in run.results] == ["ERROR", "ERROR"]
    assert "dataset 'slow' could not be read: the time limit is over, of which 0" in str(
        run.results[0].reason
    )
    assert "'slow, too' could not be read: the time limit is over, of which 0 s" in str(run.results[1].reason)
    assert run.exit_code == 3
    assert suite.run({"slow": ORDERS, "slow, too": ORDERS}, KEY).passed


# --- history ------------------------------------------------------------------------------------------------


def on(day: date, total: float, suite: VerificationSuite, **tags: str) -> SuiteRun:
    """Run a suite for a day on data whose `id` adds up to `total`."""
    return suite.run({"t": DataSource.from_records([{"id": total}])}, ResultKey(day, tags or {"env": "prod"}))


def test_history_is_what_was_stored_for_that_day() -> None:
    """Of the newest run of the day; the data of the day is not looked at again."""
    suite = suite_of(one(lambda mp: mp.sum("id") - mp.sum("id", lag=1)))
    assert result_of(on(DAY, 5, suite)).status == "SKIPPED"
    on(DAY, 2**70, suite)
    run = on(DAY + timedelta(1), 2**70 + 1, suite)
    assert result_of(run).value == 1
    lagged = next(s for s in run.symbols if s.source == "history")
    assert (lagged.metric, lagged.yyyy_mm_dd, lagged.value.unwrap()) == ("sum(id, lag=1)", DAY, 2**70)
    assert result_of(on(DAY + timedelta(3), 7, suite)).reason == (
        "no history yet: sum(id, lag=1) is not stored for 2024-03-02"
    )


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ({}, {}, True),
        ({"tags": {"env": "prod"}}, {"tags": {"env": "dev"}}, False),
        ({"tags": {"env": "prod"}}, {"tags": {"env": "prod", "region": "eu"}}, False),
        ({"tags": {}}, {"tags": {"env": "prod"}}, False),
        ({"where": "id > 0"}, {}, False),
        ({"where": "id > 0"}, {"where": "id > 0"}, True),
        ({"where": "id > 0"}, {"where": "id  > 0"}, False),
        ({"name": "orders"}, {"name": "other"}, False),
        ({"dataset": "t"}, {"dataset": "u"}, False),
        ({"metric": "average"}, {"metric": "sum"}, False),
        ({"label": "x"}, {"label": "y"}, True),
    ],
    ids=plain_id,
)
def test_history_is_of_the_same_suite_dataset_metric_condition_and_tags(
    first: dict[str, Any], second: dict[str, Any], found: bool
) -> None:
    """What a metric is called is no part of what it is."""
    db = MetricDB()

    def run(day: date, **given: Any) -> SuiteRun:
        def made(mp: MetricProvider) -> Any:
            options = {"where": given.get("where"), "lag": 1, "name": given.get("label")}
            return getattr(mp, given.get("metric", "sum"))("id", **options)

        source = DataSource.from_records([{"id": 5}])
        suite = suite_of(one(made), db=db, name=given.get("name", "orders"))
        return suite.run(
            {given.get("dataset", "t"): source}, ResultKey(day, given.get("tags", {"env": "prod"}))
        )

    run(DAY, **first)
    assert (result_of(run(DAY + timedelta(1), **second)).status == "SUCCESS") == found


def test_naming_what_looks_back_stores_what_it_looks_back_to() -> None:
    """In every run, so that there is a history; what could not be computed is none."""
    suite = suite_of(one(lambda mp: mp.ext.day_over_day(mp.sum("id")), "is_eq", 2))
    assert result_of(on(DAY, 5, suite)).status == "SKIPPED"
    assert result_of(on(DAY + timedelta(1), 10, suite)).status == "SUCCESS"
    failed = suite.run(
        {"t": DataSource.from_parquet("no.parquet")}, ResultKey(DAY + timedelta(2), {"env": "prod"})
    )
    assert result_of(failed).status == "ERROR"
    after = result_of(on(DAY + timedelta(3), 20, suite))
    assert (after.status, after.reason) == (
        "SKIPPED",
        "no history yet: sum(id, lag=1) is not stored for 2024-03-02",
    )


def test_week_over_week_and_the_spread_of_a_week() -> None:
    """Days that are missing are left out of the spread, and skip the comparison with just that day."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.ext.week_over_week(mp.sum("id"))).where(name="week").is_between(0.5, 2)
        ctx.assert_that(mp.ext.stddev(mp.sum("id"), offset=1, n=7)).where(name="spread").is_lt(3)
        ctx.assert_that(abs(mp.sum("id") - mp.sum("id", lag=1))).where(name="step").is_leq(
            3 * mp.ext.stddev(mp.sum("id"), offset=1, n=7)
        )

    suite = suite_of(body)
    totals = {0: 10, 1: 12, 3: 14, 7: 16}
    runs = {day: on(DAY + timedelta(day), total, suite) for day, total in totals.items()}
    statuses = {day: [r.status for r in run.results] for day, run in runs.items()}
    assert statuses == {
        0: ["SKIPPED", "SKIPPED", "SKIPPED"],
        1: ["SKIPPED", "SKIPPED", "SKIPPED"],
        3: ["SKIPPED", "SUCCESS", "SKIPPED"],
        7: ["SUCCESS", "SUCCESS", "SKIPPED"],
    }
    assert runs[7].results[0].value == 1.6
    assert runs[7].results[1].value == pytest.approx(2)
    assert runs[3].results[1].value == pytest.approx(2**0.5)
    assert "needs two stored days at least, found 1" in str(runs[1].results[1].reason)


def test_history_keeps_every_value_exactly(tmp_path: Path) -> None:
    """Integers of 100 bits, decimals, dates and floats come back from the store as they were."""
    db = MetricDB(f"sqlite:///{tmp_path / 'q.db'}")
    row = {"n": 2**100 + 1, "d": Decimal("12345678901234567890.10"), "day": DAY, "f": 0.1}
    row["z"] = datetime(2024, 1, 1, tzinfo=UTC)

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        for column in row:
            ctx.assert_that(mp.maximum(column, lag=1)).where(name=column).is_eq(mp.maximum(column))
            ctx.assert_that(mp.maximum(column, lag=1) - mp.maximum(column)).where(
                name=f"{column} less"
            ).is_zero()

    suite = suite_of(body, db=db)
    source = DataSource.from_records([row])
    suite.run({"t": source}, KEY)
    run = suite.run({"t": source}, ResultKey(DAY + timedelta(1), {"env": "prod"}))
    assert {r.status for r in run.results} == {"SUCCESS"}
    assert [s.value.unwrap() for s in run.symbols if s.source == "history"] == list(row.values())


# --- the store ----------------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_opened_refuses_before_anything_is_read(tmp_path: Path) -> None:
    """No data is touched, so nothing has to be done again."""
    source = Python([])
    (tmp_path / "file").write_text("no database")
    for url in (f"sqlite:///{tmp_path}/nowhere/q.db", f"sqlite:///{tmp_path / 'file'}"):
        with pytest.raises(StoreError):
            suite_of(one(lambda mp: mp.num_rows()), db=MetricDB(url)).run({"t": source}, KEY)
    assert source.requests == []


def test_a_write_that_fails_after_the_scan_keeps_the_verdict(tmp_path: Path) -> None:
    """The run says why it was not stored, and ends with 4 where it would have been 0."""
    path = tmp_path / "q.db"

    def sabotage() -> None:
        with closing(sqlite3.connect(path)) as connection:
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE name LIKE '%result%'"
            ).fetchall():
                connection.execute(f"DROP TABLE {table}")

    for validator, verdict, exit_code in (("is_zero", "passed", 4), ("is_positive", "failed", 1)):
        suite = suite_of(one(lambda mp: mp.num_rows(), validator), db=MetricDB(f"sqlite:///{path}"))
        run = suite.run({"t": Python([], act=sabotage)}, KEY)
        assert (run.verdict, run.exit_code) == (verdict, exit_code)
        assert run.store_error
        assert suite.collect_results() == list(run.results)
        path.unlink()


def test_that_a_run_started_is_stored_before_the_scan(tmp_path: Path) -> None:
    """A run that crashes is seen."""
    db = MetricDB(f"sqlite:///{tmp_path / 'q.db'}")
    seen: list[Any] = []

    def crash() -> None:
        seen.extend(db.runs("orders"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        suite_of(one(lambda mp: mp.num_rows()), db=db).run({"t": Python([], act=crash)}, KEY)
    assert [run.verdict for run in seen] == [None]
    assert [run.verdict for run in db.runs("orders")] == [None]


def test_suites_are_registered_before_they_run() -> None:
    """By themselves, with how often they should run; the tags are those that they will run with."""
    db = MetricDB()
    suite = suite_of(one(lambda mp: mp.num_rows()), db=db, every=timedelta(hours=1))
    db.register([suite])
    db.register([suite], KEY.tags)
    assert db.suites() == ["orders"]
    state = db.state(["env"])
    assert state is not None
    assert [(s.labels, s.expected.every_s, s.started_at) for s in state.snapshots] == [
        ({}, 3600, None),
        ({"env": "prod"}, 3600, None),
    ]
    assert all(
        datetime.now(UTC) - s.registered_at < timedelta(minutes=1) for s in state.snapshots if s.registered_at
    )


@pytest.mark.parametrize("persistent", [True, False])
def test_eight_suites_in_eight_threads_share_a_store(persistent: bool, tmp_path: Path) -> None:
    """Each has its own history, and none waits for ever for another."""
    db = MetricDB(f"sqlite:///{tmp_path / 'q.db'}" if persistent else None)
    started = threading.Barrier(8)

    def work(number: int) -> list[SuiteRun]:
        step = one(lambda mp: mp.sum("id") - mp.sum("id", lag=1), "is_eq", number)
        suite = suite_of(step, db=db, name=f"suite {number}")
        started.wait()
        return [on(DAY + timedelta(day), day * number, suite) for day in range(4)]

    with ThreadPoolExecutor(8) as threads:
        every = list(threads.map(work, range(1, 9)))
    for runs in every:
        assert [result_of(run).status for run in runs] == ["SKIPPED", *["SUCCESS"] * 3]
        assert not any(run.store_error for run in runs)
    assert len(db.suites()) == 8
    assert len(db.runs(limit=100)) == 32


def test_threads_that_run_one_suite_take_turns() -> None:
    """Each run is whole: its own outcomes are stored with it, and one set of plugins is shut down."""
    inside: list[int] = []
    most: list[int] = []

    def scanning() -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()

    suite = suite_of(one(lambda mp: mp.num_rows(), "is_zero"))
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: suite.run({"t": Python([], act=scanning)}, KEY), range(8)))
    assert max(most) == 1
    assert [run.verdict for run in runs] == ["passed"] * 8
    assert {run.run_id for run in suite.db.runs(limit=9)} == {run.run_id for run in runs}


FORKING = """
import os, signal, threading
from datetime import date
from dqx import MetricDB, ResultKey, VerificationSuite, check
from dqx.common import DatasetRun, ResultValue, ScanReport

@check(name="c")
def rows(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="rows").is_zero()

scanning, forked = threading.Event(), threading.Event()

class Slow:
    system, embedded, name = "python", True, None

    def analyzer(self): return self
    def progress(self): return None
    def interrupt(self): pass

    def scan(self, request):
        scanning.set()
        forked.wait(60)
        found = {spec: ResultValue.success(0) for spec in request.metrics}
        return ScanReport(found, {}, DatasetRun("t", 0, 0.1, 1, 1))

suite = VerificationSuite([rows], MetricDB(), "orders", plugins_allow=())
arguments = ({"t": Slow()}, ResultKey(date(2024, 2, 29)))
running = threading.Thread(target=suite.run, args=arguments)
running.start()
scanning.wait(60)
child = os.fork()
forked.set()
if child == 0:
    signal.alarm(60)
    os._exit(suite.run(*arguments).exit_code)
running.join()
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_child_waits_for_no_thread_of_its_parent() -> None:
    """A run that was under way in another thread is not under way in the child."""
    ended = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=120, check=True
    )
    assert ended.stdout == "0\n"


# --- keys ---------------------------------------------------------------------------------------------------


def test_a_key_date_later_than_tomorrow_is_refused() -> None:
    """It would make every later run a backfill of older data."""
    today = datetime.now(UTC).date()
    suite = suite_of(one(lambda mp: mp.num_rows()))
    assert suite.run({"t": ORDERS}, ResultKey(today + timedelta(1))).passed
    refused = r"later than tomorrow.*allow_future=True \(--allow-future\)"
    with pytest.raises(ConfigurationError, match=refused) as caught:
        suite.run({"t": ORDERS}, ResultKey(today + timedelta(3)))
    assert caught.value.culprit == today + timedelta(3)
    assert len(suite.db.runs()) == 1
    assert suite.run({"t": ORDERS}, ResultKey(today + timedelta(3)), allow_future=True).passed


def test_a_key_whose_history_would_be_before_the_calendar_is_refused() -> None:
    """Before anything is read, and before the store hears of the run."""
    source = Python([])
    suite = suite_of(one(lambda mp: mp.num_rows() - mp.num_rows(lag=7)))
    with pytest.raises(ConfigurationError, match="7 days before the key date 0001-01-07 there is no date"):
        suite.run({"t": source}, ResultKey(date(1, 1, 7)))
    assert source.requests == []
    assert suite.db.runs() == []
    assert suite.run({"t": source}, ResultKey(date(1, 1, 8))).verdict == "skipped"


def test_the_last_day_of_the_calendar_has_no_rows() -> None:
    """There is no day after it by which to tell them: a failed scan, and no crash."""
    source = DataSource.from_records([{"d": date.max}], date_column="d")
    run = suite_of(one(lambda mp: mp.num_rows())).run({"t": source}, ResultKey(date.max), allow_future=True)
    assert run.exit_code == 3
    assert "the rows of 9999-12-31, the last day that there is, cannot be told" in str(run.datasets[0].error)


@pytest.mark.parametrize("key", [DAY, "2024-02-29", None, {"yyyy_mm_dd": DAY}])
def test_a_run_takes_a_key(key: Any) -> None:
    """A date alone is refused with how to make a key."""
    with pytest.raises(ConfigurationError, match="run takes a ResultKey"):
        suite_of(one(lambda mp: mp.num_rows())).run({"t": ORDERS}, key)


# --- construction and settings ------------------------------------------------------------------------------


def good(mp: MetricProvider, ctx: Context) -> None:
    """Assert that there are rows."""
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()


async def waiting(mp: MetricProvider, ctx: Context) -> None:
    """Assert nothing when it is called: nobody awaits it."""
    ctx.assert_that(mp.num_rows()).where(name="x").is_positive()


def yielding(mp: MetricProvider, ctx: Context) -> Iterator[None]:
    """Assert nothing when it is called: nobody asks for what it yields."""
    yield ctx.assert_that(mp.num_rows()).where(name="x").is_positive()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checks": []}, "suite 'orders' has no checks; it needs one at least"),
        ({"checks": ()}, "has no checks"),
        ({"checks": (c for c in ())}, "has no checks"),
        ({"checks": good}, r"checks come as a list, \[one, two\]"),
        ({"checks": "good"}, "checks come as a list"),
        ({"checks": None}, "checks come as a list"),
        ({"checks": [5]}, r"a check is a function of \(mp, ctx\), not 5"),
        ({"checks": [waiting]}, "check 'waiting' is asynchronous or a generator; .* write a plain `def`"),
        ({"checks": [check(name="w")(waiting)]}, "check 'w' is asynchronous or a generator"),
        ({"checks": [yielding]}, "check 'yielding' is asynchronous or a generator"),
        ({"name": ""}, "the name of a suite is text that says what it checks, not ''$"),
        ({"name": "  "}, "not '  '$"),
        ({"name": MetricDB()}, "not <MetricDB"),
        (
            {"db": "sqlite:///q.db"},
            r"db is where results are kept, such as MetricDB\(.*\), not 'sqlite:///q.db'",
        ),
        ({"db": None}, "db is where results are kept"),
        ({"fail_on": "P4"}, "suite 'orders': fail_on: severity is 'P4'; allowed are P0, P1, P2, P3"),
        ({"every": timedelta()}, "every is a positive timedelta"),
        ({"every": 86400}, "every is a positive timedelta, such as timedelta\\(days=1\\), not 86400"),
        ({"grace": timedelta(-1)}, "grace is a positive timedelta"),
        ({"timeout": timedelta()}, "timeout is a positive timedelta"),
        ({"timeout": None}, "timeout is a positive timedelta"),
        ({"timeout": 60}, "timeout is a positive timedelta"),
        (
            {"plugin_config": ["dqx_audit"]},
            "plugin_config maps a plugin's name to its settings.*; it is a list",
        ),
        ({"label_tags": "env"}, r"label_tags is a list of names, such as \['env'\], not 'env'"),
        ({"label_tags": None}, "label_tags is a list of names.*, not None"),
        ({"label_tags": [1]}, r"label_tags is a list of names.*, not \[1\]"),
        ({"owner": 5}, "suite 'orders': owner is text, not 5"),
        ({"runbook_url": b"x"}, "suite 'orders': runbook_url is text, not b'x'"),
    ],
    ids=plain_id,
)
def test_a_suite_that_is_made_wrong_is_refused(arguments: dict[str, Any], message: str) -> None:
    """When it is made, by the name of the argument."""
    given = {"checks": [good], "db": MetricDB(), "name": "orders"} | arguments
    with pytest.raises(ConfigurationError, match=message):
        VerificationSuite(**given)


def test_two_checks_or_assertions_of_one_name_are_refused_before_a_read() -> None:
    """And before the store hears of the run."""
    source = Python([])
    suite = suite_of(good, good)
    with pytest.raises(ConfigurationError, match="two checks named 'good'"):
        suite.run({"t": source}, KEY)
    assert source.requests == []
    assert suite.db.runs() == []


@pytest.mark.parametrize(
    ("every", "grace", "grace_s"),
    [
        (None, None, 900),
        (timedelta(minutes=5), None, 900),
        (timedelta(hours=1), None, 900),
        (timedelta(days=1), None, 6 * 3600),
        (timedelta(days=1), timedelta(days=2), 2 * 86400),
        (timedelta(days=1), timedelta(), 0),
    ],
)
def test_how_late_a_suite_may_be(every: timedelta | None, grace: timedelta | None, grace_s: float) -> None:
    """A quarter of its interval unless given, and a quarter of an hour at least."""
    info = suite_of(good, every=every, grace=grace).info
    assert info.grace_s == grace_s
    assert info.every_s == (None if every is None else every.total_seconds())
    assert (info.timeout_s, info.fail_on) == (3600, "P1")


def test_a_generator_of_checks_is_kept() -> None:
    """It is gone through once, and the suite runs more than once."""
    suite = suite_of(*(c for c in [good]))
    assert VerificationSuite((c for c in [good]), MetricDB(), " orders ").name == "orders"
    assert suite.run({"t": ORDERS}, KEY).passed
    assert suite.run({"t": ORDERS}, KEY).passed


def test_the_suites_owner_answers_where_nobody_else_does() -> None:
    """For each assertion without an owner of its own."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="a").is_positive()
        ctx.assert_that(mp.num_rows()).where(name="b", owner="me", runbook_url="https://b").is_positive()

    run = suite_of(body, owner="team", runbook_url="https://suite").run({"t": ORDERS}, KEY)
    assert [(r.owner, r.runbook_url) for r in run.results] == [("team", None), ("me", "https://b")]


def test_an_assertion_fails_since_the_end_of_the_first_run_in_a_row_that_did_not_pass() -> None:
    """What passes in between ends it."""
    store = MetricDB()
    suite = suite_of(one(lambda mp: mp.num_rows(), "is_zero"), db=store)

    def failing_since() -> object:
        return store.snapshot("orders", {}, [], KEY.yyyy_mm_dd).failing_since

    first = suite.run({"t": ORDERS}, KEY)
    suite.run({"t": ORDERS}, KEY)
    assert failing_since() == {("c", "x"): first.finished_at}
    suite.run({"t": DataSource.from_records([])}, KEY)
    assert failing_since() == {}
    again = suite.run({"t": ORDERS}, KEY)
    assert failing_since() == {("c", "x"): again.finished_at}


def test_settings_from_outside_are_taken_over() -> None:
    """None leaves what the suite has; a plugin's own settings win over those that come later."""
    suite = suite_of(one(lambda mp: mp.num_rows(), "is_zero", severity="P2"), plugin_config={"p": {"a": 1}})
    before, store = suite.info, suite.db
    suite.override()
    assert (suite.info, suite.db) == (before, store)
    other = MetricDB()
    suite.override(
        db=other, fail_on="P2", timeout=timedelta(seconds=5), plugin_config={"p": {"a": 2, "b": 3}, "q": {}}
    )
    assert (suite.db, suite.info.fail_on, suite.info.timeout_s) == (other, "P2", 5)
    assert suite.plugin_config == {"p": {"a": 1, "b": 3}, "q": {}}
    assert suite.run({"t": ORDERS}, KEY).verdict == "failed"
    assert len(other.runs()) == 1
    assert store.runs() == []


def test_the_plugins_settings_can_be_read_and_not_changed() -> None:
    """Nor wherever they came from; another suite takes them as they are."""
    given = {"p": {"a": 1}}
    suite = suite_of(good, plugin_config=given)
    assert suite_of(good).plugin_config == {}
    with pytest.raises(TypeError):
        suite.plugin_config["q"] = {}  # what must not work
    with pytest.raises(TypeError):
        suite.plugin_config["p"]["a"] = 2  # what must not work
    again = suite_of(good, plugin_config=suite.plugin_config)
    again.override(plugin_config={"p": {"b": 2}})
    assert (again.plugin_config, given) == ({"p": {"a": 1, "b": 2}}, {"p": {"a": 1}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fail_on": "P9"}, "fail_on: severity is 'P9'"),
        ({"timeout": timedelta()}, "timeout is a positive timedelta"),
        ({"fail_on": "P2", "timeout": timedelta(-1)}, "timeout is a positive timedelta"),
        ({"label_tags": "env"}, "label_tags is a list of names"),
        ({"label_tags": ["env", "suite"]}, "the tag 'suite' cannot become a label"),
    ],
)
def test_wrong_settings_from_outside_change_nothing(settings: dict[str, Any], message: str) -> None:
    """They are refused as a whole."""
    suite = suite_of(good)
    before = suite.info, suite.db
    with pytest.raises(ConfigurationError, match=message):
        suite.override(db=MetricDB(), **settings)
    assert (suite.info, suite.db) == before
