"""The columns of records: which of the engine's types the values of each have, and how they are handed over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dqx.common import ScanError
from dqx.engine.metrics import plain_value
from dqx.value import as_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

_INT64 = 1 << 63
_INT128 = 1 << 127
_DIGITS_MAX = 38
_TYPES: dict[type, str] = {
    bool: "BOOLEAN",
    str: "VARCHAR",
    date: "DATE",
    time: "TIME",
    timedelta: "INTERVAL",
    bytes: "BLOB",
    UUID: "UUID",
}


@dataclass(frozen=True, slots=True)
class RecordColumn:
    """The values of one column, the type they have for the engine, and the one in which they are handed over.

    `untyped` says that all are missing, so that nobody can tell what they would be.
    """

    values: list[Any]
    type: str
    sent_as: str
    untyped: bool = False


def column_of(name: str, values: Sequence[Any]) -> RecordColumn:
    """Return a column of records for the engine.

    Raises:
        ScanError: When its values are of no type that the engine has, or of several that do not go together.
    """
    try:
        return _column_of(name, values)
    except OverflowError as error:
        raise ScanError(f"column {name!r} of the records holds a value that is too large: {error}") from None


def _column_of(name: str, values: Sequence[Any]) -> RecordColumn:
    plain = [_plain(value) for value in values]
    kinds = set(map(type, plain)) - {type(None)}
    if not kinds:
        return RecordColumn(plain, "INTEGER", "INTEGER", untyped=True)
    if kinds <= {int, Decimal}:
        return _exact(plain, _integers(name, plain) if kinds == {int} else _decimals(name, plain))
    if kinds <= {int, float, Decimal}:
        return _floats([None if value is None else float(value) for value in plain])
    if datetime in kinds and kinds <= {date, datetime}:
        return _moments(plain)
    (first, *others) = kinds
    if not others and first in _TYPES:
        return RecordColumn(plain, _TYPES[first], _TYPES[first])
    raise ScanError(
        f"column {name!r} of the records holds {' and '.join(sorted(kind.__name__ for kind in kinds))}; a column "
        "takes numbers, or text, or booleans, or dates and datetimes. Leave it out, or turn it into one of them"
    )


def _plain(value: Any) -> Any:
    plain = plain_value(value)
    # pandas' NaT is a datetime, and missing; NaN is a number here.
    return None if isinstance(plain, datetime) and plain != plain else plain  # noqa: PLR0124  # NaT


def _floats(values: list[float | None]) -> RecordColumn:
    if any(value is not None and math.isnan(value) for value in values):
        # Early releases of the engine take a NaN of Python's for a missing value; "nan" they do not.
        return RecordColumn([None if value is None else repr(value) for value in values], "DOUBLE", "VARCHAR")
    return RecordColumn(values, "DOUBLE", "DOUBLE")


def _exact(values: list[Any], type_: str) -> RecordColumn:
    if type_ == "BIGINT":
        return RecordColumn(values, type_, type_)
    # As text, since a list of larger numbers may become a list of floats on its way to the engine.
    texts = [None if value is None else format(Decimal(value), "f") for value in values]
    return RecordColumn(texts, type_, "VARCHAR")


def _integers(name: str, values: list[int | None]) -> str:
    known = [value for value in values if value is not None]
    if all(-_INT64 <= value < _INT64 for value in known):
        return "BIGINT"
    if all(-_INT128 <= value < _INT128 for value in known):
        return "HUGEINT"
    raise ScanError(f"column {name!r} of the records holds an integer of more than 128 bits")


def _decimals(name: str, values: list[Any]) -> str:
    decimals = [Decimal(value) for value in values if value is not None]
    if not all(value.is_finite() for value in decimals):
        raise ScanError(f"column {name!r} of the records holds a Decimal that is not finite")
    scale = max(0, *(-int(value.as_tuple().exponent) for value in decimals))
    whole = max(0, *(value.adjusted() + 1 for value in decimals))
    if whole + scale > _DIGITS_MAX:
        raise ScanError(
            f"column {name!r} of the records holds Decimals that need {whole + scale} digits together; "
            f"there are {_DIGITS_MAX}"
        )
    return f"DECIMAL({_DIGITS_MAX},{scale})"


def _moments(values: list[Any]) -> RecordColumn:
    """Return dates and datetimes as timestamps: in UTC when one has a zone, which one without it is taken as."""
    aware = any(getattr(value, "tzinfo", None) is not None for value in values)
    moments = [None if value is None else as_utc(value) for value in values]
    if not aware:
        moments = [None if moment is None else moment.replace(tzinfo=None) for moment in moments]
    type_ = "TIMESTAMPTZ" if aware else "TIMESTAMP"
    return RecordColumn(moments, type_, type_)
