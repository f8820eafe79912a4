"""What a store says when it cannot do its work: where, why, what to do, and never a secret."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import traceback
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import event, update
from sqlalchemy.pool import Pool
from tests.privileges import unprivileged

from dqx.common import StoreError
from dqx.orm import MetricDB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.orm.conftest import Examples
    from tests.servers.postgres import Postgres

CANARY = "cAnArY"


def refusal(call: Callable[[], object]) -> str:
    """Return the message of the StoreError that a call raises; no secret may be in anything it prints."""
    with pytest.raises(StoreError) as caught:
        call()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.url
    assert caught.value.url in str(caught.value)
    return str(caught.value)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder into which any user can look, which pytest's own are not."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of another kind is named and left as it was."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and long enough to be taken for one" * 100)
    before = path.read_bytes()

    message = refusal(MetricDB(f"sqlite:///{path}").suites)

    assert f"sqlite:///{path} is not a SQLite database: name another file" in message
    assert path.read_bytes() == before


def test_a_damaged_file(tmp_path: Path, make: Examples) -> None:
    """A database whose pages were overwritten is damaged, which is more than being locked or full."""
    path = tmp_path / "quality.db"
    with closing(MetricDB(f"sqlite:///{path}")) as store:
        make.store(store, make.run("r1", make.key(), results=[make.result(str(n)) for n in range(500)]))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    assert "is damaged: restore it from a backup" in refusal(MetricDB(f"sqlite:///{path}").suites)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    """A mistyped folder is not made, but named."""
    message = refusal(MetricDB(f"sqlite:///{tmp_path}/missing/quality.db").suites)

    assert f"the folder {tmp_path}/missing does not exist; make it, or name another" in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """A folder cannot be opened as a database."""
    assert "cannot be opened" in refusal(MetricDB(f"sqlite:///{tmp_path}").suites)


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    """A file cannot hold a database's file."""
    (tmp_path / "file").touch()

    assert "cannot be created (Not a directory)" in refusal(
        MetricDB(f"sqlite:///{tmp_path}/file/q.db").suites
    )


def test_a_folder_that_may_not_be_written(open_folder: Path) -> None:
    """A new file in a read-only folder is refused with whose permission is missing."""
    store = MetricDB(f"sqlite:///{open_folder}/quality.db")
    store.url  # noqa: B018  # what it imports, the unprivileged user may not be able to read
    MetricDB().suites()
    open_folder.chmod(0o555)

    with unprivileged():
        message = refusal(store.suites)

    assert f"cannot be created (Permission denied): may this user write to {open_folder}?" in message


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_file_that_may_not_be_written(open_folder: Path, make: Examples, mode: int) -> None:
    """A store that somebody else may only read, or not even that, says which right is missing."""
    path = open_folder / "quality.db"
    with closing(MetricDB(f"sqlite:///{path}")) as store:
        store.suites()
    path.chmod(mode)
    open_folder.chmod(0o777)
    store = MetricDB(f"sqlite:///{path}?timeout=0.1")

    with unprivileged():
        message = refusal(lambda: store.start_run("r1", make.info(), make.key(), make.at(0)))

    assert ("give this user the right to write" if mode else "may this user read and write it") in message


def test_a_file_that_is_gone(tmp_path: Path, make: Examples) -> None:
    """A store that vanishes in use is an error, and not a new one without any history."""
    path = tmp_path / "quality.db"
    with closing(MetricDB(f"sqlite:///{path}")) as store:
        store.start_run("r1", make.info(), make.key(), make.at(0))
        path.unlink()

        assert "is the file still there" in refusal(store.suites)
        assert not path.exists()


def test_a_locked_file(tmp_path: Path, make: Examples) -> None:
    """A writer that waited in vain says that another program has the lock; readers need not wait."""
    store = MetricDB(f"sqlite:///{tmp_path}/quality.db?timeout=0.1")
    with closing(store), closing(sqlite3.connect(tmp_path / "quality.db", isolation_level=None)) as other:
        store.suites()
        other.execute("BEGIN IMMEDIATE")

        message = refusal(lambda: store.start_run("r1", make.info(), make.key(), make.at(0)))
        assert store.runs() == []

        other.execute("ROLLBACK")
        store.start_run("r1", make.info(), make.key(), make.at(0))

    assert "is locked by another program: wait for it to end" in message


def test_a_file_locked_before_it_became_a_store(tmp_path: Path) -> None:
    """A database that another program holds cannot be made a store, and is one as soon as it is free."""
    with (
        closing(MetricDB(f"sqlite:///{tmp_path}/quality.db?timeout=0.1")) as store,
        closing(sqlite3.connect(tmp_path / "quality.db", isolation_level=None)) as other,
    ):
        other.execute("CREATE TABLE theirs (number)")
        other.execute("BEGIN EXCLUSIVE")
        assert "is locked by another program" in refusal(store.suites)
        other.execute("ROLLBACK")
        assert store.suites() == []


def test_a_file_that_is_written_while_it_becomes_a_store(tmp_path: Path) -> None:
    """Two programs that start on a new file at once wait for each other, where SQLite itself would not."""
    path = tmp_path / "quality.db"
    with (
        closing(MetricDB(f"sqlite:///{path}?timeout=30")) as store,
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
    ):
        other.execute("CREATE TABLE theirs (number)")
        other.execute("BEGIN IMMEDIATE")
        writer = threading.Timer(0.2, other.execute, ["COMMIT"])
        writer.start()

        assert store.suites() == []

        writer.join()


def test_a_full_disk_keeps_what_was_there_and_nothing_half(tmp_path: Path, make: Examples) -> None:
    """When the results find no room, the run stays as one that started, and says how to make room."""
    with closing(MetricDB(f"sqlite:///{tmp_path}/quality.db")) as store:
        before = make.store(store, make.run("before", make.key(0), results=[make.result()]))
        store.start_run("r1", make.info(), make.key(1), make.at(1))
        large = make.run("r1", make.key(1), results=[make.result(str(n) * 50) for n in range(1_000)])

        def limit(connection: Any, _: object) -> None:
            connection.execute("PRAGMA max_page_count=40")

        event.listen(Pool, "connect", limit)
        try:
            message = refusal(lambda: store.finish_run(large, [], {}))
        finally:
            event.remove(Pool, "connect", limit)

        assert "has no room left: free some, or remove old runs with `dqx db prune --keep 400d`" in message
        assert [(run.run_id, run.verdict) for run in store.runs()] == [("r1", None), ("before", "passed")]
        assert store.results("r1") == []
        assert store.results("before") == list(before.results)
        store.finish_run(large, [], {})
        assert len(store.results("r1")) == 1_000


def test_a_store_of_a_newer_schema(persistent_url: str) -> None:
    """An older DQX keeps its hands off what it does not know."""
    from dqx.orm.tables import store as table

    with closing(MetricDB(persistent_url)) as store, store._database.transaction("write") as connection:
        connection.execute(update(table).values(version=99))

    message = refusal(MetricDB(persistent_url).suites)

    assert "was written by a newer DQX (schema 99, this one knows 1): upgrade dqx" in message


def test_a_name_that_cannot_be_text(store: MetricDB, make: Examples) -> None:
    """Half a surrogate pair in a name is an error of the store and not of Python's codecs."""
    message = refusal(lambda: store.start_run("r1", make.info("\ud800"), make.key(), make.at(0)))

    assert "cannot hold a name or number of this run" in message
    assert store.runs() == []


def test_a_number_that_cannot_be_text(store: MetricDB, make: Examples) -> None:
    """An integer of more digits than Python writes is an error of the store, and the run has no results."""
    run = make.run("r1", make.key(), results=[make.result(value=10**5_000)])

    assert "cannot hold a name or number of this run" in refusal(lambda: make.store(store, run))
    assert store.runs()[0].verdict is None


def test_a_server_that_is_not_there() -> None:
    """Nobody listens on port 1."""
    message = refusal(MetricDB(f"postgresql://me:{CANARY}@127.0.0.1:1/quality").suites)

    assert "postgresql://me:***@127.0.0.1:1/quality cannot be connected to: does the server run" in message


def test_a_wrong_password(postgres_server: Postgres) -> None:
    """The server's own words are kept, the password is not."""
    url = f"postgresql://dqx:{CANARY}@127.0.0.1:{postgres_server.port}/postgres"

    assert "password authentication failed for user" in refusal(MetricDB(url).suites)


def test_a_database_that_does_not_exist(postgres_server: Postgres) -> None:
    """The server's own words name the database."""
    assert 'database "nowhere" does not exist' in refusal(MetricDB(postgres_server.url("nowhere")).suites)


def test_an_option_that_the_driver_does_not_know(postgres_server: Postgres) -> None:
    """What the driver says of an option it does not know has no secret in it."""
    message = refusal(MetricDB(f"{postgres_server.url()}?pasword={CANARY}").suites)

    assert 'invalid connection option "pasword"' in message


@pytest.mark.parametrize("secret", ["password", "sslpassword", "options"])
def test_no_secret_of_a_url_is_in_an_error(postgres_server: Postgres, secret: str) -> None:
    """Whatever goes wrong, and wherever the secret stood, it is in no message and no traceback."""
    port = postgres_server.port
    refusal(MetricDB(f"postgresql://dqx@127.0.0.1:{port}/postgres?{secret}={CANARY}&sslmode=require").suites)


def test_a_user_without_the_right_to_create_tables(postgres_server: Postgres, postgres_url: str) -> None:
    """From version 15 on nobody but a database's owner may create tables in its public schema."""
    role = f"reader_{postgres_url[-8:]}"
    postgres_server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'")
    try:
        url = postgres_url.replace(f"dqx:{postgres_server.password}", f"{role}:{CANARY}")
        assert "this user needs the right to create and to change tables" in refusal(MetricDB(url).suites)
    finally:
        postgres_server.execute(f"DROP ROLE {role}")


def test_a_server_that_may_only_be_read(postgres_url: str, make: Examples) -> None:
    """A standby, or a database that was made read-only, takes no run."""
    with closing(MetricDB(postgres_url)) as store:
        store.suites()
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(
                f"ALTER DATABASE {postgres_url[-36:]} SET default_transaction_read_only = on".encode()
            )

        message = refusal(lambda: store.start_run("r1", make.info(), make.key(), make.at(0)))

        assert "cannot be written" in message
        assert store.runs() == []


def test_a_locked_table(postgres_url: str, make: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not wait for ever for somebody who has locked a table."""
    monkeypatch.setattr("dqx.orm.postgresql.LOCK_TIMEOUT_S", 0.1)
    with closing(MetricDB(postgres_url)) as store, psycopg.connect(postgres_url) as other:
        store.start_run("r0", make.info(), make.key(), make.at(0))
        other.execute("LOCK TABLE dqx_run IN ACCESS EXCLUSIVE MODE")

        for use in (store.runs, lambda: store.start_run("r1", make.info(), make.key(), make.at(0))):
            assert "is locked by another program" in refusal(use)

        other.rollback()
        assert [run.run_id for run in store.runs()] == ["r0"]


def test_a_program_that_stops_in_a_transaction_keeps_nobody_out(
    postgres_url: str, make: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host went down, or somebody stopped it: the server ends its transaction, and others get its locks."""
    monkeypatch.setattr("dqx.orm.postgresql._IDLE_LIMIT_S", 0.3)
    with closing(MetricDB(postgres_url)) as stopped, closing(MetricDB(postgres_url)) as store:
        store.start_run("r0", make.info(), make.key(), make.at(0))

        def stop_half_way() -> None:
            with stopped._database.transaction("alone"):
                store.start_run("r1", make.info(), make.key(), make.at(0, 1))

        assert "idle-in-transaction timeout" in refusal(stop_half_way)
        assert [run.run_id for run in store.runs()] == ["r1", "r0"]


def test_a_server_that_restarts_is_used_again(postgres_server: Postgres, postgres_url: str) -> None:
    """A connection that the server ended is no concern of the next transaction."""
    with closing(MetricDB(postgres_url)) as store:
        assert store.suites() == []
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{postgres_url[-36:]}' AND pid <> pg_backend_pid()"
        )
        assert store.suites() == []


def test_a_connection_that_breaks_in_a_transaction(postgres_server: Postgres, postgres_url: str) -> None:
    """What the server ends half-way is an error of the store."""
    with closing(MetricDB(postgres_url)) as store:

        def use() -> None:
            with store._database.transaction("read") as connection:
                postgres_server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = '{postgres_url[-36:]}' AND pid <> pg_backend_pid()"
                )
                connection.exec_driver_sql("SELECT 1")

        assert "terminating connection due to administrator command" in refusal(use)
        assert store.suites() == []


def test_a_driver_that_is_not_installed() -> None:
    """Without psycopg the message says what to install."""
    code = "import sys; sys.modules['psycopg'] = None; from dqx.orm import MetricDB; MetricDB(sys.argv[1]).suites()"
    command = [sys.executable, "-c", code, f"postgresql://me:{CANARY}@db/quality"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "StoreError: the store postgresql://me:***@db/quality needs a driver" in ended.stderr
    assert "pip install 'dqx[postgres]'" in ended.stderr
    assert CANARY not in ended.stderr
