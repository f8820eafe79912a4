"""The shape of a condition: its SQL with a stand-in for every literal, so that it is parsed once for many.

Conditions that a loop writes differ in their literals alone, `price > 1`, `price > 2`, and parsing is what they
cost: 80 µs each. A shape is proven in their place, and their literals are put where the parser's own words have
the stand-ins. That is safe because a number cannot be told from a number, nor a text from a text, by anything
around it; what could be read in more than one way has no shape, and is parsed as it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Words, numbers, operators, and texts of plain characters that nothing before or behind makes into something else,
# as E'...' and X'...' are. No comments, no other quotes, no parameters.
_PLAIN = re.compile(r"(?:[\w \t\n.,:()<>=!+*/%|-]|(?<![\w.])'[ -&(-\[\]-~]*'(?![\w']))+", re.ASCII)
_COMMENT = re.compile(r"--|/\*")
# Numbers of a size that any grammar reads as one kind; what is larger, or has an exponent, stays in the shape.
_LITERAL = re.compile(r"'[^']*'|(?<![\w.])\d{1,9}(\.\d{1,9})?(?![\w.])", re.ASCII)
_STAND_IN = "19000"
"""What every stand-in begins with; with the five digits of its place it is an integer of 32 bits."""
_LITERALS_MAX = 100_000


class Shape(NamedTuple):
    """A condition taken apart: its text with stand-ins, those, and the literals in whose place they stand."""

    text: str
    stand_ins: tuple[str, ...]
    literals: tuple[str, ...]

    def fill(self, written: str) -> str | None:
        """Return what the parser wrote of the shape with the literals in it; None where it moved or lost one."""
        pieces: list[str] = []
        for stand_in, literal in zip(self.stand_ins, self.literals, strict=True):
            piece, found, written = written.partition(stand_in)
            if not found or _STAND_IN in piece:
                return None
            pieces += (piece, literal)
        return None if _STAND_IN in written else "".join((*pieces, written))


def shape_of(text: str) -> Shape | None:
    """Return the shape of a condition, or None when it holds anything but plain words, numbers and texts."""
    if not _PLAIN.fullmatch(text) or _COMMENT.search(text) or _STAND_IN in text:
        return None
    stand_ins: list[str] = []
    literals: list[str] = []

    def stand_in(match: re.Match[str]) -> str:
        literal = match[0]
        number = f"{_STAND_IN}{len(literals):05}"
        literals.append(literal)
        stand_ins.append(f"'{number}'" if literal[0] == "'" else f"{number}.5" if match[1] else number)
        return stand_ins[-1]

    shape = _LITERAL.sub(stand_in, text)
    return Shape(shape, tuple(stand_ins), tuple(literals)) if len(literals) <= _LITERALS_MAX else None
