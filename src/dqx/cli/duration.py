"""Durations as people write them, `90s`, `15m`, `1h`, `1d`, and as the command line prints them."""

from __future__ import annotations

import re
from datetime import timedelta

import click

from dqx.common import ConfigurationError

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([dhms])"


def parse_duration(text: str) -> timedelta:
    """Return a duration written as numbers with units: `90s`, `15m`, `1.5h`, `400d`, `1h30m`.

    Raises:
        ConfigurationError: When it is written otherwise, or is not longer than 0.
    """
    stripped = text.strip()
    if not re.fullmatch(f"(?:{_PART})+", stripped):
        raise ConfigurationError(
            f"{text!r} is no duration; write a number and a unit of s, m, h, d, such as 90s, 15m, 1h or 1d",
            text,
        )
    try:
        duration = timedelta(
            seconds=sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, stripped))
        )
    except OverflowError:
        raise ConfigurationError(f"{text!r} is too long a duration; a year is 365d", text) from None
    if not duration:
        raise ConfigurationError(f"{text!r} is no duration: it must be longer than 0", text)
    return duration


def duration_text(seconds: float) -> str:
    """Return a number of seconds as `0.36 s`, `12.3 s`, `2m 5s` or `1d 6h`, the largest two units of it."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts = []
    for unit, size in _SECONDS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def duration_value(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    """Return what a flag says as a duration: the callback of a click option."""
    try:
        return None if value is None else parse_duration(value)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from None
