"""Servers of others as child processes: found, started on a free port of 127.0.0.1, ended by their id."""

from __future__ import annotations

import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEBIAN_POSTGRESQL = "/usr/lib/postgresql/*/bin"

_CHANCE = (
    random.SystemRandom()
)  # the module's own numbers are the same in each worker: pytest-randomly seeds them

TOO_OLD = re.compile(r"^(?:prometheus|promtool), version [012]\.")
"""Debian's is 2.42, which takes no OTLP. One that `go install` built says no version at all."""


def absent(reason: str) -> NoReturn:
    """Skip the test that needs what is not there, or fail it under CI, which must skip none."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def find(*names: str) -> Path | None:
    """Return a server's program by the first of its names that is there, None when none is.

    The folder that `DQX_SERVERS` names comes first, then PATH, then the cache that `make servers` builds into,
    then where Debian keeps PostgreSQL, which it does not put on PATH.
    """
    for name in names:
        for folder in _folders():
            found = shutil.which(name, path=folder)
            if found and not _too_old(found):
                return Path(found).resolve()
    return None


def binary(*names: str) -> Path:
    """Return a server's program, found as `find` does; `absent` when it is not there."""
    if found := find(*names):
        return found
    absent(f"{names[0]} is not installed: make servers, or put it on PATH or into the folder DQX_SERVERS")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return so many ports, no two of them the same.

    They are below those that Linux gives to connections and to whoever asks for any port: between the look here and
    the server's start one of those was taken by somebody else, once in some thousand tests.
    """
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            port = _CHANCE.randrange(15_000, 32_000)
            with suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


def answers(url: str) -> Callable[[], bool]:
    """Return what tells whether `url` is answered with a success."""

    def ready() -> bool:
        try:
            urlopen(url, timeout=5).close()
        except HTTPError as error:
            error.close()
            return False
        except (URLError, ConnectionError):
            return False
        return True

    return ready


@contextmanager
def running(
    command: list[str | Path],
    log: Path,
    ready: Callable[[], bool],
    *,
    stop: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when it is ready to the end of the block; `options` are those of Popen."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)
    try:
        give_up_at = time.monotonic() + 30
        while not ready():
            if process.poll() is not None or time.monotonic() > give_up_at:
                pytest.fail(f"{command[0]} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(30)
        finally:
            process.kill()  # what does not end when told to must not outlive the tests


@contextmanager
def serving(program: Path, *arguments: str, log: Path, ready: str = "/") -> Iterator[str]:
    """Run a server that has one address, `{address}` in its arguments; give its URL once `ready` is answered."""
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [program, *(each.replace("{address}", address) for each in arguments)]
    with running(command, log, answers(f"http://{address}{ready}")):
        yield f"http://{address}"


def _folders() -> Iterator[str | None]:
    """Yield where to look; None is PATH."""
    if named := os.environ.get("DQX_SERVERS"):
        yield named
    yield None
    yield str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dqx" / "servers")
    by_version = sorted(Path("/").glob(DEBIAN_POSTGRESQL[1:]), key=lambda path: int(path.parent.name))
    yield from map(str, reversed(by_version))


@functools.cache
def _too_old(program: str) -> bool:
    if Path(program).name not in ("prometheus", "promtool"):
        return False
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return TOO_OLD.match(said.stdout + said.stderr) is not None
