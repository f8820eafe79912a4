"""A Prometheus that scrapes two exporters of one store, in which suites ended in every way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.exporter.conftest import fetch
from tests.plugins.stand_ins import install
from tests.servers.processes import binary
from tests.servers.prometheus import Prometheus, prometheus_server
from tests.servers.series import read

from dqx import Context, DataSource, MetricDB, MetricProvider, ResultKey, VerificationSuite, check
from dqx.common import SuiteInfo
from dqx.exporter.app import ExporterApp
from dqx.exporter.server import Server
from dqx.exporter.store import StoreSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dqx.api import DecoratedCheck

ROWS = [{"id": n, "price": 2.0 * n, "at": datetime(2024, 3, 1, n, tzinfo=UTC)} for n in range(1, 11)]
HOUR = timedelta(hours=1)

HANGING = """
    import time

    class Hanging:
        def initialize(self, config): pass
        def process(self, results, symbols, suite_name, context): time.sleep(5)
"""

CRASHING = """
import os, sys
from datetime import date, timedelta
from dqx import MetricDB, ResultKey, VerificationSuite, check

@check(name="Crashes", datasets=["orders"])
def crashes(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()

class Crashing:
    name, system, embedded = None, "none", True
    def analyzer(self): return self
    def progress(self): return None
    def interrupt(self): pass
    def scan(self, request): os._exit(9)

VerificationSuite(
    [crashes], MetricDB(sys.argv[1]), "crashed", timeout=timedelta(seconds=1), every=timedelta(hours=1)
).run({"orders": Crashing()}, ResultKey(date.today(), {"env": "prod"}))
"""


@check(name="Orders are complete", datasets=["orders"])
def fine(mp: MetricProvider, ctx: Context) -> None:
    """Pass, in all severities."""
    ctx.assert_that(mp.freshness("at")).where(name="watched").noop()
    ctx.assert_that(mp.num_rows()).where(name="there are orders", severity="P0").is_geq(1)
    ctx.assert_that(mp.average("price", name="mean price")).where(name="plausible").is_between(5, 20)


@check(name="Orders are complete", datasets=["orders"])
def wrong(mp: MetricProvider, ctx: Context) -> None:
    """Fail by a bound and by an excluded value; pass once."""
    ctx.assert_that(mp.freshness("at")).where(name="watched").noop()
    owned = {"owner": "team-orders", "runbook_url": "https://runbooks.example.com/orders"}
    ctx.assert_that(mp.num_rows()).where(name="many orders", severity="P0", **owned).is_geq(100)
    ctx.assert_that(mp.maximum("id")).where(name="not ten", severity="P2", **owned).is_neq(10)
    ctx.assert_that(mp.average("price")).where(name="plausible", severity="P3").is_between(5, 20)


@check(name="Orders are complete", datasets=["orders"])
def unknown(mp: MetricProvider, ctx: Context) -> None:
    """Ask for a column that is not there."""
    ctx.assert_that(mp.maximum("prize")).where(name="prize", severity="P1").is_gt(0)


@dataclass(frozen=True, slots=True)
class World:
    """Where the panels' queries are asked: `now` is when all was scraped."""

    prometheus: Prometheus
    now: float


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start it all.

    Every snapshot is there twice, from two replicas of the exporter, and some a third time, from the host where the
    suites ran before they moved: it still serves what was found then. One suite has just been given to another owner.
    """
    folder = tmp_path_factory.mktemp("world")
    promtool = binary("promtool")
    with ExitStack() as stack:
        stack.enter_context(_hanging_plugin(folder))
        before, now = (f"sqlite:///{folder / name}" for name in ("before.db", "now.db"))
        with closing(MetricDB(before)) as store:
            _run_before(store)
        shutil.copy(folder / "before.db", folder / "now.db")
        with closing(MetricDB(now)) as store:
            _run_everything(store, now)
        urls = [_exporter(stack, url) for url in (now, now, before)]
        time.sleep(1.1)  # the suite that should run every second is late from now on, and the crash was one
        _backfill(promtool, folder, urls[0])
        scrape = {
            "job_name": "dqx",
            "honor_labels": True,
            "static_configs": [{"targets": [urlsplit(url).netloc for url in urls]}],
        }
        prometheus = stack.enter_context(prometheus_server(folder, [scrape]))
        assert prometheus.wait_for("count(dqx_exporter_store_read_timestamp_seconds) == 3")
        with closing(MetricDB(now)) as store:
            _run(store, "erroring", unknown, owner="team-new")
        assert prometheus.wait_for('count(dqx_assertion_info{owner="team-new"}) == 2')
        yield World(prometheus, time.time())


def _exporter(stack: ExitStack, url: str) -> str:
    store = stack.enter_context(closing(MetricDB(url)))
    source = stack.enter_context(closing(StoreSource(store, ["env"])))
    return stack.enter_context(closing(Server(ExporterApp(source), "127.0.0.1", 0))).url


def _hanging_plugin(folder: Path) -> ExitStack:
    install(folder / "site", "hanging", "hanging = hanging_plugin:Hanging", hanging_plugin=HANGING)
    sys.path.append(str(folder / "site"))
    stack = ExitStack()
    stack.callback(sys.path.remove, str(folder / "site"))
    return stack


PROD = {"env": "prod"}
TIMES = {"every": timedelta(seconds=1), "grace": 2 * HOUR}
OFTEN = {"every": timedelta(seconds=1), "grace": timedelta(0), "timeout": timedelta(seconds=1)}


def _run(
    store: MetricDB, name: str, checks: DecoratedCheck, tags: dict[str, str] = PROD, **options: Any
) -> None:
    settings: dict[str, Any] = {"plugins_deny": ["hanging"], "owner": "team-orders", **TIMES, **options}
    with VerificationSuite([checks], store, name, **settings) as suite:
        today = datetime.now(UTC).date()
        suite.run({"orders": DataSource.from_records(ROWS)}, ResultKey(today, tags))


def _run_before(store: MetricDB) -> None:
    """Let one suite run that will not run again, and others end in another way than they will."""
    _run(store, "late", fine, **OFTEN)
    _run(store, "bad", fine)
    _run(store, "good", wrong)
    _register(store, "hanging")


def _run_everything(store: MetricDB, url: str) -> None:
    """Let suites end in every way."""
    _run(store, "bad", wrong)
    _run(store, "good", fine)
    _run(store, "good", fine, {"env": "dev"})
    _run(store, "erroring", unknown)
    _run(store, "hanging", fine, plugin_config={"hanging": {"timeout": 0.3}}, plugins_deny=[])
    crashed = subprocess.run([sys.executable, "-c", CRASHING, url], check=False, timeout=60)
    assert crashed.returncode == 9
    _register(store, "forgotten")


def _register(store: MetricDB, name: str) -> None:
    info = SuiteInfo(name, 60.0, 0.0, 60.0, "P1", owner="team-orders")
    store.register([info], PROD, datetime.now(UTC) - 24 * HOUR)


def _backfill(promtool: Path, folder: Path, url: str) -> None:
    """Let the same have been scraped a day and a week ago."""
    page = read(fetch(f"{url}/metrics").text)
    target = f'instance="{urlsplit(url).netloc}",job="dqx"'
    lines = []
    for days in (7, 1):
        at = round(time.time()) - 86_400 * days
        for moment in (at - 60, at + 60, at + 180):
            for (name, labels), value in page.items():
                own = "".join(f",{label}={_quoted(text)}" for label, text in labels)
                lines.append(f"{name}{{{target}{own}}} {value} {moment}\n")
    file = folder / "before.om"
    file.write_text("".join(lines) + "# EOF\n")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", file, folder / "data"]
    subprocess.run(command, check=True)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
