"""`dqx db`: what it makes known to a store, and what it takes out of it."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import invoke, write, write_checks

from dqx.orm import MetricDB

if TYPE_CHECKING:
    from pathlib import Path

DB = ("--db", "sqlite:///q.db")


def known() -> list[str]:
    """Return the suites that the store knows."""
    with closing(MetricDB("sqlite:///q.db")) as store:
        return store.suites()


def run_of(day: str, *arguments: str) -> str:
    """Run the checks for a day and return the run's id."""
    result = invoke(
        "run",
        "checks.py",
        "--data",
        "orders=orders.parquet",
        "--date",
        day,
        "--format",
        "json",
        *DB,
        *arguments,
    )
    run_id = json.loads(result.stdout)["run_id"]
    assert isinstance(run_id, str)
    return run_id


def ids() -> list[str]:
    """Return the ids of the runs in the store, the newest date first."""
    with closing(MetricDB("sqlite:///q.db")) as store:
        return [run.run_id for run in store.runs("checks")]


def test_register_makes_suites_known_that_never_ran(folder: Path) -> None:
    """With how often they should run, and when they are late; nothing is read."""
    write_checks(folder)
    result = invoke("db", "register", "checks.py", "--tag", "env=prod", "--every", "1h", *DB)
    assert result.exit_code == 0
    assert result.stdout == (
        f"registered checks with env=prod, every 1h, late after 1h 15m, in sqlite:///{folder}/q.db\n"
    )
    assert known() == ["checks"]


def test_register_takes_suites_as_they_are_in_the_file(folder: Path) -> None:
    """One that does not say how often it runs is never late, which is said; tags also come from the settings."""
    write(
        folder / "checks.py",
        """
        from datetime import timedelta
        from dqx import MetricDB, VerificationSuite
        a = VerificationSuite([lambda mp, ctx: None], MetricDB("sqlite:///q.db"), "a", every=timedelta(days=1))
        b = VerificationSuite([lambda mp, ctx: None], MetricDB("sqlite:///q.db"), "b")
        """,
    )
    (folder / "dqx.toml").write_text("tags = { env = 'dev' }\n")
    lines = invoke("db", "register", "checks.py").stdout.splitlines()
    assert lines[0].startswith("registered a with env=dev, every 1d, late after 1d 6h, in ")
    assert lines[1].startswith("registered b with env=dev, which has no every= and so is never late, in ")
    assert known() == ["a", "b"]
    assert invoke("db", "register", "checks.py", "--suite", "b").stdout.count("registered") == 1


def test_register_needs_a_store_that_lasts(folder: Path) -> None:
    """In memory it would be forgotten at once."""
    write_checks(folder)
    result = invoke("db", "register", "checks.py")
    assert result.exit_code == 2
    assert "suite 'checks' has no store that lasts; name one with --db" in result.stderr


def test_prune_removes_old_runs_and_keeps_the_newest_of_each_suite(orders: Path) -> None:
    """By key date, counted back from now."""
    write_checks(orders.parent)
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in (500, 410, 390, 1)]
    made = [run_of(str(day)) for day in days]
    result = invoke("db", "prune", "--keep", "400d", *DB)
    assert (result.exit_code, result.stdout) == (0, f"removed 2 runs from sqlite:///{orders.parent}/q.db\n")
    assert ids() == [made[3], made[2]]
    assert "removed 1 run from" in invoke("db", "prune", "--keep", "1h", *DB).stdout
    assert ids() == [made[3]]


def test_delete_run_removes_one(orders: Path) -> None:
    """By its id; one that is not there is an error that names it."""
    write_checks(orders.parent)
    first, second = run_of("2024-01-01"), run_of("2024-01-02")
    result = invoke("db", "delete-run", first, *DB)
    assert (result.exit_code, ids()) == (0, [second])
    assert result.stdout == f"removed run {first} from sqlite:///{orders.parent}/q.db\n"
    result = invoke("db", "delete-run", first, *DB)
    assert result.exit_code == 2
    assert first in result.stderr


def test_forget_retires_a_suite_and_keeps_its_history(orders: Path) -> None:
    """All of it, or where it has a tag; it is known again once it runs."""
    write_checks(orders.parent)
    prod, dev = run_of("2024-01-01", "--tag", "env=prod"), run_of("2024-01-02", "--tag", "env=dev")
    result = invoke("db", "forget", "checks", "--tag", "env=dev", *DB)
    assert (result.exit_code, known()) == (0, ["checks"])
    assert result.stdout == f"forgot checks in sqlite:///{orders.parent}/q.db; its history stays\n"
    assert invoke("db", "forget", "checks", *DB).exit_code == 0
    assert known() == []
    assert ids() == [dev, prod]
    run_of("2024-01-03", "--tag", "env=prod")
    assert known() == ["checks"]


def test_forget_names_what_it_does_not_know(orders: Path) -> None:
    """The suite with the nearest name, or the tag."""
    write_checks(orders.parent)
    run_of("2024-01-01", "--tag", "env=prod")
    result = invoke("db", "forget", "chekcs", *DB)
    assert result.exit_code == 2
    assert "knows no suite 'chekcs'; did you mean 'checks'?" in result.stderr
    result = invoke("db", "forget", "checks", "--tag", "env=dev", *DB)
    assert result.exit_code == 2
    assert "does not know 'checks' with env=dev" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prune",), "--keep"),
        (("prune", "--keep", "400"), "'400' is no duration"),
        (("prune", "--keep", "0d"), "it must be longer than 0"),
        (("forget",), "SUITE"),
        (("delete-run",), "RUN_ID"),
        (("register", "missing.py"), "the checks file missing.py does not exist"),
        (("pruen", "--keep", "1d"), "pruen"),
    ],
)
def test_a_wrong_call_is_refused(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and no store is made for it."""
    result = invoke("db", *arguments, *DB)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", [("prune", "--keep", "1d"), ("forget", "a"), ("delete-run", "a")])
def test_a_store_that_is_not_there_is_not_made(folder: Path, command: tuple[str, ...]) -> None:
    """A misspelt name is an error."""
    result = invoke("db", *command, *DB)
    assert result.exit_code == 2
    assert "there is no store" in result.stderr
    assert list(folder.iterdir()) == []
