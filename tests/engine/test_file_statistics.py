"""What Parquet files say of themselves is used where it is sure, said where it is used, and never believed blindly."""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engine.scanning import found, mp, scan, values
from tests.naming import plain_id

from dqx.provider import DataSource

Paths = Path | list[Path] | str


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    """Write a Parquet file of columns, which are Arrow arrays or lists."""
    pq.write_table(pa.table(columns), path, **options)
    return path


def copied(path: Path, query: str) -> Path:
    """Write a Parquet file by DuckDB."""
    duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def both(paths: Paths, column: str) -> tuple[list[str], list[str | None], int]:
    """Return what bounds and counts of a column are with statistics, by what road, and in how many reads.

    Without statistics they must be the same.
    """
    metrics = [mp.num_rows(), mp.count(column), mp.null_count(column), mp.minimum(column), mp.maximum(column)]
    trusted = scan(DataSource.from_parquet(paths), *metrics)
    read = scan(DataSource.from_parquet(paths, trust_statistics=False), *metrics)
    shown = [str(trusted.values[m.spec].value) for m in metrics]
    assert shown == [str(read.values[m.spec].value) for m in metrics]
    assert set(read.sources.values()) == {"scan"}
    assert read.run.reads == 1
    assert trusted.run.rows == read.run.rows
    return shown, [trusted.sources.get(m.spec) for m in metrics], trusted.run.reads


WHOLLY = (["statistics"] * 5, 0)
COUNTED = (["statistics"] * 3 + ["scan"] * 2, 1)


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (pa.array([3, None, -5], pa.int8()), ["3", "2", "1", "-5", "3"]),
        (pa.array([2**31 - 1, -(2**31)], pa.int32()), ["2", "2", "0", str(-(2**31)), str(2**31 - 1)]),
        (pa.array([2**63 - 1, -(2**63), 2**53 + 1]), ["3", "3", "0", str(-(2**63)), str(2**63 - 1)]),
        (pa.array([2**64 - 1, 2**63], pa.uint64()), ["2", "2", "0", str(2**63), str(2**64 - 1)]),
        (pa.array([2**32 - 1, 5], pa.uint32()), ["2", "2", "0", "5", str(2**32 - 1)]),
        (pa.array([255, 0], pa.uint8()), ["2", "2", "0", "0", "255"]),
        (pa.array([date(2024, 2, 29), date(1, 1, 1)]), ["2", "2", "0", "0001-01-01", "2024-02-29"]),
        (
            pa.array([1, -1], pa.timestamp("us")),
            ["2", "2", "0", "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00.000001"],
        ),
        (
            pa.array([1, 0], pa.timestamp("ms")),
            ["2", "2", "0", "1970-01-01 00:00:00", "1970-01-01 00:00:00.001000"],
        ),
        (
            pa.array([0, 1], pa.timestamp("us", "America/New_York")),
            ["2", "2", "0", "1970-01-01 00:00:00+00:00", "1970-01-01 00:00:00.000001+00:00"],
        ),
    ],
    ids=plain_id,
)
def test_integers_dates_and_timestamps_are_answered_without_a_read(
    array: Any, shown: list[str], tmp_path: Path
) -> None:
    """Rows, NULLs and bounds are in the footer, exactly; a result says that it is from there."""
    path = write(tmp_path / "t.parquet", {"a": array})
    assert both(path, "a") == (shown, *WHOLLY)
    assert both(write(tmp_path / "u.parquet", {"a": array}, row_group_size=1), "a") == (shown, *WHOLLY)


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (pa.array([1.0, None, float("nan")]), ["3", "2", "1", "1.0", "None"]),
        (pa.array([Decimal("1.10"), None, Decimal("-2.20")]), ["3", "2", "1", "-2.20", "1.10"]),
        (pa.array([None, 1_000], pa.timestamp("ns")), ["2", "1", "1", *["1970-01-01 00:00:00.000001"] * 2]),
        (pa.array([None, None], pa.int64()), ["2", "0", "2", "None", "None"]),
    ],
    ids=plain_id,
)
def test_bounds_of_others_are_read(array: Any, shown: list[str], tmp_path: Path) -> None:
    """NaN is in no statistics, nanoseconds would be cut, and a column of NULL has no bounds; counts are sure."""
    assert both(write(tmp_path / "t.parquet", {"a": array}), "a") == (shown, *COUNTED)


def test_files_without_statistics_are_read(tmp_path: Path) -> None:
    """The number of rows is always there."""
    path = write(tmp_path / "t.parquet", {"a": [3, None, 1]}, write_statistics=False)
    assert both(path, "a") == (["3", "2", "1", "1", "3"], ["statistics", *["scan"] * 4], 1)
    both_files = [path, write(tmp_path / "u.parquet", {"a": [9, 0]})]
    assert both(both_files, "a") == (["5", "4", "1", "0", "9"], ["statistics", *["scan"] * 4], 1)


def test_several_files_are_one_dataset(tmp_path: Path) -> None:
    """Also the same one twice, an empty one among them, and integers of different widths."""
    one = write(tmp_path / "1.parquet", {"a": pa.array([5, None], pa.int32())})
    two = write(tmp_path / "2.parquet", {"a": pa.array([-7], pa.int64())})
    none = write(tmp_path / "3.parquet", {"a": pa.array([], pa.int32())})
    assert both([one, two, two, none], "a") == (["4", "3", "1", "-7", "5"], *WHOLLY)
    assert both(str(tmp_path / "[12].parquet"), "a") == (["3", "2", "1", "-7", "5"], *WHOLLY)
    assert both(none, "a")[0] == ["0", "0", "0", "None", "None"]


def test_text_that_is_read_as_a_number_has_the_bounds_of_text(tmp_path: Path) -> None:
    """'10' is less than '9' in a file's statistics, while the scan reads both as numbers."""
    numbers = write(tmp_path / "1.parquet", {"a": [1, 2]})
    texts = write(tmp_path / "2.parquet", {"a": ["10", "9"]})
    assert both([numbers, texts], "a")[0] == ["4", "4", "0", "1", "10"]
    floats = write(tmp_path / "3.parquet", {"a": [0.4, 7.6]})
    assert both([numbers, floats], "a")[0] == ["4", "4", "0", "0", "8"]
    days = write(tmp_path / "4.parquet", {"d": [date(2024, 1, 2)]})
    moments = write(tmp_path / "5.parquet", {"d": [datetime(2024, 1, 1, 23), datetime(2024, 1, 3, 23)]})
    assert both([days, moments], "d")[0] == ["3", "3", "0", "2024-01-01", "2024-01-03"]


def test_a_folders_name_stands_above_a_column_of_the_file(tmp_path: Path) -> None:
    """day=7/file.parquet has a column day of 7, whatever the file itself holds under that name."""
    for day, inside in ((7, 1), (9, 2)):
        (tmp_path / f"Day={day}").mkdir()
        write(tmp_path / f"Day={day}" / "x.parquet", {"day": [inside], "b": [inside]})
    paths = str(tmp_path / "*" / "*.parquet")
    assert both(paths, "day")[0] == ["2", "2", "0", "7", "9"]
    assert both(paths, "b") == (["2", "2", "0", "1", "2"], *WHOLLY)
    assert values(DataSource.from_parquet(paths), mp.unique_count("day"), mp.unique_count("b")) == [2, 2]


def test_a_nested_field_is_no_column(tmp_path: Path) -> None:
    """A struct's field may be called as a column is."""
    path = write(tmp_path / "t.parquet", {"s": [{"a": 100}, {"a": 200}], "a": [1, 2], "l": [[7], [8, 9]]})
    assert both(path, "a") == (["2", "2", "0", "1", "2"], *WHOLLY)
    assert both(path, "s")[0][:3] == ["2", "2", "0"]
    assert both(path, "l")[0][:3] == ["2", "2", "0"]
    alike = write(tmp_path / "u.parquet", {"s": [{"a": 100}, {"a": None}], "s, a": [1, 2]})
    assert both(alike, "s, a")[0] == ["2", "2", "0", "1", "2"]


def test_moments_out_of_the_calendar_are_read_and_refused(tmp_path: Path) -> None:
    """Infinity, the years before 1 and after 9999 are no values, by either road."""
    infinite = [
        "'infinity'::DATE",
        "'-infinity'::TIMESTAMP",
        "'12000-01-01'::DATE",
        "'0044-03-15 (BC)'::DATE",
    ]
    for number, moment in enumerate(infinite):
        path = copied(tmp_path / f"{number}.parquet", f"SELECT {moment} AS d")
        shown, _, _ = both(path, "d")
        assert shown == ["1", "1", "0", "None", "None"], moment
        for result in found(DataSource.from_parquet(path), mp.minimum("d"), mp.freshness("d")):
            assert "infinite" in str(result.error) or "outside of the years 1 to 9999" in str(result.error)


def test_a_bound_that_cannot_be_read_is_no_missing_one(tmp_path: Path) -> None:
    """A date too far for a timestamp, beside one that is not, leaves both bounds to the scan."""
    far = copied(tmp_path / "far.parquet", "SELECT '500000-01-01'::DATE AS d")
    near = copied(tmp_path / "near.parquet", "SELECT '2024-01-01'::DATE AS d")
    report = scan(DataSource.from_parquet([near, far]), mp.maximum("d"), mp.num_rows())
    assert report.values[mp.num_rows().spec].unwrap() == 2
    assert report.values[mp.maximum("d").spec].is_failure()


def test_nan_hides_behind_no_statistics(tmp_path: Path) -> None:
    """Files leave NaN out of their bounds, and an engine that answered from them would let it pass."""
    path = write(tmp_path / "t.parquet", {"a": pa.array([1.0, None, float("nan")])})
    for source in (
        DataSource.from_parquet(path),
        DataSource.from_parquet(path, trust_statistics=False),
        DataSource.from_duckdb(duckdb.connect(), query=f"FROM '{path}'"),
        DataSource.from_duckdb(duckdb.sql(f"FROM '{path}'")),
    ):
        rows, low, high = found(source, mp.num_rows(), mp.minimum("a"), mp.maximum("a"))
        assert (rows.value, low.value) == (3, 1.0)
        assert "maximum(a) is nan" in str(high.error)
        assert "maximum(a) is nan" in str(found(source, mp.maximum("a"))[0].error)
    assert "is nan" in str(found(DataSource.from_parquet(path), mp.custom_sql("max(a)"))[0].error)


@pytest.mark.parametrize("type_", [pa.float32(), pa.float64()])
@pytest.mark.parametrize("nan_at", range(5))
def test_nan_is_the_maximum_wherever_it_is(tmp_path: Path, type_: pa.DataType, nan_at: int) -> None:
    """In whichever row group and file, beside larger numbers; and only of the rows that are kept."""
    numbers = [1.0, 2.0, None, 9.0, -3.0]
    numbers[nan_at] = float("nan")
    table = pa.table({"a": pa.array(numbers, type_), "b": range(5)})
    pq.write_table(table, tmp_path / "nan.parquet", row_group_size=2)
    write(tmp_path / "plain.parquet", {"a": pa.array([99.0, 4.0], type_), "b": [7, 8]})
    for source in (
        DataSource.from_parquet(tmp_path / "*.parquet"),
        DataSource.from_duckdb(duckdb.connect(), query=f"FROM '{tmp_path}/*.parquet'"),
    ):
        low, high, mean = found(source, mp.minimum("a"), mp.maximum("a"), mp.average("a"))
        assert low.value == min(n for n in numbers if n is not None and n == n)  # but NaN
        assert "maximum(a) is nan" in str(high.error)
        assert "average(a) is nan" in str(mean.error)
        kept = found(source, mp.maximum("a", where=f"b <> {nan_at}"), mp.minimum("a", where=f"b = {nan_at}"))
        assert kept[0].value == 99.0
        assert "minimum(a, where=" in str(kept[1].error)


@pytest.mark.parametrize("options", [{"where": "a > 0"}, {"date_column": "d"}])
def test_statistics_know_nothing_of_some_of_the_rows(options: dict[str, str], tmp_path: Path) -> None:
    """A condition, or a date column, keeps rows of which no file tells."""
    day = date(2024, 2, 29)
    path = write(tmp_path / "t.parquet", {"a": [-1, 2, 3], "d": [day, day, day + timedelta(1)]})
    where = options.get("where")
    source = DataSource.from_parquet(path, date_column=options.get("date_column"))
    metrics = [mp.num_rows(where=where), mp.minimum("a", where=where), mp.maximum("a", where=where)]
    report = scan(source, *metrics, day=day)
    assert [report.values[m.spec].value for m in metrics] == ([2, 2, 3] if where else [2, -1, 2])
    assert set(report.sources.values()) == {"scan"}
    assert (report.run.reads, report.run.rows) == (1, 3 if where else 2)


def lying(path: Path, truth: int, lie: int) -> Path:
    """Write 0 to 999 and `truth`, and change it to `lie` in the file's statistics, nowhere else."""
    write(path, {"a": pa.array([*range(1000), truth], pa.int64())}, compression="none", use_dictionary=False)
    content = path.read_bytes()
    footer = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    said = content[footer:].replace(struct.pack("<q", truth), struct.pack("<q", lie))
    assert said != content[footer:]
    path.write_bytes(content[:footer] + said)
    return path


def test_a_bitmap_whose_bounds_lie_falls_back_exactly_and_is_counted(tmp_path: Path) -> None:
    """A value outside of what the file says is found by the engine; a second read counts in a hash table."""
    path = lying(tmp_path / "t.parquet", truth=5003, lie=1003)
    distinct = [
        mp.unique_count("a"),
        mp.duplicate_count(["a"]),
        mp.unique_count("a", where="a < 500"),
        mp.sum("a"),
    ]
    for trusted in (True, False):
        report = scan(DataSource.from_parquet(path, trust_statistics=trusted), *distinct)
        assert [report.values[m.spec].unwrap() for m in distinct] == [1001, 0, 500, sum(range(1000)) + 5003]
        assert report.run.reads == 2
    assert values(DataSource.from_parquet(path), mp.maximum("a")) == [1003]
    assert values(DataSource.from_parquet(path, trust_statistics=False), mp.maximum("a")) == [5003]


def test_bounds_that_are_too_wide_are_no_lie(tmp_path: Path) -> None:
    """A bitmap that is larger than it need be is exact, in one read."""
    path = lying(tmp_path / "t.parquet", truth=1003, lie=5003)
    report = scan(DataSource.from_parquet(path), mp.unique_count("a"), mp.duplicate_count(["a"]))
    assert [result.unwrap() for result in report.values.values()] == [1001, 0]
    assert report.run.reads == 1


@pytest.mark.parametrize(
    ("array", "unique", "dense"),
    [
        (pa.array([5]), 1, True),
        (pa.array([0, 0, 0]), 1, True),
        (pa.array([-3, None, -1, -3]), 2, True),
        (pa.array([None, None], pa.int32()), 0, False),
        (pa.array([], pa.int64()), 0, False),
        (pa.array([2**63 - 1, 2**63 - 5, 2**63 - 1]), 2, True),
        (pa.array([-(2**63), -(2**63) + 1]), 2, True),
        (pa.array([2**64 - 1, 2**64 - 2, 2**64 - 1], pa.uint64()), 2, True),
        (pa.array([2**63 - 1, -(2**63)]), 2, False),
        (pa.array([0, 2**40]), 2, False),
        (pa.array([127, -128, 127], pa.int8()), 2, True),
        (pa.array([255, 0], pa.uint8()), 2, True),
    ],
    ids=plain_id,
)
def test_dense_integers_are_counted_in_a_bitmap(array: Any, unique: int, dense: bool, tmp_path: Path) -> None:
    """At either end of every type's range, exactly; where integers are far apart, in a hash table."""
    path = write(tmp_path / "t.parquet", {"a": array, "n": pa.array(range(len(array)), pa.int64())})
    metrics = [mp.unique_count("a"), mp.duplicate_count(["a"]), mp.unique_count("a", where="n < 0")]
    report = scan(DataSource.from_parquet(path), *metrics)
    known = len(array) - array.null_count
    assert [report.values[m.spec].unwrap() for m in metrics] == [unique, known - unique, 0]
    assert report.run.reads == 1
    assert ("bitstring_agg" in report.query_text) == dense
