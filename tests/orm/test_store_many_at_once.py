"""Threads, processes and forked children share a store, and what dies leaves it whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dqx.orm import MetricDB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.orm.conftest import Examples
    from tests.servers.postgres import Postgres

PRELUDE = textwrap.dedent(
    """
    import os, sys, threading
    from datetime import UTC, date, datetime
    from dqx.common import AssertionResult, ResultKey, StoredMetric, SuiteInfo, SuiteRun
    from dqx.orm import MetricDB

    url, name = sys.argv[1:3]
    store = MetricDB(url)
    info = SuiteInfo("flights", 86400.0, 3600.0, 600.0, "P1")
    key = ResultKey(date(2024, 3, 1), {"env": "prod"})
    now = datetime(2024, 3, 1, 12, tzinfo=UTC)

    def whole_run(run_id):
        results = tuple(
            AssertionResult(key.yyyy_mm_dd, "flights", "c", f"a{n}", "P1", "SUCCESS", "m", "m > 0", key.tags, value=n)
            for n in range(20)
        )
        run = SuiteRun(run_id, "flights", key, "passed", results, (), (), now, 1.0, "P1")
        store.start_run(run_id, info, key, now)
        store.snapshot("flights", key.tags, ["env"], key.yyyy_mm_dd)
        store.history("flights", key.tags, [("d", "m0", key.yyyy_mm_dd)])
        store.finish_run(run, [StoredMetric("d", f"m{n}", "m", n) for n in range(20)], {})
        store.record_outcomes(run_id, [])
    """
)


def python(code: str, *arguments: str, options: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start a process that runs code after the prelude."""
    script = PRELUDE + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, *options, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str], said: str = "") -> str:
    """Wait for a process, after telling it something, and return what it printed."""
    output, _ = process.communicate(said, timeout=120)
    return output


def test_eight_threads_share_a_store(store: MetricDB, make: Examples) -> None:
    """What eight threads write at once, through one object, is all there, and nothing else."""
    errors: list[BaseException] = []
    together = threading.Barrier(8)

    def work(thread: int) -> None:
        try:
            together.wait()
            for number in range(5):
                results = [make.result(f"a{n}", value=thread) for n in range(20)]
                run = make.run(f"{thread}-{number}", make.key(number, thread=str(thread)), results=results)
                make.store(store, run, {"num_rows()": thread})
                wanted = ("flights", "num_rows()", make.day(number))
                assert store.history("flights", run.key.tags, [wanted]) == {wanted: thread}
                assert store.results(run.run_id) == [
                    make.result(f"a{n}", value=thread, yyyy_mm_dd=make.day(number)) for n in range(20)
                ]
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert {run.run_id for run in store.runs(limit=99)} == {f"{t}-{n}" for t in range(8) for n in range(5)}


def test_registrations_in_any_order_do_not_wait_for_each_other_for_ever(
    store: MetricDB, make: Examples
) -> None:
    """Two programs that register the same suites in two orders both succeed, again and again."""
    infos = [make.info(f"suite {number}") for number in range(10)]
    errors: list[BaseException] = []

    def register(step: int) -> None:
        try:
            for _ in range(10):
                store.register(infos[::step], {}, make.at(0))
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            errors.append(error)

    threads = [threading.Thread(target=register, args=(step,)) for step in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_processes_create_and_write_a_store_at_once(persistent_url: str) -> None:
    """Eight processes that start on nothing all find their tables, and two threads of each write to them."""
    code = """
        with_driver = MetricDB().suites(), __import__("psycopg")  # what is slow to import comes before the race
        print("ready", flush=True)
        sys.stdin.readline()
        threads = [
            threading.Thread(target=lambda t=t: [whole_run(f"{name}-{t}-{n}") for n in range(3)]) for t in "ab"
        ]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """
    processes = [python(code, persistent_url, str(number)) for number in range(8)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [end(process) for process in processes]

    assert printed == [""] * 8
    with closing(MetricDB(persistent_url)) as store:
        runs = store.runs(limit=99)
        assert {run.run_id for run in runs} == {
            f"{p}-{t}-{n}" for p in range(8) for t in "ab" for n in range(3)
        }
        assert all(run.verdict == "passed" and run.counts["SUCCESS"] == 20 for run in runs)


def test_a_run_that_is_killed_shows_as_started(persistent_url: str, make: Examples) -> None:
    """Kill -9 in the middle of writing the results leaves a run without verdict, and a store that works."""
    code = """
        store.start_run("killed", info, key, now)
        with store._database.transaction("write") as connection:
            connection.exec_driver_sql("UPDATE dqx_run SET verdict = 'passed', finished_at = 1")
            print("writing", flush=True)
            sys.stdin.readline()
    """
    process = python(code, persistent_url, "")
    assert process.stdout
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    end(process)

    with closing(MetricDB(persistent_url)) as store:
        assert [(run.run_id, run.verdict, run.finished_at) for run in store.runs()] == [
            ("killed", None, None)
        ]
        make.store(store, make.run("next", make.key(1)))
        assert [run.run_id for run in store.runs()] == ["next", "killed"]


@pytest.mark.parametrize("in_memory", [False, True], ids=["persistent", "memory"])
def test_forked_children_use_the_store_while_threads_write(persistent_url: str, in_memory: bool) -> None:
    """A child forked in the middle of other threads' writes can write, and its parent goes on."""
    code = """
        if name == "memory": store = MetricDB()
        store.suites()
        stop = threading.Event()
        written = []
        def write(t):
            while not stop.is_set():
                whole_run(f"parent-{t}-{len(written)}-{os.urandom(4).hex()}")
                written.append(t)
        threads = [threading.Thread(target=write, args=(t,)) for t in range(4)]
        for thread in threads: thread.start()
        ends = []
        for number in range(10):
            child = os.fork()
            if child == 0:
                try:
                    whole_run(f"child-{number}")
                    os._exit(0 if store.results(f"child-{number}") else 2)
                except BaseException as error:
                    print(error, flush=True)
                    os._exit(1)
            ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stop.set()
        for thread in threads: thread.join()
        runs = store.runs(limit=10**6)
        print(ends, all(run.verdict for run in runs), len(runs) - len(written))
    """
    name = "memory" if in_memory else "persistent"
    # From Python 3.12 on a fork beside threads warns: for good reason, and here on purpose.
    process = python(
        code,
        f"{persistent_url}{'?timeout=5' if 'sqlite' in persistent_url else ''}",
        name,
        options=["-Wignore"],
    )

    children_seen = 0 if in_memory else 10
    assert end(process) == f"{[0] * 10} True {children_seen}\n"


def test_no_connection_is_held_between_calls(
    persistent_url: str, make: Examples, request: pytest.FixtureRequest
) -> None:
    """An hour of scanning holds neither a file nor a session of the server, whatever went wrong before."""
    with closing(MetricDB(persistent_url)) as store:
        make.store(store, make.run("r1", make.key(), results=[make.result()]))
        for call in (lambda: store.delete_run("nobody"), lambda: store.record_outcomes("nobody", [])):
            with pytest.raises(Exception, match="nobody"):
                call()

        if persistent_url.startswith("sqlite"):
            path = persistent_url.removeprefix("sqlite:///")
            open_files = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
            assert not [name for name in open_files if name.startswith(path)]
            assert [file.name for file in Path(path).parent.iterdir()] == ["quality.db"]
        else:
            server: Postgres = request.getfixturevalue("postgres_server")
            name = persistent_url.rsplit("/", 1)[1]
            assert server.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'") == [(0,)]


@pytest.mark.parametrize("closed", [True, False])
def test_a_store_in_memory_leaves_no_open_connection(closed: bool) -> None:
    """Closed or just dropped, a store ends without a ResourceWarning."""
    code = f"""
        import gc
        store = MetricDB()
        whole_run("r1")
        if {closed}: store.close()
        del store
        gc.collect()
        MetricDB().suites()
    """
    assert end(python(code, "sqlite://", "", options=["-Werror"])) == ""


def test_sqlalchemy_is_imported_on_first_use_and_its_orm_never(tmp_path: Path) -> None:
    """A program that constructs a store pays for SQLAlchemy when it uses it, and never for a driver too many."""
    code = """
        heavy = ["sqlalchemy", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "psycopg"]
        print([module for module in heavy if module in sys.modules])
        whole_run("r1")
        print([module for module in heavy if module in sys.modules])
    """

    assert end(python(code, f"sqlite:///{tmp_path}/quality.db", "")) == "[]\n['sqlalchemy']\n"


def test_what_reads_sees_the_store_at_one_moment(persistent_url: str, make: Examples) -> None:
    """A run that is deleted between two of its queries is there for all of them, or the state would be torn."""
    from dqx.orm.newest import read_state

    with closing(MetricDB(persistent_url)) as store, closing(MetricDB(persistent_url)) as other:
        make.store(store, make.run("r1", make.key(), results=[make.result()]), {"num_rows()": 5})
        with store._database.transaction("read") as connection:
            before = read_state(connection, ["env"], None, make.at(1))
            other.delete_run("r1")
            assert read_state(connection, ["env"], None, make.at(1)) == before
        assert before is not None
        assert [snapshot.run.run_id for snapshot in before.snapshots if snapshot.run] == ["r1"]
        assert store.runs() == []
