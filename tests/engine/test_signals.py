"""A signal that arrives while the engine works."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading, time
from datetime import UTC, date, datetime

import duckdb

from dqx.common import ScanError, ScanRequest
from dqx.provider import DataSource, MetricProvider

class Stopped(BaseException):
    pass

def stop(*_):
    raise Stopped

def endless():
    # Several threads at work, of which the one that waits is told of the signal alone.
    rows = "(SELECT range AS n FROM range(4000000)) a, range(4000000)"
    if sys.argv[1] == "connection":
        return DataSource.from_duckdb(duckdb.connect(), query=f"SELECT n FROM {rows}")
    duckdb.connect("rows.duckdb").execute(f"CREATE OR REPLACE VIEW endless AS SELECT n FROM {rows}").close()
    return DataSource.from_duckdb("rows.duckdb", table="endless")

def signal_soon(analyzer, over):
    while analyzer._reader is None:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)
    while not over.wait(0.5):  # as the command line does: the engine may be too deep in its work to see a signal
        analyzer.interrupt()

signal.signal(signal.SIGTERM, stop)
metrics = tuple(metric.spec for metric in (MetricProvider().sum("n"), MetricProvider().unique_count("n")))
for _ in range(4):
    analyzer = endless().analyzer()
    over = threading.Event()
    thread = threading.Thread(target=signal_soon, args=(analyzer, over))
    thread.start()
    try:
        analyzer.scan(ScanRequest("t", metrics, date(2024, 1, 1), datetime.now(UTC), 3600.0))
    except (Stopped, KeyboardInterrupt, ScanError):
        print("stopped", flush=True)
    over.set()
    thread.join()
"""


@pytest.mark.parametrize("source", ["file", "connection"])
def test_a_signal_ends_the_query_and_not_the_waiting_for_it_alone(
    source: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each time: what closes the connection would otherwise wait for threads that have rows for days."""
    folder = tmp_path_factory.mktemp("signals")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("stopped\n" * 4, "")
    assert done.returncode == 0
