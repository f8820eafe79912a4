"""The edges of the types that columns have: what is exact, what is equal, and what a column cannot hold."""

# timestamps without a zone are among what is tested

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import pytest
from tests.engine.scanning import DAY, found, mp, values

from dqx.provider import DataSource


def test_sums_beyond_128_bits_are_errors_not_rounded() -> None:
    """An overflow says so, and what shares the scan has its value."""
    source = DataSource.from_records([{"a": 2**126, "b": 1}] * 3)
    total, mean, rows, other = found(source, mp.sum("a"), mp.average("a"), mp.num_rows(), mp.sum("b"))
    assert "Overflow" in str(total.error)
    assert "Overflow" in str(mean.error)
    assert (rows.value, other.value) == (3, 3)


def test_sums_of_unsigned_integers_of_128_bits_are_exact() -> None:
    """The engine's own sum of them is a float."""
    query = "SELECT unnest([100000000000000000000000000000000000001, 2, NULL])::UHUGEINT AS a"
    source = DataSource.from_duckdb(duckdb.connect(), query=query)
    assert values(source, mp.sum("a"), mp.average("a"), mp.sum("a", where="a < 3")) == [
        10**38 + 3,
        (10**38 + 3) / 2,
        2,
    ]


def test_squares_that_are_too_large_cost_their_own_metrics_alone() -> None:
    """Some releases refuse the whole query for one of them, and with a dozen no halving finds all."""
    source = DataSource.from_records([{"a": 1e308, "k": 1}, {"a": -1e308, "k": 2}, {"a": 3.0, "k": 3}])
    spreads = [mp.stddev("a", where=f"k <> {n}") for n in range(4, 16)]
    small = [mp.variance("a", where="k = 3 OR k IS NULL"), mp.sum("k"), mp.variance("k")]
    *wide, one, total, spread = found(source, *spreads, *small)
    assert all("finite" in str(result.error) for result in wide)
    assert "fewer than two" in str(one.error)
    assert (total.value, spread.value) == (6, 1.0)


def test_zeros_of_both_signs_and_every_nan_are_one_value() -> None:
    """In a hash table, as hashes of several columns, and as literals."""
    source = DataSource.from_records([{"a": 0.0, "b": 1}, {"a": -0.0, "b": 1}, {"a": float("nan"), "b": 1}])
    assert values(
        source,
        mp.unique_count("a"),
        mp.duplicate_count(["a"]),
        mp.duplicate_count(["a", "b"]),
        mp.count_values("a", -0.0),
        mp.not_in_count("a", [0]),
    ) == [2, 1, 1, 2, 1]


def test_a_float_column_of_32_bits_is_compared_as_it_was_written() -> None:
    """0.1 in it is the value nearest to 0.1, as 0.1 in the check is."""
    source = DataSource.from_duckdb(
        duckdb.connect(), query="SELECT 0.1::FLOAT AS a UNION ALL SELECT 0.2::FLOAT"
    )
    assert values(source, mp.count_values("a", 0.1), mp.not_in_count("a", [Decimal("0.1"), 0.2])) == [1, 0]
    assert values(source, mp.count_values("a", [10**40, 1e300])) == [0]


def test_a_float_of_32_bits_is_the_same_by_every_metric() -> None:
    """The text of one is shorter than that of the same number in 64 bits."""
    source = DataSource.from_records([{"a": 0.1}])
    (exact,) = values(source, mp.custom_sql("max(a::FLOAT)"))
    assert (
        exact
        == values(
            DataSource.from_duckdb(duckdb.connect(), query="SELECT 0.1::FLOAT AS a"), mp.maximum("a")
        ).pop()
    )
    assert exact == 0.10000000149011612


def test_minus_zero_is_zero_in_a_column_of_any_integers() -> None:
    """Unsigned ones have no sign to read it with, nor have decimals."""
    source = DataSource.from_duckdb(
        duckdb.connect(), query="SELECT 0::UTINYINT AS u, 0::UHUGEINT AS h, 0::TINYINT AS i, 0.00 AS d"
    )
    for column in "uhid":
        assert values(source, mp.count_values(column, -0.0), mp.not_in_count(column, Decimal("-0.00"))) == [
            1,
            0,
        ]


@pytest.mark.parametrize("column", ["i", "h", "d"])
def test_literals_that_a_column_cannot_hold_are_in_none_of_its_rows(column: str) -> None:
    """Neither an error nor a value that is rounded until it fits; NULL is still not counted."""
    query = (
        "SELECT 9007199254740993::BIGINT AS i, 1267650600228229401496703205377::HUGEINT AS h, "
        "1111111111111111111111111111111111.25::DECIMAL(38, 2) AS d UNION ALL SELECT NULL, NULL, NULL"
    )
    source = DataSource.from_duckdb(duckdb.connect(), query=query)
    exact = {"i": 2**53 + 1, "h": 2**100 + 1, "d": Decimal("1111111111111111111111111111111111.25")}[column]
    near = {"i": 2**53, "h": 2**100, "d": Decimal("1111111111111111111111111111111111.26")}[column]
    beyond = [2**200, -(2**200), 0.123, Decimal("1e-30"), 1e300, near]
    assert values(
        source,
        mp.count_values(column, exact),
        mp.count_values(column, [*beyond, exact]),
        mp.count_values(column, beyond),
        mp.not_in_count(column, beyond),
        mp.not_in_count(column, [exact]),
        mp.count_values(column, Decimal(exact)),
    ) == [1, 1, 0, 1, 0, 1]


def test_moments_are_compared_with_moments_of_any_kind() -> None:
    """Dates with datetimes, naive and zoned, of whatever unit a column has."""
    query = (
        "SELECT TIMESTAMP '2024-02-29 00:00:00' AS us, TIMESTAMP_S '2024-02-29 00:00:00' AS s, "
        "TIMESTAMP_NS '2024-02-29 00:00:00' AS ns, TIMESTAMPTZ '2024-02-29 00:00:00+00' AS tz, DATE '2024-02-29' AS d"
    )
    in_utc = duckdb.connect()
    in_utc.execute("SET TimeZone = 'UTC'")
    source = DataSource.from_duckdb(in_utc, query=query)
    moments = [
        DAY,
        datetime(2024, 2, 29),
        datetime(2024, 2, 29, tzinfo=UTC),
        datetime.fromisoformat("2024-02-29T05:00+05:00"),
    ]
    for column in ("us", "s", "ns", "tz"):
        assert values(source, *(mp.count_values(column, moment) for moment in moments)) == [1] * 4
        assert values(
            source, mp.count_values(column, DAY - timedelta(1)), mp.not_in_count(column, moments)
        ) == [0, 0]
    assert values(
        source,
        mp.count_values("d", moments[0]),
        mp.count_values("d", moments[1]),
        mp.not_in_count("d", moments),
    ) == [1, 1, 0]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_moments_that_a_column_cannot_hold_are_in_none_of_its_rows(zone: str) -> None:
    """A time of day is no date, wherever the caller's connection is; nanoseconds reach from 1677 to 2262."""
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{zone}'")
    source = DataSource.from_duckdb(
        connection, query="SELECT DATE '2024-02-29' AS d, TIMESTAMP_NS '2024-02-29 00:00:00' AS ns"
    )
    midnight = datetime(2024, 2, 29, tzinfo=UTC)
    outside = [datetime(1, 1, 1), date(1677, 9, 21), datetime(2262, 4, 12, tzinfo=UTC), date(9999, 12, 31)]
    assert values(
        source,
        mp.count_values("d", [midnight + timedelta(hours=9), midnight - timedelta(hours=9)]),
        mp.count_values("d", midnight.astimezone(timezone(timedelta(hours=9)))),
        mp.count_values("ns", outside),
        mp.not_in_count("ns", outside),
        mp.count_values("ns", [*outside, midnight]),
        mp.not_in_count("ns", [datetime(1677, 9, 21, 0, 12, 44), datetime(2262, 4, 11, 23, 47, 16)]),
    ) == [0, 1, 0, 1, 1, 1]
