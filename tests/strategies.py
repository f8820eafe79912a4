"""Random tables that hold what data really holds: edges of every type, missing values, few distinct ones."""

# timestamps without a zone are among what is tested

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]

NAN, INFINITY = float("nan"), float("inf")
FIRST_DAY = date(2024, 2, 28)  # of a leap year, two days before March
DAYS = [FIRST_DAY + timedelta(days=n) for n in range(4)]

_INT64 = st.one_of(
    st.sampled_from([0, 1, -1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
)
_HUGE = st.one_of(st.sampled_from([2**64, 2**64 + 1, -(2**64) - 1, 2**100]), st.integers(-(2**110), 2**110))
_DECIMALS = st.one_of(
    st.sampled_from([Decimal("0.05"), Decimal("5"), Decimal("-0.0001"), Decimal("9" * 30 + ".9999")]),
    st.decimals(-(10**20), 10**20, places=4),
)
_FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 1.5, NAN, INFINITY, -INFINITY, 2.0**53]), st.floats(-1e9, 1e9)
)
_TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "A", "a'b", 'say "hi"', "😀", "line\nbreak", "x" * 300, "?", "\x04", "%", "\\", "10"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)
_MOMENTS = st.one_of(
    st.sampled_from(
        [datetime(2024, 2, 29), datetime(2024, 2, 28, 23, 59, 59, 999_999), datetime(1969, 12, 31)]
    ),
    st.datetimes(datetime(2024, 2, 28), datetime(2024, 3, 2, 23, 59)),
)

COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "small": st.integers(-3, 5),
    "whole": _INT64,
    "huge": _HUGE,
    "price": _DECIMALS,
    "ratio": _FLOATS,
    "name": _TEXTS,
    "flag": st.booleans(),
    "day": st.sampled_from(DAYS),
    "at": _MOMENTS,
    "zoned": _MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)),
}
"""A strategy for each column; `small` is dense, `whole` spans 64 bits, `huge` more."""


def tables(max_size: int = 10) -> st.SearchStrategy[list[Row]]:
    """Lists of rows with all columns, in which anything may be missing: a value, a whole column, every row."""
    row = st.fixed_dictionaries({name: st.none() | values for name, values in COLUMNS.items()})
    rows = st.lists(row, max_size=max_size)
    emptied = st.sets(st.sampled_from(list(COLUMNS)), max_size=2)

    def without(drawn: tuple[list[Row], set[str]]) -> list[Row]:
        return [
            {name: None if name in drawn[1] else value for name, value in row.items()} for row in drawn[0]
        ]

    return st.tuples(rows, emptied).map(without)
