"""The guide to alerting: its commands print what it shows, and its tables are those of the rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.alerting.test_rules_file import ROOT, suite_of
from tests.page import Page, page, typed
from tests.servers.processes import binary

from dqx.alerting.rules import Alert, Recording, standing_rules
from dqx.telemetry import names

if TYPE_CHECKING:
    import pytest

PAGE = page("docs/alerting.md")


def test_a_reader_who_types_it_all_gets_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written, commands run, and they print what is shown."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dqx").symlink_to(Path(sys.executable).with_name("dqx"))
    for name in ("promtool", "amtool"):
        (programs / name).symlink_to(binary(name))
    for name in [*os.environ]:
        if name.startswith("DQX_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(ROOT / "deploy" / "alertmanager.yaml", folder)
    ran = 0
    for block in PAGE.blocks:
        if block.file:
            (folder / block.file).write_text(block.text)
        for command, shown in typed(block.text) if block.language == "console" else ():
            done = subprocess.run(
                command, shell=True, cwd=folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert not shown or done.stdout.strip() == shown.strip(), command
            ran += 1
    assert ran == 7


def test_the_tables_are_those_of_the_rules() -> None:
    """Every alert with its severity, every recorded series, and every reason for which telemetry is lost."""
    rules = standing_rules(("env",), [suite_of()]).rules
    intro = Page.tables(PAGE.section("Alerting"))[0]
    severities = {row[0].partition("]")[0].lstrip("["): row[1] for row in intro}
    assert severities == {
        rule.alert: rule.severity or "the assertion's" for rule in rules if isinstance(rule, Alert)
    }
    (recorded,) = [
        table for table in Page.tables(PAGE.section("The rules")) if table[0][0].startswith("`dqx:")
    ]
    assert {row[0].strip("`") for row in recorded} == {
        rule.record for rule in rules if isinstance(rule, Recording)
    }
    (reasons,) = Page.tables(PAGE.section("DQXTelemetryDropped"))
    assert {row[0].strip("`") for row in reasons} == set(names.LABELS["reason"].values)
