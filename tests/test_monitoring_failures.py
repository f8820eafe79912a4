"""What the guide to monitoring says one sees when something breaks, seen by every road."""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from tests.cli.command_line import environment, run, start
from tests.exporter.conftest import fetch
from tests.servers.otlp import refused
from tests.servers.processes import binary, serving
from tests.servers.series import read

from dqx.exporter.app import ExporterApp
from dqx.exporter.server import Server
from dqx.exporter.store import StoreSource
from dqx.orm import MetricDB
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.pushgateway import Gateway
    from tests.servers.series import Series

PAGE = Path(__file__).resolve().parent.parent / "docs" / "monitoring.md"

SETTINGS = """
db = "sqlite:///store/quality.db"
every = "1h"
[tags]
env = "prod"
[plugins.dqx_prometheus]
textfile = "textfiles"
[plugins.dqx_prometheus.pushgateway]
url = "{gateway}"
"""

GOOD = "orders=shop.duckdb::orders"
ENDLESS = "orders=shop.duckdb::endless"


@pytest.fixture
def folder(tmp_path: Path, pushgateway: Gateway) -> Path:
    """Return a folder with the page's checks, good data and data that takes for ever, sent by two roads."""
    (orders,) = re.findall(r"```python file=orders.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "orders.py").write_text(orders)
    (tmp_path / "dqx.toml").write_text(SETTINGS.format(gateway=pushgateway.url))
    for name in ("textfiles", "store"):
        (tmp_path / name).mkdir()
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        connection.execute("CREATE TABLE orders AS SELECT i AS id, 9.5 AS price FROM range(3) t(i)")
        connection.execute(
            "CREATE VIEW endless AS SELECT i AS id, sqrt(i) AS price FROM range(1_000_000_000_000) t(i)"
        )
    return tmp_path


@pytest.fixture
def exporter(folder: Path) -> Iterator[str]:
    """Return the page of an exporter of the folder's store."""
    with (
        closing(MetricDB(f"sqlite:///{folder}/store/quality.db")) as store,
        closing(StoreSource(store, ["env"])) as source,
        closing(Server(ExporterApp(source), "127.0.0.1", 0)) as server,
    ):
        yield f"{server.url}/metrics"


def by_textfile(folder: Path) -> dict[Series, float]:
    """Return the series that node_exporter would read."""
    (file,) = (folder / "textfiles").iterdir()
    return read(file.read_text())


def by_serve(exporter: str) -> dict[Series, float]:
    """Return the series of the exporter."""
    return read(fetch(exporter).text)


def value(found: dict[Series, float], metric: names.Metric) -> float:
    """Return the one value of a metric."""
    (only,) = [number for (name, _), number in found.items() if name == metric.prometheus_name]
    return only


def total(found: dict[Series, float], metric: names.Metric) -> float:
    """Return the sum of the values of a metric."""
    return sum(number for (name, _), number in found.items() if name == metric.prometheus_name)


def test_a_crash_is_seen_by_the_exporter_alone(folder: Path, exporter: str, pushgateway: Gateway) -> None:
    """There a start is newer than the last run; by the other roads all is as the run before left it."""
    assert run(folder, "run", "orders.py", "--data", GOOD, "--quiet")[0] == 0
    before = by_textfile(folder), pushgateway.series()
    finished_at = value(by_serve(exporter), names.SUITE_LAST_RUN)
    with start(folder, "run", "orders.py", "--data", ENDLESS) as process:
        give_up_at = time.monotonic() + 60
        while value(by_serve(exporter), names.SUITE_STARTED) < finished_at:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        process.kill()
        process.communicate()
    shown = by_serve(exporter)
    assert value(shown, names.SUITE_STARTED) > value(shown, names.SUITE_LAST_RUN) == finished_at
    assert value(shown, names.SUITE_TIMEOUT) == 3_600.0
    assert (by_textfile(folder), pushgateway.series()) == before


def test_a_scan_that_hangs_ends_as_not_evaluated(folder: Path, exporter: str, pushgateway: Gateway) -> None:
    """At its time limit, and every road says so."""
    code, printed, _ = run(folder, "run", "orders.py", "--data", ENDLESS, "--timeout", "1s")
    assert code == 3
    assert "the time limit is over" in printed
    for found in (by_serve(exporter), by_textfile(folder), pushgateway.series()):
        assert total(found, names.ASSERTION_ERRORED) == 2


def test_a_road_that_is_gone_leaves_the_verdict_alone(folder: Path, exporter: str) -> None:
    """The run says which plugin failed, the exporter too; only what is required changes the exit code."""
    (folder / "textfiles").rmdir()
    code, printed, _ = run(folder, "run", "orders.py", "--data", GOOD)
    assert code == 0
    assert re.search(r"^Plugin dqx_prometheus: process error .*textfiles", printed, re.MULTILINE)
    failed = {
        dict(labels)["plugin"]
        for (name, labels), number in by_serve(exporter).items()
        if name == names.PLUGIN_OK.prometheus_name and not number
    }
    assert failed == {"dqx_prometheus"}
    settings = folder / "dqx.toml"
    settings.write_text(settings.read_text().replace("textfile =", "required = true\ntextfile ="))
    assert run(folder, "run", "orders.py", "--data", GOOD)[0] == 4


def test_a_dead_endpoint_of_otlp_is_said_and_counted(folder: Path, exporter: str) -> None:
    """At the end of the run; by the exporter from then on, in the text file from the next run on."""
    with refused() as endpoint:
        variables = environment(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        for lost_before in (False, True):
            code, _, said = run(folder, "run", "orders.py", "--data", GOOD, env=variables)
            assert code == 0
            assert re.search(r"not sent to .*: \d+ spans \(unreachable\), \d+ points \(unreachable\)", said)
            assert total(by_serve(exporter), names.TELEMETRY_DROPPED) > 0
            assert bool(total(by_textfile(folder), names.TELEMETRY_DROPPED)) == lost_before


def test_without_its_store_nothing_starts_and_nothing_looks_well(folder: Path, exporter: str) -> None:
    """The exporter answers 503, a run refuses to begin; a file that alone is gone is made anew."""
    assert run(folder, "run", "orders.py", "--data", GOOD, "--quiet")[0] == 0
    (folder / "store").rename(folder / "elsewhere")
    assert fetch(exporter).status == 503
    assert run(folder, "run", "orders.py", "--data", GOOD)[0] == 2
    (folder / "store").mkdir()
    assert run(folder, "run", "orders.py", "--data", GOOD)[0] == 0
    assert value(by_serve(exporter), names.SUITE_PASSED) == 1


def test_a_gateway_comes_back_with_what_it_was_told_to_keep(folder: Path) -> None:
    """With a file for it; without one it is empty until the next run."""
    program = binary("prometheus-pushgateway", "pushgateway")
    for kept in ("gateway.db", ""):
        arguments = (
            "--web.listen-address={address}",
            f"--persistence.file={kept and folder / kept}",
            "--persistence.interval=0s",
        )
        with serving(program, *arguments, log=folder / "log", ready="/-/ready") as url:
            (folder / "dqx.toml").write_text(SETTINGS.format(gateway=url))
            assert run(folder, "run", "orders.py", "--data", GOOD, "--quiet")[0] == 0
            assert "dqx_suite_passed" in fetch(f"{url}/metrics").text
        with serving(program, *arguments, log=folder / "log", ready="/-/ready") as url:
            assert ("dqx_suite_passed" in fetch(f"{url}/metrics").text) == bool(kept)
