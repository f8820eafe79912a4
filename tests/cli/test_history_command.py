"""`dqx history`: the runs that a store holds of a suite."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import invoke, write_checks

from dqx.common import ResultKey, SuiteInfo
from dqx.orm import MetricDB

if TYPE_CHECKING:
    from pathlib import Path

DB = ("--db", "sqlite:///q.db")


@pytest.fixture
def runs(orders: Path) -> list[str]:
    """Make three runs, one that failed and one with another tag; return their ids, the newest date first."""
    ids = []
    for day, env, at_least in ((3, "prod", 11), (2, "dev", 1), (1, "prod", 1)):
        write_checks(orders.parent, at_least)
        result = invoke(
            "run", "checks.py", "--data", "orders=orders.parquet", "--date-column", "orders=day",
            "--date", f"2024-01-0{day}", "--tag", f"env={env}", "--format", "json", *DB,
        )  # fmt: skip
        ids.append(json.loads(result.stdout)["run_id"])
    return ids


def rows(text: str) -> list[list[str]]:
    """Return the cells of the table's rows."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()[2:]]


def test_runs_are_shown_by_their_date_the_newest_first(runs: list[str]) -> None:
    """With tags, verdict, counts, duration and the whole id, which `dqx db delete-run` takes."""
    result = invoke("history", "checks", *DB)
    assert result.exit_code == 0
    table = rows(result.stdout)
    assert [row[0] for row in table] == ["2024-01-03", "2024-01-02", "2024-01-01"]
    assert [row[1] for row in table] == ["env=prod", "env=dev", "env=prod"]
    assert [row[2] for row in table] == ["failed", "passed", "passed"]
    assert [row[3] for row in table] == ["1 of 2 passed, 1 failed", "2 of 2 passed", "2 of 2 passed"]
    assert [row[-1] for row in table] == runs


def test_tags_and_a_limit_keep_some(runs: list[str]) -> None:
    """Those that have the tag; the newest."""
    assert [row[-1] for row in rows(invoke("history", "checks", "--tag", "env=prod", *DB).stdout)] == [
        runs[0],
        runs[2],
    ]
    assert [row[-1] for row in rows(invoke("history", "checks", "-n", "1", *DB).stdout)] == [runs[0]]


def test_history_as_json(runs: list[str]) -> None:
    """One document, an empty one too."""
    document = json.loads(invoke("history", "checks", "--format", "json", *DB).stdout)
    assert document["schema_version"] == 1
    assert [run["run_id"] for run in document["runs"]] == runs
    assert document["runs"][0]["counts"] == {"SUCCESS": 1, "FAILURE": 1, "ERROR": 0, "SKIPPED": 0}
    assert (
        json.loads(invoke("history", "checks", "--tag", "env=x", "--format", "json", *DB).stdout)["runs"]
        == []
    )


def test_the_store_may_stand_in_the_settings(runs: list[str]) -> None:
    """In the file or in `DQX_DB`."""
    assert invoke("history", "checks", DQX_DB="sqlite:///q.db").exit_code == 0


def test_a_run_without_a_verdict_is_running_or_crashed(folder: Path) -> None:
    """By the time limit that its suite has."""
    info = SuiteInfo("jobs", 86_400, 900, timeout_s=60, fail_on="P1")
    endless = replace(info, timeout_s=timedelta.max.total_seconds())
    now = datetime.now(UTC)
    with closing(MetricDB("sqlite:///q.db")) as store:
        store.start_run("endless", endless, ResultKey(date(2024, 1, 3)), now - timedelta(days=5))
        store.start_run("old", info, ResultKey(date(2024, 1, 1)), now - timedelta(minutes=5))
        store.start_run("new", info, ResultKey(date(2024, 1, 2)), now)
    shown = rows(invoke("history", "jobs", *DB).stdout)
    assert [row[1] for row in shown] == ["running", "running", "crashed"]


def test_a_suite_that_is_not_known_is_named_with_the_nearest(runs: list[str]) -> None:
    """Exit code 2."""
    result = invoke("history", "chekcs", *DB)
    assert result.exit_code == 2
    assert "knows no suite 'chekcs'; did you mean 'checks'?" in result.stderr


def test_a_suite_that_never_ran_is_no_error(orders: Path) -> None:
    """It is known, and holds nothing yet; the same when no run has the tag."""
    write_checks(orders.parent)
    assert invoke("db", "register", "checks.py", *DB).exit_code == 0
    result = invoke("history", "checks", *DB)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "knows suite 'checks', and holds no run of it\n" in result.stderr
    assert "holds no run of it with env=x\n" in invoke("history", "checks", "--tag", "env=x", *DB).stderr


def test_without_a_store_there_is_nothing_to_show(folder: Path) -> None:
    """Which one must be said, and a misspelt one is not made."""
    result = invoke("history", "checks")
    assert result.exit_code == 2
    assert "name the store with --db URL, DQX_DB or db in dqx.toml" in result.stderr
    result = invoke("history", "checks", "--db", "sqlite:///quailty.db")
    assert result.exit_code == 2
    assert f"there is no store sqlite:///{folder}/quailty.db" in result.stderr
    assert list(folder.iterdir()) == []
