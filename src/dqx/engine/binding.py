"""Values of a check as they are bound in a query: as the type of the column that they are held against."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dqx.common import ScanError, as_utc
from dqx.engine.columns import NUMBERS
from dqx.engine.user_sql import HALF_PAIR

if TYPE_CHECKING:
    from dqx.engine.columns import Column, Family
    from dqx.engine.metrics import Literals, MetricKind

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
    if isinstance(value, date) and column.family == "timestamptz":
        return as_utc(value)
    if isinstance(value, datetime) and column.family == "timestamp":
        return as_utc(value).replace(tzinfo=None)
    return value


def _exact_text(column: Column, value: float | Decimal) -> str | None:
    """Return a number as text, or None when a column of integers or decimals cannot hold it."""
    low, high, scale = column.bounds()
    written = Decimal(str(value))  # a float is the decimal that was written
    scaled = Fraction(written) * 10**scale
    return format(written, "f") if scaled.denominator == 1 and low <= scaled <= high else None


def _float_text(column: Column, value: float | Decimal) -> str | None:
    """Return a number as text, or None when it is too large for a column of floats."""
    largest = _FLOAT_MAX[column.type]
    return str(value) if -largest <= value <= largest else None
