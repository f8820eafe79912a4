"""Values, tags and times as the store writes them: text and integers that give back exactly what went in."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from dqx.common import StoreError
from dqx.frozen_dict import FrozenDict, Tags
from dqx.value import EPOCH, as_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dqx.value import Value

_MICROSECOND = timedelta(microseconds=1)

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_quoted = lru_cache(maxsize=1_000)(_json)

_READ: Mapping[str, Callable[[str], Value]] = {
    "i": int,
    "f": float,
    "m": Decimal,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
}


def encode(value: Value) -> str:
    """Write a value as a letter for its kind and its shortest exact text: `i42`, `f0.1`, `m1.20`, `d2024-01-31`.

    The methods are those of the kind itself, so that a subclass (numpy's float64, a bool) is stored as what
    it stands for. A datetime keeps its offset from UTC, or that it has none.

    Raises:
        StoreError: When the value is of any other type.
    """
    if isinstance(value, float):
        return "f" + float.__repr__(value)
    if isinstance(value, int):
        return "i" + int.__repr__(value)
    if isinstance(value, Decimal):
        return "m" + Decimal.__str__(value)
    if isinstance(value, datetime):
        return "t" + datetime.isoformat(value)
    if isinstance(value, date):
        return "d" + date.isoformat(value)
    raise StoreError(
        f"a value of type {type(value).__name__} cannot be stored; "
        "what a metric can be is int, float, Decimal, date or datetime"
    )


def decode(text: str) -> Value:
    """Read what `encode` wrote."""
    return _READ[text[0]](text[1:])


def encode_all(values: Mapping[str, Value]) -> str | None:
    """Write named values as JSON of encoded ones, or None when there are none.

    Put together by hand: an encoder takes 2 µs to start, and there is one such text in every row of results.
    """
    if not values:
        return None
    return "{" + ",".join(f'{_quoted(name)}:"{encode(value)}"' for name, value in values.items()) + "}"


def decode_all(text: str | None) -> FrozenDict[str, Value]:
    """Read what `encode_all` wrote."""
    return FrozenDict({name: decode(value) for name, value in json.loads(text).items()} if text else {})


def encode_tags(tags: Mapping[str, str]) -> str:
    """Write tags as canonical JSON: the same tags are the same text, in whatever order they came."""
    return _json(dict(sorted(tags.items())))


def decode_tags(text: str) -> Tags:
    """Read what `encode_tags` wrote."""
    return Tags(json.loads(text))


@lru_cache(maxsize=1_000)
def encode_names(names: tuple[str, ...]) -> str:
    """Write names in their order as JSON."""
    return _json(names)


@lru_cache(maxsize=1_000)
def decode_names(text: str) -> tuple[str, ...]:
    """Read what `encode_names` wrote."""
    return tuple(json.loads(text))


def encode_time(moment: datetime) -> int:
    """Write a time as microseconds since 1970 in UTC, exactly; without a zone it is taken as UTC."""
    return (as_utc(moment) - EPOCH) // _MICROSECOND


def decode_time(microseconds: int) -> datetime:
    """Read what `encode_time` wrote, aware and in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def clean(text: str | None) -> str | None:
    """Make free text, such as an error's, fit for every store.

    PostgreSQL takes no NUL in text and neither store takes half a surrogate pair, and a message of someone
    else's must not cost a run its results.
    """
    if text is None:
        return None
    return text.replace("\0", "␀").encode("utf-8", "backslashreplace").decode("utf-8")
