"""Every metric, by whatever way it is computed, is what plain Python says it is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.engine.plain_python import Predicate, assert_agrees, expected, rows_of_day
from tests.engine.scanning import DAY, NOW, mp, scan
from tests.strategies import COLUMNS, DAYS, FIRST_DAY, Row, tables

from dqx.engine.expression import Metric
from dqx.engine.metrics import MetricKind
from dqx.provider import DataSource

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = pa.schema(
    {
        "small": pa.int32(),
        "whole": pa.int64(),
        "price": pa.decimal128(38, 4),
        "ratio": pa.float64(),
        "name": pa.string(),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us"),
        "zoned": pa.timestamp("us", "UTC"),
    }
)
NUMBERS = ["small", "whole", "huge", "price", "ratio"]
MOMENTS = ["day", "at", "zoned"]

CONDITIONS: dict[str, Predicate] = {
    "small > 0": lambda row: row["small"] is not None and row["small"] > 0,
    "small IS NULL OR flag": lambda row: row["small"] is None or row["flag"] is True,
    "NOT flag": lambda row: row["flag"] is False,
    "name = 'a''b' OR name LIKE '%😀%'": lambda row: (
        row["name"] is not None and (row["name"] == "a'b" or "😀" in row["name"])
    ),
    "small BETWEEN -1 AND 2 AND flag IS NOT NULL": lambda row: (
        row["small"] is not None and -1 <= row["small"] <= 2 and row["flag"] is not None
    ),
    "false": lambda row: False,
    "day >= DATE '2024-02-29'": lambda row: row["day"] is not None and row["day"] >= DAYS[1],
    "CAST(zoned AS DATE) = '2024-02-29'": lambda row: (
        row["zoned"] is not None and row["zoned"].date() == DAYS[1]
    ),
}


def metrics_of(columns: list[str]) -> list[Metric]:
    """Return every kind of metric on every column that it fits."""
    numbers = [name for name in NUMBERS if name in columns]
    made = [mp.num_rows()]
    for name in columns:
        made += [mp.count(name), mp.null_count(name), mp.unique_count(name), mp.duplicate_count([name])]
    for name in numbers:
        made += [mp.sum(name), mp.average(name), mp.variance(name), mp.stddev(name)]
        made += [mp.median(name), mp.quantile(name, 0.25), mp.quantile(name, 0), mp.quantile(name, 1)]
        made += [mp.count_values(name, 1), mp.not_in_count(name, [0, 0.1, Decimal("0.05"), 2**53 + 1, 2**64])]
        made += [mp.count_values(name, [2**200, 0.5, -0.0]), mp.count_values(name, 2.0**53)]
    for name in [*numbers, *MOMENTS]:
        made += [mp.minimum(name), mp.maximum(name), mp.first(name, "at"), mp.first(name, "name")]
    for name in MOMENTS:
        made += [mp.freshness(name), mp.first("small", name)]
    made += [mp.first("small", "flag"), mp.first("ratio", "ratio")]
    made += [mp.min_length("name"), mp.max_length("name")]
    made += [
        mp.pattern_count("name", pattern) for pattern in ("a", "^a", "[0-9]", "'", "😀", "^$", r"\\", "\n")
    ]
    made += [
        mp.count_values("name", ["", "😀", "a'b", "?", "\x04"]),
        mp.not_in_count("name", {"a", "A", "%"}),
    ]
    made += [mp.count_values("flag", True), mp.not_in_count("flag", [False])]
    made += [mp.count_values("day", DAY), mp.not_in_count("day", DAYS[:2])]
    made += [mp.duplicate_count(["small", "flag"]), mp.duplicate_count(["ratio", "name", "day"])]
    made += [mp.duplicate_count(["name", "zoned"]), mp.duplicate_count(["whole", "price", "at"])]
    return made


def under(metric: Metric, condition: str) -> Metric:
    """Return the metric over the rows that a condition keeps."""
    return Metric(replace(metric.spec, where=condition))


def check(source: DataSource, rows: list[Row], columns: list[str], condition: str) -> None:
    """Hold every metric, with and without a condition, against plain Python over the same rows."""
    bare = metrics_of(columns)
    kept = [row for row in rows if CONDITIONS[condition](row)]
    pairs = [(metric, rows) for metric in bare] + [(under(metric, condition), kept) for metric in bare]
    report = scan(source, *(metric for metric, _ in pairs))
    for metric, over in pairs:
        assert_agrees(str(metric), report.values[metric.spec], expected(metric.spec, over, NOW))
    assert report.run.rows == len(rows)


def written(rows: list[Row], folder: Path) -> list[str]:
    """Write rows to two Parquet files of small row groups; return their names."""
    paths = []
    for number, part in enumerate((rows[::2], rows[1::2])):
        table = pa.Table.from_pylist([{name: row[name] for name in SCHEMA.names} for row in part], SCHEMA)
        paths.append(str(folder / f"{number}.parquet"))
        pq.write_table(table, paths[-1], row_group_size=2)
    return paths


conditions = st.sampled_from(list(CONDITIONS))


@settings(max_examples=12)
@given(rows=tables(), condition=conditions)
@example(rows=[], condition="small > 0")
@example(rows=[dict.fromkeys(COLUMNS)], condition="small IS NULL OR flag")
def test_metrics_of_records(rows: list[Row], condition: str) -> None:
    """Over records, SQL agrees with plain Python for every kind of metric."""
    rows = [*rows, dict.fromkeys(COLUMNS)]
    check(DataSource.from_records(rows), rows, list(COLUMNS), condition)


@settings(max_examples=10)
@given(rows=tables(), condition=conditions)
@example(rows=[], condition="small > 0")
@pytest.mark.parametrize("trusted", [True, False])
def test_metrics_of_parquet(rows: list[Row], condition: str, trusted: bool, tmp_path: Path) -> None:
    """Over Parquet files, with their statistics and without, SQL agrees with plain Python."""
    source = DataSource.from_parquet(written(rows, tmp_path), trust_statistics=trusted)
    check(source, rows, SCHEMA.names, condition)


@settings(max_examples=4)
@given(rows=tables(), condition=conditions)
@pytest.mark.parametrize("date_column", MOMENTS)
def test_metrics_of_a_day(rows: list[Row], condition: str, date_column: str, tmp_path: Path) -> None:
    """With a date column, only the rows of the run's date count: [date, date + 1 day) in UTC."""
    paths = written(rows, tmp_path)
    check(
        DataSource.from_parquet(paths, date_column=date_column),
        rows_of_day(rows, date_column, DAY),
        SCHEMA.names,
        condition,
    )


def test_every_kind_of_metric_is_among_them() -> None:
    """The kinds that plain Python does not repeat are an estimate and the user's own SQL."""
    kinds = set(MetricKind.__args__)
    assert kinds - {metric.spec.kind for metric in metrics_of(SCHEMA.names)} == {
        "approx_unique_count",
        "custom_sql",
    }


@settings(max_examples=15)
@given(rows=tables(), data=st.data())
def test_what_else_is_planned_changes_no_number(rows: list[Row], data: Any) -> None:
    """Metrics that come twice, in any order and beside any others, have the values they have alone."""
    metrics = data.draw(st.lists(st.sampled_from(metrics_of(list(COLUMNS))), min_size=1, max_size=12))
    source = DataSource.from_records([*rows, dict.fromkeys(COLUMNS)])
    together = scan(source, *metrics, *metrics[::-1])
    (first, *_) = metrics
    alone = scan(source, first)
    assert str(alone.values[first.spec]) == str(together.values[first.spec])
    assert together.run.metrics == 2 * len(metrics)


def test_first_day_is_leap_years() -> None:
    """The days that tables draw from go over the end of a February of 29 days."""
    assert [day.day for day in DAYS] == [28, 29, 1, 2]
    assert FIRST_DAY in DAYS
