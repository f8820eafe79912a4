"""A course of events, the alerts that must fire at some of its minutes, and promtool, which says whether they do."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.alerting.timeline import OWNER, input_series
from tests.servers.processes import binary

from dqx.alerting.promql import quoted
from dqx.alerting.rules import Alert, standing_rules
from dqx.alerting.rules_file import rules_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.alerting.timeline import Target

    from dqx.alerting.rules import Group

Labels = dict[str, str]

TOLD_BY = (
    "alertname", "suite", "snapshot", "env", "region", "check", "assertion", "severity", "owner", "runbook_url",
    "plugin", "signal", "reason", "job", "instance",
)  # fmt: skip
"""All labels that an alert may have: two that differ in another one are counted as two."""


@dataclass(frozen=True)
class Scenario:
    """What happens, and exactly which alerts fire at which minute.

    `step` are the minutes between two samples, `evaluated` those between two evaluations of the rules. `recorded` is
    what queries answer at the last of the minutes: series, as text, to values.
    """

    name: str
    targets: Sequence[Target]
    firing: dict[int, Sequence[Labels]]
    groups: Sequence[Group] = (standing_rules(("env",)),)
    step: int = 1
    evaluated: int = 1
    blind: tuple[int, int] | None = None
    recorded: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def alert(name: str, severity: str = "P1", **labels: str) -> Labels:
    """Return the labels of an alert on the suite `flights` in `env=prod`; a label given as `""` is not there."""
    told = {"suite": "flights", "snapshot": "flights,env=prod", "env": "prod", "owner": OWNER, **labels}
    return {"alertname": name, "severity": severity} | {key: value for key, value in told.items() if value}


def failed(assertion: str = "prices known", severity: str = "P1", **labels: str) -> Labels:
    """Return the labels of the alert that an assertion failed."""
    return alert("DQXAssertionFailed", severity, **{"check": "Orders", "assertion": assertion} | labels)


def down(instance: str = "127.0.0.1:9464", job: str = "dqx") -> Labels:
    """Return the labels of the alert that a target is down."""
    return {"alertname": "DQXExporterDown", "severity": "P1", "job": job, "instance": instance}


def promtool(folder: Path, scenario: Scenario) -> subprocess.CompletedProcess[str]:
    """Let promtool play a scenario."""
    (folder / "rules.yaml").write_text(rules_file(scenario.groups), encoding="utf-8")
    counted = f'count by ({", ".join(TOLD_BY)}) (ALERTS{{alertstate="firing"}})'
    test = {
        "name": scenario.name,
        "interval": f"{scenario.step}m",
        "input_series": input_series(scenario.targets, max(scenario.firing), scenario.step, scenario.blind),
        "promql_expr_test": [
            {
                "expr": counted,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": _series(each), "value": 1} for each in firing],
            }
            for minute, firing in scenario.firing.items()
        ]
        + [
            {
                "expr": query,
                "eval_time": f"{max(scenario.firing)}m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in answer.items()],
            }
            for query, answer in scenario.recorded.items()
        ],
    }
    # YAML takes JSON.
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": f"{scenario.evaluated}m", "tests": [test]}
    (folder / "test.yaml").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return subprocess.run(
        [binary("promtool"), "test", "rules", folder / "test.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )


def names_of_alerts(groups: Sequence[Group]) -> set[str]:
    """Return the names of the alerts that some groups have."""
    return {rule.alert for group in groups for rule in group.rules if isinstance(rule, Alert)}


def _series(labels: Labels) -> str:
    return f"{{{', '.join(f'{name}={quoted(value)}' for name, value in labels.items())}}}"
