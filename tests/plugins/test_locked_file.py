"""What an audit file may be, and how a path is opened that somebody else may have prepared."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dqx.plugins.locked_file import AuditError, check_appendable, locked

if TYPE_CHECKING:
    from collections.abc import Callable


def write(path: Path) -> None:
    with locked(path) as file:
        file.append(b"text")


either = pytest.mark.parametrize("use", [write, check_appendable])
"""What a write would raise at the end of a run, the check before the run raises at its start."""


@either
@pytest.mark.parametrize("which", ["audit.jsonl", "audit.jsonl.lock"])
@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_a_symbolic_link_is_not_followed(
    tmp_path: Path, use: Callable[[Path], None], which: str, target: str
) -> None:
    """Neither in place of the file nor of its lock, and whether it leads to something or to nothing."""
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / which).symlink_to(tmp_path / target)
    with pytest.raises(AuditError, match="symbolic link, and links are not followed"):
        use(tmp_path / "audit.jsonl")
    assert (tmp_path / "elsewhere").read_text() == "untouched"
    assert not (tmp_path / "missing").exists()


def test_a_link_to_the_folder_is_resolved(tmp_path: Path) -> None:
    """`/var/log` may well be a link; the file itself may not."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link" / "audit.jsonl")
    assert (tmp_path / "real" / "audit.jsonl").read_text() == "text"


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@either
@pytest.mark.parametrize(
    ("make", "named"), [(os.mkfifo, "a FIFO"), (Path.mkdir, "a folder"), (make_socket, "a socket|a device")]
)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Path], None],
    make: Callable[[Path], None],
    named: str,
) -> None:
    """A FIFO without a reader would otherwise hang the run."""
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    make(Path("audit.jsonl"))
    with pytest.raises(AuditError, match=named):
        use(tmp_path / "audit.jsonl")


@either
def test_a_device_is_refused(use: Callable[[Path], None]) -> None:
    """What goes to /dev/null is not an audit trail."""
    with pytest.raises(AuditError, match=r"a device|may not write"):
        use(Path("/dev/null"))


@either
def test_a_missing_folder_is_an_error_and_nothing_is_made(
    tmp_path: Path, use: Callable[[Path], None]
) -> None:
    """A slip in a path must not grow a tree of folders."""
    path = tmp_path / "no" / "such" / "audit.jsonl"
    with pytest.raises(AuditError, match=r"its folder .* does not exist; make it, or name another") as caught:
        use(path)
    assert caught.value.path == path
    assert list(tmp_path.iterdir()) == []


@either
def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path, use: Callable[[Path], None]) -> None:
    """It says what is in the way."""
    (tmp_path / "folder").touch()
    with pytest.raises(AuditError, match="Not a directory"):
        use(tmp_path / "folder" / "audit.jsonl")


@pytest.mark.parametrize("use", ["write", "check"])
def test_a_read_only_folder_is_an_error(tmp_path: Path, use: str) -> None:
    """As a user whom permissions bind: root would be let through."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    script = """
import os, sys
from pathlib import Path
from dqx.plugins.locked_file import AuditError, check_appendable, locked
folder = os.open(sys.argv[1], os.O_RDONLY)
os.fchmod(folder, 0o555)
os.fchdir(folder)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    if sys.argv[2] == "check":
        check_appendable(Path("audit.jsonl"))
    else:
        with locked(Path("audit.jsonl")) as file:
            file.append(b"text")
except AuditError as error:
    print(error)
"""
    # In /tmp itself, where another user may go: the folders that pytest makes are closed to others.
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), use],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "may not write it" in done.stdout
    assert list(folder.iterdir()) == []


def test_the_check_makes_and_changes_nothing(tmp_path: Path) -> None:
    """Looking whether a trail could be written leaves no file behind, and an old one as it was."""
    check_appendable(tmp_path / "audit.jsonl")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").write_text("text")
    before = (tmp_path / "old").stat()
    check_appendable(tmp_path / "old")
    assert (tmp_path / "old").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "old").read_text() == "text"


def test_a_file_that_another_process_makes_first_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking for a file and making it somebody else may have made it."""
    plain_open = os.open

    def late_open(name: str, flags: int, *arguments: int, dir_fd: int | None = None) -> int:
        if flags & os.O_EXCL:
            (tmp_path / name).touch(mode=0o640)
        return plain_open(name, flags, *arguments, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", late_open)
    write(tmp_path / "audit.jsonl")
    assert (tmp_path / "audit.jsonl").read_text() == "text"
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o640


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """Neither after a write nor after an error: a long-lived process would run out of them."""
    before = sorted(Path("/proc/self/fd").iterdir())
    write(tmp_path / "audit.jsonl")
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path / "link", tmp_path / "no" / "such", tmp_path):
        with pytest.raises(AuditError):
            write(path)
        with pytest.raises(AuditError):
            check_appendable(path)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_an_error_can_be_pickled() -> None:
    """Task runners send errors between processes."""
    error = AuditError("it is a FIFO", Path("audit.jsonl"))
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.path) == ("it is a FIFO", Path("audit.jsonl"))
