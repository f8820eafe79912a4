"""Values of a check as they are bound in a query: as the type of the column that they are held against."""

from __future__ import annotations

import math
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dqx.common import ScanError
from dqx.engine.columns import NUMBERS
from dqx.engine.user_sql import HALF_PAIR
from dqx.value import EPOCH, as_utc

if TYPE_CHECKING:
    from dqx.engine.columns import Column, Family
    from dqx.engine.metrics import Literals, MetricKind

# What 64 bits of nanoseconds reach to before and after 1970.
_NS_REACH = timedelta(microseconds=(2**63 - 1) // 1_000)
_FLOAT_MAX = {"FLOAT": (2 - 2**-23) * 2.0**127, "DOUBLE": math.ldexp(2 - 2**-52, 1023)}
_TAKES: dict[Family, tuple[tuple[type, ...], str]] = {
    "integer": ((int, float, Decimal), "numbers"),
    "decimal": ((int, float, Decimal), "numbers"),
    "float": ((int, float, Decimal), "numbers"),
    "boolean": ((bool,), "True and False"),
    "text": ((str,), "text"),
    "date": ((date,), "dates"),
    "timestamp": ((date,), "timestamps"),
    "timestamptz": ((date,), "timestamps"),
}


def bind(column: Column, value: Literals, kind: MetricKind) -> Literals | None:
    """Return a value as it is bound against a column, or None when the column has no room for it.

    A number is bound as text, to be read as the column's own type: then exact is compared with exact, and a
    float with the float nearest to what was written.

    Raises:
        ScanError: When it is no kind of value that the column has.
    """
    if column.family not in _TAKES:
        raise ScanError(f"{kind} does not fit column {column.name!r}, which is {column.type}")
    types, wanted = _TAKES[column.family]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise ScanError(
            f"{kind}: column {column.name!r} is {column.type} and cannot be {value!r}; it takes {wanted}"
        )
    if isinstance(value, str) and HALF_PAIR.search(value):
        return None
    if isinstance(value, (int, float, Decimal)) and column.family in NUMBERS:
        return _float_text(column, value) if column.family == "float" else _exact_text(column, value)
    return _moment(column, value) if isinstance(value, date) else value


def _moment(column: Column, value: date) -> date | None:
    """Return a moment in UTC, or None when the column cannot hold it: a time of day, a year beyond nanoseconds."""
    moment = as_utc(value)
    if column.family == "date":
        return moment.date() if moment.time() == time() else None
    if column.type.endswith("_NS") and abs(moment - EPOCH) > _NS_REACH:
        return None
    return moment if column.family == "timestamptz" else moment.replace(tzinfo=None)


def _exact_text(column: Column, value: float | Decimal) -> str | None:
    """Return a number as text, or None when a column of integers or decimals cannot hold it."""
    low, high, scale = column.bounds()
    written = Decimal(str(value))  # a float is the decimal that was written
    scaled = Fraction(written) * 10**scale
    # Without the sign of -0.0, which no unsigned integer has.
    return format(written or Decimal(), "f") if scaled.denominator == 1 and low <= scaled <= high else None


def _float_text(column: Column, value: float | Decimal) -> str | None:
    """Return a number as text, or None when it is too large for a column of floats."""
    largest = _FLOAT_MAX[column.type]
    return str(value) if -largest <= value <= largest else None
