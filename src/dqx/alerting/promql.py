"""Pieces of PromQL: texts, durations, selectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def quoted(text: str) -> str:
    """Return a text as a string in double quotes: Go's form, which PromQL and Go templates share."""
    return f'"{"".join(map(_escaped, text))}"'


def duration(seconds: float) -> str:
    """Return a duration as PromQL writes it, rounded up to whole seconds: `1d7h15m`."""
    left = -int(-seconds // 1)
    text = ""
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return f"{text}{left}s" if left or not text else text


def selector(metric: str, labels: Mapping[str, str], *more: str) -> str:
    """Return what selects the series of a metric that have these labels; `more` are matchers as text."""
    matchers = [*(f"{name}={quoted(value)}" for name, value in labels.items()), *more]
    return f"{metric}{{{', '.join(matchers)}}}" if matchers else metric


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
