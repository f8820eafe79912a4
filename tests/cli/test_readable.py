"""Values and names as the verdict table shows them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.cli.readable import readable

if TYPE_CHECKING:
    from dqx.value import Value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.024511643, "0.0245"),
        (1094.0944992947814, "1,094.09"),
        (173.17974, "173.18"),
        (0.5, "0.5"),
        (2.0, "2"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (336_776, "336,776"),
        (2**53 + 1, "9,007,199,254,740,993"),
        (-12_345.678, "-12,345.68"),
        (1e-9, "1.00e-09"),
        (1.5e300, "1.50e+300"),
        (999.999, "1,000"),
        (Decimal("12.10"), "12.1"),
        (Decimal("0.00"), "0"),
        (Decimal("12345678901234567890.55"), "1.23e+19"),
        (123_456_789_012_345.0, "123,456,789,012,345"),
        (1e15, "1.00e+15"),
        (float("nan"), "NaN"),
        (float("inf"), "infinity"),
        (float("-inf"), "-infinity"),
        (Decimal("NaN"), "NaN"),
        (date(2013, 1, 2), "2013-01-02"),
        (datetime.fromisoformat("2013-01-02 23:00"), "2013-01-02 23:00"),
        (datetime.fromisoformat("2013-01-02 23:00:05"), "2013-01-02 23:00:05"),
        (datetime(2013, 1, 2, 1, tzinfo=timezone(timedelta(hours=2))), "2013-01-01 23:00"),
        (datetime(2013, 1, 2, 1, tzinfo=UTC), "2013-01-02 01:00"),
    ],
)
def test_a_value_is_short_and_whole_numbers_are_exact(value: Value, text: str) -> None:
    """Digits that nobody compares are left out; those of a count never are."""
    assert readable([value]) == [text]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.05, 0.0500001], ["0.05", "0.0500001"]),
        ([2, 2.0000000001], ["2", "2.0000000001"]),
        ([100.004, 100.003], ["100.004", "100.003"]),
        ([0.5, 0.5], ["0.5", "0.5"]),
        ([1, 1.0, Decimal(1)], ["1", "1", "1"]),
        ([Decimal("1.0000000000000000000000001"), 1], ["1.0000000000000000000000001", "1"]),
        ([0.1 + 0.2, 0.3], ["0.30000000000000004", "0.3"]),
        ([0.8 - 0.1, 0.7], ["0.7000000000000001", "0.7"]),
        ([1e16, 1e16 + 2], ["1e+16", "1.0000000000000002e+16"]),
        ([1e14, 1e14 + 0.1], ["100,000,000,000,000", "100,000,000,000,000.1"]),
    ],
)
def test_values_that_differ_look_different(values: list[Value], texts: list[str]) -> None:
    """`0.05 is not < 0.05` would be a riddle."""
    assert readable(values) == texts


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18), max_size=4)
)
def test_no_two_different_numbers_share_a_text(values: list[Value]) -> None:
    """Whatever the numbers, as many texts as values."""
    assert len(set(readable(values))) >= len({value + 0 for value in values})
