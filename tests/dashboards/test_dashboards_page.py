"""The guide to the dashboards: its commands print what it shows, its table has every variable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.dashboards.shipped import FILES, read
from tests.page import ROOT, Page, page, typed

if TYPE_CHECKING:
    import pytest

PAGE = page("docs/dashboards.md")


def test_a_reader_who_types_it_all_gets_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written, commands run, and they print what is shown."""
    for name in [*os.environ]:
        if name.startswith("DQX_"):
            monkeypatch.delenv(name)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dqx").symlink_to(Path(sys.executable).with_name("dqx"))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    ran = 0
    for block in PAGE.blocks:
        if block.file:
            (tmp_path / block.file).write_text(block.text)
        for command, shown in typed(block.text) if block.language == "console" else ():
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert done.stdout == shown.rstrip("\n") + "\n", command
            ran += 1
    assert ran == 4


def test_every_dashboard_has_its_section_and_its_picture() -> None:
    """By its title; the picture is there, and small enough for a page."""
    for name in FILES:
        section = PAGE.section(read(name)["title"].removeprefix("DQX / "))
        (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", section)
        path = ROOT / "docs" / picture
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 300_000


def test_every_variable_is_told() -> None:
    """And none that is not there."""
    (table, *_) = Page.tables(PAGE.section("What can be picked"))
    told = {name for row in table for name in re.findall(r"`(\w+)`", row[0])}
    assert told == {variable["name"] for name in FILES for variable in read(name)["templating"]["list"]}
