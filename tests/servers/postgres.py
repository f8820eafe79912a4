"""A real PostgreSQL for the tests: one server for a session, a database of its own for each test.

The binaries are those in the folder that `DQX_SERVERS` names, on PATH, or where Debian puts them. The server
listens on a free port of 127.0.0.1, keeps its files in a temporary folder and is stopped by its process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALL = "apt install postgresql, or put initdb and postgres on PATH or into the folder DQX_SERVERS"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. Its superuser is `dqx`, who logs in with `password` (SCRAM, as in production)."""

    port: int
    password: str
    pid: int

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database on it, password included."""
        return f"postgresql://dqx:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside of a transaction and return its rows, if it has any."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Start a PostgreSQL for the session; skip the test, or fail it under CI, when there is none."""
    binaries = _binaries()
    if binaries is None:
        _absent(f"PostgreSQL is not installed: {INSTALL}")
    try:
        import psycopg  # noqa: F401  # whether it is there
    except ImportError:
        _absent("psycopg is not installed: pip install 'psycopg[binary]'")
    with _running(binaries) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """Make an empty database, and return its URL."""
    name = f"dqx_{uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _absent(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _binaries() -> Path | None:
    on_path = shutil.which("initdb")
    candidates = [
        *([Path(os.environ["DQX_SERVERS"])] if os.environ.get("DQX_SERVERS") else []),
        *([Path(on_path).resolve().parent] if on_path else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True),
    ]
    return next((c for c in candidates if (c / "initdb").exists() and (c / "postgres").exists()), None)


@contextmanager
def _running(binaries: Path) -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="dqx-postgres-"))
    # PostgreSQL refuses to run as root.
    user = ("postgres" if _exists("postgres") else "nobody") if os.geteuid() == 0 else None
    try:
        password = uuid4().hex
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        data = folder / "data"
        subprocess.run(
            [
                *(binaries / "initdb", "-D", data, "-U", "dqx", "--pwfile", folder / "password"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        port = _free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(binaries / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1"),
                    *("-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "full_page_writes=off"),
                ],
                stdout=log,
                stderr=log,
                user=user,
                cwd=folder,
            )
        try:
            server = Postgres(port, password, process.pid)
            _wait(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended, not waited for
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _exists(user: str) -> bool:
    import pwd

    return any(entry.pw_name == user for entry in pwd.getpwall())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    give_up_at = time.monotonic() + 30
    while True:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > give_up_at:
                pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
            time.sleep(0.05)
        else:
            return
