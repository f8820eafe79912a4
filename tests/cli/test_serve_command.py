"""`dqx serve` as a process."""

from __future__ import annotations

import re
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import invoke, run, start, write_checks
from tests.exporter.conftest import fetch
from tests.servers.postgres import postgres_running
from tests.servers.processes import free_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start `dqx serve` on a free port, and give its address when it answers there."""
    process = start(folder, "serve", "--port", "0", *arguments)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.match(r"answering (http://\S+)/metrics from (sqlite|postgresql):\S+\n", line)
        assert found, line + process.stderr.read()
        yield found[1], process
    finally:
        process.kill()
        process.communicate()


def test_a_run_shows_at_the_next_scrape(folder: Path, orders: Path) -> None:
    """From nothing to a scraped page: run, serve, run again."""
    write_checks(folder)
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet", "--db", "sqlite:///quality.db")
    assert run(folder, *arguments, "--tag", "env=prod")[0] == 0
    with serving(folder, "--db", "sqlite:///quality.db") as (url, _):
        assert url.startswith("http://127.0.0.1:")
        labels = ("suite", "snapshot", "env")
        assert fetch(url + "/metrics").values("dqx_suite_passed", *labels) == {
            ("checks", "checks,env=prod", "prod"): 1
        }
        write_checks(folder, at_least=1_000)
        assert run(folder, *arguments, "--tag", "env=prod")[0] == 1
        assert fetch(url + "/metrics").values("dqx_suite_passed", *labels) == {
            ("checks", "checks,env=prod", "prod"): 0
        }


def test_label_tags_of_the_settings_hold_here_too(folder: Path, orders: Path) -> None:
    """One setting for every road."""
    write_checks(folder)
    (folder / "dqx.toml").write_text('db = "sqlite:///quality.db"\nlabel_tags = ["team"]\n')
    assert (
        run(
            folder, "run", "checks.py", "--data", "orders=orders.parquet", "--tag", "team=a", "--tag", "env=b"
        )[0]
        == 0
    )
    with serving(folder) as (url, _):
        assert fetch(url + "/metrics").values("dqx_suite_passed", "snapshot", "team", "env") == {
            ("checks,team=a", "a", ""): 1
        }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it(folder: Path, orders: Path, number: signal.Signals, code: int) -> None:
    """In time, with a connection open."""
    write_checks(folder)
    assert (
        run(folder, "run", "checks.py", "--data", "orders=orders.parquet", "--db", "sqlite:///q.db")[0] == 0
    )
    with serving(folder, "--db", "sqlite:///q.db") as (url, process):
        fetch(url + "/metrics")
        process.send_signal(number)
        assert process.wait(10) == code


def test_a_store_that_is_not_there_is_refused(folder: Path) -> None:
    """A misspelt name must not serve an empty page."""
    result = invoke("serve", "--db", "sqlite:///nothing.db")
    assert result.exit_code == 2
    assert "there is no store sqlite:///" in result.stderr
    assert invoke("serve").exit_code == 2
    result = invoke("serve", "--db", "sqlite://")
    assert result.exit_code == 2
    assert "the store sqlite:// is in memory, and gone with the run that filled it" in result.stderr


def test_a_store_that_cannot_be_read_is_told_at_the_start(folder: Path) -> None:
    """Before anybody scrapes; it may come back, so the exporter waits for it."""
    (folder / "q.db").write_text("this is no database, and long enough for its header")
    process = start(folder, "serve", "--port", "0", "--db", "sqlite:///q.db")
    try:
        assert process.stderr is not None
        lines = {process.stderr.readline() for _ in range(2)}
        assert any("scrapes are answered 503: " in line and "q.db" in line for line in lines), lines
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_is_refused(folder: Path, orders: Path) -> None:
    """By name, with exit code 2."""
    import socket

    write_checks(folder)
    run(folder, "run", "checks.py", "--data", "orders=orders.parquet", "--db", "sqlite:///q.db")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run(folder, "serve", "--db", "sqlite:///q.db", "--port", str(port))
    assert (code, out) == (2, "")
    assert f"127.0.0.1:{port} cannot be listened on (Address already in use)" in err


def test_a_label_tag_that_is_taken_is_refused(folder: Path) -> None:
    """Before anything is served."""
    (folder / "dqx.toml").write_text('label_tags = ["suite"]\n')
    result = invoke("serve", "--db", "sqlite:///q.db", "--port", str(free_port()))
    assert result.exit_code == 2
    assert "the tag 'suite' cannot become a label" in result.stderr


def test_a_postgresql_that_restarts_is_503_while_it_is_gone(folder: Path, orders: Path) -> None:
    """Never an empty page: that would resolve the alerts. And nobody has to restart the exporter."""
    write_checks(folder)
    with postgres_running() as postgres:
        store = ("--db", postgres.url())
        assert run(folder, "run", "checks.py", "--data", "orders=orders.parquet", *store)[0] == 0
        with serving(folder, *store) as (url, _):
            before = fetch(url + "/metrics")
            assert before.values("dqx_suite_passed") == {(): 1}
            postgres.stop()
            for path in ("/metrics", "/readyz"):
                gone = fetch(url + path)
                assert (gone.status, gone.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
                assert "dqx_suite" not in gone.text
                assert postgres.password not in gone.text
            assert fetch(url + "/healthz").status == 200
            postgres.start()
            after = fetch(url + "/metrics")
            assert (after.status, after.values("dqx_suite_passed")) == (200, {(): 1})
            assert run(folder, "run", "checks.py", "--data", "orders=orders.parquet", *store)[0] == 0
            newer = fetch(url + "/metrics").values("dqx_suite_last_run_timestamp_seconds")
            assert newer != before.values("dqx_suite_last_run_timestamp_seconds")
