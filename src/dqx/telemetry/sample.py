"""One number of one series, and what may become such a number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from dqx.value import as_utc

if TYPE_CHECKING:
    from dqx.frozen_dict import FrozenDict
    from dqx.telemetry.names import Metric

INT_MAX = 2**63 - 1
"""The largest integer that OpenTelemetry sends as one; what is larger goes as a float."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of `metric`, a number that is finite. `labels` are all of the series, in their final form."""

    metric: Metric
    labels: FrozenDict[str, str]
    value: float


def number(value: object) -> float | None:
    """Return a value as a finite number, or None when it is none; a date or datetime as Unix seconds."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case date():
            return as_utc(value).timestamp()
        case int() | Decimal():
            try:
                converted = float(value)
            except (OverflowError, ValueError):  # 10**400, a signalling NaN
                return None
            return converted if math.isfinite(converted) else None
    return None
