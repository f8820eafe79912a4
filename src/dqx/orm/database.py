"""A store that is open: its engine, made on first use, and its transactions.

What imports SQLAlchemy is imported with the first transaction: it costs 0.2 s.
"""

from __future__ import annotations

import sqlite3
import weakref
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dqx.common import StoreError
from dqx.orm.address import Address, check_url, parse
from dqx.orm.failure import store_error
from dqx.orm.lock import fork_safe_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

Mode = Literal["read", "write", "alone"]
"""What a transaction does; `alone` keeps all others that write out, for what touches rows of many suites."""


class Database:
    """A store in memory, in SQLite or in PostgreSQL. Threads may share it, and a fork does it no harm.

    Args:
        url: None for memory; nothing is opened, and SQLAlchemy not imported, before the first transaction.
        file_mode: The permissions of a SQLite file that it creates.

    Raises:
        StoreError: When `url` has not the form of a store's URL.
    """

    def __init__(self, url: str | None, file_mode: int) -> None:
        self._url = url if url is None else check_url(url)
        self._folder = Path.cwd() if self._url and self._url.startswith("sqlite") else Path()
        self._file_mode = file_mode
        self._lock = fork_safe_lock()
        self._address: Address | None = None
        self._engine: Engine | None = None
        self._closed = False

    @property
    def address(self) -> Address:
        """Return where the store is; raise StoreError when its URL cannot be read."""
        if self._address is None:  # else without the lock, which a transaction that waits for a file holds
            with self._lock:
                self._address = self._address or parse(self._url, self._folder)
        return self._address

    @contextmanager
    def transaction(self, mode: Mode) -> Iterator[Connection]:
        """Open a connection and a transaction, committed at the end and undone by any exception.

        Whatever a driver raises becomes a StoreError. On SQLite the threads of a process take turns: its
        own waiting for a lock polls, up to every 100 ms, and lets nobody in first who came first.
        """
        address = self.address
        driver_errors = self._load()
        try:
            engine = self._ready()
            with (
                nullcontext() if address.server else self._lock,
                engine.connect().execution_options(dqx_mode=mode) as connection,
                connection.begin(),
            ):
                yield connection
                if mode != "read":
                    from dqx.orm.schema import count_change

                    count_change(connection)
        except StoreError as error:
            error.url = address.shown
            raise
        except driver_errors as error:
            # From None: SQLAlchemy's text holds the statement and may hold the values of a row.
            raise store_error(error, address) from None

    def close(self) -> None:
        """Give up the engine; a store in memory is gone. May be called again."""
        with self._lock:
            self._closed = True
            if self._engine is not None:
                self._engine.dispose()

    def _load(self) -> tuple[type[Exception], ...]:
        """Import all that a store needs, and return what drivers raise.

        Under the lock, so that a fork waits: a child forked in the middle of another thread's import would
        wait for that import for ever.
        """
        with self._lock:
            from sqlalchemy.exc import SQLAlchemyError

            from dqx.orm import metrics, outcomes, retention, snapshot  # noqa: F401  # they import the others

            # ValueError: a name that is no text, an integer of more digits than Python writes.
            return SQLAlchemyError, sqlite3.Error, ValueError, OverflowError

    def _ready(self) -> Engine:
        with self._lock:
            if self._closed:
                raise StoreError(
                    f"the store {self.address.shown} was closed: make another MetricDB", self.address.shown
                )
            if self._engine is None:
                engine = self._make_engine()
                # A connection that is collected while open is a ResourceWarning from Python 3.13 on.
                weakref.finalize(self, engine.dispose)
                self._prepare(engine)
                self._engine = engine
            return self._engine

    def _make_engine(self) -> Engine:
        if self.address.server is not None:
            from dqx.orm.postgresql import postgresql_engine

            return postgresql_engine(self.address)

        from dqx.orm.sqlite import sqlite_engine

        return sqlite_engine(self.address, self._file_mode)

    def _prepare(self, engine: Engine) -> None:
        from dqx.orm import schema

        with engine.connect().execution_options(dqx_mode="read") as connection, connection.begin():
            current = schema.is_current(connection, self.address)
        if not current:
            with engine.connect().execution_options(dqx_mode="alone") as connection, connection.begin():
                schema.create(connection, self.address)
