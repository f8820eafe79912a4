"""Durations: how they are written, and how they are shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.cli.duration import duration_text, parse_duration
from dqx.common import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h", 3_600),
        ("1d", 86_400),
        ("400d", 34_560_000),
        ("1.5h", 5_400),
        ("1h30m", 5_400),
        (" 2 m ", 120),
        ("0.25s", 0.25),
    ],
)
def test_numbers_with_units_are_durations(text: str, seconds: float) -> None:
    """Seconds, minutes, hours and days, and several of them in a row."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "5x", "-5m", "5 minutes", "1h-30m", "1e3s", "0s", "0d0h", "٣h", "5m\n5", "nan", "1:30"],
)
def test_what_is_no_duration_is_refused_by_its_text(text: str) -> None:
    """The error repeats what was found; a number without a unit could mean anything."""
    with pytest.raises(ConfigurationError) as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)
    assert caught.value.culprit == text


def test_a_duration_too_long_for_the_calendar_is_refused() -> None:
    """It is an error of the text, not an overflow."""
    with pytest.raises(ConfigurationError, match="too long"):
        parse_duration("999999999d999999999d")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.004, "0.00 s"),
        (0.36, "0.36 s"),
        (12.34, "12.3 s"),
        (75, "1m 15s"),
        (3_600, "1h"),
        (86_400, "1d"),
        (108_000, "1d 6h"),
        (90_061, "1d 1h"),
        (59.96, "60.0 s"),
    ],
)
def test_durations_are_shown_in_their_largest_two_units(seconds: float, text: str) -> None:
    """What a person wants to know of a run, and of how often a suite is expected."""
    assert duration_text(seconds) == text


@given(st.integers(60, 10**9))
def test_what_is_shown_can_be_read_again(seconds: int) -> None:
    """From a minute on the text is one that a flag takes, and less than its second unit too short."""
    again = parse_duration(duration_text(seconds).replace(" ", "")).total_seconds()
    assert 0 <= seconds - again < 3_600
