"""What a metric can be, and moments in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

Value = int | float | Decimal | date | datetime
"""What a metric can be. Integers and decimals are exact; datetimes without a zone are UTC."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_utc(moment: date) -> datetime:
    """Return a date or datetime as an aware datetime in UTC; without a zone it is taken as UTC."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
