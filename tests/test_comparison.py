"""`docs/comparison.md` is fair as far as a test can see: dated, with versions, and no tool or cell left out."""

from __future__ import annotations

import re
from datetime import datetime

from tests.page import Page, page

from dqx import __version__

PAGE = page("docs/comparison.md")
VERSIONS, OVERVIEW, START_UP = Page.tables(PAGE.text)
TOOLS = re.findall(r"^### (.+)$", PAGE.text, re.MULTILINE)


def test_it_says_when_it_was_written_and_of_which_versions() -> None:
    """A comparison ages: its date is there, a version for each tool, and ours is the one that is compared."""
    written = re.search(r"Written on (\d+ \w+ \d{4}),", PAGE.text)
    assert written is not None
    assert datetime.strptime(f"{written[1]} +0000", "%d %B %Y %z")
    assert all(re.search(r"\d+\.\d+\.\d+", version) for _, version in VERSIONS)
    assert dict(VERSIONS)["DQX"] == __version__


def test_every_tool_has_a_column_and_a_reason_to_pick_it() -> None:
    """No cell is empty, and each section says when that tool is the right one."""
    head = re.search(r"^\| +\| DQX \|.*$", PAGE.text, re.MULTILINE)
    assert head is not None
    columns = [name.strip() for name in head[0].strip("|").split("|")][1:]
    assert len(columns) == len(TOOLS) == len(VERSIONS) == 8
    for row in OVERVIEW:
        assert len(row) == len(columns) + 1, row
        assert all(row), row
    for tool in TOOLS:
        assert "**Pick it**" in PAGE.section(tool), tool
    assert "**Do not pick it**" in PAGE.section("DQX")


def test_what_was_not_tried_has_no_figure() -> None:
    """A figure stands only beside what was run."""
    assert "*Read, not tried.*" in PAGE.section("Deequ and PyDeequ")
    assert not any("Deequ" in row[0] for row in START_UP)
    assert len(START_UP) == len(VERSIONS) - 1
