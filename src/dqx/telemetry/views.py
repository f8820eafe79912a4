"""How an SDK has to keep our instruments: buckets for seconds, and no fewer series than we send."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.view import View

SERIES_LIMIT = 100_000
"""Series of one instrument: five suites of 10,000 assertions with two thresholds each. The SDK's own is 2,000."""


def make_views() -> Sequence[View]:
    """Return the views for a `MeterProvider` of a program's own: `MeterProvider(views=make_views(), ...)`."""
    from opentelemetry.sdk.metrics import Counter, Histogram, ObservableGauge
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

    # Before 1.36 or so an SDK has no limit, and its views no such argument.
    limited = "aggregation_cardinality_limit" in inspect.signature(View).parameters
    limit: dict[str, Any] = {"aggregation_cardinality_limit": SERIES_LIMIT} if limited else {}
    buckets = ExplicitBucketHistogramAggregation(names.SECONDS_BUCKETS)
    return (
        View(instrument_type=ObservableGauge, meter_name=names.SCOPE, **limit),
        View(instrument_type=Counter, meter_name=names.SCOPE, **limit),
        View(instrument_type=Histogram, meter_name=names.SCOPE, aggregation=buckets, **limit),
    )
