"""Servers of others as child processes: found, started on a free port of 127.0.0.1, ended by their id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def binary(*names: str, install: str) -> Path:
    """Return a server's program; skip the test that needs it, or fail it under CI, when there is none.

    The folder that `DQX_SERVERS` names comes first, then PATH.
    """
    for name in names:
        folder = os.environ.get("DQX_SERVERS")
        if folder and (Path(folder) / name).exists():
            return Path(folder) / name
        if found := shutil.which(name):
            return Path(found)
    reason = f"{names[0]} is not installed: {install}, or put it on PATH or into the folder DQX_SERVERS"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str | Path], log: Path, ready_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block; it is ready when `ready_url` answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        give_up_at = time.monotonic() + 30
        while True:
            try:
                urlopen(ready_url, timeout=5).close()
            except (URLError, ConnectionError):
                if process.poll() is not None or time.monotonic() > give_up_at:
                    pytest.fail(f"{command[0]} did not start:\n{log.read_text()}")
                time.sleep(0.02)
            else:
                break
        yield process
    finally:
        process.terminate()
        process.wait(30)
