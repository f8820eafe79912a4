"""What each metric is, once more, in plain Python: what the engine is held against."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tests.strategies import Row

from dqx.value import as_utc

if TYPE_CHECKING:
    from datetime import date, datetime

    from dqx.common import ResultValue
    from dqx.engine.metrics import MetricSpec

Predicate = Callable[[Row], bool]
NO_VALUE = "no value"


@dataclass(frozen=True)
class OneOf:
    """Any of these is right, as the engine may choose between equals; `or_nothing`: one of them is not finite."""

    values: list[Any]
    or_nothing: bool = False


@dataclass(frozen=True)
class About:
    """A float, computed in another order: right within `error`."""

    value: float
    error: float


def expected(spec: MetricSpec, rows: list[Row], now: datetime) -> Any:
    """Return the value of a metric over rows: a value, OneOf, About, or NO_VALUE."""
    columns = [[row.get(name) for row in rows] for name in spec.columns]
    known = [value for value in columns[0] if value is not None] if columns else []
    match spec.kind:
        case "num_rows":
            return len(rows)
        case "count":
            return len(known)
        case "null_count":
            return len(rows) - len(known)
        case "unique_count":
            return len({_key(value) for value in known})
        case "duplicate_count":
            keys = [key for key in zip(*columns, strict=True) if None not in key]
            return len(keys) - len({tuple(map(_key, key)) for key in keys})
        case "count_values":
            return sum(_is_any(value, spec.values) for value in known)
        case "not_in_count":
            return sum(not _is_any(value, spec.values) for value in known)
        case "pattern_count":
            # At the end of a text, where Python's `$` also takes the place before a last newline.
            pattern = str(spec.values[0]).replace("$", r"\Z")
            return sum(re.search(pattern, value, re.ASCII) is not None for value in known)
        case "first":
            return _first([pair for pair in zip(*columns, strict=True) if None not in pair])
    if not known:
        return NO_VALUE
    match spec.kind:
        case "minimum":
            return _finite(min(known, key=_rank))
        case "maximum":
            return _finite(max(known, key=_rank))
        case "min_length":
            return min(map(len, known))
        case "max_length":
            return max(map(len, known))
        case "freshness":
            return (as_utc(now) - max(map(as_utc, known))).total_seconds()
        case "sum":
            with localcontext(prec=100):
                return _about(known, math.fsum) if isinstance(known[0], float) else sum(known)
        case "average":
            if isinstance(known[0], float):
                return _about(known, lambda values: math.fsum(values) / len(values))
            return float(sum(map(Fraction, known)) / len(known))
        case "median":
            return _quantile(known, 0.5)
        case "quantile":
            return _quantile(known, float(spec.values[0]))
        case "variance":
            return _variance(known)
        case "stddev":
            variance = _variance(known)
            if not isinstance(variance, About):
                return variance
            # Near 0 the root of a small error is a large one.
            return About(math.sqrt(variance.value), math.sqrt(variance.error))
    raise NotImplementedError(spec.kind)


def assert_agrees(metric: str, found: ResultValue, wanted: Any) -> None:
    """Fail with the metric's name unless what the engine found is what plain Python says."""
    if isinstance(wanted, OneOf) and wanted.or_nothing and found.error is not None:
        return
    if wanted == NO_VALUE:
        assert found.error is not None, f"{metric} is {found.value!r}, where there is no value"
        return
    assert found.error is None, f"{metric}: {found.error}; it is {wanted}"
    if isinstance(wanted, About):
        assert found.value == wanted.value or abs(float(found.value) - wanted.value) <= wanted.error, (
            f"{metric} is {found.value}, in plain Python {wanted}"
        )
        return
    allowed = wanted.values if isinstance(wanted, OneOf) else [wanted]
    assert found.value in allowed, f"{metric} is {found.value!r}, in plain Python {wanted!r}"
    exact = {type(value) for value in allowed}
    assert type(found.value) in exact, f"{metric} is a {type(found.value).__name__}, not one of {exact}"


def _key(value: Any) -> Hashable:
    """NaN is one value, and -0.0 is 0.0."""
    return "NaN" if value != value else value


def _rank(value: Any) -> tuple[bool, Any]:
    """NaN is larger than any number."""
    return (True, 0) if value != value else (False, value)


def _finite(value: Any) -> Any:
    return NO_VALUE if isinstance(value, float) and not math.isfinite(value) else value


def _is_any(value: Any, candidates: tuple[Any, ...]) -> bool:
    """A float that is written means the decimal, beside exact values, and the nearest float beside floats."""
    for candidate in candidates:
        if isinstance(value, (int, Decimal)) and isinstance(candidate, float):
            if Fraction(value) == Fraction(repr(candidate)):
                return True
        elif value == (float(candidate) if isinstance(value, float) else candidate):
            return True
    return False


def _first(pairs: list[tuple[Any, Any]]) -> Any:
    if not pairs:
        return NO_VALUE
    lowest = min(_rank(order) for _, order in pairs)
    values = [value for value, order in pairs if _rank(order) == lowest]
    finite = [value for value in values if _finite(value) != NO_VALUE]
    return OneOf(finite, or_nothing=len(finite) < len(values)) if finite else NO_VALUE


def _about(values: list[float], compute: Callable[[list[float]], float]) -> Any:
    if not all(map(math.isfinite, values)):
        return NO_VALUE
    return About(compute(values), 1e-12 * sum(map(abs, values)))


def _quantile(values: list[Any], q: float) -> Any:
    ranked = sorted((float(value) for value in values), key=_rank)
    position = (len(ranked) - 1) * q
    low, high = ranked[math.floor(position)], ranked[math.ceil(position)]
    value = low if low == high else low + (high - low) * (position - math.floor(position))
    return NO_VALUE if not math.isfinite(value) else About(value, 1e-12 * max(abs(low), abs(high)))


def _variance(values: list[Any]) -> Any:
    floats = [float(value) for value in values]
    if len(floats) < 2 or not all(map(math.isfinite, floats)):
        return NO_VALUE
    mean = sum(map(Fraction, floats)) / len(floats)
    variance = sum((Fraction(value) - mean) ** 2 for value in floats) / (len(floats) - 1)
    return About(float(variance), 1e-9 * max(abs(value) for value in floats) ** 2)


def rows_of_day(rows: list[Row], column: str, day: date) -> list[Row]:
    """Return the rows of which the column lies in [day, day + 1), in UTC."""
    return [row for row in rows if row[column] is not None and as_utc(row[column]).date() == day]
