"""Bad input to `dqx run`: each has a clear message that names the culprit, and the right exit code."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool
from tests.cli.command_line import invoke, write, write_checks
from tests.privileges import unprivileged

from dqx.orm import MetricDB

if TYPE_CHECKING:
    from pathlib import Path

CHECK = """
    from dqx import check

    @check(name="Orders", datasets=["orders"])
    def orders(mp, ctx):
        {body}
"""


def run(*arguments: str, data: str = "orders=orders.parquet") -> tuple[int, str, str]:
    """Run `checks.py` on the orders; return exit code, stdout and stderr."""
    result = invoke("run", "checks.py", "--data", data, *arguments)
    return result.exit_code, result.stdout, result.stderr


def asserted(folder: Path, body: str) -> tuple[int, str, str]:
    """Run a check with this body."""
    write(folder / "checks.py", CHECK, body=body)
    return run()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("orders=missing.parquet", "no such file: missing.parquet"),
        ("orders=miss*.parquet", "no file matches miss*.parquet"),
        ("orders=parts", "parts is a directory; name its files, for example parts/*.parquet"),
        ("orders=cut.parquet", "cut.parquet"),
        ("orders=text.parquet", "text.parquet"),
        ("orders=empty.parquet", "empty.parquet"),
        ("orders=missing.duckdb::t", "no such file: missing.duckdb"),
        ("orders=orders.duckdb::t", "orders.duckdb"),
    ],
)
def test_data_that_cannot_be_read_is_a_failed_scan(orders: Path, data: str, said: str) -> None:
    """Exit code 3, each assertion an ERROR, and the run stored: that is when an alert matters most."""
    folder = orders.parent
    write_checks(folder)
    (folder / "parts").mkdir()
    (folder / "cut.parquet").write_bytes(orders.read_bytes()[:-100])
    (folder / "text.parquet").write_text("PAR1 not at all")
    (folder / "empty.parquet").touch()
    (folder / "orders.duckdb").write_text("no database, and long enough to be taken for one" * 100)
    code, out, err = run("--db", "sqlite:///q.db", data=data)
    assert (code, err) == (3, "")
    (line,) = [line for line in out.splitlines() if line.startswith("Dataset orders could not be read: ")]
    assert said in line
    assert out.count("ERROR   P") == 2
    with closing(MetricDB("sqlite:///q.db")) as store:
        assert [run.verdict for run in store.runs()] == ["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "orders"), "'orders' is not NAME=SPEC; for example flights=flights.parquet"),
        (("--data", "=orders.parquet"), "'=orders.parquet' is not NAME=SPEC"),
        (("--data", "orders="), "'orders=' is not NAME=SPEC"),
        (("--data", "orders=o.parket"), "data orders=o.parket: it takes a path or quoted glob"),
        (("--data", "a=a.csv", "--data", "a=b.csv"), "--data gives 'a' twice: 'a.csv' and 'b.csv'"),
        ((), "needs dataset 'orders', which the run does not have"),
        (("--data", "oders=orders.parquet"), "name it with --data orders=...; did you mean 'oders'?"),
        (("--date-column", "day"), "'day' is not NAME=COLUMN"),
        (("--data", "orders=orders.parquet", "--date-column", "order=day"), "did you mean 'orders'?"),
        (("--fail-on", "P4"), "'P4' is not one of 'P0', 'P1', 'P2', 'P3'"),
        (("--fail-on", "p0"), "'p0' is not one of"),
        (("--format", "xml"), "'xml' is not one of 'table', 'json'"),
        (("--timeout", "5"), "'5' is no duration; write a number and a unit of s, m, h, d"),
        (("--timeout", "0s"), "it must be longer than 0"),
        (("--every", "daily"), "'daily' is no duration"),
        (("--tag", "env"), "'env' is not NAME=VALUE; for example env=prod"),
        (("--tag", "=prod"), "'=prod' is not NAME=VALUE"),
        (("--tag", "env=a", "--tag", "env=b"), "--tag gives 'env' twice"),
        (("--date", "2024-13-01"), "'2024-13-01' is no date; write it as "),
        (("--date", "01.02.2024"), "'01.02.2024' is no date"),
        (("--date", "tomorrow"), "'tomorrow' is no date"),
        (("--date", ""), "'' is no date"),
        (("--no-such-flag",), "--no-such-flag"),
        (("another.py",), "another.py"),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_allowed(
    orders: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, nothing on stdout, nothing read."""
    write_checks(orders.parent)
    result = invoke("run", "checks.py", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "ctx.assert_that(mp.num_rows()).where(name='x', severity='P7').is_gt(0)",
            "check 'Orders', assertion 'x': severity is 'P7'; allowed are P0, P1, P2, P3",
        ),
        (
            "[ctx.assert_that(mp.num_rows()).where(name='x').is_gt(n) for n in (1, 2)]",
            "check 'Orders' has two assertions named 'x'; rename one",
        ),
        ("ctx.assert_that(mp.num_rows()).where(name='x')", "has no validator"),
        ("ctx.assert_that(mp.num_rows()).is_gt(0)", "has no name"),
        ("ctx.assert_that(mp.num_rows(dataset='shops')).where(name='x').is_gt(0)", "needs dataset 'shops'"),
        ("ctx.assert_that(mp.num_rows()).where(name='x', tags={'env': 1}).is_gt(0)", "tags are text to text"),
    ],
)
def test_a_wrong_check_is_named_with_its_assertion(orders: Path, body: str, said: str) -> None:
    """Exit code 2, before anything is read."""
    code, out, err = asserted(orders.parent, body)
    assert (code, out) == (2, "")
    assert said in err


def test_two_checks_of_one_name_are_refused(orders: Path) -> None:
    """Their results could not be told apart."""
    path = write(
        orders.parent / "checks.py", CHECK, body="ctx.assert_that(mp.num_rows()).where(name='x').is_gt(0)"
    )
    path.write_text(path.read_text() + path.read_text().replace("def orders", "def again"))
    code, _, err = run()
    assert code == 2
    assert "suite 'checks' has two checks named 'Orders'; rename one" in err


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("mp.count('prize')", "dataset 'orders' has no column 'prize'; did you mean 'price'?"),
        ("mp.num_rows(where='price >')", "price >"),
        ("mp.num_rows(where='price > 0) from t; drop table t; --')", "drop table"),
        ("mp.custom_sql(\"count(*) from read_csv('/etc/passwd')\")", "custom_sql"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_an_error_of_its_assertion(
    orders: Path, metric: str, said: str
) -> None:
    """Exit code 3; the other assertions have their verdict."""
    code, out, _ = asserted(
        orders.parent,
        f"ctx.assert_that({metric}).where(name='wrong').is_gt(0); "
        "ctx.assert_that(mp.num_rows()).where(name='right').is_gt(0)",
    )
    assert code == 3
    assert said in out
    assert "SUCCESS  P1     right" in out
    assert "1 could not be evaluated, 1 passed" in out


def test_a_check_that_raises_leaves_the_others_alone(orders: Path) -> None:
    """Its own assertions are ERROR, with the line of the user's file, not that of a library it called."""
    write(
        orders.parent / "checks.py",
        """
        import json
        from dqx import check

        @check(name="Raises", datasets=["orders"])
        def raises(mp, ctx):
            ctx.assert_that(mp.num_rows()).where(name="rows").is_gt(0)
            json.loads("{")

        @check(name="Works", datasets=["orders"])
        def works(mp, ctx):
            ctx.assert_that(mp.num_rows()).where(name="rows").is_gt(0)
        """,
    )
    code, out, _ = run()
    assert code == 3
    assert "the check raised JSONDecodeError: Expecting property name" in out
    assert "(line 7 of checks.py)" in out
    assert "2 could not be evaluated, 1 passed" in out


def test_an_empty_dataset_and_a_column_of_all_null_have_a_verdict(folder: Path) -> None:
    """Counts are 0; what has no value is an ERROR that says so."""
    with duckdb.connect() as connection:
        connection.execute("COPY (SELECT 1 AS a WHERE false) TO 'empty.parquet'")
        connection.execute("COPY (SELECT NULL::INTEGER AS a FROM range(3)) TO 'nulls.parquet'")
    write(
        folder / "checks.py",
        """
        from dqx import check

        @check(name="Edge")
        def edge(mp, ctx):
            for name in ("empty", "nulls"):
                ctx.assert_that(mp.num_rows(dataset=name)).where(name=f"{name} rows").is_geq(0)
                ctx.assert_that(mp.average("a", dataset=name)).where(name=f"{name} mean").is_gt(0)
        """,
    )
    result = invoke("run", "checks.py", "--data", "empty=empty.parquet", "--data", "nulls=nulls.parquet")
    assert result.exit_code == 3
    assert "2 could not be evaluated, 2 passed" in result.stdout
    assert "Dataset empty: 0 rows" in result.stdout
    assert "average(a)" in result.stdout


def test_a_text_column_is_no_date_column(orders: Path) -> None:
    """How to cast it is said."""
    with duckdb.connect() as connection:
        connection.execute("COPY (SELECT '2024-01-01' AS day) TO 'text.parquet'")
    write_checks(orders.parent)
    code, out, _ = run("--date-column", "orders=day", data="orders=text.parquet")
    assert code == 3
    assert "CAST(" in out
    code, out, _ = run("--date-column", "orders=dya")
    assert code == 3
    assert "dataset 'orders' has no column 'dya'; did you mean 'day'?" in out


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///missing/q.db", "the folder"),
        ("sqlite:///checks.py", "is not a SQLite database: name another file"),
        ("sqlite:///.", "cannot be opened"),
        ("q.db", "a store's URL looks like"),
        ("mysql://user:hunter2@host/db", "DQX stores in SQLite or PostgreSQL"),
        ("postgresql://user:hunter2@127.0.0.1:1/db", "does the server run"),
        ("sqlite:///q.db?mode=ro", "takes a plain path and one option"),
    ],
)
def test_a_store_that_cannot_be_opened_refuses_the_run(orders: Path, url: str, said: str) -> None:
    """Exit code 2, nothing read, no secret shown."""
    write_checks(orders.parent)
    code, out, err = run("--db", url)
    assert (code, out) == (2, "")
    assert said in err
    assert "hunter2" not in err


def test_a_locked_store_refuses_the_run(orders: Path) -> None:
    """After it waited as long as its URL says."""
    write_checks(orders.parent)
    assert run("--db", "sqlite:///q.db")[0] == 0
    with closing(sqlite3.connect("q.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        code, out, err = run("--db", "sqlite:///q.db?timeout=0.1")
    assert (code, out) == (2, "")
    assert "is locked by another program" in err


def test_a_store_of_a_newer_schema_refuses_the_run(orders: Path) -> None:
    """An older DQX keeps its hands off."""
    write_checks(orders.parent)
    assert run("--db", "sqlite:///q.db")[0] == 0
    from dqx.orm.tables import store

    with closing(sqlite3.connect("q.db", isolation_level=None)) as other:
        other.execute(f"UPDATE {store.name} SET version = 99")
    code, out, err = run("--db", "sqlite:///q.db")
    assert (code, out) == (2, "")
    assert "was written by a newer DQX (schema 99" in err


def test_a_read_only_store_refuses_the_run(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says whose right is missing."""
    with TemporaryDirectory() as name:
        monkeypatch.chdir(name)
        os.chmod(name, 0o755)  # noqa: PTH101  # a text
        (orders.parent / "orders.parquet").rename(f"{name}/orders.parquet")
        os.chmod("orders.parquet", 0o644)  # noqa: PTH101  # a text
        write_checks(orders.parent).rename(f"{name}/checks.py")
        assert run("--db", "sqlite:///q.db")[0] == 0
        os.chmod("q.db", 0o444)  # noqa: PTH101  # a text
        os.chmod(name, 0o777)  # noqa: PTH101  # the log beside the store could be written
        with unprivileged():
            code, out, err = run("--db", "sqlite:///q.db?timeout=0.1")
        monkeypatch.undo()
    assert (code, out) == (2, "")
    assert "give this user the right to write" in err


def test_a_store_that_becomes_full_does_not_cost_the_verdict(orders: Path) -> None:
    """The results are shown, the reason is said, and what would have been 0 is 4."""
    write(
        orders.parent / "checks.py",
        CHECK,
        body="[ctx.assert_that(mp.num_rows()).where(name=f'{n}' * 50).is_gt(0) for n in range(1_000)]",
    )
    with closing(MetricDB("sqlite:///q.db")) as store:
        store.suites()

    def limit(connection: Any, _: object) -> None:
        connection.execute("PRAGMA max_page_count=40")

    event.listen(Pool, "connect", limit)
    try:
        code, out, err = run("--db", "sqlite:///q.db")
    finally:
        event.remove(Pool, "connect", limit)
    assert code == 4
    assert "1,000 passed" in out
    assert "Not stored: the store " in out
    assert "has no room left: free some" in out
    assert "the run was not stored" in err
    with closing(MetricDB("sqlite:///q.db")) as store:
        assert [run.verdict for run in store.runs()] == [None]
