"""From a run to a notification: the store, `dqx serve`, Prometheus with the shipped rules, Alertmanager, a webhook."""

from __future__ import annotations

import re
import threading
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import duckdb
import pytest
from tests.alerting.test_rules_file import SHIPPED
from tests.cli.command_line import environment, run, start, write, write_checks
from tests.cli.test_serve_command import serving
from tests.exporter.conftest import fetch
from tests.plugins.stand_ins import Witness, wait_until

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check
from dqx.alerting.rules import RUNBOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.alertmanager import Alertmanager
    from tests.servers.prometheus import Prometheus

STORE = "sqlite:///quality.db"
KEY = ResultKey(date(2024, 1, 1), {"env": "prod"})

FOREVER = """
    from datetime import timedelta
    from dqx import MetricDB, VerificationSuite, check

    @check(name="Orders")
    def orders(mp, ctx):
        ctx.assert_that(mp.sum("id")).where(name="some").is_positive()

    suite = VerificationSuite([orders], MetricDB(), "killed", timeout=timedelta(seconds=2))
"""


@check(name="Orders", datasets=["orders"])
def orders(mp: Any, ctx: Any) -> None:
    ctx.assert_that(mp.null_count("price")).where(
        name="prices {{ known }}", severity="P0", owner="ann"
    ).is_zero()


@check(name="Orders", datasets=["orders"])
def misspelt(mp: Any, ctx: Any) -> None:
    ctx.assert_that(mp.null_count("prize")).where(
        name="prices known", severity="P2", runbook_url="https://example.com/prices"
    ).is_zero()


def run_suite(
    name: str, price: float | None = 1.0, checks: Any = orders, plugin: Any = None, **facts: Any
) -> None:
    """Run a suite on one row, and store it."""
    config = {"hanging": {"timeout": 0.2}} if plugin else {}
    with closing(MetricDB(STORE)) as db, VerificationSuite([checks], db, name, config, **facts) as suite:
        if plugin is not None:
            suite.register_plugin("hanging", plugin)
        suite.run({"orders": DataSource.from_records([{"id": 1, "price": price}])}, KEY)


def run_and_kill(folder: Path, url: str) -> None:
    """Start a run that would go on for years, and kill it once it is known to have started."""
    duckdb.connect("forever.duckdb").execute("CREATE VIEW t AS SELECT range AS id FROM range(1e15::BIGINT)")
    write(folder / "forever.py", FOREVER)
    process = start(
        folder, "run", "forever.py", "--data", "t=forever.duckdb::t", "--db", STORE, "--tag", "env=prod"
    )
    try:
        started = "dqx_suite_started_timestamp_seconds"
        wait_until(lambda: ("killed",) in fetch(f"{url}/metrics").values(started, "suite"), 30)
    finally:
        process.kill()
        process.communicate()


def shortened(folder: Path) -> Path:
    """Return the shipped rules with a second wherever they wait for minutes."""
    rules = SHIPPED.read_text(encoding="utf-8")
    made, count = re.subn(r"^( +(?:for|keep_firing_for): )\d+m$", r"\g<1>1s", rules, flags=re.MULTILINE)
    assert count == rules.count("- alert:") - 2  # a suite that is late or crashed waits for nothing
    (folder / "rules.yaml").write_text(made, encoding="utf-8")
    return folder / "rules.yaml"


def told(alertmanager: Alertmanager, status: str = "firing") -> set[tuple[str, str]]:
    """Return the alerts and suites of the notifications so far."""
    return {(a["labels"]["alertname"], a["labels"].get("suite", "")) for a in alertmanager.alerts(status)}


def test_the_right_alert_arrives_and_is_resolved(
    folder: Path,
    alertmanager: Alertmanager,
    start_prometheus: Callable[..., Prometheus],
    request: pytest.FixtureRequest,
) -> None:
    """Of runs that are good, bad, erring, killed, late, missing, and of a plugin that hangs; nothing else."""
    run_suite("good", every=timedelta(days=1))
    run_suite("bad", None, owner="bob", runbook_url="https://example.com/bad")
    run_suite("erring", checks=misspelt, owner="bob")
    release = threading.Event()
    request.addfinalizer(release.set)
    run_suite("hanging", plugin=Witness(release.wait))
    run_suite("late", every=timedelta(seconds=2), grace=timedelta(), owner="bob")
    with closing(MetricDB(STORE)) as db:
        waits = VerificationSuite([orders], db, "waits", every=timedelta(seconds=2), grace=timedelta())
        db.register([waits.info], KEY.tags, datetime.now(UTC))
    with serving(folder, "--db", STORE) as (url, exporter):
        run_and_kill(folder, url)
        scrape = {
            "job_name": "dqx",
            "honor_labels": True,
            "scrape_timeout": "1s",
            "scrape_interval": "1s",
            "static_configs": [{"targets": [urlsplit(url).netloc]}],
        }
        prometheus = start_prometheus(
            [scrape], rules=[shortened(folder)], alertmanager=alertmanager.url, interval="500ms"
        )
        expected = {
            ("DQXAssertionFailed", "bad"),
            ("DQXAssertionNotEvaluated", "erring"),
            ("DQXPluginFailed", "hanging"),
            ("DQXPluginNearLimit", "hanging"),
            ("DQXSuiteLate", "late"),
            ("DQXSuiteCrashed", "killed"),
            ("DQXSuiteNeverRan", "waits"),
        }
        assert alertmanager.wait_for(lambda it: told(it) >= expected, 60), expected - told(alertmanager)
        assert told(alertmanager) == expected
        assert {
            rule["name"]: rule.get("lastError") for rule in prometheus.rules() if rule["health"] != "ok"
        } == {}
        alerts = {alert["labels"]["alertname"]: alert for alert in alertmanager.alerts()}
        common = {"suite": "bad", "snapshot": "bad,env=prod", "env": "prod"}
        assert alerts["DQXAssertionFailed"]["labels"] == {
            **common,
            "alertname": "DQXAssertionFailed",
            "check": "Orders",
            "assertion": "prices {{ known }}",
            "severity": "P0",
            "owner": "ann",
            "runbook_url": "https://example.com/bad",
        }
        assert alerts["DQXAssertionFailed"]["annotations"] == {
            "summary": "bad,env=prod: 'prices {{ known }}' failed",
            "description": (
                "In the newest run of bad,env=prod, 'prices {{ known }}' of the check 'Orders' did not hold."
            ),
            "runbook_url": "https://example.com/bad",
        }
        found = alerts["DQXAssertionNotEvaluated"]["labels"]
        assert (found["severity"], found["owner"]) == ("P2", "bob")
        assert found["runbook_url"] == "https://example.com/prices"
        assert alerts["DQXPluginFailed"]["labels"]["plugin"] == "hanging"
        late = alerts["DQXSuiteLate"]
        assert late["labels"]["owner"] == "bob"
        assert late["annotations"]["runbook_url"] == f"{RUNBOOKS}#dqxsuitelate"

        for name in ("bad", "hanging", "late", "killed", "waits"):
            run_suite(name)
        run_suite("erring")
        assert alertmanager.wait_for(lambda it: told(it, "resolved") >= expected, 60), expected - told(
            alertmanager, "resolved"
        )
        assert told(alertmanager) == expected
        exporter.kill()
        assert alertmanager.wait_for(lambda it: ("DQXExporterDown", "") in told(it), 60)
    (down,) = [a["labels"] for a in alertmanager.alerts() if a["labels"]["alertname"] == "DQXExporterDown"]
    assert (down["job"], down["instance"]) == ("dqx", urlsplit(url).netloc)


def test_a_run_that_comes_by_otlp_raises_the_same_alert(
    folder: Path, start_prometheus: Callable[..., Prometheus]
) -> None:
    """With the labels that it has by other roads, under the rules for samples that vanish."""
    write_checks(folder, at_least=1_000)
    (folder / "orders.csv").write_text("order_id,price\n1,9.5\n")
    (folder / "dqx.toml").write_text('[data]\norders = "orders.csv"\n[tags]\nenv = "prod"\n')
    assert run(folder, "alerts", "export", "checks.py", "--otlp", "-o", "rules.yaml")[0] == 0
    prometheus = start_prometheus(rules=[folder / "rules.yaml"])
    endpoint = environment(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{prometheus.otlp_url}/v1/metrics")
    assert run(folder, "run", "checks.py", env=endpoint)[0] == 1
    assert prometheus.wait_for('ALERTS{alertstate="firing"}')
    (alert,) = [alert for alert in prometheus.alerts() if alert["state"] == "firing"]
    assert alert["labels"] == {
        "alertname": "DQXAssertionFailed",
        "suite": "checks",
        "snapshot": "checks,env=prod",
        "env": "prod",
        "check": "Orders are complete",
        "assertion": "enough orders",
        "severity": "P0",
    }
    assert alert["annotations"]["description"].endswith("did not hold. Expected: num_rows() >= 1000.")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, which is the current one."""
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    return made
