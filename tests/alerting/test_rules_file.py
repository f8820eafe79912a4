"""The file of rules: YAML, PromQL and Go templates, whatever the names in it are."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.alerting.timeline import Target, input_series, outcome, run
from tests.servers.processes import binary

from dqx import MetricDB, VerificationSuite, check
from dqx.alerting.promql import duration, quoted
from dqx.alerting.rules import RUNBOOKS, Alert, Group, Recording, standing_rules, vanishing_rules
from dqx.alerting.rules_file import rules_file
from dqx.alerting.suite import TOLD_MAX, Expectation, ExpectedSuite, expected_suite
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "dashboards" / "rules" / "dqx.rules.yaml"

ODD = 'say "no" \\ {{ $labels.x }} }} %s\na second line \N{PARTY POPPER} naïve'
"""Quotes, a backslash, what templates are made of, a newline, and what is not ASCII."""


@check(name=ODD, datasets=["orders"])
def odd(mp: Any, ctx: Any) -> None:
    ctx.assert_that(mp.count_values("status", "secret")).where(name=ODD, severity="P0").is_lt(5)
    ctx.assert_that(mp.num_rows()).where(name="x" * 300).is_positive()
    ctx.assert_that(mp.num_rows()).noop()


def suite_of(name: str = "orders", tags: dict[str, str] | None = None, **facts: Any) -> ExpectedSuite:
    facts = {"every": timedelta(hours=1), **facts}
    suite = VerificationSuite([odd], MetricDB(), name, **facts)
    return expected_suite(suite.info, tags or {}, suite.assertions(), datetime.now(UTC).date())


def parsed(groups: Sequence[Group]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [
        rule for group in yaml.safe_load(rules_file(groups))["groups"] for rule in group["rules"]
    ]
    return rules


def check_rules(path: Path) -> None:
    done = subprocess.run(
        [binary("promtool"), "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shipped_file_is_what_the_code_writes() -> None:
    """`dqx alerts export -o dashboards/rules/dqx.rules.yaml` brings it up to date."""
    assert SHIPPED.read_text(encoding="utf-8") == rules_file([standing_rules(("env",))])


@pytest.mark.parametrize(
    "groups",
    [
        [standing_rules(())],
        [standing_rules(("env", "region"))],
        [standing_rules(("env",), [suite_of(), suite_of(ODD, owner=ODD, runbook_url=ODD)])],
        [standing_rules(("env",), [suite_of(ODD, {"env": ODD}), suite_of("two", every=None)])],
        [vanishing_rules(("env",), suite) for suite in (suite_of(), suite_of(ODD, owner=ODD))],
        [vanishing_rules(("env",), suite_of(ODD, {"env": ODD}, owner=ODD))],
    ],
    ids=["no tags", "two tags", "suites", "suites with tags", "by otlp", "by otlp with tags"],
)
def test_promtool_takes_it(tmp_path: Path, groups: list[Group]) -> None:
    """No error, and no two rules that are the same."""
    (tmp_path / "rules.yaml").write_text(rules_file(groups), encoding="utf-8")
    check_rules(tmp_path / "rules.yaml")


def test_what_is_read_is_what_was_written() -> None:
    """Every text comes back through a YAML parser as it was."""
    groups = [standing_rules(("env",), [suite_of(ODD, owner=ODD)])]
    for rule, read in zip((rule for group in groups for rule in group.rules), parsed(groups), strict=True):
        assert read["expr"] == rule.expr
        if isinstance(rule, Recording):
            assert read["record"] == rule.record
        else:
            assert read["alert"] == rule.alert
            assert read["annotations"]["summary"] == rule.summary
            assert read["annotations"]["description"] == rule.description
            assert read.get("keep_firing_for") == rule.stays
            assert read.get("for") == rule.after


@given(st.lists(st.text(), min_size=1))
def test_any_text_survives_yaml(lines: list[str]) -> None:
    """As an annotation, on one line or on several."""
    text = "x" + "\n".join(lines)
    rule = Alert("A", "vector(1)", "P1", text, text)
    read = parsed([Group(text, (rule,))])[0]["annotations"]
    assert (read["summary"], read["description"]) == (text, text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_being_quoted(text: str) -> None:
    """In the form that Go and JSON share, but for what JSON has no escapes for."""
    shared = re.sub(r"\\U([0-9a-f]{8})", lambda found: json.dumps(chr(int(found[1], 16)))[1:-1], quoted(text))
    assert json.loads(shared) == text


def test_every_alert_says_what_it_is() -> None:
    """In mixin style: severity, summary, description, and a runbook that is a section of the guide."""
    alerts = [rule for rule in parsed([standing_rules(("env",), [suite_of()])]) if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == 11
    sections = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerting.md").read_text(), re.MULTILINE))
    for rule in alerts:
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert f"{RUNBOOKS}#{rule['alert'].lower()}" in rule["annotations"]["runbook_url"]
        assert rule["alert"] in sections
        if not rule["alert"].startswith("DQXAssertion"):  # these have the assertion's own
            assert rule["labels"]["severity"] in names.LABELS["severity"].values


def test_every_name_is_in_the_catalogue() -> None:
    """Nothing is asked for that DQX does not send."""
    sent = {metric.prometheus_name for metric in names.METRICS}
    groups = [standing_rules(("env",), [suite_of()]), vanishing_rules(("env",), suite_of())]
    asked = {name for rule in parsed(groups) for name in re.findall(r"\bdqx_\w+", rule["expr"])}
    assert asked
    assert asked <= sent
    recorded = {rule["record"] for rule in parsed(groups) if "record" in rule}
    assert {name for rule in parsed(groups) for name in re.findall(r"\bdqx:\w+", rule["expr"])} <= recorded


def test_one_group_in_which_what_is_recorded_comes_first() -> None:
    """Over two groups the order of evaluation is random, and false alerts came of it."""
    (group,) = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["groups"]
    kinds = ["record" in rule for rule in group["rules"]]
    assert kinds == sorted(kinds, reverse=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.2, "1s"), (90, "1m30s"), (3_600, "1h"), (111_900, "1d7h5m"), (86_400 * 14, "14d")],
)
def test_durations_are_those_of_promql(seconds: float, text: str) -> None:
    """Rounded up: a look-back that is too short sees nothing."""
    assert duration(seconds) == text


def test_an_alert_says_what_was_expected(tmp_path: Path) -> None:
    """Names of every kind in its texts, a value of the user in none of them; and the runbook that it has."""
    suite = suite_of(ODD, {"env": "prod"})
    (tmp_path / "rules.yaml").write_text(rules_file([standing_rules(("env",), [suite])]), encoding="utf-8")
    target = Target().show(0, run(0, outcome("FAILURE", ODD, ODD, "P0", owner=None), suite=ODD, owner=None))
    labels = {"suite": ODD, "snapshot": f"{ODD},env=prod", "env": "prod", "check": ODD, "assertion": ODD}
    test = {
        "interval": "1m",
        "input_series": input_series([target], 1),
        "alert_rule_test": [
            {
                "eval_time": "1m",
                "alertname": "DQXAssertionFailed",
                "exp_alerts": [
                    {
                        "exp_labels": {**labels, "severity": "P0"},
                        "exp_annotations": {
                            "summary": f"{ODD},env=prod: '{ODD}' failed",
                            "description": (
                                f"In the newest run of {ODD},env=prod, '{ODD}' of the check '{ODD}' did not hold. "
                                "Expected: count_values(status, ?) < 5."
                            ),
                            "runbook_url": f"{RUNBOOKS}#dqxassertionfailed",
                        },
                    }
                ],
            }
        ],
    }
    content = json.dumps({"rule_files": ["rules.yaml"], "tests": [test]}, ensure_ascii=False)
    (tmp_path / "test.yaml").write_text(content, encoding="utf-8")
    command = [binary("promtool"), "test", "rules", tmp_path / "test.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_assertion_has_one_alert_and_not_two() -> None:
    """Those of which it is known what they expect are not among the rest."""
    rules = parsed([standing_rules(("env",), [suite_of("one"), suite_of("two")])])
    assert [rule["expr"] for rule in rules if rule.get("alert") == "DQXAssertionFailed"] == [
        f'dqx:assertion_failing{{suite="one", check={quoted(ODD)}}} == 0',
        f'dqx:assertion_failing{{suite="one", check!={quoted(ODD)}}} == 0',
        f'dqx:assertion_failing{{suite="two", check={quoted(ODD)}}} == 0',
        f'dqx:assertion_failing{{suite="two", check!={quoted(ODD)}}} == 0',
        'dqx:assertion_failing{suite!="one", suite!="two"} == 0',
    ]


def test_a_check_of_very_many_assertions_is_among_the_rest() -> None:
    """Its text would be parsed for each of its alerts."""
    many = [Expectation("many", f"a{number}", "num_rows() > 0") for number in range(TOLD_MAX + 1)]
    few = [Expectation("few", "rows", "num_rows() > 0")]
    assert replace(suite_of(), expectations=(*many, *few)).expected().keys() == {"few"}
    assert replace(suite_of(), expectations=(*many[1:], *few)).expected().keys() == {"many", "few"}


def test_a_person_is_told_of_the_labels_that_a_run_sends() -> None:
    """A name that has to be changed to be sent is expected under what it becomes."""
    suite = suite_of()
    assert [(each.assertion, each.expression) for each in suite.expectations] == [
        (ODD, "count_values(status, ?) < 5"),
        ("x" * 255 + "…", "num_rows() > 0"),
    ]
