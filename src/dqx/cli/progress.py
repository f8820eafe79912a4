"""The progress bar of a run: on stderr, on a terminal alone, and only for scans that take their time."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqx.api import VerificationSuite

_QUIET_S = 1.0
"""How long a scan takes before there is a bar; one that is gone at once is only unrest."""

_POLL_S = 0.1


@contextmanager
def progress_bar(suite: VerificationSuite, *, wanted: bool) -> Iterator[None]:
    """Show what a suite scans and how far it is, while the block runs; nothing where stderr is no terminal."""
    if not wanted or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(suite, done), name="dqx-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _show(suite: VerificationSuite, done: threading.Event) -> None:
    scanning_s = 0.0
    while scanning_s < _QUIET_S:
        if done.wait(_POLL_S):
            return
        scanning_s = scanning_s + _POLL_S if suite.scanning else 0.0
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    # Streams are left alone: plugins have theirs watched, and results go to stdout when the bar is gone.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task(f"running {suite.name}", total=None)
        while not done.wait(_POLL_S):
            scanning = suite.scanning
            if scanning is None:
                progress.update(task, description=f"running {suite.name}", total=None)
                continue
            dataset, share = scanning
            progress.update(
                task, description=f"scanning {dataset}", total=1.0 if share else None, completed=share
            )
