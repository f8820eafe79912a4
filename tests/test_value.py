"""Moments in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from dqx.value import as_utc


@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        (date(2024, 2, 29), datetime(2024, 2, 29, tzinfo=UTC)),
        (datetime(2024, 2, 29, 5), datetime(2024, 2, 29, 5, tzinfo=UTC)),
        (
            datetime(2024, 2, 29, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            datetime(2024, 2, 28, 23, 30, tzinfo=UTC),
        ),
    ],
)
def test_moments_without_a_zone_are_utc(moment: date, utc: datetime) -> None:
    """Dates are their midnight."""
    assert as_utc(moment) == utc
    assert as_utc(moment).tzinfo is UTC
