"""`dqx alerts export`: rules with the labels of this installation, and what a checks file adds."""

from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.cli.command_line import invoke, run, write, write_checks
from tests.servers.processes import binary

from dqx.alerting.rules import standing_rules
from dqx.alerting.rules_file import rules_file

if TYPE_CHECKING:
    from pathlib import Path

SUITES = """
    from datetime import timedelta
    from dqx import MetricDB, VerificationSuite, check

    @check(name="Orders", datasets=["orders"])
    def complete(mp, ctx):
        ctx.assert_that(mp.num_rows()).where(name="rows").is_geq(10)

    hourly = VerificationSuite([complete], MetricDB(), "hourly", every=timedelta(hours=1), owner="ann")
    monthly = VerificationSuite([complete], MetricDB(), "monthly", every=timedelta(days=30))
    unscheduled = VerificationSuite([complete], MetricDB(), "unscheduled")
"""


def rules(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def named(text: str, name: str) -> list[dict[str, Any]]:
    return [rule for rule in rules(text) if name in (rule.get("alert"), rule.get("record"))]


def test_without_settings_it_writes_the_shipped_rules(folder: Path) -> None:
    """To stdout, and nothing else there or on stderr."""
    code, out, err = run(folder, "alerts", "export")
    assert (code, err) == (0, "")
    assert out == rules_file([standing_rules(("env",))])


def test_label_tags_of_the_settings_are_grouped_by(folder: Path) -> None:
    """One setting for every road; a tag that is no legal name as the label that it becomes."""
    (folder / "dqx.toml").write_text('label_tags = ["env", "data-center"]\n')
    (newest,) = named(invoke("alerts", "export").stdout, "dqx:suite_newest")
    assert newest["expr"] == (
        "max by (snapshot, suite, env, data_center) (dqx_suite_last_run_timestamp_seconds)"
    )


def test_a_label_tag_that_is_taken_is_refused(folder: Path) -> None:
    """Before anything is written."""
    (folder / "dqx.toml").write_text('label_tags = ["suite"]\n')
    result = invoke("alerts", "export", "-o", "rules.yaml")
    assert result.exit_code == 2
    assert "the tag 'suite' cannot become a label" in result.stderr
    assert not (folder / "rules.yaml").exists()


def test_a_file_is_written_whole_for_others_to_read(folder: Path) -> None:
    """Prometheus runs as another user, and may read it at any moment."""
    (folder / "rules.yaml").write_text("old")
    result = invoke("alerts", "export", "-o", "rules.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (folder / "rules.yaml").read_text() == rules_file([standing_rules(("env",))])
    assert stat.S_IMODE((folder / "rules.yaml").stat().st_mode) == 0o644
    assert [path.name for path in folder.iterdir()] == ["rules.yaml"]


def test_a_file_that_cannot_be_written_is_named(folder: Path) -> None:
    """With what is wrong."""
    result = invoke("alerts", "export", "-o", "nowhere/rules.yaml")
    assert result.exit_code == 2
    assert "nowhere/rules.yaml cannot be written (No such file or directory)" in result.stderr


def test_a_checks_file_adds_what_its_assertions_expect_and_that_its_suites_should_be_there(
    folder: Path,
) -> None:
    """A static rule knows neither."""
    write(folder / "checks.py", SUITES)
    result = invoke("alerts", "export", "checks.py", "--tag", "env=prod", "--tag", "team=a")
    assert (result.exit_code, result.stderr) == (0, "")
    failed = [rule["annotations"]["description"] for rule in named(result.stdout, "DQXAssertionFailed")]
    assert ["Expected: num_rows() >= 10." in said for said in failed] == [True, False] * 3 + [False]
    absent = named(result.stdout, "DQXSuiteAbsent")
    assert [rule["labels"]["suite"] for rule in absent] == ["hourly", "monthly", "unscheduled"]
    assert absent[0]["labels"] == {
        "severity": "P1",
        "suite": "hourly",
        "snapshot": "hourly,env=prod",
        "env": "prod",
        "owner": "ann",
    }
    assert absent[0]["expr"].startswith(
        'absent(dqx_suite_last_run_timestamp_seconds{suite="hourly", snapshot="hourly,env=prod", env="prod"})'
    )
    assert "It should run every 1h, and may be 15m late." in absent[0]["annotations"]["description"]


def test_a_file_of_checks_alone_is_a_suite(folder: Path) -> None:
    """Named and scheduled as for `dqx run`, and with the tags of the settings."""
    write_checks(folder)
    (folder / "dqx.toml").write_text('[tags]\nenv = "dev"\n')
    result = invoke("alerts", "export", "checks.py", "--suite", "orders", "--every", "2h")
    (absent,) = named(result.stdout, "DQXSuiteAbsent")
    assert (absent["labels"]["suite"], absent["labels"]["env"]) == ("orders", "dev")
    assert "every 2h, and may be 30m late" in absent["annotations"]["description"]


def test_otlp_writes_rules_that_look_back(folder: Path) -> None:
    """As far as a suite's interval and grace, and an hour more; what cannot be seen so is said."""
    write(folder / "checks.py", SUITES)
    result = invoke("alerts", "export", "checks.py", "--otlp", "--tag", "env=prod", "-o", "rules.yaml")
    assert result.exit_code == 0
    text = (folder / "rules.yaml").read_text()
    newest = {rule["labels"]["suite"]: rule["expr"] for rule in named(text, "dqx:suite_newest")}
    assert [expr.partition("[")[2].partition("]")[0] for expr in newest.values()] == [
        "2h15m",
        "37d13h",
        "1d1h",
    ]
    late = {rule["labels"]["suite"]: rule["expr"] for rule in named(text, "DQXSuiteLate")}
    assert late.keys() == {"hourly", "monthly"}
    assert late["hourly"] == (
        'absent_over_time(dqx_suite_last_run_timestamp_seconds{suite="hourly", snapshot="hourly,env=prod", '
        'env="prod"}[1h15m])'
    )
    assert not named(text, "DQXExporterDown")
    monthly, unscheduled = result.stderr.splitlines()
    assert "suite 'monthly': its rules look back 37d13h, and Prometheus keeps 15d" in monthly
    assert "--storage.tsdb.retention.time=37d13h" in monthly
    assert "suite 'unscheduled' has no every=: it is never late" in unscheduled


def test_several_checks_files_go_into_one_export(folder: Path) -> None:
    """Two exports would send the same alert with different texts."""
    write(folder / "suites.py", SUITES)
    write_checks(folder)
    result = invoke("alerts", "export", "suites.py", "checks.py")
    assert [rule["labels"]["suite"] for rule in named(result.stdout, "DQXSuiteAbsent")] == [
        "hourly", "monthly", "unscheduled", "checks",
    ]  # fmt: skip
    refused = invoke("alerts", "export", "suites.py", "checks.py", "checks.py")
    assert refused.exit_code == 2
    assert "two of the checks files have a suite named 'checks'" in refused.stderr


def test_a_runbook_of_ones_own(folder: Path) -> None:
    """With a section for each alert."""
    text = invoke("alerts", "export", "--runbooks", "https://wiki.example.com/dqx").stdout
    assert {rule["annotations"]["runbook_url"] for rule in named(text, "DQXSuiteLate")} == {
        '{{ or $labels.runbook_url "https://wiki.example.com/dqx#dqxsuitelate" }}'
    }


@pytest.mark.parametrize("flags", [["--otlp"], ["--tag", "env=prod"], ["--suite", "a"], ["--every", "1h"]])
def test_what_is_about_suites_needs_a_checks_file(folder: Path, flags: list[str]) -> None:
    """Nothing is left out without a word."""
    result = invoke("alerts", "export", *flags)
    assert result.exit_code == 2
    assert f"{flags[0]} is about the suites of a checks file" in result.stderr


def test_a_checks_file_that_is_not_there_is_named(folder: Path) -> None:
    """As for `dqx run`."""
    result = invoke("alerts", "export", "chekcs.py")
    assert result.exit_code == 2
    assert "the checks file chekcs.py does not exist" in result.stderr


@pytest.mark.parametrize("flags", [[], ["--otlp"]])
def test_promtool_takes_what_is_written(folder: Path, flags: list[str]) -> None:
    """For several suites, too, whose rules are told apart."""
    write(folder / "checks.py", SUITES)
    assert invoke("alerts", "export", "checks.py", *flags, "-o", "rules.yaml").exit_code == 0
    command = [binary("promtool"), "check", "rules", "rules.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
