"""Who Alertmanager notifies here: each alert that begins or ends is a line on the screen."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def line(alert: dict[str, Any], receiver: str) -> str:
    """Return what a person reads of an alert that a receiver is told of."""
    labels = alert["labels"]
    said = alert["annotations"].get("summary") or labels["alertname"]
    return f"ALERT {alert['status']:8}  {labels.get('severity', '')} to {receiver}: {said}"


def say(text: str) -> None:
    """Print a line with the time before it."""
    print(f"{datetime.now().astimezone():%H:%M:%S}  {text}", flush=True)


@contextmanager
def webhook(address: str) -> Iterator[None]:
    """Take notifications at `address`, a host and port, until the end of the block."""
    told: set[tuple[str, ...]] = set()  # a group is sent whole whenever one of it changes
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            with lock:
                for alert in body["alerts"]:
                    news = (body["receiver"], alert["fingerprint"], alert["startsAt"], alert["status"])
                    if news not in told:
                        told.add(news)
                        say(line(alert, body["receiver"]))

        def log_message(self, *_: object) -> None:
            pass

    host, _, port = address.partition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
