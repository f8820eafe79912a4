"""The road by a real Pushgateway, and by servers that are none."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.prometheus_runs import deliver, of_suite
from tests.servers.processes import free_port

from dqx.testing import STARTED_AT, assertion_result, suite_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.pushgateway import Gateway

Answer = "Callable[[socket.socket], None]"


def with_job(series: dict[Any, float]) -> dict[Any, float]:
    """Return series as the gateway holds them: with the job of the group."""
    return {
        (name, tuple(sorted((*labels, ("job", "dqx"))))): value for (name, labels), value in series.items()
    }


@pytest.mark.parametrize("suite", ["orders", "Orders / complete + more", 'quotes " \\ \n 🦆', "x" * 300])
def test_the_gateway_holds_what_the_run_found(pushgateway: Gateway, suite: str) -> None:
    """Whatever the suite is called; spaces and slashes come through the address of the group."""
    delivered = deliver({"pushgateway": {"url": pushgateway.url}}, of_suite(suite))
    assert delivered.errors == []
    assert pushgateway.series() == with_job(delivered.expected())
    assert len(pushgateway.groups()) == 1


def test_each_snapshot_is_a_group(pushgateway: Gateway) -> None:
    """A push of one suite leaves the others alone."""
    one = deliver({"pushgateway": {"url": pushgateway.url + "/", "job": "dqx"}}, of_suite("one"))
    two = deliver({"pushgateway": {"url": pushgateway.url}}, of_suite("two"))
    assert pushgateway.series() == with_job(one.expected() | two.expected())
    assert sorted(group["snapshot"] for group in pushgateway.groups()) == ["one,env=test", "two,env=test"]


def test_with_a_known_last_success_a_push_replaces_the_whole_group(pushgateway: Gateway) -> None:
    """A family that the new run does not have, such as failing_since, is gone."""
    config = {"pushgateway": {"url": pushgateway.url}}
    deliver(config, suite_run([assertion_result("FAILURE")]), last_success_at=STARTED_AT)
    second = deliver(config, suite_run([assertion_result()]))
    assert pushgateway.series() == with_job(second.expected())


def test_without_a_known_last_success_the_one_of_the_gateway_stays(pushgateway: Gateway) -> None:
    """A store in memory knows nothing of yesterday's process."""
    config = {"pushgateway": {"url": pushgateway.url}}
    deliver(config, suite_run([assertion_result()]))
    deliver(config, suite_run([assertion_result("FAILURE")]))
    names = {name for name, _ in pushgateway.series()}
    assert "dqx_suite_last_success_timestamp_seconds" in names
    deliver(config, suite_run([assertion_result("FAILURE")]), persistent=True)
    names = {name for name, _ in pushgateway.series()}
    assert "dqx_suite_last_success_timestamp_seconds" not in names


def test_a_backfill_pushes_nothing(pushgateway: Gateway) -> None:
    """Neither in `process` nor in `finish`."""
    assert deliver({"pushgateway": {"url": pushgateway.url}}, newest=False).errors == []
    assert pushgateway.groups() == []


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer each connection by a function, on a thread each; give the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        def serve(connection: socket.socket) -> None:
            with connection:
                try:
                    answer(connection)
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def request_of(connection: socket.socket) -> bytes:
    """Read a whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """Return what reads a request and answers with these bytes."""

    def act(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(answer)

    return act


def never(connection: socket.socket) -> None:
    """Accept, and never answer."""
    while connection.recv(65_536):
        pass


def dripping(connection: socket.socket) -> None:
    """Answer a byte every 50 ms, each far within any limit of a socket."""
    request_of(connection)
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (never, "no answer within 0.3 s"),
        (dripping, "no answer within 0.3 s"),
        (
            says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 11\r\n\r\npushed metr"),
            "it answered 400 Bad Request: pushed metr",
        ),
        (says(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "it answered 500 Oops"),
        (
            says(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"),
            "it answered 429",
        ),
        (says(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), "it answered 413"),
        (
            says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
            "it answered 302",
        ),
        (says(b"HTTP/1.1 2"), "HTTP/1.1 2"),
        (says(b""), "Remote end closed connection"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "SSH-2.0"),
    ],
)
def test_a_server_that_does_not_take_it_is_an_outcome(answer: Any, message: str) -> None:
    """In bounded time, with what it said; `finish` does not wait for it again."""
    with server(answer) as url:
        started = time.monotonic()
        errors = deliver({"pushgateway": {"url": url, "timeout_s": 0.3}}).errors
        took_s = time.monotonic() - started
    assert [phase for phase, _ in errors] == ["process"]
    assert message in str(errors[0][1])
    assert "did not take the push of orders,env=test" in str(errors[0][1])
    assert took_s < 5


def test_nobody_listening_is_an_outcome() -> None:
    """As is a name that nobody knows."""
    errors = deliver({"pushgateway": {"url": f"http://127.0.0.1:{free_port()}"}}).errors
    assert "Connection refused" in str(errors)
    errors = deliver({"pushgateway": {"url": "http://no-such-host.invalid:9091"}}).errors
    assert [phase for phase, _ in errors] == ["process"]


def test_authentication_and_headers_are_sent_and_never_shown() -> None:
    """A gateway behind a proxy takes basic authentication or a header; a refusal shows neither."""
    seen: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    table = {"username": "dqx", "password": "canary-pass", "headers": {"X-Scope-OrgID": "canary-head"}}
    with server(refuse) as url:
        delivered = deliver({"pushgateway": {"url": url, **table}})
    assert b"Authorization: Basic ZHF4OmNhbmFyeS1wYXNz" in seen[0]
    assert b"X-Scope-OrgID: canary-head" in seen[0]
    assert seen[0].startswith(b"POST /metrics/job/dqx/snapshot@base64/")
    assert "canary" not in repr(delivered.outcomes)
    assert "401 Unauthorized" in str(delivered.errors)


def test_one_road_that_fails_does_not_stop_another(tmp_path: Any) -> None:
    """The file is written twice, with the plugins' series, while the gateway is down."""
    config = {"pushgateway": {"url": f"http://127.0.0.1:{free_port()}"}, "textfile": str(tmp_path)}
    delivered = deliver(config)
    assert [phase for phase, _ in delivered.errors] == ["process"]
    assert "dqx_plugin_ok" in (tmp_path / "dqx_orders,env=test.prom").read_text()
