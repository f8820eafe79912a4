"""A receiver of OTLP over HTTP, which keeps what arrives, and servers that get it wrong in the ways there are."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answer = tuple[int, dict[str, str], bytes]

PROTOBUF = {"Content-Type": "application/x-protobuf"}


@dataclass(frozen=True, slots=True)
class Received:
    """One request: where it went, its headers in lower case, and its body, parsed."""

    path: str
    headers: dict[str, str]
    body: bytes
    message: Any


@dataclass(slots=True)
class OtlpReceiver:
    """What a receiver got. `answer`, when set, answers in its place; `url` is the endpoint to configure."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Answer] | None = None
    delay_s: float = 0.0

    def spans(self, scope: str | None = None) -> list[Any]:
        """Return the spans, of one scope or of all."""
        return [
            span
            for request in self.requests
            if request.path.endswith("/v1/traces")
            for resource in request.message.resource_spans
            for part in resource.scope_spans
            if scope in (None, part.scope.name)
            for span in part.spans
        ]

    def metrics(self) -> list[Any]:
        """Return the metrics, of all requests in their order."""
        return [
            metric
            for request in self.requests
            if request.path.endswith("/v1/metrics")
            for resource in request.message.resource_metrics
            for part in resource.scope_metrics
            for metric in part.metrics
        ]

    def gauges(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        """Return the values of gauges by name and labels, the latest of each."""
        found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for metric in self.metrics():
            for point in metric.gauge.data_points:
                value = point.as_double if point.WhichOneof("value") == "as_double" else point.as_int
                found.setdefault(metric.name, {})[frozenset(attributes(point).items())] = value
        return found

    def everything(self) -> bytes:
        """Return all bodies, for what must not be in any of them."""
        return b"\n".join(request.body for request in self.requests)

    def wait_for(self, ready: Callable[[OtlpReceiver], bool], timeout_s: float = 20.0) -> bool:
        """Wait until something has arrived; tell whether it has."""
        until = time.monotonic() + timeout_s
        while not ready(self):
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True


def attributes(item: Any) -> dict[str, Any]:
    """Return the attributes of a span, a point or a resource."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in item.attributes}


@contextlib.contextmanager
def otlp_server() -> Iterator[OtlpReceiver]:
    """Run a receiver on a free port."""
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb

    receiver = OtlpReceiver()
    kinds: dict[str, tuple[Any, Any]] = {
        "/v1/traces": (trace_pb.ExportTraceServiceRequest, trace_pb.ExportTraceServiceResponse),
        "/v1/metrics": (metrics_pb.ExportMetricsServiceRequest, metrics_pb.ExportMetricsServiceResponse),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            asked, answered = kinds["/v1/" + self.path.rpartition("/v1/")[2]]
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, body, asked.FromString(body))
            time.sleep(receiver.delay_s)
            answer = (200, PROTOBUF, answered().SerializeToString())
            if receiver.answer is not None:
                answer = receiver.answer(received)
            receiver.requests.append(received)
            status, headers, content = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that gave up is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    """Run a receiver of OTLP/HTTP."""
    with otlp_server() as receiver:
        yield receiver


@contextlib.contextmanager
def socket_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server that treats each connection as `serve` does; give its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            serve(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_ones.append(connection)
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for connection in open_ones:
            connection.close()


def never_answers(connection: socket.socket) -> None:
    """Take what comes and say nothing."""
    while connection.recv(65_536):
        pass


def drips(connection: socket.socket) -> None:
    """Answer a byte a second, rightly begun."""
    connection.recv(65_536)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n":
        connection.sendall(bytes([byte]))
        time.sleep(1)


def drips_its_body(connection: socket.socket) -> None:
    """Send the head of an answer at once, and its body a byte a second."""
    connection.recv(65_536)
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100\r\n\r\n"
    )
    for _ in range(100):
        connection.sendall(b"\0")
        time.sleep(1)


def never_stops(connection: socket.socket) -> None:
    """Send an answer without end."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\r\n")
    while True:
        connection.sendall(b"\0" * 65_536)


def closes_in_the_middle(connection: socket.socket) -> None:
    """Hang up in the middle of the status line."""
    connection.recv(1_000)
    connection.sendall(b"HTTP/1.1 20")
    connection.close()


def speaks_another_protocol(connection: socket.socket) -> None:
    """Answer like a mail server."""
    connection.sendall(b"220 mail.example ESMTP\r\n")
    connection.recv(1_000)
    time.sleep(0.1)
    connection.close()


@contextlib.contextmanager
def refused() -> Iterator[str]:
    """Give the URL of a port that is bound, and where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
