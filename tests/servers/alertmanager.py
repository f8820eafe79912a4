"""A real Alertmanager, and who it notifies."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers.processes import binary, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AT_ONCE = {"group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
"""A route on which each alert is a group of its own, and nobody waits."""


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """A running Alertmanager. `received` are the bodies of its notifications, in their order."""

    url: str
    received: list[dict[str, Any]]

    def alerts(self, status: str = "firing") -> list[dict[str, Any]]:
        """Return the alerts that were notified of, with what they were then: firing or resolved."""
        return [alert for body in self.received for alert in body["alerts"] if alert["status"] == status]

    def wait_for(self, ready: Callable[[Alertmanager], object], timeout_s: float = 20.0) -> bool:
        """Wait until something was notified of; tell whether it was."""
        give_up_at = time.monotonic() + timeout_s
        while not ready(self):
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.02)
        return True


@dataclass(slots=True)
class Webhook:
    """Who takes notifications."""

    url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def webhook_server() -> Iterator[Webhook]:
    """Run a receiver of notifications on a free port."""
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    webhook.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def alertmanager_server(folder: Path, route: dict[str, Any] | None = None) -> Iterator[Alertmanager]:
    """Run an Alertmanager that notifies of everything, by a route or at once.

    Args:
        folder: Where its files go; an empty one.
        route: Its `route`, without a receiver: there is one.
    """
    program = binary("prometheus-alertmanager", "alertmanager")
    with webhook_server() as webhook:
        receiver = {"name": "webhook", "webhook_configs": [{"url": webhook.url, "send_resolved": True}]}
        config = {"route": (route or AT_ONCE) | {"receiver": "webhook"}, "receivers": [receiver]}
        file = folder / "alertmanager.yml"
        file.write_text(json.dumps(config))  # YAML takes JSON
        arguments = (
            "--web.listen-address={address}",
            "--cluster.listen-address=",
            f"--config.file={file}",
            f"--storage.path={folder / 'data'}",
        )
        with serving(program, *arguments, log=folder / "log", ready="/-/ready") as url:
            yield Alertmanager(url, webhook.received)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """Start an Alertmanager that notifies of each alert at once."""
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    with alertmanager_server(folder) as server:
        yield server
