"""The page on OpenTelemetry: its examples run, and say what they do."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest
from tests.cli.command_line import PROGRAM, environment
from tests.page import page

from dqx.plugins.otel import OtelSettings
from dqx.telemetry import names

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.otlp import OtlpReceiver

PAGE = page("docs/opentelemetry.md")

CHECKS = """
from dqx import check

@check(name="Orders")
def orders(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="there are orders").is_positive()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the data and the settings that the page names."""
    duckdb.execute(f"COPY (SELECT i AS id FROM range(5) t(i)) TO '{tmp_path}/orders.parquet'")
    (tmp_path / "checks.py").write_text(CHECKS)
    (tmp_path / "dqx.toml").write_text(PAGE.code("toml")[0])
    return tmp_path


def test_the_commands_run_and_say_what_the_page_says(folder: Path, otlp: OtlpReceiver) -> None:
    """The endpoint is another; the numbers depend on what is installed."""
    (source,) = PAGE.code("console")
    (line,) = [line for line in source.splitlines() if line.startswith("$ dqx ")]
    command = [sys.executable, "-P", "-c", PROGRAM, *shlex.split(line)[2:]]
    ended = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0
    said = re.sub(r"\d+ (span|point)", r"N \1", ended.stderr.splitlines()[-1]).replace(
        otlp.url, "http://localhost:4318"
    )
    assert said == re.sub(r"\d+ (span|point)", r"N \1", source.splitlines()[-1])


def test_the_programs_run_and_print_what_the_page_says(folder: Path, otlp: OtlpReceiver) -> None:
    """One after the other, as a reader would type them."""
    source = "\n".join(PAGE.code("python"))
    variables = environment(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url)
    said = subprocess.check_output([sys.executable, "-c", source], cwd=folder, env=variables, text=True)
    (promised,) = [line for line in source.splitlines() if line.startswith("# Delivery(")]
    assert re.sub(r"\d+", "N", f"# {said.strip()}") == re.sub(r"\d+", "N", promised)
    assert {span.name for span in otlp.spans("dqx")} >= {
        "run_suite",
        "SELECT orders",
        "evaluate_check",
        "assertion",
    }


def test_settings_and_reasons_are_those_of_the_code() -> None:
    """None is missing, none is made up."""
    written = set(re.findall(r"^(\w+) = ", PAGE.code("toml")[0], re.MULTILINE))
    assert written == {*OtelSettings.__dataclass_fields__, "required"}
    told = set(re.findall(r"^\| `(\w+)` \| ", PAGE.text, re.MULTILINE))
    assert told == set(names.LABELS["reason"].values) - {"series_limit"}
