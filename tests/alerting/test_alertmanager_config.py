"""The Alertmanager configuration that is shipped: who is told, and what keeps quiet."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from tests.plugins.stand_ins import wait_until
from tests.servers.processes import binary, serving

from dqx.alerting.rules import Alert, standing_rules

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "alertmanager.yaml"


def test_amtool_takes_it() -> None:
    """As Alertmanager would."""
    subprocess.run([binary("amtool"), "check-config", CONFIG], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "P0", "owner": "team-flights"}, "on-call,team-flights"),
        ({"severity": "P0"}, "on-call,unowned"),
        ({"severity": "P1", "owner": "team-flights"}, "team-flights"),
        ({"severity": "P3", "owner": "team-flights"}, "team-flights-digest"),
        ({"severity": "P1", "owner": "somebody"}, "unowned"),
        ({"severity": "P3"}, "unowned"),
        ({"severity": "P1", "alertname": "DQXExporterDown"}, "on-call"),
    ],
)
def test_who_is_told(labels: dict[str, str], receivers: str) -> None:
    """By owner and severity; what is nobody's is somebody's, too."""
    given = [f"{name}={value}" for name, value in labels.items()]
    command = [binary("amtool"), "config", "routes", "test", "--config.file", CONFIG, *given]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == receivers


def test_what_keeps_quiet(tmp_path: Path) -> None:
    """Assertions while their suite is late, what follows from a crash, and nothing of another suite."""
    flights = {"suite": "flights", "snapshot": "flights,env=prod"}
    quiet = [
        ("DQXAssertionFailed", flights),
        ("DQXAssertionNotEvaluated", {**flights, "assertion": "rows"}),
        ("DQXSuiteLate", flights),
        ("DQXAssertionFailed", {"suite": "orders", "snapshot": "orders,env=dev"}),
        ("DQXPluginNearLimit", {**flights, "plugin": "one"}),
    ]
    loud = [
        ("DQXSuiteCrashed", flights),
        ("DQXAssertionFailed", {"suite": "flights", "snapshot": "flights,env=dev"}),
        ("DQXSuiteAbsent", {"suite": "orders"}),
        ("DQXPluginFailed", {**flights, "plugin": "one"}),
        ("DQXPluginNearLimit", {**flights, "plugin": "two"}),
        ("DQXTelemetryDropped", flights),
    ]
    alerts = [{"labels": {"alertname": name, **labels}} for name, labels in (*quiet, *loud)]
    arguments = (
        "--web.listen-address={address}",
        "--cluster.listen-address=",
        f"--config.file={CONFIG}",
        f"--storage.path={tmp_path}",
    )
    program = binary("prometheus-alertmanager", "alertmanager")
    with serving(program, *arguments, log=tmp_path / "log", ready="/-/ready") as url:
        headers = {"Content-Type": "application/json"}
        urlopen(Request(f"{url}/api/v2/alerts", json.dumps(alerts).encode(), headers), timeout=10).close()

        def suppressed() -> list[list[tuple[str, str]]]:
            with urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
                found = [each for each in json.load(answer) if each["status"]["state"] == "suppressed"]
            return sorted(sorted(each["labels"].items()) for each in found)

        wait_until(lambda: len(suppressed()) >= len(quiet))
        assert suppressed() == sorted(sorted(each["labels"].items()) for each in alerts[: len(quiet)])


def test_it_names_no_alert_that_is_not_there() -> None:
    """A renamed alert would go its way unseen."""
    from tests.alerting.standing_scenarios import of_flights

    known = {rule.alert for group in of_flights({}) for rule in group.rules if isinstance(rule, Alert)}
    content = yaml.safe_load(CONFIG.read_text())
    matchers = [
        matcher
        for rule in content["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ] + [matcher for route in content["route"]["routes"] for matcher in route.get("matchers", [])]
    named = {
        name
        for matcher in matchers
        if matcher.startswith("alertname")
        for name in matcher.partition('"')[2].rstrip('"').split("|")
    }
    assert named
    assert named <= known
    assert known > {rule.alert for rule in standing_rules(()).rules if isinstance(rule, Alert)}
