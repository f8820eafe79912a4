"""What the pages list is what the code has: arguments, fields, flags and commands, with their defaults."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import pytest
from tests.page import Page, page

from dqx import VerificationSuite
from dqx.cli.main import dqx
from dqx.cli.run import run as run_command
from dqx.common import AssertionResult, DatasetRun, SuiteRun, SymbolInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

CONCEPTS = page("docs/concepts.md")
COMMAND_LINE = page("docs/command-line.md")


def named(cells: Iterable[str]) -> list[str]:
    """Return the names that cells show as code, without what follows a name there."""
    return [re.split(r"[ (]", name)[0] for cell in cells for name in re.findall(r"`(.+?)`", cell)]


def test_every_argument_of_a_suite_is_listed_with_its_default() -> None:
    """A reader finds each, and what happens without it."""
    table = Page.tables(CONCEPTS.section("A suite runs checks on data"))[0]
    arguments = inspect.signature(VerificationSuite.__init__).parameters
    assert sorted(named(row[0] for row in table)) == sorted(set(arguments) - {"self", "checks", "db", "name"})
    default = {row[0]: row[1] for row in table}
    assert default["`timeout`"] == f"{arguments['timeout'].default / timedelta(hours=1):g} h"
    assert default["`fail_on`"] == f'`"{arguments["fail_on"].default}"`'
    assert default["`label_tags`"] == '`("env",)`'
    assert arguments["label_tags"].default == ("env",)
    assert default["`every`"] == default["`owner`, `runbook_url`"] == "none"
    last = default["`plugin_config`; `plugins_allow`, `plugins_deny`, `plugins_timeout`"]
    assert last == f"none; all, none, {arguments['plugins_timeout'].default:g} s"


@pytest.mark.parametrize(
    ("number", "kind", "also"),
    [
        (0, SuiteRun, ["passed", "exit_code", "counts", "finished_at"]),
        (1, AssertionResult, []),
        (2, SymbolInfo, []),
    ],
    ids=["SuiteRun", "AssertionResult", "SymbolInfo"],
)
def test_every_field_of_what_a_run_gives_back_is_listed(number: int, kind: type, also: list[str]) -> None:
    """Each once, and none that is not there."""
    table = Page.tables(CONCEPTS.section("What a run gives back"))[number]
    assert sorted(named(row[0] for row in table)) == sorted([*(f.name for f in fields(kind)), *also])


def test_every_field_of_a_dataset_s_run_is_listed() -> None:
    """In the row of the datasets."""
    table = Page.tables(CONCEPTS.section("What a run gives back"))[0]
    (told,) = [row[1] for row in table if row[0] == "`datasets`"]
    assert sorted(named([told])) == sorted(f.name for f in fields(DatasetRun))


def test_every_flag_of_run_is_listed() -> None:
    """By its long name, and no other."""
    (table, _) = Page.tables(COMMAND_LINE.section("`dqx run CHECKS`"))
    flags = [option.opts[-1] for option in run_command.params if isinstance(option, click.Option)]
    assert sorted(named(row[0] for row in table)) == sorted(set(flags) - {"--help"})


def test_every_command_is_on_the_page() -> None:
    """Those that are groups with each of theirs."""
    context = click.Context(dqx)
    for name in dqx.list_commands(context):
        command = dqx.get_command(context, name)
        theirs = command.list_commands(context) if isinstance(command, click.Group) else []
        assert f"`dqx {name}" in COMMAND_LINE.text or f"$ dqx {name}" in COMMAND_LINE.text, name
        for each in theirs:
            assert (
                f"`{each}`" in COMMAND_LINE.text
                or f"dqx {name} {each}" in COMMAND_LINE.text
                or (f"`{each} " in COMMAND_LINE.text)
            ), f"{name} {each}"
