"""Values and counts as a person reads them: short, and never so short that two look alike."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from dqx.value import as_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dqx.value import Value

_DIGITS_MAX = 17  # a float has no more
# Of a float, as many are those that were written; to tell more apart, the fewest are shown that do: of 0.3 and its
# neighbour not 0.29999999999999999 and 0.30000000000000004.
_DIGITS_SURE = 15


def readable(values: Sequence[Value]) -> list[str]:
    """Return values that are compared with each other as short texts, in which different ones differ.

    Numbers have thousands separators and two decimals, or three digits where they are smaller than 1, and more
    where 0.0500001 would otherwise look like 0.05. Moments are in UTC.
    """
    for extra in range(_DIGITS_MAX):
        texts = [_text(value, extra) for value in values]
        if len(set(texts)) >= len(set(values)):
            return texts
    return [str(value) for value in values]


def counted(number: int, noun: str) -> str:
    """Return a number of things: `1 row`, `1,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _text(value: Value, extra: int) -> str:
    match value:
        case datetime():
            moment = as_utc(value).replace(tzinfo=None)
            whole_minutes = not (moment.second or moment.microsecond)
            return moment.isoformat(sep=" ", timespec="minutes" if whole_minutes else "auto")
        case date():
            return value.isoformat()
        case int():
            return f"{value:,}"
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "infinity", "-inf": "-infinity"}[str(float(value)).lower()]
    if value == 0:
        return "0"
    size = value.adjusted() if isinstance(value, Decimal) else math.floor(math.log10(abs(value)))
    if isinstance(value, float) and 3 + extra + (size if 0 <= size < 15 else 0) > _DIGITS_SURE:
        return f"{value:,}".removesuffix(".0")
    if not -7 <= size < 15:
        return f"{value:.{2 + extra}e}"
    shown = f"{value:,.{(2 if size >= 0 else 2 - size) + extra}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
