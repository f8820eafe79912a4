"""The one server of a process that answers from the snapshots of its own runs."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dqx.common import ConfigurationError
from dqx.exporter.app import ExporterApp
from dqx.exporter.page import Page
from dqx.exporter.server import Server
from dqx.telemetry.families import SnapshotCollector

if TYPE_CHECKING:
    from dqx.telemetry.snapshot import Snapshot


class _Snapshots:
    """A source of pages, each rendered once for each change of the snapshots."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collector = SnapshotCollector()
        self._page: Page | None = None

    def replace(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._collector.replace(snapshot)
            self._page = None

    def page(self) -> Page:
        with self._lock:
            if self._page is None:
                self._page = Page(self._collector.collect())
            return self._page


@dataclass
class _Process:
    """What this process has: at most one server. `address` is as it was asked for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    address: tuple[str, int] | None = None
    server: Server | None = None
    snapshots: _Snapshots = field(default_factory=_Snapshots)


_process = _Process()


class HttpRoad:
    """Makes snapshots known to whoever scrapes this process. All plugins of a process share one server.

    Raises:
        ConfigurationError: When the address cannot be listened on, or the process has a server elsewhere.
    """

    name = "http"

    def __init__(self, host: str, port: int) -> None:
        with _process.lock:
            if _process.server is None:
                _process.server = Server(ExporterApp(_process.snapshots), host, port)
                _process.address = host, port
            self.url = _process.server.url
            if _process.address != (host, port):
                raise ConfigurationError(
                    f"http: a process has one server, and this one has it at {self.url}; use that address "
                    f"instead of {host}:{port}, or registry = true",
                    f"{host}:{port}",
                )
            self._snapshots = _process.snapshots

    def send(self, snapshot: Snapshot, *, knows_last_success: bool) -> None:  # noqa: ARG002  # as every road
        """Show a snapshot in the place of the one of the same identity."""
        self._snapshots.replace(snapshot)


def stop() -> None:
    """End the server of this process, if it has one, and forget its snapshots."""
    with _process.lock:
        if _process.server is not None:
            _process.server.close()
        _begin()


def _begin() -> None:
    _process.address, _process.server, _process.snapshots = None, None, _Snapshots()


def _after_fork() -> None:
    """Let a child begin without a server: its thread is not there, and the port belongs to the parent."""
    _process.lock = threading.Lock()
    if _process.server is not None:
        _process.server.forget()
    _begin()


os.register_at_fork(after_in_child=_after_fork)
