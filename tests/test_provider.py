"""Data from everywhere is read as its users mean it; what cannot be read is a failed scan that says why."""

# timestamps without a zone are among what is tested

from __future__ import annotations

import gzip
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engine.scanning import DAY, NOW, found, mp, reason, scan, values
from tests.naming import plain_id

from dqx.common import Analyzer, ConfigurationError, ScanError, SqlDataSource
from dqx.provider import DataSource
from dqx.value import as_utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dqx.engine.expression import Metric

NAN = float("nan")


def unreadable(source: DataSource) -> str:
    """Return why a source cannot be read; constructing it raised nothing."""
    with pytest.raises(ScanError) as caught:
        scan(source, mp.num_rows())
    assert caught.value.dataset == "t"
    assert str(caught.value).startswith("dataset 't' could not be read: ")
    return str(caught.value).removeprefix("dataset 't' could not be read: ")


# --- records ------------------------------------------------------------------------------------------------


class Colour(StrEnum):
    """A user's enum of text."""

    RED = "red"


class Grade(IntEnum):
    """A user's enum of integers."""

    GOOD = 3


def column(*of: Any) -> DataSource:
    """Return records with one column, a."""
    return DataSource.from_records([{"a": value} for value in of])


@pytest.mark.parametrize(
    ("source", "metric", "value"),
    [
        (column(1, None, 2), mp.sum("a"), 3),
        (column(2**63 - 1, 1), mp.sum("a"), 2**63),
        (column(2**63, -(2**64) - 1), mp.minimum("a"), -(2**64) - 1),
        (column(2**126, 2**126 - 1), mp.unique_count("a"), 2),
        (column(-(2**127), 0), mp.minimum("a"), -(2**127)),
        (column(Decimal("1.10"), 2, None), mp.sum("a"), Decimal("3.10")),
        (column(Decimal("1E+5"), Decimal("0.00001")), mp.sum("a"), Decimal("100000.00001")),
        (column(Decimal("9" * 37 + ".1")), mp.maximum("a"), Decimal("9" * 37 + ".1")),
        (column(Decimal("0." + "1" * 38)), mp.sum("a"), Decimal("0." + "1" * 38)),
        (column(1, 0.5, Decimal("0.25")), mp.sum("a"), 1.75),
        (column(0.1, None), mp.sum("a"), 0.1),
        (column(True, False, None), mp.count_values("a", True), 1),
        (column("x", None, "😀\n"), mp.max_length("a"), 2),
        (column("x\0y"), mp.count_values("a", "x\0y"), 1),
        (column(date(1, 1, 1), date(9999, 12, 31)), mp.minimum("a"), date(1, 1, 1)),
        (column(date(2024, 1, 1), datetime(2024, 1, 1, 12)), mp.maximum("a"), datetime(2024, 1, 1, 12)),
        (column(datetime(1, 1, 1, 0, 0, 0, 1)), mp.minimum("a"), datetime(1, 1, 1, 0, 0, 0, 1)),
        (
            column(datetime(2024, 1, 1, 12), datetime.fromisoformat("2024-01-01T12:00+05:00")),
            mp.minimum("a"),
            datetime(2024, 1, 1, 7, tzinfo=UTC),
        ),
        (column(UUID(int=1), UUID(int=1), UUID(int=2)), mp.unique_count("a"), 2),
        (column(b"\x00\xff", b"", None), mp.duplicate_count(["a"]), 0),
        (column(time(1, 2), None), mp.null_count("a"), 1),
        (column(timedelta(days=1), timedelta(hours=24)), mp.count("a"), 2),
        (column(Colour.RED, "red"), mp.count_values("a", Colour.RED), 2),
        (column(Grade.GOOD, 2), mp.sum("a"), 5),
        (column(np.int64(5), np.int8(1)), mp.sum("a"), 6),
        (column(np.float64(0.5), np.float32(0.25)), mp.sum("a"), 0.75),
        (column(np.str_("x"), "x"), mp.unique_count("a"), 1),
        (column(np.bool_(True), False), mp.count_values("a", np.bool_(True)), 1),
        (column(np.datetime64("2024-01-01")), mp.maximum("a"), date(2024, 1, 1)),
        (column(pd.Timestamp("2024-01-01"), pd.NaT), mp.maximum("a"), datetime(2024, 1, 1)),
        (column(pd.NaT, None), mp.null_count("a"), 2),
        (column(NAN, None, 1.0), mp.null_count("a"), 1),
        (column(NAN, None, 1), mp.count("a"), 2),
        (column(), mp.num_rows(), 0),
        (DataSource.from_records([{}, {}]), mp.num_rows(), 2),
        (DataSource.from_records([{}, {"a": 1}, {"b": 2}]), mp.null_count("a"), 2),
        (DataSource.from_records([{}, {"a": 1}]), mp.custom_sql("count(*)"), 2),
        (DataSource.from_records([{"": 5, "a": 1}]), mp.sum("a"), 1),
        (DataSource.from_records({"a": n} for n in range(3)), mp.sum("a"), 3),  # a generator
        (DataSource.from_records([{1: 5}]), mp.sum("1"), 5),
    ],
    ids=plain_id,
)
def test_records_keep_what_they_hold(source: DataSource, metric: Metric, value: Any) -> None:
    """Exactly, of whatever type; a key that a record lacks is NULL, NaN is a number, NaT is missing."""
    got = values(source, metric)
    assert got == [value]
    assert type(got[0]) is type(value)


@pytest.mark.parametrize("records", [None, 5, "abc", {"a": [1, 2]}])
def test_records_are_a_list_of_dicts(records: Any) -> None:
    """A dict of columns is refused where it is written."""
    with pytest.raises(ConfigurationError, match="takes a list of dicts, one for each row; found"):
        DataSource.from_records(records)


def test_a_source_of_records_may_be_read_again() -> None:
    """A generator, too, is read once and kept."""
    source = DataSource.from_records({"a": n} for n in range(3))
    assert values(source, mp.sum("a")) == values(source, mp.sum("a")) == [3]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (column(1, "x"), "column 'a' of the records holds int and str; a column takes numbers, or text"),
        (column(True, 1), "holds bool and int"),
        (column({"x": 1}), "holds dict"),
        (column([1], None), "holds list; .* Leave it out, or turn it into one of them"),
        (column(object()), "holds object"),
        (column(2**127), "holds an integer of more than 128 bits"),
        (column(Decimal("NaN")), "holds a Decimal that is not finite"),
        (
            column(Decimal("1" * 38), Decimal("0.1")),
            "holds Decimals that need 39 digits together; there are 38",
        ),
        (column(10**400, 0.5), "column 'a' of the records holds a value that is too large: int too large"),
        (
            column(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
            "column 'a' .* too large: date value",
        ),
        (DataSource.from_records([{"a": 1}, 5]), "record 1 is no dict, but of type int"),
        (column("\ud800"), "."),
    ],
    ids=plain_id,
)
def test_records_that_are_no_table_are_a_failed_scan(source: DataSource, message: str) -> None:
    """The reason names the column and what it holds."""
    with pytest.raises(ScanError, match=message):
        scan(source, mp.num_rows())


def test_a_column_of_all_null_can_be_asked_anything() -> None:
    """Nobody knows what it would hold, so nothing of it is a misfit: counts are 0, and no value says so."""
    sources = [
        DataSource.from_records([{"a": None, "b": 1}] * 3),
        DataSource.from_records([{"b": 1}, {"b": 1, "a": None}, {"b": 2}]),
    ]
    counts = [mp.count("a"), mp.unique_count("a"), mp.duplicate_count(["a"]), mp.duplicate_count(["a", "b"])]
    counts += [mp.count_values("a", ["x"]), mp.not_in_count("a", 5), mp.pattern_count("a", "x")]
    counts += [
        mp.num_rows(where="a LIKE 'x%'"),
        mp.num_rows(where="a > 5"),
        mp.num_rows(where="a > '2024-01-01'"),
    ]
    none = [mp.sum("a"), mp.average("a"), mp.minimum("a"), mp.median("a"), mp.stddev("a"), mp.freshness("a")]
    none += [
        mp.max_length("a"),
        mp.first("a", "b"),
        mp.first("b", "a"),
        mp.custom_sql("max(a)"),
        mp.custom_sql("sum(a)"),
    ]
    for source in sources:
        assert values(source, mp.null_count("a"), *counts) == [3] + [0] * len(counts)
        for result in found(source, *none):
            assert "has no value: " in str(result.error)


@pytest.mark.parametrize(
    ("second", "metric", "message"),
    [("A", mp.sum("A"), "'A' can be 'a', or 'A_1'"), ("Ä", mp.sum("ä"), None)],
)
def test_columns_that_differ_in_case_only_are_told_apart(
    second: str, metric: Metric, message: str | None
) -> None:
    """To an engine both are one name; asking for the second must not silently give the first."""
    rows = [{"a": 1, second: 2}]
    for source in (
        DataSource.from_records(rows),
        DataSource.from_pandas(pd.DataFrame(rows)),
        DataSource.from_arrow(pa.Table.from_pylist(rows)),
    ):
        assert values(source, mp.sum("a")) == [1]
        if message is None:
            assert values(source, metric) == [2]
        else:
            assert message in reason(source, metric)
            assert values(source, mp.sum("A_1")) == [2]
    assert values(DataSource.from_records([{"Price": 1}]), mp.sum("price"), mp.sum("PRICE")) == [1, 1]


# --- frames -------------------------------------------------------------------------------------------------

MISSING: dict[str, Any] = {
    "object text": pd.Series(["x", NAN, None, pd.NA, "y"], dtype=object),
    "object floats": pd.Series([1.5, NAN, None, None, 2.0], dtype=object),
    "object integers": pd.Series([1, None, NAN, None, 2], dtype=object),
    "object dates": pd.Series([DAY, None, pd.NaT, None, DAY + timedelta(1)], dtype=object),
    "object booleans": pd.Series([True, None, NAN, None, False], dtype=object),
    "object decimals": pd.Series([Decimal("1.5"), None, None, None, Decimal(2)], dtype=object),
    "float64": pd.Series([1.0, NAN, None, np.nan, 2.0]),
    "float32": pd.Series([1.0, NAN, None, np.nan, 2.0], dtype="float32"),
    "Float64": pd.Series([1.0, None, pd.NA, None, 2.0], dtype="Float64"),
    "Float32": pd.Series([1.0, None, pd.NA, None, 2.0], dtype="Float32"),
    "Int64": pd.Series([1, None, pd.NA, None, 2], dtype="Int64"),
    "boolean": pd.Series([True, None, pd.NA, None, False], dtype="boolean"),
    "datetime64": pd.Series(pd.to_datetime(["2024-01-01", None, pd.NaT, None, "2024-01-02"])),
    "zoned": pd.Series(pd.to_datetime(["2024-01-01", None, pd.NaT, None, "2024-01-02"])).dt.tz_localize(
        "UTC"
    ),
    "category": pd.Series(["x", None, NAN, None, "y"], dtype="category"),
    "string": pd.Series(["x", None, pd.NA, None, "y"], dtype="string"),
    "double[pyarrow]": pd.Series([1.0, None, pd.NA, None, 2.0], dtype="double[pyarrow]"),
    "float[pyarrow]": pd.Series([1.0, None, pd.NA, None, 2.0], dtype="float[pyarrow]"),
    "int64[pyarrow]": pd.Series([1, None, pd.NA, None, 2], dtype="int64[pyarrow]"),
    "string[pyarrow]": pd.Series(["x", None, pd.NA, None, "y"], dtype="string[pyarrow]"),
    "timestamp[pyarrow]": pd.Series(
        [pd.Timestamp("2024-01-01"), None, pd.NaT, None, pd.Timestamp("2024-01-02")],
        dtype="timestamp[us][pyarrow]",
    ),
    "NaN in Arrow": pd.Series(pd.arrays.ArrowExtensionArray(pa.array([1.0, NAN, None, NAN, 2.0]))),
    "NaN in Arrow, 32 bits": pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array([1.0, NAN, None, NAN, 2.0], pa.float32()))
    ),
    "date32[pyarrow]": pd.Series(
        [DAY, None, None, None, DAY + timedelta(1)], dtype=pd.ArrowDtype(pa.date32())
    ),
}


@pytest.mark.parametrize("dtype", MISSING)
def test_in_pandas_nan_none_nat_and_na_are_missing(dtype: str) -> None:
    """As its users mean them, whatever backs the column."""
    source = DataSource.from_pandas(pd.DataFrame({"a": MISSING[dtype], "n": range(5)}))
    asked = [mp.null_count("a"), mp.count("a"), mp.unique_count("a"), mp.duplicate_count(["a", "n"])]
    assert values(source, *asked) == [3, 2, 2, 0]
    assert values(source, mp.num_rows(where="a IS NULL"), mp.custom_sql("count(a)")) == [3, 2]


@pytest.mark.parametrize("dtype", ["float64", "Float64", "double[pyarrow]"])
def test_in_pandas_a_nan_that_was_computed_is_missing_too(dtype: str) -> None:
    """0 / 0 in a nullable column is a NaN beside the missing ones; infinity is a number."""
    computed = pd.Series([0.0, 1.0, 4.0], dtype=dtype) / pd.Series([0.0, 0.0, 2.0], dtype=dtype)
    source = DataSource.from_pandas(pd.DataFrame({"a": computed}))
    assert values(source, mp.null_count("a"), mp.minimum("a")) == [1, 2.0]
    assert "is inf" in reason(source, mp.sum("a"))


def test_nan_in_pandas_makes_no_sum_nan() -> None:
    """Nor a minimum, a mean or a condition."""
    source = DataSource.from_pandas(pd.DataFrame({"a": [1.5, NAN, -2.0], 'it\'s "b"': [NAN, NAN, NAN]}))
    assert values(source, mp.sum("a"), mp.minimum("a"), mp.maximum("a"), mp.num_rows(where="a > 1")) == [
        -0.5,
        -2.0,
        1.5,
        1,
    ]
    assert values(source, mp.null_count('it\'s "b"')) == [3]
    assert "has no value: no rows, or NULL in all of them" in reason(source, mp.sum('it\'s "b"'))


@pytest.mark.parametrize(
    ("odd", "rest", "largest"),
    [
        (Decimal("1.123456789"), Decimal("1.1"), Decimal("1.123456789")),
        (Decimal("12345.5"), Decimal("9.5"), Decimal("12345.5")),
        (1.5, 1, 1.5),
        (2**40 + 1, 1, 2**40 + 1),
    ],
)
def test_one_odd_value_among_many_objects_of_pandas_is_what_it_is(odd: Any, rest: Any, largest: Any) -> None:
    """The type of a column of Python objects is that of all of them, not of a sample."""
    objects = pd.Series([*[rest] * 2000, odd, *[rest] * 999], dtype=object)
    source = DataSource.from_pandas(pd.DataFrame({"a": objects}))
    assert values(source, mp.maximum("a"), mp.unique_count("a"), mp.sum("a")) == [
        largest,
        2,
        rest * 2999 + odd,
    ]


def test_in_arrow_polars_and_parquet_nan_is_a_number(tmp_path: Path) -> None:
    """Only a missing value is missing there; NaN is counted, and makes what it is part of not finite."""
    table = pa.table({"a": pa.array([1.0, NAN, None])})
    pq.write_table(table, tmp_path / "t.parquet")
    for source in (
        DataSource.from_arrow(table),
        DataSource.from_arrow(table.to_batches()[0]),
        DataSource.from_polars(pl.DataFrame({"a": [1.0, NAN, None]})),
        DataSource.from_polars(pl.from_arrow(table)),
        DataSource.from_parquet(tmp_path / "t.parquet"),
        DataSource.from_records([{"a": 1.0}, {"a": NAN}, {"a": None}]),
    ):
        assert values(source, mp.null_count("a"), mp.count("a"), mp.unique_count("a")) == [1, 2, 2]
        for metric in (mp.sum("a"), mp.maximum("a"), mp.average("a")):
            assert "is nan, where a finite number was needed" in reason(source, metric)


@pytest.mark.parametrize(
    ("make", "construct"),
    [
        (pd.DataFrame, DataSource.from_pandas),
        (pl.DataFrame, DataSource.from_polars),
        (pa.table, DataSource.from_arrow),
    ],
    ids=["pandas", "polars", "arrow"],
)
def test_frames_without_rows_or_columns_are_empty(
    make: Callable[[Any], object], construct: Callable[[object], DataSource]
) -> None:
    """An empty answer of some service is a dataset of no rows, not a failed scan."""
    assert values(construct(make({})), mp.num_rows()) == [0]
    assert "has no column 'a'" in reason(construct(make({})), mp.sum("a"))
    assert values(construct(make({"a": []})), mp.num_rows(), mp.null_count("a")) == [0, 0]
    assert values(DataSource.from_pandas(pd.DataFrame(index=range(3))), mp.num_rows()) == [3]


def test_frames_of_many_types_are_read_exactly() -> None:
    """Decimals of 38 digits, unsigned integers, dictionaries, large text, nanoseconds, a column of NULL."""
    table = pa.table(
        {
            "dec": pa.array([Decimal("9" * 36 + ".99"), None], pa.decimal128(38, 2)),
            "u64": pa.array([2**64 - 1, 2**63], pa.uint64()),
            "dict": pa.array(["x", "y"]).dictionary_encode(),
            "large": pa.array(["x", "😀"], pa.large_string()),
            "ns": pa.array([1_000, None], pa.timestamp("ns")),
            "none": pa.nulls(2),
            "list": pa.array([[1, 2], None]),
            "struct": pa.array([{"x": 1}, {"x": None}]),
        }
    )
    for source in (DataSource.from_arrow(table), DataSource.from_polars(pl.from_arrow(table))):
        assert values(source, mp.maximum("dec"), mp.sum("u64"), mp.count_values("u64", 2**64 - 1)) == [
            Decimal("9" * 36 + ".99"),
            2**64 + 2**63 - 1,
            1,
        ]
        assert values(
            source, mp.count_values("dict", ["x"]), mp.max_length("dict"), mp.min_length("large")
        ) == [1, 1, 1]
        assert values(source, mp.maximum("ns"), mp.null_count("none")) == [
            datetime(1970, 1, 1, 0, 0, 0, 1),
            2,
        ]
        assert values(source, *map(mp.count, table.column_names)) == [1, 2, 2, 2, 1, 0, 1, 2]
        assert values(source, mp.unique_count("list"), mp.custom_sql("sum(struct.x)")) == [1, 1]
        for column_name in ("list", "struct"):
            assert "sum does not fit column" in reason(source, mp.sum(column_name))
        assert "name one of its fields in a custom_sql" in reason(source, mp.unique_count("struct"))


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_moments_of_nanoseconds_are_moments(zone: str | None, tmp_path: Path) -> None:
    """As pandas writes them, with a zone or without: kept by day, and cut to microseconds."""
    midnight = datetime.combine(DAY, time(), UTC if zone else None)
    day_ns = 86_400 * 10**9
    start_ns = DAY.toordinal() * day_ns - date(1970, 1, 1).toordinal() * day_ns
    moments = [start_ns - 1, start_ns, start_ns + 1_000, start_ns + day_ns - 1, start_ns + day_ns, None]
    table = pa.table({"t": pa.array(moments, pa.timestamp("ns", zone))})
    pq.write_table(table, tmp_path / "t.parquet")
    with duckdb.connect() as connection:
        for source in (
            DataSource.from_arrow(table, date_column="t"),
            DataSource.from_pandas(table.to_pandas(), date_column="t"),
            DataSource.from_parquet(tmp_path / "t.parquet", date_column="t"),
            DataSource.from_duckdb(connection.from_arrow(table), date_column="t"),
        ):
            assert values(
                source,
                mp.num_rows(),
                mp.minimum("t"),
                mp.maximum("t"),
                mp.first("t", "t"),
                mp.unique_count("t"),
                mp.count_values("t", midnight),
                mp.not_in_count("t", [midnight]),
                mp.custom_sql("max(t)"),
            ) == [3, midnight, (end := midnight + timedelta(days=1, microseconds=-1)), midnight, 3, 1, 2, end]
            assert values(source, mp.freshness("t")) == [(NOW - as_utc(end)).total_seconds()]


def test_text_of_a_category_is_text() -> None:
    """Values that are no category are in none of the rows."""
    source = DataSource.from_pandas(pd.DataFrame({"a": pd.Categorical(["x", "y", None, "x"])}))
    asked = [mp.count_values("a", ["x", "z"]), mp.not_in_count("a", ["x"]), mp.pattern_count("a", "^x")]
    assert values(source, *asked, mp.max_length("a")) == [2, 1, 2, 1]


@pytest.mark.parametrize("construct", [DataSource.from_pandas, DataSource.from_arrow, DataSource.from_polars])
@pytest.mark.parametrize("frame", [None, 5, "x.csv", object()])
def test_what_is_no_frame_is_a_failed_scan(construct: Callable[[object], DataSource], frame: object) -> None:
    """Constructing reads nothing, so it is found when it is read."""
    assert unreadable(construct(frame))


# --- files --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two Parquet files, two CSV files, and what looks like them."""
    for number in (1, 2):
        pq.write_table(pa.table({"a": [number, None], "d": [DAY, DAY]}), tmp_path / f"{number}.parquet")
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    pq.write_table(pa.table({"a": [40, None], "d": [DAY, DAY]}), tmp_path / "sub" / "deep" / "3.parquet")
    (tmp_path / 'it\'s a "file" 😀.csv').write_text("a,b\n1,x\n2,\n")
    with gzip.open(tmp_path / "zipped.csv.gz", "wt") as file:
        file.write("a,b\n10,x\n20,y\n")
    (tmp_path / "folder.parquet").mkdir()
    return tmp_path


def test_parquet_is_named_by_path_glob_or_list(folder: Path) -> None:
    """As text or as a path; `**` descends, and folders that match are no files."""
    for paths, total in [
        (str(folder / "1.parquet"), 1),
        (folder / "1.parquet", 1),
        ([folder / "1.parquet", str(folder / "2.parquet")], 3),
        ((folder / "1.parquet",) * 3, 3),
        (str(folder / "*.parquet"), 3),
        (str(folder / "[12].parquet"), 3),
        (str(folder / "**" / "*.parquet"), 43),
        ([str(folder / "?.parquet"), folder / "sub" / "deep" / "3.parquet"], 43),
    ]:
        assert values(DataSource.from_parquet(paths), mp.sum("a")) == [total], paths


def test_a_relative_path_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the run is, not where the source was made."""
    source = DataSource.from_parquet("1.parquet")
    monkeypatch.chdir(folder)
    assert values(source, mp.sum("a")) == [1]
    assert values(DataSource.from_parquet("./sub/../*.parquet"), mp.sum("a")) == [3]


ODD_NAMES = ["x[1].parquet", "x*.parquet", "x?.parquet", "x'y.parquet", 'x"y.parquet', "x y😀.parquet"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_that_file(name: str, tmp_path: Path) -> None:
    """The engine takes names for patterns; a file that is there is meant, and no other."""
    pq.write_table(pa.table({"a": [5, 7]}), tmp_path / name)
    for other in ("x1.parquet", "xx.parquet", "xxx.parquet"):
        pq.write_table(pa.table({"a": [1000, 2000]}), tmp_path / other)
    for trusted in (True, False):
        source = DataSource.from_parquet(tmp_path / name, trust_statistics=trusted)
        assert values(source, mp.sum("a"), mp.maximum("a"), mp.num_rows()) == [12, 7, 2]


def test_a_link_is_followed(folder: Path) -> None:
    """The data may lie elsewhere."""
    (folder / "link.parquet").symlink_to(folder / "2.parquet")
    assert values(DataSource.from_parquet(folder / "link.parquet"), mp.sum("a")) == [2]


def test_csv_is_read_plain_and_zipped(folder: Path) -> None:
    """Empty cells are missing; the engine's own options help where its look at the file does not."""
    plain, zipped = folder / 'it\'s a "file" 😀.csv', folder / "zipped.csv.gz"
    source = DataSource.from_csv(plain)
    assert values(source, mp.sum("a"), mp.null_count("b"), mp.num_rows()) == [3, 1, 2]
    assert values(DataSource.from_csv(str(folder / "*.csv.gz")), mp.sum("a"), mp.unique_count("b")) == [30, 2]
    assert values(DataSource.from_csv([plain, zipped]), mp.sum("a")) == [33]
    odd = folder / "odd.csv"
    odd.write_text("1;0,5\n2;1,5\n")
    source = DataSource.from_csv(odd, delim=";", header=False, decimal_separator=",")
    assert values(source, mp.sum("column0"), mp.sum("column1")) == [3, 2.0]
    source = DataSource.from_csv(odd, delim=";", header=False, all_varchar=True)
    assert values(source, mp.max_length("column1")) == [3]
    names, types = ["n", 'it\'s "x"'], {"n": "VARCHAR", 'it\'s "x"': "VARCHAR"}
    source = DataSource.from_csv(odd, delim=";", header=False, names=names, types=types, nullstr=["2"])
    assert values(source, mp.max_length("n"), mp.null_count("n"), mp.min_length(names[1])) == [1, 1, 3]


def test_csv_with_an_option_that_there_is_not_is_a_failed_scan(folder: Path) -> None:
    """The engine's own suggestion comes along."""
    message = unreadable(DataSource.from_csv(folder / "zipped.csv.gz", delimeter=";"))
    assert 'Invalid named parameter "delimeter"' in message
    assert "delim" in message.partition("read_csv")[2]


def test_csv_without_rows_is_empty(tmp_path: Path) -> None:
    """A header alone is a dataset of no rows."""
    (tmp_path / "t.csv").write_text("a,b\n")
    assert values(DataSource.from_csv(tmp_path / "t.csv"), mp.num_rows(), mp.null_count("a")) == [0, 0]


@pytest.mark.parametrize("construct", [DataSource.from_pandas, DataSource.from_polars, DataSource.from_arrow])
@pytest.mark.parametrize("given", ["t.csv", PurePath("t.csv"), None, {"a": [1]}, [{"a": 1}]], ids=str)
def test_what_belongs_into_another_constructor_says_which(construct: Any, given: object) -> None:
    """A path, or rows, in place of a frame."""
    message = unreadable(construct(given))
    assert f"is of type {type(given).__name__}, and no data frame; from_records takes dicts" in message


def test_a_csv_says_by_nullstr_what_is_missing(tmp_path: Path) -> None:
    """Without it a mark such as NA is text, and so is its column; with it an empty cell has to be listed, too."""
    (tmp_path / "t.csv").write_text("a,t\n1,x\nNA,NA\n3,\n")
    nulls = [mp.null_count("a"), mp.null_count("t")]
    path = tmp_path / "t.csv"
    assert values(DataSource.from_csv(path), *nulls) == [0, 1]
    assert "which is VARCHAR; it takes numbers" in reason(DataSource.from_csv(path), mp.sum("a"))
    assert values(DataSource.from_csv(path, nullstr="NA"), *nulls, mp.sum("a")) == [1, 1, 4]
    assert values(DataSource.from_csv(path, nullstr=["", "NA"]), *nulls, mp.sum("a")) == [1, 2, 4]


def test_a_csv_is_read_as_it_is_said_to_be_written(tmp_path: Path) -> None:
    """Delimiter, encoding, decimal comma, dates and codes with leading zeros."""
    path = tmp_path / "t.csv"
    path.write_bytes(
        "straße;plz;betrag;am\nHöhe;01069;1,5;31.12.2023\n;80331;-0,5;01.02.2024\n".encode("latin-1")
    )
    source = DataSource.from_csv(
        path,
        delim=";",
        encoding="latin-1",
        decimal_separator=",",
        dateformat="%d.%m.%Y",
        types={"plz": "VARCHAR"},
        nullstr=["", "NA"],
    )
    asked = [mp.max_length("straße"), mp.min_length("plz"), mp.sum("betrag"), mp.maximum("am")]
    assert values(source, *asked) == [4, 5, 1, date(2024, 2, 1)]


def test_folders_by_value_are_columns(tmp_path: Path) -> None:
    """`day=1/` in a path is a column of what is below it, as partitioned data is written."""
    for day in (1, 2):
        (tmp_path / f"day={day}").mkdir()
        pq.write_table(pa.table({"a": [day * 10]}), tmp_path / f"day={day}" / "part-0.parquet")
    source = DataSource.from_parquet(tmp_path / "**" / "*.parquet")
    assert values(source, mp.sum("day"), mp.sum("a", where="day = 2")) == [3, 20]


def test_a_csv_with_a_broken_row_is_a_failed_scan_or_an_error(tmp_path: Path) -> None:
    """The engine's reason names the line."""
    rows = "\n".join(str(n) for n in range(50_000))
    (tmp_path / "t.csv").write_text(f"a\n{rows}\nbroken\n")
    (result,) = found(DataSource.from_csv(tmp_path / "t.csv"), mp.sum("a"))
    assert "broken" in str(result.error)
    assert "50002" in str(result.error)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("nope.parquet", "no such file: nope.parquet"),
        ("nope/*.parquet", "no file matches nope/*.parquet"),
        ([], "no files are named: the list of paths is empty"),
        (["{folder}/1.parquet", "nope.parquet"], "no such file: nope.parquet"),
        (
            "{folder}",
            "{folder} is a directory; name its files, for example {folder}/*.parquet, or {folder}/**/*.parquet with",
        ),
        (
            "s3://bucket/a.parquet",
            "s3://bucket/a.parquet is an address, and only files of this machine are opened",
        ),
        ("https://host/*.parquet", "may reach further: from_duckdb(connection, query=...)"),
        ("{folder}/sub/*", "no file matches {folder}/sub/*"),
        ("{folder}/zipped.csv.gz", "No magic bytes found"),
        ("{folder}/truncated.parquet", "No magic bytes found at end of file"),
        ("{folder}/empty.parquet", "too small to be a Parquet file"),
        ("{folder}/" + "x" * 5000, "File name too long"),
    ],
)
def test_files_that_cannot_be_read_are_a_failed_scan(paths: Any, message: str, folder: Path) -> None:
    """Constructing raises nothing, and the reason says which file and why."""
    whole = (folder / "1.parquet").read_bytes()
    (folder / "truncated.parquet").write_bytes(whole[:-20])
    (folder / "empty.parquet").touch()

    def at(path: str) -> str:
        return path.replace("{folder}", str(folder))

    source = DataSource.from_parquet([at(p) for p in paths] if isinstance(paths, list) else at(paths))
    assert at(message) in unreadable(source)


def failure(source: DataSource, metric: Metric) -> str:
    """Return why a metric has no value, be it the metric's own reason or that of the whole scan."""
    try:
        return reason(source, metric)
    except ScanError as error:
        return str(error)


def test_a_file_that_is_damaged_inside_is_an_error(folder: Path) -> None:
    """The footer is whole, the data is not: what needs the data fails, with the reason."""
    path = folder / "damaged.parquet"
    pq.write_table(pa.table({"a": list(range(10_000))}), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:2000] = b"\xff" * 1996
    path.write_bytes(bytes(content))
    source = DataSource.from_parquet(path)
    assert failure(source, mp.sum("a"))
    assert values(source, mp.num_rows(), mp.maximum("a")) == [10_000, 9_999]


def test_files_that_lack_a_column_are_told_by_name(folder: Path) -> None:
    """Of several files, one without the column."""
    pq.write_table(pa.table({"b": [1]}), folder / "4.parquet")
    source = DataSource.from_parquet([folder / "1.parquet", folder / "4.parquet"])
    assert "4.parquet" in failure(source, mp.sum("a"))


# --- DuckDB -------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database file with tables in two schemas, and a view."""
    path = tmp_path / "it's.duckdb"
    with duckdb.connect(str(path)) as made:
        made.execute("CREATE TABLE t AS SELECT 7 AS a UNION ALL SELECT 8")
        made.execute("CREATE VIEW v AS SELECT a * 10 AS a FROM t")
        made.execute('CREATE SCHEMA "s s"; CREATE TABLE "s s"."select" AS SELECT 100 AS a')
    return path


def test_a_database_file_is_read_only(database: Path) -> None:
    """A table, a view, a schema's table, or a query; the file is left as it was."""
    before = database.read_bytes()
    for arguments, total in [
        ({"table": "t"}, 15),
        ({"table": "v"}, 150),
        ({"table": "s s.select"}, 100),
        ({"table": "main.t"}, 15),
        ({"query": "SELECT a FROM t WHERE a > 7"}, 8),
        ({"query": 'FROM "s s"."select" -- all;'}, 100),
        ({"query": "WITH x AS (SELECT 1 AS a) SELECT * FROM x;\n"}, 1),
    ]:
        for path in (database, str(database)):
            assert values(DataSource.from_duckdb(path, **arguments), mp.sum("a")) == [total], arguments
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Opening it would make it."""
    path = tmp_path / "no.duckdb"
    assert unreadable(DataSource.from_duckdb(path, table="t")) == f"no such file: {path}"
    assert not path.exists()
    path.write_bytes(b"x" * 5000)
    assert "not a valid DuckDB database file" in unreadable(DataSource.from_duckdb(path, table="t"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": "tt"}, 'tt does not exist.*Did you mean "t"'),
        ({"query": "SELECT nope FROM t"}, '"nope" not found'),
        ({"query": "SELECT"}, "Parser Error"),
        ({"query": "DELETE FROM t"}, "Parser Error"),
    ],
)
def test_what_is_not_in_the_database_is_a_failed_scan(
    arguments: dict[str, str], message: str, database: Path
) -> None:
    """With the engine's own suggestion."""
    with pytest.raises(ScanError, match=message):
        scan(DataSource.from_duckdb(database, **arguments), mp.num_rows())


def test_a_database_that_another_process_writes_is_a_failed_scan(database: Path) -> None:
    """It is locked; the reason says so."""
    program = f"import duckdb, sys; c = duckdb.connect({str(database)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        assert "lock" in unreadable(DataSource.from_duckdb(database, table="t"))
        writer.communicate("")
    assert values(DataSource.from_duckdb(database, table="t"), mp.sum("a")) == [15]


def test_a_connection_of_the_callers_is_read_with_all_that_it_knows() -> None:
    """Temporary tables, views on frames, other schemas; the caller's rights are the caller's."""
    connection = duckdb.connect()
    connection.execute("CREATE TEMP TABLE t AS SELECT 5 AS a")
    connection.register("f", pd.DataFrame({"a": [6]}))
    assert values(DataSource.from_duckdb(connection, table="t"), mp.sum("a")) == [5]
    assert values(DataSource.from_duckdb(connection, table="f"), mp.sum("a")) == [6]
    assert values(
        DataSource.from_duckdb(connection, query="SELECT sum(a) AS a FROM (FROM t UNION FROM f)"), mp.sum("a")
    ) == [11]
    connection.close()
    assert "losed" in unreadable(DataSource.from_duckdb(connection, table="t"))


VALUES: list[Any] = [
    "it's",
    "?",
    "a?b",
    "\x02\x03\x04",
    "😀\n",
    "",
    "x" * 5000,
]


def test_a_relation_is_read_like_anything_else() -> None:
    """It takes no bound values, so they are written as literals, of their own types and with nothing left open."""
    frame = pd.DataFrame({"t": VALUES, "n": range(len(VALUES))})
    connection = duckdb.connect()
    relation = connection.from_df(frame)
    source = DataSource.from_duckdb(relation)
    for value in VALUES:
        assert values(source, mp.count_values("t", value), mp.not_in_count("t", [value])) == [
            1,
            len(VALUES) - 1,
        ]
    asked = [
        mp.num_rows(where="n > 1"),
        mp.pattern_count("t", "'"),
        mp.count_values("n", [0, 1.0, Decimal(2), -5]),
    ]
    assert values(source, *asked, mp.custom_sql("sum(n)", where="t = 'it''s'")) == [5, 1, 3, 0]
    assert relation.aggregate("count(*)").fetchall() == [(7,)]
    kinds = connection.sql(
        "SELECT DATE '2024-02-29' AS d, TIMESTAMP '2024-02-29 12:00:00.000001' AS ts, true AS b, 0.1::DOUBLE AS f, "
        "0.10::DECIMAL(9, 2) AS dec, 170141183460469231731687303715884105727::HUGEINT AS h, "
        "TIMESTAMPTZ '2024-02-29 12:00:00+00' AS tz"
    )
    literals = {
        "d": DAY,
        "ts": datetime(2024, 2, 29, 12, 0, 0, 1),
        "b": True,
        "f": 0.1,
        "dec": Decimal("0.1"),
        "h": 2**127 - 1,
        "tz": datetime(2024, 2, 29, 12, tzinfo=UTC),
    }
    assert (
        values(DataSource.from_duckdb(kinds), *(mp.count_values(*item) for item in literals.items()))
        == [1] * 7
    )
    for column_name in ("d", "ts", "tz"):
        by_day = DataSource.from_duckdb(kinds, date_column=column_name)
        assert values(by_day, mp.num_rows()) == [1]
        assert values(by_day, mp.num_rows(), day=DAY + timedelta(1)) == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "name what to read, by either table= or query="),
        ({"table": "t", "query": "SELECT 1"}, "by either table= or query="),
    ],
)
def test_a_database_needs_a_table_or_a_query(arguments: dict[str, str], message: str) -> None:
    """Exactly one of them; a relation takes neither."""
    for source in ("x.duckdb", duckdb.connect()):
        with pytest.raises(ConfigurationError, match=message):
            DataSource.from_duckdb(source, **arguments)
    with pytest.raises(ConfigurationError, match="a relation is read as it is"):
        DataSource.from_duckdb(duckdb.sql("SELECT 1"), table="t")
    with pytest.raises(
        ConfigurationError, match="takes a relation, a connection or the path of a database, not 5"
    ):
        DataSource.from_duckdb(5, table="t")


# --- all of them --------------------------------------------------------------------------------------------


def test_constructors_read_nothing_and_are_sources(tmp_path: Path) -> None:
    """Whatever is wrong with the data, it is found by the run; a name and a date column are kept."""
    made = [
        DataSource.from_records([{"a": object()}], name="n", date_column="d"),
        DataSource.from_arrow(None, name="n", date_column="d"),
        DataSource.from_pandas(None, name="n", date_column="d"),
        DataSource.from_polars(None, name="n", date_column="d"),
        DataSource.from_parquet(tmp_path / "no.parquet", name="n", date_column="d"),
        DataSource.from_csv(tmp_path / "no.csv", name="n", date_column="d"),
        DataSource.from_duckdb(tmp_path / "no.duckdb", table="t", name="n", date_column="d"),
    ]
    for source in made:
        assert (source.name, source.date_column) == ("n", "d")
        assert isinstance(source, SqlDataSource)
        assert isinstance(source.analyzer(), Analyzer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["name", "date_column", "table", "query"])
def test_names_are_text(option: str) -> None:
    """Anything else is refused where it is written, by the name of the argument."""
    with pytest.raises(ConfigurationError, match=f": {option} is text, not 5") as caught:
        DataSource.from_duckdb("shop.duckdb", **{"table": "t", option: 5})  # type: ignore[arg-type]  # a slip
    assert caught.value.culprit == 5


@pytest.mark.parametrize("paths", [5, None, [5], [b"x"], {"a": 1}.values()])
@pytest.mark.parametrize("construct", [DataSource.from_parquet, DataSource.from_csv])
def test_paths_are_paths(construct: Callable[[Any], DataSource], paths: Any) -> None:
    """Anything else is a slip in the program, told where it is written."""
    with pytest.raises(
        ConfigurationError, match="files are named by a path, a glob, or a list of them, not by"
    ):
        construct(paths)


@pytest.mark.parametrize(
    ("make", "message", "culprit"),
    [
        (lambda: mp.sum("a", wher="b"), "sum takes no argument 'wher'; did you mean 'where'?", "wher"),
        (lambda: mp.sum(""), "sum: a column is named by text, not by ''", ""),
        (lambda: mp.sum(None), "a column is named by text, not by None", None),
        (lambda: mp.first("a", 5), "first: a column is named by text, not by 5", 5),
        (lambda: mp.sum("a", where=5), "sum: where is one SQL condition as text, not 5", 5),
        (lambda: mp.sum("a", name=" "), "sum: name is text, not ' '", " "),
        (lambda: mp.sum("a", dataset=5), "sum: dataset is text, not 5", 5),
        (lambda: mp.sum("a", lag=-1), "lag is a number of days, 0 to 36525, not -1", -1),
        (lambda: mp.sum("a", lag=1.5), "lag is a number of days", 1.5),
        (lambda: mp.sum("a", lag=10**9), "lag is a number of days", 10**9),
        (lambda: mp.sum("a", lag=True), "lag is a number of days", True),
        (lambda: mp.sum("a", lag=timedelta(1)), "lag is a number of days", timedelta(1)),
        (lambda: mp.quantile("a", 1.1), r"quantile\(a\): q is a share between 0 and 1, not 1.1", 1.1),
        (lambda: mp.quantile("a", NAN), "q is a share between 0 and 1", ...),
        (lambda: mp.quantile("a", "0.5"), "q is a share between 0 and 1", "0.5"),
        (lambda: mp.quantile("a", True), "q is a share between 0 and 1", True),
        (
            lambda: mp.duplicate_count("ab"),
            r"takes a list of column names, such as \['order_id'\], not 'ab'",
            "ab",
        ),
        (lambda: mp.duplicate_count([]), "takes a list of column names", []),
        (lambda: mp.duplicate_count(["a", 5]), "a column is named by text, not by 5", 5),
        (lambda: mp.count_values("a", []), r"count_values\(a\): no values were given", "a"),
        (
            lambda: mp.count_values("a", None),
            "None is no number, text, boolean or date; null_count counts NULL",
            None,
        ),
        (lambda: mp.not_in_count("a", [1, None]), "null_count counts NULL", None),
        (lambda: mp.count_values("a", [[1]]), r"\[1\] is no number, text, boolean or date", [1]),
        (lambda: mp.count_values("a", b"x"), "b'x' is no number", b"x"),
        (lambda: mp.count_values("a", NAN), 'nan is not finite; write where="isnan', ...),
        (lambda: mp.count_values("a", [Decimal("Infinity")]), "is not finite", Decimal("Infinity")),
        (lambda: mp.count_values("a", pd.NaT), "is not finite", ...),
        (lambda: mp.pattern_count("a", 5), r"pattern_count\(a\): the pattern is text, not 5", 5),
        (lambda: mp.custom_sql(5), "custom_sql takes SQL text, not 5", 5),
        (
            lambda: mp.ext.stddev(mp.sum("a"), n=1),
            "offset is 0 to 36525 days, n is 2 to 36525; found offset=1, n=1",
            (1, 1),
        ),
        (lambda: mp.ext.stddev(mp.sum("a"), -1, 7), "found offset=-1, n=7", (-1, 7)),
        (lambda: mp.ext.stddev(mp.sum("a"), 1, 10**7), "found offset=1, n=10000000", (1, 10**7)),
        (lambda: mp.ext.day_over_day("sum(a)"), "made of metrics, numbers and dates, not of 'sum", "sum(a)"),
    ],
)
def test_a_metric_that_is_written_wrong_is_refused_at_once(
    make: Callable[[], Any], message: str, culprit: object
) -> None:
    """Where it is written, with the metric's name and what it takes."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        make()
    assert culprit is ... or caught.value.culprit == culprit
