"""The road by a folder of text files, read by a real node_exporter."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from tests.plugins.prometheus_runs import deliver, of_suite
from tests.privileges import unprivileged

from dqx.common import ResultKey
from dqx.telemetry.textfile import file_name
from dqx.testing import KEY, STARTED_AT, assertion_result, suite_run

if TYPE_CHECKING:
    from tests.servers.node_exporter import NodeExporter


def last_success(folder: Path) -> list[str]:
    """Return the lines of the last success in all files."""
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
    return [
        line.split()[-1] for line in lines if line.startswith("dqx_suite_last_success_timestamp_seconds{")
    ]


def test_node_exporter_serves_what_the_run_found(node_exporter: NodeExporter) -> None:
    """Of all suites and environments, each from its own file, with no error."""
    runs = [suite_run(), of_suite('quotes " and \\ and\nlines 🦆'), of_suite("other")]
    expected = {("node_textfile_scrape_error", ()): 0.0}
    for run in runs:
        delivered = deliver({"textfile": str(node_exporter.folder)}, run)
        assert delivered.errors == []
        expected |= delivered.expected()
    production = replace(suite_run(), key=ResultKey(KEY.yyyy_mm_dd, {"region": "eu"}))
    expected |= deliver({"textfile": str(node_exporter.folder)}, production).expected()
    assert node_exporter.series() == expected
    assert len(list(node_exporter.folder.iterdir())) == 4


def test_a_run_replaces_its_file(tmp_path: Path) -> None:
    """A renamed assertion is gone, and no temporary file is left."""
    deliver({"textfile": str(tmp_path)}, suite_run([assertion_result(assertion="old")]))
    deliver({"textfile": str(tmp_path)}, suite_run([assertion_result(assertion="new")]))
    assert [path.name for path in tmp_path.iterdir()] == ["dqx_orders,env=test.prom"]
    text = (tmp_path / "dqx_orders,env=test.prom").read_text()
    assert 'assertion="new"' in text
    assert 'assertion="old"' not in text


def test_the_file_can_be_read_by_node_exporter_whatever_the_umask(tmp_path: Path) -> None:
    """It runs as another user."""
    before = os.umask(0o077)
    try:
        deliver({"textfile": str(tmp_path)})
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o644]


def test_without_a_known_last_success_the_one_of_the_file_is_kept(tmp_path: Path) -> None:
    """A store in memory knows nothing of yesterday's process; a failed run never erases the last success."""
    passed = suite_run([assertion_result()])
    deliver({"textfile": str(tmp_path)}, passed)
    failed = suite_run([assertion_result("FAILURE")])
    deliver({"textfile": str(tmp_path)}, failed)
    assert last_success(tmp_path) == [
        str(passed.finished_at.timestamp()).replace("1706756645.3", "1.7067566453e+09")
    ]
    deliver({"textfile": str(tmp_path)}, failed, last_success_at=STARTED_AT)
    assert last_success(tmp_path) == ["1.706756645e+09"]


def test_a_store_that_lasts_knows_that_there_was_none(tmp_path: Path) -> None:
    """Then what stands in the file is of a store that was given up."""
    deliver({"textfile": str(tmp_path)}, suite_run([assertion_result()]))
    deliver({"textfile": str(tmp_path)}, suite_run([assertion_result("FAILURE")]), persistent=True)
    assert last_success(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"dqx_suite_last_success_timestamp_seconds{suite=",
        b"",
        b"dqx_suite_last_success_timestamp_seconds{} NaN\n",
    ],
)
def test_a_broken_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    """Whatever somebody put there."""
    path = tmp_path / "dqx_orders,env=test.prom"
    path.write_bytes(content)
    assert deliver({"textfile": str(tmp_path)}).errors == []
    assert last_success(tmp_path) == []
    assert "dqx_suite_passed" in path.read_text()


def test_a_missing_folder_is_an_outcome(tmp_path: Path) -> None:
    """Nothing is created on the way, and `finish` does not try again."""
    errors = deliver({"textfile": str(tmp_path / "missing")}).errors
    assert [phase for phase, _ in errors] == ["process"]
    assert "was not written (No such file or directory)" in str(errors[0][1])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_an_outcome() -> None:
    """What was there stays, and which right is missing is said."""
    failed = suite_run([assertion_result("FAILURE")])
    with TemporaryDirectory() as name:  # any user can look into it, which pytest's own are not for
        folder = Path(name)
        deliver({"textfile": name})
        (path,) = folder.iterdir()
        before = path.read_bytes()
        folder.chmod(0o555)
        with unprivileged():
            errors = deliver({"textfile": name}, failed).errors
        folder.chmod(0o755)
        assert path.read_bytes() == before
        assert list(folder.iterdir()) == [path]
    assert [phase for phase, _ in errors] == ["process"]
    assert "was not written (Permission denied)" in str(errors[0][1])
    assert "this user must be allowed to write to it" in str(errors[0][1])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stays whole, and no half of a new one beside it."""
    import resource
    import signal

    path = tmp_path / "dqx_orders,env=test.prom"
    deliver({"textfile": str(tmp_path)})
    before = path.read_bytes()
    # A limit on the size of files is as good as a full disk: the write comes back short, then fails.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        errors = deliver({"textfile": str(tmp_path)}, suite_run([assertion_result("FAILURE")])).errors
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "was not written" in str(errors)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("flights", "dqx_flights.prom"),
        ("flights,env=prod", "dqx_flights,env=prod.prom"),
        ("a b", r"dqx_a_b-[0-9a-f]{12}\.prom"),
        ("../../etc/passwd", r"dqx_\.\._\.\._etc_passwd-[0-9a-f]{12}\.prom"),
        ("x" * 256, r"dqx_x{87}-[0-9a-f]{12}\.prom"),
        ("🦆", r"dqx__-[0-9a-f]{12}\.prom"),
    ],
)
def test_a_file_is_named_from_the_identity(identity: str, name: str) -> None:
    """In characters that every file system takes; what had to be changed is told apart by a hash."""
    import re

    assert re.fullmatch(name, file_name(identity)) or file_name(identity) == name


def test_the_folder_stays_where_it_was_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder counts from where the program was when it was configured."""
    from dqx.plugins.prometheus import PrometheusPlugin
    from dqx.testing import context_of

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    plugin = PrometheusPlugin()
    plugin.initialize({"textfile": Path("here")})
    monkeypatch.chdir("/")
    run = suite_run()
    plugin.process(list(run.results), [], run.suite, context_of(run))
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["dqx_orders,env=test.prom"]
