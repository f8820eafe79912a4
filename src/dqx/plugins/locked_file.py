"""A file that many processes and threads append to: opened without following a link, written under a lock."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from dqx.common import DQXError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_PATIENCE_S = 4.0
"""How long to wait for the lock: two such waits end within the ten seconds that a plugin has."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
_MEANINGS = {
    errno.ELOOP: "it is a symbolic link, and links are not followed; name the file that it points to",
    errno.EISDIR: "it is a folder; name a file in it",
    errno.EACCES: "this user may not write it, or not make it in its folder",
    errno.EROFS: "it lies on a read-only file system",
    errno.ENXIO: "it is a socket or a device; name a regular file",
}


class AuditError(DQXError):
    """An audit file cannot be opened, locked, read or written. `path` is the file."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[type[AuditError], tuple[str, Path]]:
        return type(self), (str(self), self.path)


class LockedFile:
    """A regular file, open for appending while the lock on `FILE.lock` beside it is held."""

    def __init__(self, path: Path, folder_fd: int, mode: int) -> None:
        self.path = path
        self._folder_fd = folder_fd
        self._mode = mode
        self._fd = _open_regular(path.name, folder_fd, mode)

    @property
    def size(self) -> int:
        """Return the length in bytes."""
        return os.fstat(self._fd).st_size

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end`, fewer where the file ends before."""
        pieces = []
        while start < end and (piece := os.pread(self._fd, end - start, start)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def append(self, data: bytes) -> None:
        """Add `data` durably, in one write where the disk takes it whole; take back what was half written."""
        before = self.size
        try:
            rest = memoryview(data)
            while rest:  # a disk that is nearly full takes a part, and names its reason at the next write
                rest = rest[os.write(self._fd, rest) :]
            os.fsync(self._fd)
            if not before:
                os.fsync(self._folder_fd)
        except BaseException:
            with suppress(OSError):  # an append-only file refuses; the next append marks the torn line
                os.ftruncate(self._fd, before)
            raise

    def siblings(self) -> list[str]:
        """Return the names of all files in the folder, sorted."""
        with os.scandir(self._folder_fd) as entries:
            return sorted(entry.name for entry in entries)

    def sibling(self, name: str) -> LockedFile:
        """Open another file of the folder; the one lock stands for both."""
        return LockedFile(self.path.with_name(name), self._folder_fd, self._mode)

    def move_to(self, name: str) -> None:
        """Rename the file within its folder, to a name that is free, and go on with a new one."""
        if name in self.siblings():
            raise FileExistsError(errno.EEXIST, f"the name to rotate it to, '{name}', is in use")
        os.rename(self.path.name, name, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)
        self.close()
        self._fd = _open_regular(self.path.name, self._folder_fd, self._mode)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


@contextmanager
def locked(path: Path, mode: int = 0o600) -> Iterator[LockedFile]:
    """Hold the lock of `path` and open it for appending, making it with `mode` when it is not there.

    The folder is resolved and opened first; the file and `FILE.lock` are then opened in it, no link followed.

    Raises:
        AuditError: When the folder is missing, the file is no regular file or may not be written, the lock is
            held for more than four seconds, or what the caller does with the file fails with an OSError.
    """
    folder_fd = -1
    try:
        folder = path.parent.resolve(strict=True)
        folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with _lock(path, folder_fd, mode):
            file = LockedFile(path, folder_fd, mode)
            try:
                yield file
            finally:
                file.close()
    except OSError as error:
        raise AuditError(_why(path, error), path) from error
    finally:
        if folder_fd >= 0:
            os.close(folder_fd)


def check_appendable(path: Path) -> None:
    """Raise an AuditError when `path` could not be appended to as things stand; make and change nothing."""
    try:
        folder = path.parent.resolve(strict=True)
        for target in (folder / path.name, folder / f"{path.name}.lock"):
            with suppress(FileNotFoundError):
                _refuse_irregular(os.lstat(target))
                os.close(os.open(target, os.O_WRONLY | _FLAGS & ~os.O_RDWR))
                continue
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "no file can be made in its folder", str(folder))
    except OSError as error:
        raise AuditError(_why(path, error), path) from error


def wait_for_lock(fd: int, kind: int, patience_s: float) -> bool:
    """Take the lock LOCK_EX or LOCK_SH; return False when others have held it all the time."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        else:
            return True


@contextmanager
def _lock(path: Path, folder_fd: int, mode: int) -> Iterator[None]:
    """Hold an exclusive flock: it tells threads apart, too, and ends with the process that holds it."""
    name = f"{path.name}.lock"
    while True:
        fd = _open_regular(name, folder_fd, mode)
        try:
            if not wait_for_lock(fd, fcntl.LOCK_EX, LOCK_PATIENCE_S):
                held = f"'{name}' beside it has been locked by another process for {LOCK_PATIENCE_S:g} s"
                raise TimeoutError(errno.ETIMEDOUT, held)
            if not _is_still(fd, name, folder_fd):
                continue  # somebody removed the lock file meanwhile: a lock on what is gone locks nothing
            try:
                yield
            finally:
                fcntl.flock(fd, fcntl.LOCK_UN)  # in so many words: a forked child may hold a copy of fd
            return
        finally:
            os.close(fd)


def _is_still(fd: int, name: str, folder_fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=folder_fd, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _open_regular(name: str, folder_fd: int, mode: int) -> int:
    """Open or make a regular file in the folder; one that is made gets `mode` whatever the umask is."""
    try:
        fd = os.open(name, _FLAGS, dir_fd=folder_fd)
    except FileNotFoundError:
        try:
            fd = os.open(name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder_fd)
        except FileExistsError:  # another process was faster
            return _open_regular(name, folder_fd, mode)
        os.fchmod(fd, mode)
    try:
        _refuse_irregular(os.fstat(fd))
    except OSError:
        os.close(fd)
        raise
    return fd


def _refuse_irregular(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise OSError(errno.EINVAL, f"it is {kind}; name a regular file")


def _why(path: Path, error: OSError) -> str:
    """Say what is wrong with an audit file, and what to do."""
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return (
            f"audit file '{path}': its folder '{path.parent}' does not exist; make it, or name another file"
        )
    meaning = _MEANINGS.get(error.errno or 0) or error.strerror or str(error)
    return f"audit file '{path}': {meaning}"
