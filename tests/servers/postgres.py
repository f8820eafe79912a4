"""A real PostgreSQL for the tests: one server for a session, a database of its own for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from tests.servers.processes import absent, binary, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator


class Postgres:
    """A server that is started and stopped. Its superuser is `dqx`, who logs in with `password` (SCRAM).

    Args:
        folder: Where its files go; an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.password = uuid4().hex
        self._folder = folder
        self._server = binary("postgres")
        self._running = ExitStack()
        # PostgreSQL refuses to run as root.
        self._user = ("postgres" if _exists("postgres") else "nobody") if os.geteuid() == 0 else None
        (folder / "password").write_text(self.password)
        if self._user:
            for path in (folder, folder / "password"):
                shutil.chown(path, self._user)
        subprocess.run(
            [
                *(self._server.parent / "initdb", "-D", folder / "data", "-U", "dqx"),
                *("--pwfile", folder / "password", "--auth=scram-sha-256", "--encoding=UTF8"),
                *("--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=folder,
        )

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database on it, password included."""
        return f"postgresql://dqx:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside of a transaction and return its rows, if it has any."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it, on the same port and with the same data each time; return when it can be talked to."""
        command: list[str | Path] = [
            *(self._server, "-D", self._folder / "data", "-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", "fsync=off", "-c", "full_page_writes=off"),
        ]
        # SIGINT is a fast shutdown: sessions are ended, not waited for.
        self._running.enter_context(
            running(
                command,
                self._folder / "log",
                self._answers,
                stop=signal.SIGINT,
                user=self._user,
                cwd=self._folder,
            )
        )

    def stop(self) -> None:
        """Stop it, and end its sessions."""
        self._running.close()

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_running() -> Iterator[Postgres]:
    """Run a server to the end of the block; skip the test, or fail it under CI, when there is none."""
    try:
        import psycopg  # noqa: F401  # whether it is there
    except ImportError:
        absent("psycopg is not installed: pip install 'psycopg[binary]'")
    binary("postgres")
    folder = Path(tempfile.mkdtemp(prefix="dqx-postgres-"))  # pytest's own no other user may enter
    try:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Run a PostgreSQL for the session. Who stops one starts one of his own."""
    with postgres_running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """Make an empty database, and return its URL."""
    name = f"dqx_{uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _exists(user: str) -> bool:
    return any(entry.pw_name == user for entry in pwd.getpwall())
