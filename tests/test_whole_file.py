"""A file is written whole or not at all, and what is no file stays what it is."""

from __future__ import annotations

import os
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest

from dqx.whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    """Whoever has the old one open reads it to its end."""
    path = tmp_path / "rules.yaml"
    write_whole(path, b"old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644  # for a Prometheus that runs as another user
    with path.open("rb") as open_already:
        write_whole(path, b"new")
        assert open_already.read() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    """What another may still be writing is not, nor what is not ours."""
    left, writing, other = (tmp_path / name for name in (".dqx-left.tmp", ".dqx-now.tmp", ".left.tmp"))
    for path in (left, writing, other):
        path.touch()
    long_ago = time.time() - 4_000
    for path in (left, other):
        os.utime(path, (long_ago, long_ago))
    write_whole(tmp_path / "rules.yaml", b"rules")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".dqx-now.tmp", ".left.tmp", "rules.yaml"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """As /dev/stdout and /dev/null do: root would replace them for the whole machine."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()), daemon=True)
    reader.start()
    write_whole(path, b"rules")
    reader.join(20)
    assert read == [b"rules"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """It is an error, and the folder stays."""
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"rules")
    assert list(tmp_path.iterdir()) == []
