"""A page of the documentation as its readers take it: what they type, look up and follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

_BLOCK = re.compile(r"^```(\w+)(?: (file|append)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)


class Block(NamedTuple):
    """A block of code; `file` is where the reader is to write it, or to append it."""

    language: str
    file: str
    text: str
    appended: bool


class Typed(NamedTuple):
    """A command, and what the page shows below it."""

    command: str
    shown: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its path from the root of the project, and what it says."""

    path: str
    text: str

    @property
    def prose(self) -> str:
        """Return what it says outside of its blocks."""
        return _FENCED.sub("", self.text)

    @property
    def blocks(self) -> list[Block]:
        """Return its blocks, from top to bottom."""
        found = _BLOCK.findall(self.text)
        return [Block(language, file, text, how == "append") for language, how, file, text in found]

    def code(self, language: str) -> list[str]:
        """Return its blocks of one language."""
        return [block.text for block in self.blocks if block.language == language]

    @property
    def anchors(self) -> set[str]:
        """Return what a link may name after `#`, as GitHub makes it of a heading."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

    @property
    def links(self) -> list[str]:
        """Return where its links and pictures lead, but for those out of the project."""
        targets = re.findall(r"\]\(([^)\s]+)\)", self.prose)
        return [target for target in targets if not target.startswith(("http://", "https://"))]

    def section(self, title: str) -> str:
        """Return the text below a heading, to the next one of its rank or a higher one."""
        # Of the same length, so that places in it are places in the text; a `#` in a block is no heading.
        masked = _FENCED.sub(lambda block: " " * len(block[0]), self.text)
        heading = re.search(rf"^(#+) {re.escape(title)}$", masked, re.MULTILINE)
        assert heading, f"{self.path} has no heading {title!r}"
        following = re.compile(rf"^#{{1,{len(heading[1])}}} ", re.MULTILINE).search(masked, heading.end())
        return self.text[heading.end() : following.start() if following else len(self.text)]

    @staticmethod
    def tables(text: str) -> list[list[list[str]]]:
        """Return the tables of a text: rows of cells, without heads and rulers."""
        return [
            [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
            for table in _TABLE.findall(text)
        ]


def page(path: str) -> Page:
    """Return the page at a path from the root of the project."""
    return Page(path, (ROOT / path).read_text())


def typed(text: str) -> list[Typed]:
    """Return the commands of a console block; one whose line ends in a backslash goes on in the next."""
    steps = []
    for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n?", step)
        assert command is not None
        steps.append(Typed(command[0].rstrip("\n"), step[command.end() :]))
    return steps


def pages() -> list[Page]:
    """Return every page for users: the README and what stands in `docs`."""
    return [page("README.md"), *(page(f"docs/{path.name}") for path in sorted((ROOT / "docs").glob("*.md")))]
