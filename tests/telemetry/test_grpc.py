"""OTLP by gRPC to ends that are dead in the ways there are: the deadline holds, and what is lost is counted."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.command_line import environment, run, write_checks
from tests.servers.otlp import (
    closes_in_the_middle,
    drips,
    never_answers,
    refused,
    socket_server,
    speaks_another_protocol,
)
from tests.telemetry.test_flush import SPANS, fill, telemetry_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

grpc: Any = pytest.importorskip("grpc", reason="pip install 'dqx[otlp-grpc]'")


@contextmanager
def grpc_server(answer: Callable[[Any], bytes]) -> Iterator[str]:
    """Run a server that speaks gRPC, and answers every call so."""
    handler = grpc.unary_unary_rpc_method_handler(lambda _, context: answer(context))

    class Every(grpc.GenericRpcHandler):
        def service(self, _: object) -> Any:
            return handler

    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[Every()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


@contextmanager
def silent() -> Iterator[str]:
    """Run a server that shakes hands, takes every call and answers none."""
    over = threading.Event()

    def wait(_: object) -> bytes:
        over.wait(60)
        return b""

    with grpc_server(wait) as url:
        try:
            yield url
        finally:
            over.set()


def refusing(code: str) -> Callable[[], AbstractContextManager[str]]:
    """Return a way to run a server that ends every call with a status."""
    return partial(grpc_server, lambda context: context.abort(grpc.StatusCode[code], "no"))


FAULTS: dict[str, tuple[Callable[[], AbstractContextManager[str]], str]] = {
    "refuses": (refused, "unreachable"),
    "accepts and never answers": (partial(socket_server, never_answers), "timeout"),
    "answers a byte a second": (partial(socket_server, drips), "timeout"),
    "closes in the middle": (partial(socket_server, closes_in_the_middle), "unreachable"),
    "speaks another protocol": (partial(socket_server, speaks_another_protocol), "unreachable"),
    "shakes hands and never answers": (silent, "timeout"),
    "is out of resources": (refusing("RESOURCE_EXHAUSTED"), "rejected"),
    "wants to know who that is": (refusing("UNAUTHENTICATED"), "rejected"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_end_that_is_dead_costs_the_deadline_at_most(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All signals together, and the shutdown with it; why it was lost is known of each of them."""
    serve, reason = FAULTS[fault]
    with serve() as url, telemetry_to(url, monkeypatch, OTEL_EXPORTER_OTLP_PROTOCOL="grpc") as telemetry:
        fill(telemetry)
        started = time.monotonic()
        dropped = telemetry.flush(1.0).dropped
        assert time.monotonic() - started < 1 + 1
        started = time.monotonic()
        telemetry.shutdown()
        assert time.monotonic() - started < 1 + 1
    assert dropped == {("traces", reason): SPANS, ("metrics", reason): 1}


def test_a_command_ends_in_time_with_its_verdict(tmp_path: Path) -> None:
    """The threads of gRPC do not hold the process."""
    write_checks(tmp_path)
    (tmp_path / "orders.csv").write_text("id,price\n1,9.5\n")
    arguments = ("run", "checks.py", "--data", "orders=orders.csv", "--db", "sqlite:///q.db")
    with silent() as url:
        variables = environment(OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
        started = time.monotonic()
        code, out, err = run(tmp_path, *arguments, env=variables)
        assert time.monotonic() - started < 3 + 1 + 10  # a start on a busy machine, and the deadline
    assert (code, "PASSED" in out) == (0, True)
    assert err.splitlines()[-1].startswith(f"Telemetry: not sent to {url} (grpc): ")
