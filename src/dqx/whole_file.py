"""A file that is written whole or not at all: somebody else may be reading it."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

MODE = 0o644
"""Prometheus, node_exporter and Grafana run as other users; what is written for them is no secret."""

_LEFT_AFTER_S = 3_600.0
"""A file that somebody writes is minutes old at most; one of an hour was left by a process that was killed."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file such that a reader, also one after a power cut, sees the old content or the new.

    What is no regular file, as /dev/null or a pipe, is written to as it is: nobody wants to find it replaced.

    Raises:
        OSError: When it cannot be written; what was there before stays.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    _remove_left(path.parent)
    descriptor, temporary = tempfile.mkstemp(prefix=".dqx-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, MODE)  # exactly, whatever the umask
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove_left(folder: Path) -> None:
    """Remove what was being written when its writer was killed, so that it does not pile up."""
    for left in folder.glob(".dqx-*.tmp"):
        with suppress(OSError):  # it is somebody else's, or was removed meanwhile
            if time.time() - left.stat().st_mtime > _LEFT_AFTER_S:
                left.unlink()
