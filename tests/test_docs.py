"""Every example in the documentation runs, and says what it does."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from tests.page import page, typed

PAGES = ("README.md", "docs/concepts.md", "docs/metrics.md", "docs/command-line.md")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the data that the examples name."""
    monkeypatch.chdir(tmp_path)
    duckdb.execute(
        """
        COPY (SELECT TIMESTAMP '2013-01-01 05:00' AS time_hour, 'UA' AS carrier, i AS flight, 'EWR' AS origin,
                     517 AS dep_time, 1400 AS distance
              FROM range(10) t(i)) TO 'flights.parquet'
        """
    )
    duckdb.execute("COPY (SELECT i AS id, 9.5 AS price FROM range(5) t(i)) TO 'orders.parquet'")
    (tmp_path / "orders.csv").write_text("id,price\n1,9.5\n2,NA\n")
    return tmp_path


@pytest.mark.parametrize("path", PAGES)
def test_python_examples_run_in_the_order_in_which_they_stand(path: str, folder: Path) -> None:
    """A reader who types a page's examples one after the other gets no error."""
    found = page(path).code("python")
    namespace: dict[str, object] = {"__name__": "example"}
    for number, source in enumerate(found, 1):
        exec(compile(source, f"{path}, example {number}", "exec"), namespace)


def test_concepts_tell_the_statuses_that_a_new_history_goes_through(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The three days in the text print what the text says."""
    namespace: dict[str, object] = {"__name__": "example"}
    for source in page("docs/concepts.md").code("python"):
        exec(compile(source, "docs/concepts.md", "exec"), namespace)
    printed = capsys.readouterr().out
    promised = re.findall(r"^# (\d\d \[.*?\])", page("docs/concepts.md").text, re.MULTILINE)
    assert len(promised) == 3
    assert [line for line in promised if line in printed] == promised


@pytest.mark.parametrize("path", PAGES)
def test_commands_run(path: str, folder: Path) -> None:
    """Every `dqx` command in the text ends as a run on good data does."""
    example = page("README.md").code("python")[0].split("suite =")[0]
    (folder / "checks.py").write_text(example if path == "README.md" else ORDERS)
    dqx = shutil.which("dqx", path=str(Path(sys.executable).parent))
    assert dqx is not None, "the package is not installed beside this Python"
    for settings in page(path).code("toml"):
        (folder / "dqx.toml").write_text(settings)
    for source in page(path).code("console"):
        for line, _ in typed(source):
            if not line.startswith("dqx "):
                continue
            command = [dqx, *shlex.split(line.removeprefix("dqx "), comments=True)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert ended.returncode == 0, f"{line}\n{ended.stdout}\n{ended.stderr}"


ORDERS = """
from dqx import check

@check(name="Orders")
def orders(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="there are orders").is_positive()
"""


def test_every_metric_is_in_the_reference() -> None:
    """No metric is without its line, and no line is about a metric that is not there."""
    from dqx import MetricProvider
    from dqx.provider import ExtendedMetrics

    text = page("docs/metrics.md").text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(?:mp\.ext\.)?([a-z_]+)\(", row.split("|")[1])}
    metrics = {
        name for kind in (MetricProvider, ExtendedMetrics) for name in vars(kind) if not name.startswith("_")
    }
    constructors = {name for name in named if name.startswith("from_")}
    assert named - constructors == metrics
