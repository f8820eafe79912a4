"""Words of messages: the name that was meant, and texts of others that stay on their line."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(wrong: str, allowed: Iterable[str]) -> str:
    """Return `; did you mean 'price'?`, or the allowed names when none is near, for the end of a message."""
    names = sorted(set(allowed))
    near = difflib.get_close_matches(wrong.lower(), [name.lower() for name in names], n=1)
    if near:
        return f"; did you mean {next(name for name in names if name.lower() == near[0])!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:10])
    return f"; there are: {shown}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def one_line(text: str) -> str:
    """Return text with what would break its line, forge another, or steer a terminal, spelled out."""
    if text.isprintable():
        return text
    joiner = "\u200d"  # holds an emoji together; not printable by Python's count
    return "".join(c if c.isprintable() or c == joiner else c.encode("unicode_escape").decode() for c in text)
