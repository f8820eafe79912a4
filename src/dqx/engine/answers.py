"""From what an engine answers to a metric's value, or the reason why it has none."""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from dqx.common import ScanError
from dqx.engine.columns import MOMENTS, NUMBERS, Column, Family
from dqx.engine.metrics import is_finite
from dqx.value import EPOCH, Value, as_utc

if TYPE_CHECKING:
    from dqx.engine.metrics import MetricSpec


def moment_of(us: int, family: Family) -> date:
    """Return microseconds since 1970 as a value of a date or timestamp column; OverflowError outside the calendar."""
    moment = EPOCH + timedelta(microseconds=us)
    if family == "date":
        return moment.date()
    return moment if family == "timestamptz" else moment.replace(tzinfo=None)


def finite_value(spec: MetricSpec, value: Any, absent: str = "no rows, or NULL in all of them") -> Any:
    """Return a finite value; raise ScanError that says why there is none."""
    if value is None:
        raise ScanError(f"{spec.render()} has no value: {absent}")
    if not is_finite(value):
        raise ScanError(f"{spec.render()} is {value}, where a finite number was needed")
    return value


def moment_value(spec: MetricSpec, us: int | None, family: Family) -> date:
    """Return a date or a timestamp from microseconds since 1970."""
    try:
        return moment_of(finite_value(spec, us, "no rows, NULL in all of them, or an infinite one"), family)
    except OverflowError:
        raise ScanError(f"{spec.render()} is outside of the years 1 to 9999") from None


def typed_value(spec: MetricSpec, type_: str, text: str | None) -> Value:
    """Return a value from the engine's name of its type and its text."""
    text = finite_value(spec, text)
    family = Column("", type_).family
    if family == "boolean":
        return int(text == "true")
    if family == "integer":
        return int(text)
    if family in NUMBERS:
        number: Value = Decimal(text) if family == "decimal" else float(text)
        if type_ == "FLOAT":  # whose shortest text tells it from other floats of 32 bits only
            (number,) = struct.unpack("f", struct.pack("f", number))
        return cast("Value", finite_value(spec, number))
    if family not in MOMENTS:
        raise ScanError(f"{spec.render()} gave {type_}, where a number or a moment was needed")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ScanError(f"{spec.render()} is {text}, outside of the years 1 to 9999") from None
    if family == "date":
        return moment.date()
    return as_utc(moment) if family == "timestamptz" else moment
