"""A lock that a fork waits for.

SQLite keeps what a process has locked in the process's own memory. A child forked in the middle of another
thread's transaction inherits that transaction as one that never ends, and can never write to that file; and
any lock that a thread held at that moment stays locked in the child. So a fork takes all these locks first,
as the standard library's `logging` does with its own.
"""

from __future__ import annotations

import os
import threading
import weakref

_locks: weakref.WeakSet[threading.RLock] = weakref.WeakSet()
_one_fork = threading.RLock()
_held: list[threading.RLock] = []


def fork_safe_lock() -> threading.RLock:
    """Make a reentrant lock that no other thread holds in a forked child."""
    lock = threading.RLock()
    with _one_fork:
        _locks.add(lock)
    return lock


def _before_fork() -> None:
    _one_fork.acquire()
    for lock in list(_locks):
        lock.acquire()
        _held.append(lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()
    _one_fork.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
