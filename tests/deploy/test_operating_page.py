"""The page on operating: typed from top to bottom it does what it shows, and says what is true."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.page import ROOT, page, typed
from tests.servers.processes import binary
from tests.terminal import steady, terminal

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check
from dqx.cli.settings import read_settings
from dqx.plugins.audit import AuditSettings
from dqx.plugins.declared import validated

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres

PAGE = page("docs/operating.md")
IN_A_CONTAINER = re.compile(r'docker compose run --rm --volume "\$PWD:/work" (?=dqx )')
ELSEWHERE = re.compile(r"docker compose up|export COMPOSE_FILE=|pip install")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with `dqx` and what else the page calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, target in (("dqx", Path(sys.executable).with_name("dqx")), ("python3", Path(sys.executable))):
        (folder / name).symlink_to(target)
    (folder / "pg_dump").symlink_to(binary("pg_dump"))
    return folder


def test_a_reader_who_types_it_all_gets_what_it_says(
    programs: Path, tmp_path: Path, postgres_server: Postgres, postgres_url: str
) -> None:
    """In one shell: a store that is made, kept small, copied, lost and put back; and one on PostgreSQL."""
    database = postgres_url.rpartition("/")[2]
    here = {
        "db.example.net:5432:quality:dqx:the password": (
            f"127.0.0.1:{postgres_server.port}:{database}:dqx:{postgres_server.password}"
        ),
        "db.example.net:5432/quality": f"127.0.0.1:{postgres_server.port}/{database}",
    }
    home = tmp_path / "home"
    home.mkdir()
    variables = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    ran = 0
    with TemporaryDirectory(prefix="shop-") as folder, terminal(Path(folder), variables) as screen:
        for block in PAGE.blocks:
            if block.file:
                (Path(folder) / block.file).write_text(block.text)
            for command, shown in typed(block.text) if block.language == "console" else ():
                if ELSEWHERE.match(command):
                    continue
                for there, address in here.items():
                    command = command.replace(there, address)  # noqa: PLW2901  # the same command, here
                code, said = screen.type(IN_A_CONTAINER.sub("", command))
                assert code == 2 * shown.startswith("Error:"), f"{command}\n{said}"
                assert steady(said) == steady(shown) or not shown, command
                ran += 1
        assert {path.name for path in (Path(folder) / "grafana").iterdir()}
        assert "DQXSuiteLate" in (Path(folder) / "dqx.rules.yaml").read_text()
        assert (Path(folder) / "backup.db").stat().st_mode & 0o777 == 0o600
        assert (Path(folder) / "quality.dump").stat().st_size
    assert ran == 21
    with closing(MetricDB(postgres_url)) as store:
        assert store.suites() == ["orders"]


def test_what_compose_runs_is_the_command_of_its_image() -> None:
    """The page's `docker compose run … dqx X` is `dqx X` in the container, with the store of its settings."""
    service = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["dqx"]
    assert 'ENTRYPOINT ["dqx"]' in (ROOT / "deploy" / "Dockerfile").read_text()
    assert service["environment"]["DQX_DB"] == "sqlite:////var/lib/dqx/quality.db"
    assert "store:/var/lib/dqx" in service["volumes"]
    commands = [command for block in PAGE.blocks for command, _ in typed(block.text)]
    assert len([command for command in commands if IN_A_CONTAINER.match(command)]) == 2


def test_settings_in_the_text_are_right(tmp_path: Path) -> None:
    """Every table of settings is taken by the command line, and by the plugin that it is for."""
    found = [block.text for block in PAGE.blocks if block.language == "toml"]
    assert len(found) == 2
    for text in found:
        (tmp_path / "dqx.toml").write_text(text)
        settings = read_settings(tmp_path, {})
        validated(
            "dqx_audit",
            AuditSettings,
            {k: v for k, v in settings.plugins.get("dqx_audit", {}).items() if k != "required"},
        )


def test_promtool_takes_the_scrape_configuration(tmp_path: Path) -> None:
    """As Prometheus would."""
    (text,) = [block.text for block in PAGE.blocks if block.language == "yaml"]
    (tmp_path / "prometheus.yml").write_text(text)
    subprocess.run([binary("promtool"), "check", "config", tmp_path / "prometheus.yml"], check=True)


def test_figures_are_those_of_the_benchmarks() -> None:
    """Each that the page takes from there stands there."""
    measured = " ".join(page("docs/benchmarks.md").text.split())
    for figure in ("13 ms | 28 ms", "120 MiB", "488 MiB", "0.1 to 1.0 s", "5 ms, 27 ms", "8.2 ms"):
        assert figure in measured


def test_the_store_grows_as_the_page_says(tmp_path: Path) -> None:
    """About 100 bytes for each assertion with a metric of its own, in each run."""

    @check(name="Orders are complete", datasets=["orders"])
    def complete(mp, ctx):
        for number in range(100):
            ctx.assert_that(mp.null_count(f"column_{number}")).where(name=f"column {number}").is_zero()

    source = DataSource.from_records([{f"column_{number}": number for number in range(100)}])
    file = tmp_path / "quality.db"
    sizes = []
    with VerificationSuite([complete], MetricDB(f"sqlite:///{file}"), "orders") as suite:
        for day in range(21):
            suite.run({"orders": source}, ResultKey(date(2024, 1, 1) + timedelta(days=day)))
            sizes.append(file.stat().st_size)
    assert 70 < (sizes[-1] - sizes[0]) / 20 / 100 < 140
    year_mb = 100 * 100 * 24 * 365 / 1e6
    assert f"are {year_mb * 1.05:.0f} MB" in PAGE.text
