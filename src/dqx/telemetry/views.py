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

_LIMIT = "aggregation_cardinality_limit"
_RESERVOIR = "exemplar_reservoir_factory"


def make_views() -> Sequence[View]:
    """Return the views for a `MeterProvider` of a program's own: `MeterProvider(views=make_views(), ...)`."""
    from opentelemetry.sdk.metrics import Counter, Histogram, ObservableGauge
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

    # Older SDKs have neither limits nor exemplars, and their views no such arguments.
    known = inspect.signature(View).parameters
    limit: dict[str, Any] = {_LIMIT: SERIES_LIMIT} if _LIMIT in known else {}
    plain: dict[str, Any] = {}
    if _RESERVOIR in known:
        from dqx.telemetry.no_exemplars import reservoir_factory

        # A gauge that is read outside of any span never has an exemplar; the place for one costs 1 KB a series.
        plain = {_RESERVOIR: reservoir_factory}
    buckets = ExplicitBucketHistogramAggregation(names.SECONDS_BUCKETS)
    return (
        View(instrument_type=ObservableGauge, meter_name=names.SCOPE, **limit, **plain),
        View(instrument_type=Counter, meter_name=names.SCOPE, **limit),
        View(instrument_type=Histogram, meter_name=names.SCOPE, aggregation=buckets, **limit),
    )
