"""A metric as it is written in a check: what was given is refused where it is not what it should be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TypedDict, Unpack

from dqx.common import ConfigurationError
from dqx.engine.expression import Metric
from dqx.engine.metrics import Literals, MetricKind, MetricSpec, is_finite, plain_value
from dqx.wording import did_you_mean

DAYS_MAX = 36_525
"""How far back a metric may look: a century; further no calendar needs to reach."""


class MetricOptions(TypedDict, total=False):
    """What every metric takes beside its own arguments."""

    dataset: str | None
    lag: int
    where: str | None
    name: str | None


def is_days(value: object) -> bool:
    """Tell whether a value is a number of days to look back, 0 to `DAYS_MAX`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= DAYS_MAX


def metric_of(
    kind: MetricKind,
    columns: tuple[str, ...],
    values: tuple[Literals, ...] = (),
    sql: str | None = None,
    **options: Unpack[MetricOptions],
) -> Metric:
    """Make a metric; raise ConfigurationError that names it when an argument is wrong."""
    for option in options:
        if option not in MetricOptions.__annotations__:
            hint = did_you_mean(option, MetricOptions.__annotations__)
            raise ConfigurationError(f"{kind} takes no argument {option!r}{hint}", option)
    lag, where = options.get("lag", 0), options.get("where")
    for column in columns:
        if not isinstance(column, str) or not column:
            raise ConfigurationError(f"{kind}: a column is named by text, not by {column!r}", column)
    if where is not None and not isinstance(where, str):
        raise ConfigurationError(f"{kind}: where is one SQL condition as text, not {where!r}", where)
    dataset, name = options.get("dataset"), options.get("name")
    for option, value in (("dataset", dataset), ("name", name)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise ConfigurationError(f"{kind}: {option} is text, not {value!r}", value)
    if not is_days(lag):
        raise ConfigurationError(f"{kind}: lag is a number of days, 0 to {DAYS_MAX}, not {lag!r}", lag)
    return Metric(MetricSpec(kind, columns, values, sql, where), dataset, lag, name)


def literals_of(kind: MetricKind, column: str, values: Literals | Iterable[Literals]) -> tuple[Literals, ...]:
    """Return the values of a list or a single one, in a fixed order; raise ConfigurationError for others."""
    several = isinstance(values, Iterable) and not isinstance(values, (str, bytes))
    listed: list[Literals] = []
    for value in map(plain_value, values if several else [values]):  # type: ignore[arg-type]  # `several` tells
        if not isinstance(value, (bool, int, float, Decimal, date, str)):
            hint = "; null_count counts NULL" if value is None else ""
            raise ConfigurationError(
                f"{kind}({column}): {value!r} is no number, text, boolean or date{hint}", value
            )
        if not is_finite(value):
            raise ConfigurationError(
                f'{kind}({column}): {value!r} is not finite; write where="isnan({column})"', value
            )
        listed.append(value)
    if not listed:
        raise ConfigurationError(f"{kind}({column}): no values were given", column)
    # A set has no order, and the same metric must be found again in the store.
    return tuple(sorted(listed, key=repr)) if isinstance(values, (set, frozenset)) else tuple(listed)
