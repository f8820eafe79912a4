"""SQLite, in a file or in memory: how it is opened, and how its transactions begin."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

from dqx.common import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from dqx.orm.address import Address

# Closing any descriptor of a file gives up all locks that the process holds on it, so nobody may open the
# file between its creation and the closing of the descriptor that created it.
_creating = threading.Lock()


def sqlite_engine(address: Address, file_mode: int) -> Engine:
    """Make the engine for a SQLite address, and the file when there is none.

    A file gets a new connection for each transaction, which costs 1 ms and, where it writes, four more fsyncs (16
    in a run). An idle one would hold locks of which a forked child has a wrong idea: SQLite forbids to carry a
    connection across a fork. The one connection of a store in memory is the database.
    """
    if address.path is None:
        engine = create_engine(
            "sqlite://", creator=_connect_memory, poolclass=StaticPool, hide_parameters=True
        )
    else:
        path, timeout_s = address.path, address.timeout_s
        _create(path, file_mode)
        _use_write_ahead_log(path, timeout_s)
        engine = create_engine(
            "sqlite://", creator=lambda: _connect(path, timeout_s), poolclass=NullPool, hide_parameters=True
        )
    # SQLAlchemy's recipe for real transactions in SQLite: the driver begins none (isolation_level None, given
    # when it connects), and we do. A write takes its lock at once, because a reader that turns writer gets
    # 'database is locked' without any waiting.
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options()["dqx_mode"] == "read"
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _connect_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    # mode=rw: a file that is gone is an error, not a new, empty one that everybody may read.
    url = f"file:{quote(os.fsencode(path))}?mode=rw"
    connection = sqlite3.connect(url, uri=True, timeout=timeout_s, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")  # what was committed survives a power cut, too
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path, file_mode: int) -> None:
    with _creating:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, file_mode)
        except FileExistsError:
            return
        except OSError as error:
            why = f"cannot be created ({error.strerror}): may this user write to {path.parent}?"
            if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
                why = f"cannot be created: the folder {path.parent} does not exist; make it, or name another"
            raise StoreError(f"the store sqlite:///{path} {why}", f"sqlite:///{path}") from None
        try:
            os.fchmod(descriptor, file_mode)  # exactly, whatever the umask
        finally:
            os.close(descriptor)


def _use_write_ahead_log(path: Path, timeout_s: float) -> None:
    """Let readers and one writer work at once; kept in the file, so that it is done once in its life.

    SQLite does not wait for a lock when it changes the mode, so two processes that start on a new file would
    meet 'database is locked' at once.
    """
    give_up_at = time.monotonic() + timeout_s
    with closing(_connect(path, timeout_s)) as connection:
        while True:
            try:
                _: Any = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.01)
            else:
                return
