"""`dqx dashboards export`: the shipped dashboards, for this installation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import invoke
from tests.dashboards.shipped import FILES, read

if TYPE_CHECKING:
    from pathlib import Path


def test_the_shipped_dashboards_are_written(folder: Path) -> None:
    """Byte for byte what stands in the repository, where nothing is set."""
    result = invoke("dashboards", "export", "out/grafana")
    assert result.exit_code == 0
    assert result.stdout == f"wrote {', '.join(FILES)} into out/grafana\n"
    assert sorted(path.name for path in (folder / "out/grafana").iterdir()) == sorted(FILES)
    for name in FILES:
        assert json.loads((folder / "out/grafana" / name).read_text()) == read(name)


def test_they_have_the_labels_of_the_settings(folder: Path) -> None:
    """The one setting that every road, the exporter and the rules read."""
    (folder / "dqx.toml").write_text('label_tags = ["region"]\n')
    assert invoke("dashboards", "export", ".").exit_code == 0
    text = (folder / "overview.json").read_text()
    assert "$region" in text
    assert "$env" not in text


def test_a_data_source_may_be_named(folder: Path) -> None:
    """Instead of the variable."""
    assert invoke("dashboards", "export", ".", "--datasource", "prom-1").exit_code == 0
    assert "${datasource" not in (folder / "suite.json").read_text()


def test_what_was_there_is_replaced(folder: Path) -> None:
    """An upgrade is the same command again."""
    (folder / "suite.json").write_text("old")
    assert invoke("dashboards", "export", ".").exit_code == 0
    assert json.loads((folder / "suite.json").read_text())["uid"] == "dqx-suite"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export",), "DIR"),
        (("export", "file"), "file"),
        (
            ("export", "file/below"),
            "the dashboards cannot be written into file/below: Not a directory; name a folder",
        ),
    ],
)
def test_a_wrong_call_is_refused(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, with what to do."""
    (folder / "file").write_text("")
    result = invoke("dashboards", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
