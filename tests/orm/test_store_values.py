"""Values come back from text as exactly what they were."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.common import StoredMetric, StoreError
from dqx.orm import MetricDB
from dqx.orm.values import (
    clean,
    decode,
    decode_all,
    decode_tags,
    decode_time,
    encode,
    encode_all,
    encode_tags,
    encode_time,
)
from dqx.value import as_utc

if TYPE_CHECKING:
    from tests.orm.conftest import Examples

EDGES: list[Any] = [
    0,
    -1,
    2**53 + 1,
    2**64 + 1,
    -(2**127),
    0.0,
    -0.0,
    0.1,
    5e-324,
    1.7976931348623157e308,
    1e22,
    Decimal("0"),
    Decimal("-0.00"),
    Decimal("1.20"),
    Decimal("1E+30"),
    Decimal("0.1234567890123456789012345678901234567"),
    date.min,
    date(2024, 2, 29),
    date.max,
    datetime.min.replace(tzinfo=UTC).replace(tzinfo=None),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC).replace(tzinfo=None),
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45, seconds=1))),
    datetime.max.replace(tzinfo=UTC),
]

values = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
)


def exactly(value: Any) -> tuple[Any, ...]:
    """Return what tells a value from those that are merely equal to it (1, 1.0, Decimal('1.00'))."""
    offset = value.utcoffset() if isinstance(value, datetime) else None
    moment = value.replace(tzinfo=None, fold=0) if isinstance(value, datetime) else value
    return type(value), repr(moment), offset


@pytest.mark.parametrize("value", EDGES, ids=repr)
def test_an_edge_value_comes_back_exactly(value: Any) -> None:
    """Value, type, sign, digits and offset from UTC are as before."""
    assert exactly(decode(encode(value))) == exactly(value)


@given(values)
def test_any_value_comes_back_exactly(value: Any) -> None:
    """Reading undoes writing."""
    assert exactly(decode(encode(value))) == exactly(value)


def test_edge_values_come_back_from_each_store(store: MetricDB, make: Examples) -> None:
    """What holds for the text holds for the store, for results, thresholds and metrics."""
    results = [
        make.result(f"a{number}", value=value, thresholds={"lower": value, "excluded_upper": value})
        for number, value in enumerate(EDGES)
    ]
    metrics = [StoredMetric("d", f"m{number}", "m", value) for number, value in enumerate(EDGES)]
    make.store(store, make.run("r1", make.key(), results=results), metrics)

    found = store.results("r1")
    history = store.history("flights", make.key().tags, [("d", m.metric_id, make.day(0)) for m in metrics])

    wanted = [exactly(value) for value in EDGES]
    assert [exactly(result.value) for result in found] == wanted
    assert [exactly(result.thresholds["lower"]) for result in found] == wanted
    assert [exactly(history["d", m.metric_id, make.day(0)]) for m in metrics] == wanted


@given(stored=st.lists(values, max_size=5))
def test_any_values_come_back_from_a_store(make: Examples, stored: list[Any]) -> None:
    """Reading undoes writing, all the way through a database."""
    metrics = [StoredMetric("d", str(number), "m", value) for number, value in enumerate(stored)]
    with closing(MetricDB()) as store:
        make.store(store, make.run("r1", make.key()), metrics)
        wanted = [("d", m.metric_id, make.day(0)) for m in metrics]
        found = store.history("flights", make.key().tags, wanted)

    assert [exactly(found[want]) for want in wanted] == [exactly(value) for value in stored]


class Colour(IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "stands_for"),
    [(True, 1), (Colour.RED, 3), (numpy.float64(0.1), 0.1)],
    ids=["bool", "enum", "numpy"],
)
def test_a_value_of_a_subclass_is_stored_as_what_it_stands_for(value: Any, stands_for: Any) -> None:
    """How a subclass prints itself does not reach the store."""
    assert exactly(decode(encode(value))) == exactly(stands_for)


@pytest.mark.parametrize("value", ["1", None, b"1", 1j, [1], numpy.int64(1)], ids=repr)
def test_another_type_is_refused_without_showing_the_value(value: Any) -> None:
    """The message names the type and what is allowed; the value may be a secret."""
    with pytest.raises(StoreError, match=f"type {type(value).__name__} cannot be stored.*Decimal, date"):
        encode(value)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), values))
def test_named_values_come_back_exactly(named: dict[str, Any]) -> None:
    """Names may hold quotes and backslashes, and the order stays."""
    found = decode_all(encode_all(named))

    assert [(name, exactly(value)) for name, value in found.items()] == [
        (name, exactly(value)) for name, value in named.items()
    ]


@given(st.dictionaries(st.text(), st.text()))
def test_the_same_tags_are_the_same_text(tags: dict[str, str]) -> None:
    """Tags are told apart by their text, so their order may not show in it."""
    backwards = dict(reversed(tags.items()))

    assert encode_tags(tags) == encode_tags(backwards)
    assert decode_tags(encode_tags(tags)) == tags


@given(st.datetimes(timezones=st.none() | st.timezones()).filter(lambda moment: 1 < moment.year < 9999))
def test_a_time_comes_back_to_the_microsecond(moment: datetime) -> None:
    """A time is the same moment, in UTC."""
    found = decode_time(encode_time(moment))

    assert found == as_utc(moment)
    assert found.tzinfo is UTC


@given(st.text(st.characters()))
def test_clean_text_is_what_it_was_or_can_be_stored(text: str) -> None:
    """Text that every store takes is left alone; of other text every character shows."""
    found = clean(text)

    assert found is not None
    assert "\0" not in found
    assert found.encode().decode() == found
    if "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert found == text


def test_no_text_stays_none() -> None:
    """A result without a reason has none."""
    assert clean(None) is None
