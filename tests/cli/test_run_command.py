"""`dqx run`: a checks file and data in, a verdict, a report, a stored run and an exit code out."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import invoke, write, write_checks

from dqx.orm import MetricDB

if TYPE_CHECKING:
    from pathlib import Path

    from dqx.orm import StoredRun

SEVERAL = """
    from datetime import timedelta
    from dqx import MetricDB, VerificationSuite, check

    def made(name, at_least, dataset="orders"):
        @check(name="rows", datasets=[dataset])
        def rows(mp, ctx):
            ctx.assert_that(mp.num_rows()).where(name="rows").is_geq(at_least)
        return VerificationSuite([rows], MetricDB(), name, every=timedelta(days=1))

    good = made("good", 1)
    bad = made("bad", 1000)
    unread = made("unread", 1, "missing")
    unknown = made("unknown", 1, "nobody's")
"""
MANY = ("--data", "orders=orders.parquet", "--data", "missing=missing.parquet")
DAYS = ("--data", "orders=orders.parquet", "--date-column", "orders=day")


def stored(path: Path, suite: str = "checks") -> list[StoredRun]:
    """Return the runs that a store holds."""
    with closing(MetricDB(f"sqlite:///{path}")) as store:
        return store.runs(suite)


def test_a_suite_that_passes_ends_with_0_and_is_stored(orders: Path) -> None:
    """The report on stdout, nothing on stderr, the run in the store."""
    write_checks(orders.parent)
    result = invoke("run", "checks.py", "--data", "orders=orders.parquet", "--db", "sqlite:///q.db")
    assert result.exit_code == 0
    assert result.stderr == ""
    (run,) = stored(orders.parent / "q.db")
    assert run.verdict == "passed"
    assert f"Run {run.run_id} stored in sqlite:///{orders.parent}/q.db\n" in result.stdout
    assert result.stdout.splitlines()[-1].startswith(
        f"PASSED checks {datetime.now(UTC).date()}: 2 passed in "
    )


def test_a_suite_that_fails_ends_with_1(orders: Path) -> None:
    """And says what was expected."""
    write_checks(orders.parent, at_least=31)
    result = invoke("run", "checks.py", "--data", "orders=orders.parquet")
    assert result.exit_code == 1
    assert "FAILURE  P0     enough orders" in result.stdout
    assert "num_rows() is 30, which is not >= 31" in result.stdout


def test_data_that_cannot_be_read_ends_with_3(orders: Path) -> None:
    """No verdict; the reason stands in the report."""
    write_checks(orders.parent)
    result = invoke("run", "checks.py", "--data", "orders=missing.parquet")
    assert result.exit_code == 3
    assert "Dataset orders could not be read: no such file: missing.parquet" in result.stdout


def test_without_a_store_one_line_says_what_is_lost(orders: Path) -> None:
    """On stderr, as it is no result; `--quiet` needs no telling."""
    write_checks(orders.parent)
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet")
    result = invoke(*arguments)
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert "history (lag=) and alerts on silence need --db" in line
    assert "kept in memory only" in result.stdout
    assert invoke(*arguments, "--quiet").stderr == ""


def test_the_date_keeps_the_run_to_its_rows_and_is_its_key(orders: Path) -> None:
    """With `--date-column`; an ISO date, today or yesterday."""
    write_checks(orders.parent, at_least=11)
    result = invoke("run", "checks.py", *DAYS, "--date", "2024-01-02", "--db", "sqlite:///q.db")
    assert result.exit_code == 1
    assert "num_rows() is 10" in result.stdout
    today = datetime.now(UTC).date()
    for day in ("today", "yesterday"):
        invoke("run", "checks.py", *DAYS, "--date", day, "--db", "sqlite:///q.db")
    days = {run.key.yyyy_mm_dd for run in stored(orders.parent / "q.db")}
    assert days == {date(2024, 1, 2), today, today - timedelta(days=1)}


def test_history_counts_over_several_days(orders: Path) -> None:
    """What was stored for the day before is found by the next process's run, of the same tags alone."""
    write(
        orders.parent / "checks.py",
        """
        from dqx import check

        @check(name="Volume", datasets=["orders"])
        def volume(mp, ctx):
            ctx.assert_that(mp.sum("price") / mp.sum("price", lag=1)).where(name="growth").is_between(2, 4)
        """,
    )
    arguments = ("run", "checks.py", *DAYS, "--db", "sqlite:///q.db", "--format", "json")
    runs = [
        json.loads(invoke(*arguments, "--tag", "env=prod", "--date", f"2024-01-0{n}").stdout)
        for n in (1, 2, 3)
    ]
    assert [run["results"][0]["status"] for run in runs] == ["SKIPPED", "SUCCESS", "FAILURE"]
    assert runs[1]["results"][0]["value"] == pytest.approx(168.75 / 56.25)
    other = json.loads(invoke(*arguments, "--tag", "env=dev", "--date", "2024-01-02").stdout)
    assert other["results"][0]["status"] == "SKIPPED"


def test_tags_come_from_the_settings_and_from_flags(orders: Path) -> None:
    """A flag replaces the tag of its name and no other."""
    write_checks(orders.parent)
    (orders.parent / "dqx.toml").write_text(
        'tags = { env = "prod", team = "ops" }\ndb = "sqlite:///q.db"\ndata = { orders = "orders.parquet" }\n'
    )
    assert invoke("run", "checks.py", "--tag", "env=dev", "--tag", "note=").exit_code == 0
    assert stored(orders.parent / "q.db")[0].key.tags == {"env": "dev", "team": "ops", "note": ""}


def test_flags_count_before_variables_and_those_before_the_file(orders: Path) -> None:
    """The nearer to the command, the stronger."""
    write_checks(orders.parent, at_least=31)
    (orders.parent / "dqx.toml").write_text(
        'fail_on = "P0"\nformat = "json"\ndata = { orders = "missing.csv" }\n'
    )
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet")
    assert json.loads(invoke(*arguments).stdout)["fail_on"] == "P0"
    assert json.loads(invoke(*arguments, DQX_FAIL_ON="P2").stdout)["fail_on"] == "P2"
    assert json.loads(invoke(*arguments, "--fail-on", "P3", DQX_FAIL_ON="P2").stdout)["fail_on"] == "P3"
    assert invoke(*arguments, "--format", "table").stdout.startswith("Status")


def test_fail_on_decides_what_fails_the_suite(orders: Path) -> None:
    """A failed P1 assertion counts at P1 and not at P0."""
    text = write_checks(orders.parent, at_least=31).read_text().replace('severity="P0"', 'severity="P1"')
    (orders.parent / "checks.py").write_text(text)
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet")
    assert invoke(*arguments).exit_code == 1
    result = invoke(*arguments, "--fail-on", "P0")
    assert result.exit_code == 0
    assert "1 failed below P0" in result.stdout


def test_quiet_prints_nothing_of_what_is_well(orders: Path) -> None:
    """And of what is not, the reasons and the verdict."""
    write_checks(orders.parent)
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet", "-q")
    assert (invoke(*arguments).stdout, invoke(*arguments).exit_code) == ("", 0)
    write_checks(orders.parent, at_least=31)
    result = invoke(*arguments)
    assert result.stdout.startswith("FAILURE P0 Orders are complete: enough orders\n")
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("suites", "code"),
    [
        (("good",), 0),
        (("bad",), 1),
        (("unread",), 3),
        (("unknown",), 2),
        (("good", "bad"), 1),
        (("unread", "good"), 3),
        (("unread", "bad"), 1),
        (("bad", "unknown"), 2),
        (("good", "bad", "unread", "unknown"), 2),
    ],
)
def test_the_exit_code_of_several_suites_is_the_first_that_applies(
    orders: Path, suites: tuple[str, ...], code: int
) -> None:
    """Of 2, 1, 3, 4, whatever their order in the file; one that is refused keeps no other from running."""
    path = write(orders.parent / "checks.py", SEVERAL)
    dropped = {"good", "bad", "unread", "unknown"} - set(suites)
    path.write_text(path.read_text() + "".join(f"del {name}\n" for name in sorted(dropped)))
    result = invoke("run", "checks.py", *MANY, "--db", "sqlite:///q.db")
    assert result.exit_code == code
    for suite in suites:
        assert len(stored(orders.parent / "q.db", suite)) == (suite != "unknown")
    if "unknown" in suites:
        assert "needs dataset 'nobody's'" in result.stderr
        assert ("suite 'unknown' was not run" in result.stderr) == (len(suites) > 1)


def test_one_suite_of_several_can_be_picked(orders: Path) -> None:
    """By its name."""
    write(orders.parent / "checks.py", SEVERAL)
    result = invoke("run", "checks.py", *MANY, "--suite", "good", "--db", "sqlite:///q.db")
    assert result.exit_code == 0
    assert [len(stored(orders.parent / "q.db", suite)) for suite in ("good", "bad")] == [1, 0]


def test_several_suites_are_one_json_document(orders: Path) -> None:
    """What was refused stands in it, too."""
    write(orders.parent / "checks.py", SEVERAL)
    result = invoke("run", "checks.py", *MANY, "--format", "json")
    document = json.loads(result.stdout)
    assert {run["suite"]: run["exit_code"] for run in document["runs"]} == {"good": 0, "bad": 1, "unread": 3}
    assert [refused["suite"] for refused in document["refused"]] == ["unknown"]
    assert document["exit_code"] == result.exit_code == 2


def test_several_tables_are_told_apart(orders: Path) -> None:
    """Each begins with its suite, and a blank line lies between."""
    write(orders.parent / "checks.py", SEVERAL)
    lines = invoke("run", "checks.py", *MANY, "--date", "2024-01-02").stdout.splitlines()
    starts = [lines.index(f"{suite} 2024-01-02") for suite in ("good", "bad", "unread")]
    assert starts == sorted(starts)
    assert [lines[start - 1] for start in starts[1:]] == ["", ""]


def test_json_holds_the_exact_values(orders: Path) -> None:
    """A sum of decimals with its digits, a count as the whole number that it is."""
    write(
        orders.parent / "checks.py",
        """
        from dqx import check

        @check(name="Exact", datasets=["orders"])
        def exact(mp, ctx):
            ctx.assert_that(mp.sum("price")).where(name="sum").is_gt(0)
            ctx.assert_that(mp.num_rows()).where(name="rows").is_gt(0)
            ctx.assert_that(mp.maximum("day")).where(name="newest").noop()
        """,
    )
    result = invoke(
        "run", "checks.py", "--data", "orders=orders.parquet", "--format", "json", "--tag", "env=prod"
    )
    document = json.loads(result.stdout, parse_float=Decimal)
    assert [str(each["value"]) for each in document["results"]] == ["506.25", "30"]
    assert [each["value"] for each in document["symbols"]][2] == "2024-01-03"
    assert document["schema_version"] == 1
    assert document["key"]["tags"] == {"env": "prod"}


def test_a_timeout_is_a_failed_scan(folder: Path) -> None:
    """The scan is interrupted, the verdict stands, and the reason names the limit."""
    from tests.cli.test_process_ending import write_endless

    write_endless(folder)
    result = invoke("run", "checks.py", "--data", "endless=endless.duckdb::endless", "--timeout", "0.5s")
    assert result.exit_code == 3
    assert "Dataset endless could not be read: the time limit" in result.stdout
    assert "(the suite's timeout=, or --timeout)" in result.stdout


def test_a_future_date_needs_its_flag(orders: Path) -> None:
    """It would make every later run a backfill."""
    write_checks(orders.parent)
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet", "--date", "2999-01-01")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "later than tomorrow" in result.stderr
    assert "--allow-future" in result.stderr
    assert invoke(*arguments, "--allow-future").exit_code == 0


def test_logs_go_to_stderr_at_the_level_and_in_the_form_asked_for(orders: Path) -> None:
    """And the process's own logging is as it was afterwards."""
    write(
        orders.parent / "shouts.py",
        "import logging\nlogging.getLogger('mine').info('hello')\nfrom checks import *\n",
    )
    write_checks(orders.parent)
    arguments = ("run", "shouts.py", "--data", "orders=orders.parquet", "--db", "sqlite:///q.db")
    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    assert "hello" not in invoke(*arguments).stderr
    assert "INFO mine: hello\n" in invoke(*arguments, "--log-level", "info").stderr
    pytest.importorskip("pythonjsonlogger", reason="pip install python-json-logger")
    lines = invoke(*arguments, "--log-level", "info", "--log-format", "json").stderr.splitlines()
    assert "hello" in [json.loads(line)["message"] for line in lines]
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before


def test_what_fails_is_not_logged_beside_the_report(orders: Path) -> None:
    """The audit plugin's records say what the report says; they are there for who asks for logs."""
    write_checks(orders.parent, at_least=31)
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet", "--db", "sqlite:///q.db")
    assert invoke(*arguments).stderr == ""
    assert "enough orders" in invoke(*arguments, "--log-level", "warning").stderr


def test_settings_of_plugins_reach_them(orders: Path) -> None:
    """From `[plugins.NAME]`; what is wrong is that plugin's outcome, and a line of the report."""
    write_checks(orders.parent)
    (orders.parent / "dqx.toml").write_text(
        "data = { orders = 'orders.parquet' }\n[plugins.dqx_audit]\njsonl_file = 'audit.jsonl'\n"
    )
    assert invoke("run", "checks.py").exit_code == 0
    assert (orders.parent / "audit.jsonl").exists()
    (orders.parent / "dqx.toml").write_text(
        "data = { orders = 'orders.parquet' }\n[plugins.dqx_audit]\nx = 1\n"
    )
    result = invoke("run", "checks.py")
    assert result.exit_code == 0
    assert "Plugin dqx_audit: initialize error" in result.stdout
    assert "Plugin dqx_audit: load 0." in invoke("run", "checks.py", "-v").stdout


def test_a_required_plugin_that_fails_later_ends_with_4(orders: Path) -> None:
    """The verdict stands; what was not delivered is said."""
    write_checks(orders.parent)
    (orders.parent / "dqx.toml").write_text(
        "data = { orders = 'orders.parquet' }\n"
        "[plugins.dqx_audit]\nrequired = true\nlog_to_file = true\naudit_file = 'missing/folder.log'\n"
    )
    result = invoke("run", "checks.py")
    assert result.exit_code == 4
    assert "PASSED checks" in result.stdout
    assert "Not delivered: dqx_audit: " in result.stdout
    assert "Plugin dqx_audit (required): finish error after " in result.stdout


@pytest.mark.parametrize("where", ["settings", "suite"])
def test_a_plugin_that_is_configured_and_not_installed_ends_with_2(orders: Path, where: str) -> None:
    """On the command line it is an error, wherever it is configured; one that is switched off is not missed."""
    if where == "settings":
        write_checks(orders.parent)
        (orders.parent / "dqx.toml").write_text("[plugins.dqx_adit]\nx = 1\n[plugins.off]\nenabled = false\n")
    else:
        write(orders.parent / "checks.py", SEVERAL + "    good = bad = unread = unknown = None\n")
        text = (orders.parent / "checks.py").read_text()
        (orders.parent / "checks.py").write_text(
            text
            + "suite = VerificationSuite([lambda mp, ctx: None], MetricDB(), 'x', {'dqx_adit': {'x': 1}})\n"
        )
    result = invoke("run", "checks.py", "--data", "orders=orders.parquet")
    assert result.exit_code == 2
    assert "plugin 'dqx_adit' is configured but not installed; did you mean 'dqx_audit'?" in result.stderr
    assert result.stdout == ""


def test_help_is_there_with_examples() -> None:
    """Of every command, its lines as they were written."""
    for arguments in (
        (),
        ("run",),
        ("history",),
        ("db",),
        ("db", "register"),
        ("db", "prune"),
        ("db", "forget"),
    ):
        result = invoke(*arguments, "--help")
        assert result.exit_code == 0
        assert "Example" in result.stdout
        assert "\n    dqx " in result.stdout
        assert "\\b" not in result.stdout
    assert "\n    130  interrupted (143: terminated)\n" in invoke("run", "--help").stdout


def test_in_a_list_of_commands_each_is_told_in_a_whole_sentence() -> None:
    """In a terminal of 80 columns, below each group of them."""
    groups: list[tuple[str, ...]] = [(), ("db",), ("plugins",), ("audit",), ("alerts",), ("dashboards",)]
    for arguments in groups:
        commands = (
            invoke(*arguments, "--help", COLUMNS="80").stdout.partition("\nCommands:\n")[2].splitlines()
        )
        assert commands
        assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []


def test_an_unknown_command_or_flag_names_the_nearest() -> None:
    """Exit code 2."""
    result = invoke("runn")
    assert (result.exit_code, "there is no command 'runn'; did you mean 'run'?" in result.stderr) == (2, True)
    result = invoke("run", "--fial-on", "P1", "checks.py")
    assert result.exit_code == 2
    assert "--fail-on" in result.stderr


def test_an_unexpected_error_is_70_redacted_and_traced_with_v_alone(
    orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its message nor its traceback shows a secret."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("postgresql://user:hunter2@host/db is broken")

    monkeypatch.setattr("dqx.cli.run.load_suites", broken)
    result = invoke("run", "checks.py")
    assert result.exit_code == 70
    assert result.stderr.startswith(
        "Error: unexpected error inside DQX: RuntimeError: postgresql://***@host/db"
    )
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for arguments in (("run", "checks.py", "-v"), ("-v", "run", "checks.py")):
        shown = invoke(*arguments).stderr
        assert "Traceback (most recent call last):" in shown
        assert "hunter2" not in shown
