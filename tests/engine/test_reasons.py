"""No connection URL is kept or shown with its password, whatever raised it: a check, an engine, a file of checks."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from tests.cli.command_line import environment, run, write

from dqx import Context, DataSource, MetricDB, MetricProvider, ResultKey, VerificationSuite, check
from dqx.plugins import PluginManager
from dqx.telemetry.redaction import MAX_REASON

if TYPE_CHECKING:
    from pathlib import Path

    from dqx.common import SqlDataSource, SuiteRun

CANARY = "cAnArY-7f3a"
URL = f"postgresql://me:{CANARY}@host/db?sslpassword={CANARY}"


@check(name="Raises", datasets=["orders"])
def raises(mp: MetricProvider, ctx: Context) -> None:
    """Assert something, then call what cannot be connected to."""
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()
    raise ConnectionError(f"could not connect to {URL}")


@check(name="Of the engine", datasets=["orders"])
def of_the_engine(mp: MetricProvider, ctx: Context) -> None:
    """Assert what the engine refuses in words with a URL in them."""
    ctx.assert_that(mp.custom_sql(f"max(error('IO Error: {URL} is down'))")).where(name="down").is_zero()


@check(name="Rows", datasets=["orders"])
def rows(mp: MetricProvider, ctx: Context) -> None:
    """Assert that there are rows."""
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()


class Gone:
    """A source of somebody else's, which is not there."""

    name = "orders"

    def analyzer(self) -> Any:
        """Raise as a driver does."""
        raise ConnectionError(f"no route to {URL}")


def run_of(producer: Any, source: SqlDataSource | None = None, db: MetricDB | None = None) -> SuiteRun:
    """Run one check over one row."""
    source = source or DataSource.from_records([{"id": 1}])
    with VerificationSuite([producer], db or MetricDB(), "orders") as suite:
        return suite.run({"orders": source}, ResultKey(date(2024, 1, 31)))


@pytest.mark.parametrize(
    ("producer", "source", "said"),
    [
        (raises, None, "could not connect to postgresql://***@host/db"),
        (rows, Gone(), "no route to postgresql://***@host/db"),
    ],
    ids=["a check", "a source"],
)
def test_a_reason_has_no_password(producer: Any, source: Any, said: str, tmp_path: Path) -> None:
    """Neither in what a run gives back nor in its store; where it was is still said."""
    with closing(MetricDB(f"sqlite:///{tmp_path / 'q.db'}")) as db:
        found = run_of(producer, source, db)
    assert {result.status for result in found.results} == {"ERROR"}
    assert said in str(found.results[0].reason)
    assert CANARY not in repr(found)
    assert all(CANARY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_an_engine_s_words_have_no_password() -> None:
    """Whatever it repeats; expressions are shown in full, as a check has them."""
    found = run_of(of_the_engine)
    (result,) = found.results
    assert result.status == "ERROR"
    assert "is down" in str(result.reason)
    assert CANARY not in str(result.reason)
    assert all(CANARY not in str(symbol.value.error) for symbol in found.symbols)
    assert CANARY in result.expression


def test_a_reason_is_cut() -> None:
    """An engine's error may carry a whole line of a file; where it was raised is still said."""

    @check(name="Long", datasets=["orders"])
    def long(_: MetricProvider, __: Context) -> None:
        raise ValueError("word " * 10_000)

    (result,) = run_of(long).results
    said, _, _ = str(result.reason).rpartition(" (line ")
    assert len(said) == len("the check raised ValueError: ") + MAX_REASON


def test_a_defect_of_ours_in_the_plugin_phase_costs_no_verdict_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its traceback is logged, without what is secret in it."""

    def fail(*_: object, **__: object) -> None:
        raise LookupError(f"{CANARY} is no key of {URL}")

    monkeypatch.setattr(PluginManager, "process_all", fail)
    with VerificationSuite([rows], MetricDB(), "orders", {"mine": {"password": CANARY}}) as suite:
        found = suite.run({"orders": DataSource.from_records([{"id": 1}])}, ResultKey(date(2024, 1, 31)))
    assert (found.verdict, found.exit_code, found.plugin_outcomes) == ("passed", 0, ())
    assert "suite orders: the plugin phase failed" in caplog.text
    assert "LookupError: *** is no key of postgresql://***@host/db" in caplog.text
    assert CANARY not in caplog.text


def test_nothing_that_the_command_line_writes_has_a_password(tmp_path: Path) -> None:
    """Terminal, document, logs at their finest, store, audit trail and report, text file: all that a run leaves."""
    duckdb.sql("SELECT 1 AS id").write_parquet(str(tmp_path / "orders.parquet"))
    (tmp_path / "out").mkdir()
    write(
        tmp_path / "checks.py",
        """
        import os
        from dqx import MetricDB, VerificationSuite, check

        URL = "postgresql://me:" + os.environ["MY_PASSWORD"] + "@host/db"

        @check(name="Raises", datasets=["orders"])
        def raises(mp, ctx):
            ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()
            raise ConnectionError("could not connect to " + URL)

        class Bad:
            def initialize(self, config): self.key = config["api_key"]
            def process(self, results, symbols, suite_name, context):
                raise RuntimeError(f"{self.key} is not accepted by {URL}")

        suite = VerificationSuite([raises], MetricDB(), "orders")
        suite.register_plugin("bad", Bad())
        """,
    )
    write(
        tmp_path / "dqx.toml",
        f"""
        [plugins.bad]
        api_key = "{CANARY}"

        [plugins.dqx_audit]
        jsonl_file = "out/audit.jsonl"
        log_to_file = true
        audit_file = "out/audit.txt"

        [plugins.dqx_prometheus]
        textfile = "out"

        [plugins.dqx_prometheus.pushgateway]
        url = "http://127.0.0.1:1"
        username = "me"
        password = "{CANARY}"
        """,
    )
    arguments = ("run", "-v", "checks.py", "--data", "orders=orders.parquet", "--db", "sqlite:///out/q.db")
    variables = {
        "MY_PASSWORD": CANARY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://me:{CANARY}@127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={CANARY}",
    }
    for form in ("table", "json"):
        code, out, err = run(
            tmp_path, *arguments, "--format", form, "--log-level", "debug", env=environment(**variables)
        )
        assert code == 3, err
        assert "could not connect to postgresql://***@host/db" in out
        assert "*** is not accepted by postgresql://***@host/db" in out
        assert CANARY not in out + err
    assert json.loads(out)["verdict"] == "error"
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {"audit.jsonl", "audit.txt", "dqx_orders.prom", "q.db"} <= set(left)
    assert [name for name in left if CANARY.encode() in (tmp_path / "out" / name).read_bytes()] == []
