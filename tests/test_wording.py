"""Words of messages: the name that was meant, and texts that stay on their line."""

from __future__ import annotations

import pytest

from dqx.wording import did_you_mean, one_line


@pytest.mark.parametrize(
    ("wrong", "allowed", "hint"),
    [
        ("prize", ["price", "order_id"], "; did you mean 'price'?"),
        ("PRICE", ["price"], "; did you mean 'price'?"),
        ("ordr id", ["order id", "x"], "; did you mean 'order id'?"),
        ("zzz", ["b", "a"], "; there are: a, b"),
        ("zzz", [], ""),
        (
            "q" * 9,
            [f"c{n:02}" for n in range(30)],
            "; there are: c00, c01, c02, c03, c04, c05, c06, c07, c08, c09 and 20 more",
        ),
    ],
)
def test_a_wrong_name_gets_the_nearest_right_one(wrong: str, allowed: list[str], hint: str) -> None:
    """Or the right ones, when none is near."""
    assert did_you_mean(wrong, allowed) == hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("naïve 🛫 名前", "naïve 🛫 名前"),
        ("👩\u200d✈️".rstrip("\ufe0f"), "👩\u200d✈"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("left\u202eright", "left\\u202eright"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_a_name_stays_on_its_line(text: str, shown: str) -> None:
    """A name must not forge a line, colour a terminal, or turn its text around."""
    assert one_line(text) == shown
