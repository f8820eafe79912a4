"""A metric as a value: what is to be computed of a dataset, apart from any engine.

Two specs are equal when they ask for the same thing; `metric_id` is that identity as the store keeps it, so
that history is found again by another process, another day.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from dqx.value import Value

Literals = Value | bool | str
"""What may be written as a value inside a metric: counted, compared with, or a parameter of it."""

MetricKind = Literal[
    "num_rows",
    "count",
    "null_count",
    "sum",
    "average",
    "minimum",
    "maximum",
    "variance",
    "stddev",
    "median",
    "quantile",
    "first",
    "unique_count",
    "approx_unique_count",
    "duplicate_count",
    "count_values",
    "not_in_count",
    "pattern_count",
    "min_length",
    "max_length",
    "freshness",
    "custom_sql",
]

# One encoder for all: json.dumps would make one each time that it is told how to write.
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_PLAIN = frozenset((bool, int, float, Decimal, date, datetime, str))
_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True, eq=False)
class MetricSpec:
    """What to compute: the kind, its columns in order, its literal values, and a condition on the rows.

    `sql` is the user's expression of a `custom_sql`; `where` one SQL condition, or None for all rows.
    """

    kind: MetricKind
    columns: tuple[str, ...] = ()
    values: tuple[Literals, ...] = ()
    sql: str | None = None
    where: str | None = None
    identity: str = field(init=False, repr=False)
    # What stands between the parentheses when it prints, in full and redacted: a metric prints for every assertion.
    _arguments: str = field(init=False, repr=False)
    _redacted_arguments: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Values carry their type: 1, True and "1" ask different things, though the first two are equal in Python.
        typed = [[type(value).__name__, str(value)] for value in self.values]
        parts = [self.kind, self.columns, typed, self.sql, self.where]
        object.__setattr__(self, "identity", _canonical(parts))
        object.__setattr__(self, "_arguments", self._written(redacted=False))
        secret = (
            self.sql is not None or self.where is not None or any(isinstance(v, str) for v in self.values)
        )
        object.__setattr__(
            self, "_redacted_arguments", self._written(redacted=True) if secret else self._arguments
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MetricSpec) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    @property
    def metric_id(self) -> str:
        """Return the identity in 32 hexadecimal digits, the same in every process and release."""
        return hashlib.sha256(self.identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def render(self, *, redacted: bool = False, dataset: str | None = None, lag: int = 0) -> str:
        """Return the metric as a person would write it.

        Args:
            redacted: Print every text value as `?` and every piece of the user's SQL as `<sql>`.
            dataset: What it is of, where that is to be said.
            lag: Days between the key date and the value's own date.
        """
        arguments = self._redacted_arguments if redacted else self._arguments
        if dataset is not None:
            arguments += f"{arguments and ', '}dataset={render_name(dataset)}"
        if lag:
            arguments += f"{arguments and ', '}lag={lag}"
        return f"{self.kind}({arguments})"

    def _written(self, *, redacted: bool) -> str:
        """Return the arguments as a person would write them."""
        if self.kind == "custom_sql":
            arguments = ["<sql>" if redacted else str(self.sql)]
        elif self.kind == "duplicate_count":
            arguments = ["[" + ", ".join(map(render_name, self.columns)) + "]"]
        else:
            arguments = [render_name(column) for column in self.columns]
            shown = [render_literal(value, redacted=redacted) for value in self.values]
            if len(shown) > 1 and self.kind in ("count_values", "not_in_count"):
                shown = ["[" + ", ".join(shown) + "]"]
            arguments += shown
        if self.where is not None:
            arguments.append(f"where={'<sql>' if redacted else self.where}")
        return ", ".join(arguments)


def plain_value(value: object) -> object:
    """Return a value as the built-in type that it stands for: an enum's member, numpy's number, pandas' moment.

    What an engine is given, what is printed, and what identifies a metric in the store do not depend on a class
    that the user's program happens to have. What stands for none comes back as it is.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Decimal):
        return Decimal(value)
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz()) if is_finite(value) else value
    if isinstance(value, date):
        return date.fromordinal(value.toordinal())
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return float(value)
    if getattr(value, "shape", None) == ():  # numpy's boolean and moment are none of the above
        plain = value.item()  # type: ignore[attr-defined]  # what has a shape has it
        return plain if isinstance(plain, (bool, date)) else value
    return value


def is_finite(value: object) -> bool:
    """Tell whether a value can be compared: no NaN, no infinity, none of pandas' NaT."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return True
    if isinstance(value, Decimal):
        return value.is_finite()
    return not isinstance(value, date) or value == value  # noqa: PLR0124  # NaT alone is not itself


def render_name(column: str) -> str:
    """Return a column's name, in double quotes unless it is a plain word."""
    return column if _BARE_NAME.match(column) else '"' + column.replace('"', '""') + '"'


def render_literal(value: Literals, *, redacted: bool = False) -> str:
    """Return a literal as a person would write it; with `redacted`, text as `?` and nothing else changed."""
    if isinstance(value, str):
        return "?" if redacted else "'" + value.replace("'", "''") + "'"
    return render_value(value)


def render_value(value: Value) -> str:
    """Return a number or a moment as text: exact, without an exponent where it can be read without one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
