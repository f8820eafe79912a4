"""Each dataset is read once, in time; what goes wrong with one metric is that metric's alone."""

# timestamps without a zone are among what is tested

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest
from tests.engine.scanning import DAY, NOW, mp, reason, scan, values
from tests.engine.test_every_metric import metrics_of
from tests.naming import plain_id

from dqx.common import DatasetRun, ResultValue, ScanError, ScanRequest
from dqx.provider import DataSource

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"a": n, "b": float(n), "t": f"x{n % 3}", "d": DAY + timedelta(n % 2)} for n in range(10)]
SOURCE = DataSource.from_records(ROWS)
# Sixteen trillion rows: days of work, that nothing but a time limit ends.
ENDLESS = "SELECT a.range + b.range AS n FROM range(4000000) a, range(4000000) b"


def endless() -> DataSource:
    """Return a dataset that takes days to read."""
    return DataSource.from_duckdb(duckdb.connect(), query=ENDLESS)


def test_hundreds_of_metrics_are_one_read() -> None:
    """However many there are, with conditions and without, all come from one query."""
    row = {"small": 1, "whole": 2, "price": Decimal("1.5"), "ratio": 0.5, "name": "a", "flag": True}
    row |= {"day": DAY, "at": datetime(2024, 2, 29), "zoned": NOW}
    conditions = [mp.num_rows(where=f"small > {n}") for n in range(200)]
    report = scan(DataSource.from_records([row]), *metrics_of(list(row)), *conditions)
    assert report.run.reads == 1
    assert report.run.metrics == len(metrics_of(list(row))) + 200


def test_a_report_says_what_was_done() -> None:
    """Rows, reads, metrics, seconds, and how fresh the data is: a value or a reason for each metric."""
    report = scan(SOURCE, mp.sum("a"), mp.freshness("d"), mp.freshness("d", where="a = 0"), mp.sum("nowhere"))
    assert isinstance(report.run, DatasetRun)
    assert (report.run.name, report.run.rows, report.run.reads, report.run.metrics) == ("t", 10, 1, 4)
    assert report.run.freshness_at == datetime(2024, 3, 1, tzinfo=UTC)
    assert report.run.error is None
    assert 0 < report.run.scan_duration_s < 60
    assert [type(value) for value in report.values.values()] == [ResultValue] * 4
    assert scan(SOURCE, mp.sum("a")).run.freshness_at is None


def test_equal_hashes_are_looked_at_again_and_counted() -> None:
    """Distinct hashes prove distinct keys in one read; equal ones are counted exactly in a second."""
    for metric, duplicates in [
        (mp.duplicate_count(["a", "t"]), 0),
        (mp.duplicate_count(["t", "d"]), 4),
        (mp.duplicate_count(["t"]), 7),
        (mp.duplicate_count(["t", "d"], where="a < 3"), 0),
        (mp.duplicate_count(["t", "t"]), 7),
    ]:
        report = scan(SOURCE, metric, mp.sum("a"))
        assert report.values[metric.spec].unwrap() == duplicates
        assert report.values[mp.sum("a").spec].unwrap() == 45
        assert report.run.reads == (2 if duplicates else 1)
    both = [mp.duplicate_count(["t", "d"]), mp.duplicate_count(["t"]), mp.duplicate_count(["a", "t"])]
    assert scan(SOURCE, *both).run.reads == 2


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (mp.sum("pricee"), "dataset 't' has no column 'pricee'; there are: a, b, d, t"),
        (mp.sum("bb"), "has no column 'bb'; did you mean 'b'?"),
        (mp.duplicate_count(["a", "nope"]), "has no column 'nope'"),
        (mp.first("a", "nope"), "has no column 'nope'"),
        (mp.sum("t"), "sum does not fit column 't' of dataset 't', which is VARCHAR; it takes numbers"),
        (
            mp.minimum("t"),
            "minimum does not fit column 't' .*; it takes numbers, dates and timestamps; min_length",
        ),
        (mp.sum("t"), r"; where NA in a CSV file means missing: from_csv\(..., nullstr=\['', 'NA'\]\)$"),
        (mp.sum("d"), "which is DATE; it takes numbers; count_values counts booleans and text$"),
        (mp.first("t", "a"), "first does not fit column 't'.*a metric is a number, a date or a timestamp"),
        (mp.max_length("a"), "max_length does not fit column 'a' .* which is BIGINT; it takes text"),
        (mp.pattern_count("a", "x"), "pattern_count does not fit column 'a'"),
        (mp.pattern_count("t", "("), r"'\(' is not a regular expression \(RE2's syntax\): .*missing \)"),
        (mp.pattern_count("t", "(?=a)"), "is not a regular expression"),
        (mp.pattern_count("t", "\ud800"), "is not a regular expression: it holds half of a surrogate pair"),
        (
            mp.freshness("a"),
            "freshness does not fit column 'a' .*; it watches a column of dates or timestamps",
        ),
        (mp.count_values("a", "x"), "column 'a' is BIGINT and cannot be 'x'; it takes numbers"),
        (mp.count_values("a", True), "column 'a' is BIGINT and cannot be True; it takes numbers"),
        (mp.count_values("t", 5), "column 't' is VARCHAR and cannot be 5; it takes text"),
        (mp.not_in_count("d", "2024-01-01"), "column 'd' is DATE and cannot be '2024-01-01'; it takes dates"),
        (mp.num_rows(where="nope > 1"), '"nope" not found'),
        (mp.custom_sql("sum(nope)"), '"nope" not found'),
    ],
    ids=plain_id,
)
def test_what_cannot_be_asked_costs_no_read(metric: object, message: str) -> None:
    """Unknown columns and types that do not fit are found before; the others of the scan are read once."""
    report = scan(SOURCE, metric, mp.num_rows(), mp.sum("a"))
    bad, rows, total = report.values.values()
    with pytest.raises(ScanError, match=message):
        bad.unwrap()
    assert (rows.unwrap(), total.unwrap(), report.run.reads) == (10, 45, 1)


def test_a_scan_of_nothing_that_can_be_asked_reads_nothing() -> None:
    """It is no failed scan: each metric has its reason."""
    report = scan(SOURCE, mp.sum("nope"), mp.num_rows(where="(SELECT 1)"))
    assert all(value.is_failure() for value in report.values.values())
    assert (report.run.reads, report.run.rows, report.run.error) == (0, None, None)


BAD_AT_RUN_TIME = [
    mp.custom_sql("sum(CAST(t AS INTEGER))"),
    mp.num_rows(where="CAST(t AS INTEGER) > 0"),
    mp.custom_sql("max(error('on purpose'))"),
    mp.custom_sql("sum(CAST(a AS TINYINT) * 100::TINYINT)"),
    mp.num_rows(where="1 / a > 0 AND CAST(concat('x', t) AS DATE) > '2024-01-01'"),
]


@pytest.mark.parametrize("bad", BAD_AT_RUN_TIME, ids=str)
@pytest.mark.parametrize("beside", [0, 1, 40])
def test_an_error_at_run_time_is_its_metrics_alone(bad: object, beside: int) -> None:
    """The culprit is found in few more reads, which are counted; what shares the query has its value."""
    good = [mp.num_rows(where=f"a > {n}") for n in range(beside)]
    report = scan(SOURCE, *good[: beside // 2], bad, *good[beside // 2 :])
    assert [report.values[m.spec].unwrap() for m in good] == [9 - n if n < 9 else 0 for n in range(beside)]
    assert report.values[bad.spec].is_failure()
    assert report.run.rows == 10
    assert 1 <= report.run.reads <= 9


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_an_error_with_the_reason(value: float) -> None:
    """Of the metric that it makes not finite; what can be counted is counted."""
    source = DataSource.from_records([{"a": 1.0}, {"a": value}, {"a": value}])
    for metric in (
        mp.sum("a"),
        mp.average("a"),
        mp.variance("a"),
        mp.stddev("a"),
        mp.quantile("a", 1),
        mp.median("a"),
    ):
        if not (value < 0 and metric.spec.kind == "quantile"):
            assert "finite" in reason(source, metric) or "out of range" in reason(source, metric), metric
    assert "finite" in reason(source, mp.minimum("a") if value < 0 else mp.maximum("a"))
    assert values(source, mp.count("a"), mp.null_count("a"), mp.unique_count("a")) == [3, 0, 2]
    assert values(source, mp.duplicate_count(["a"]), mp.count_values("a", 1)) == [1, 1]


def test_an_estimate_of_distinct_values_is_near() -> None:
    """Within a fifth, which is several times its standard error."""
    source = DataSource.from_duckdb(duckdb.connect(), query="SELECT range % 5000 AS a FROM range(20000)")
    (estimate,) = values(source, mp.approx_unique_count("a"))
    assert isinstance(estimate, int)
    assert 4000 <= estimate <= 6000


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["connection", "relation", "records"])
def test_a_time_limit_ends_the_scan_and_nothing_else(kind: str) -> None:
    """A heavy query is interrupted in time, the reason says so, and the process scans on."""
    connection = duckdb.connect()
    source = {
        "connection": lambda: DataSource.from_duckdb(connection, query=ENDLESS),
        "relation": lambda: DataSource.from_duckdb(connection.sql(ENDLESS)),
        "records": lambda: DataSource.from_records([{"n": n} for n in range(50_000)]),
    }[kind]()
    heavy = mp.custom_sql("sum(levenshtein(repeat('a', 300), concat(repeat('b', 300), n)))")
    started = time.perf_counter()
    over = r"dataset 't' could not be read: the time limit is over, of which 0\.2 s"
    with pytest.raises(ScanError, match=over) as caught:
        scan(source, heavy, mp.unique_count("n"), timeout_s=0.2)
    assert time.perf_counter() - started < 20
    assert caught.value.dataset == "t"
    assert values(SOURCE, mp.sum("a")) == [45]
    left_behind = [thread for thread in threading.enumerate() if thread.name == "dqx-relation"]
    assert bool(left_behind) == (kind == "relation")
    for thread in left_behind:
        connection.interrupt()
        thread.join()


def test_no_time_at_all_is_a_time_limit() -> None:
    """As when the datasets before it took it all."""
    with pytest.raises(ScanError, match="the time limit is over, of which 0 s"):
        scan(endless(), mp.sum("n"), timeout_s=0.0)


def test_a_time_limit_of_ages_is_none() -> None:
    """Longer than any clock of the operating system can wait."""
    assert scan(SOURCE, mp.sum("a"), timeout_s=timedelta.max.total_seconds()).run.reads == 1


def test_a_connection_of_the_callers_can_be_used_on() -> None:
    """After a scan, and after one that was interrupted; its settings are as they were."""
    connection = duckdb.connect()
    before = connection.sql("SELECT name, value FROM duckdb_settings() ORDER BY name").fetchall()
    source = DataSource.from_duckdb(connection, query="SELECT range AS n FROM range(10)")
    assert values(source, mp.sum("n"), mp.count("n", where="n > 0")) == [45, 9]
    assert connection.sql("SELECT 1").fetchall() == [(1,)]
    with pytest.raises(ScanError, match="time limit"):
        scan(DataSource.from_duckdb(connection, query=ENDLESS), mp.sum("n"), timeout_s=0.2)
    assert connection.sql("SELECT 2").fetchall() == [(2,)]
    assert values(source, mp.sum("n")) == [45]
    assert connection.sql("SELECT name, value FROM duckdb_settings() ORDER BY name").fetchall() == before
    connection.close()


def test_a_time_limit_in_one_thread_interrupts_no_other() -> None:
    """Two suites scan at once; one runs out of time again and again, the other goes on."""
    done = threading.Event()
    ended: list[str] = []

    def run_out_of_time() -> None:
        while not done.is_set():
            with pytest.raises(ScanError, match="time limit"):
                scan(endless(), mp.sum("n"), timeout_s=0.05)
            ended.append("over")

    thread = threading.Thread(target=run_out_of_time)
    thread.start()
    try:
        source = DataSource.from_duckdb(duckdb.connect(), query="SELECT range AS n FROM range(2000000)")
        for _ in range(5):
            assert values(source, mp.unique_count("n"), mp.sum("n")) == [2_000_000, 1_999_999_000_000]
    finally:
        done.set()
        thread.join()
    assert ended


def test_progress_is_asked_from_another_thread() -> None:
    """A share between 0 and 1, or None where the engine does not know; None when nothing is scanned."""
    analyzer = endless().analyzer()
    seen: list[float | None] = [analyzer.progress()]

    def ask() -> None:
        for _ in range(10):
            time.sleep(0.02)
            seen.append(analyzer.progress())

    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(ScanError, match="time limit"):
        analyzer.scan(ScanRequest("t", (mp.sum("n").spec,), DAY, NOW, 0.3))
    thread.join()
    assert seen[0] is None
    assert all(share is None or 0 <= share <= 1 for share in seen)
    assert analyzer.progress() is None
    assert (analyzer.system, analyzer.embedded) == ("duckdb", True)


# --- a day --------------------------------------------------------------------------------------------------


def test_a_date_column_of_text_is_refused_with_the_cast(tmp_path: Path) -> None:
    """Its rows cannot be found by a date, and the message shows the query that makes one of it."""
    source = DataSource.from_records([{"at": "2024-02-29", "a": 1}], date_column="at")
    refused = r"date_column does not fit column 'at' .* which is VARCHAR.*CAST\(at AS TIMESTAMP\)"
    with pytest.raises(ScanError, match=refused):
        scan(source, mp.num_rows())
    with pytest.raises(ScanError, match="has no column 'when'; did you mean"):
        scan(DataSource.from_records([{"whenn": DAY}], date_column="when"), mp.num_rows())


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 12, 30), DAY])
def test_any_day_may_be_asked_for(day: date) -> None:
    """The ends of the calendar are days like others, where they can be compared with."""
    source = DataSource.from_records([{"d": day}, {"d": DAY - timedelta(1)}, {"d": None}], date_column="d")
    report = scan(source, mp.num_rows(), day=day)
    assert report.values[mp.num_rows().spec].unwrap() == 1


def test_a_day_of_all_null_has_no_rows() -> None:
    """NULL is on no day."""
    source = DataSource.from_records([{"d": None, "a": 1}], date_column="d")
    assert values(source, mp.num_rows(), mp.null_count("a")) == [0, 0]
