"""The timer and its service are taken by systemd, and the service's command does what the unit says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from tests.cli.command_line import environment
from tests.page import ROOT
from tests.servers.processes import binary

from dqx.cli.duration import parse_duration
from dqx.cli.settings import read_settings

UNITS = ROOT / "deploy" / "systemd"
CHECKS = """
from dqx import check

@check(name="The day is complete", datasets=["flights"])
def complete(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="flights were recorded").is_positive()
"""


def unit(name: str) -> ConfigParser:
    """Return a unit, read as the file of sections and keys that it is."""
    parser = ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # keys have capitals
    parser.read_string((UNITS / name).read_text())
    return parser


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """Every key and value; the program is another, as that of the unit is not installed here."""
    program = binary("systemd-analyze")
    service = (UNITS / "dqx-flights.service").read_text().replace("/opt/dqx/bin/dqx", "/bin/true")
    (tmp_path / "dqx-flights.service").write_text(service)
    shutil.copy(UNITS / "dqx-flights.timer", tmp_path)
    command: list[str | Path] = [program, "verify", "--man=no", *tmp_path.iterdir()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_may_do_little(tmp_path: Path) -> None:
    """By systemd's own scale, on which a service without any protection has 9.6."""
    done = subprocess.run(
        [binary("systemd-analyze"), "security", "--offline=yes", UNITS / "dqx-flights.service", "--no-pager"],
        capture_output=True,
        text=True,
        check=True,
    )
    level = re.search(r"Overall exposure level for dqx-flights.service: ([\d.]+)", done.stdout)
    assert level is not None
    assert float(level[1]) < 2.0


def test_the_command_of_the_service_leaves_a_store_and_a_text_file(tmp_path: Path) -> None:
    """With the settings beside it, its folders here in place of the host's."""
    host = {name: tmp_path / name for name in ("etc", "var", "srv")}
    for folder in host.values():
        folder.mkdir()
    (host["var"] / "textfiles").mkdir()
    settings = (UNITS / "dqx.toml").read_text()
    settings = settings.replace("/var/lib/dqx", str(host["var"])).replace("/srv/flights", str(host["srv"]))
    (host["etc"] / "dqx.toml").write_text(settings)
    (host["etc"] / "flights.py").write_text(CHECKS)
    import duckdb

    duckdb.connect().execute(f"COPY (SELECT 1 AS flight) TO '{host['srv']}/day.parquet'")
    program, *arguments = shlex.split(unit("dqx-flights.service")["Service"]["ExecStart"])
    assert program == "/opt/dqx/bin/dqx"
    command = [Path(sys.executable).with_name("dqx"), *arguments]
    subprocess.run(command, cwd=host["etc"], env=environment(), check=True)
    (text,) = (host["var"] / "textfiles").iterdir()
    assert text.stat().st_mode & 0o777 == 0o644
    assert "dqx_suite_expected_interval_seconds" in text.read_text()
    assert (host["var"] / "quality.db").stat().st_mode & 0o777 == 0o600


def test_the_unit_gives_dqx_the_time_and_the_folders_that_its_settings_ask_for() -> None:
    """So that the limit inside ends first, and nothing is written where the unit forbids it."""
    service, timer = unit("dqx-flights.service")["Service"], unit("dqx-flights.timer")["Timer"]
    settings = read_settings(UNITS, {})
    assert settings.timeout is not None
    assert settings.every is not None
    plugins_s, telemetry_s = 30, 3
    limit = parse_duration(service["TimeoutStartSec"].replace("min", "m"))
    assert limit.total_seconds() > settings.timeout.total_seconds() + plugins_s + telemetry_s
    assert timer["OnCalendar"] == "hourly"
    assert settings.every == parse_duration("1h")
    assert parse_duration(timer["RandomizedDelaySec"].replace("min", "m")) < settings.every / 4, "its grace"
    written = {f"/var/lib/{name}" for name in service["StateDirectory"].split()}
    assert settings.db is not None
    assert Path(settings.db.removeprefix("sqlite:///")).parent.as_posix() in written
    assert settings.plugins["dqx_prometheus"]["textfile"] in written


@pytest.mark.parametrize("name", ["dqx-flights.service", "dqx-flights.timer"])
def test_the_head_of_the_service_installs_each_unit(name: str) -> None:
    """By the commands in its comment."""
    assert name in (UNITS / "dqx-flights.service").read_text().partition("[Unit]")[0]
