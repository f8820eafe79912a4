"""One deadline for everything that is sent, whatever the other end does; what is lost is counted and said once."""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
import weakref
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers.otlp import (
    PROTOBUF,
    OtlpReceiver,
    attributes,
    closes_in_the_middle,
    drips,
    drips_its_body,
    never_answers,
    never_stops,
    otlp_server,
    refused,
    socket_server,
    speaks_another_protocol,
)

from dqx.telemetry import names
from dqx.telemetry.exporters import destinations
from dqx.telemetry.ledger import Ledger
from dqx.telemetry.providers import Telemetry
from dqx.telemetry.sender import Sender
from dqx.telemetry.span_buffer import SpanBuffer
from dqx.testing import captured_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 0.6
SPANS = 3


@contextmanager
def telemetry_to(url: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[Telemetry]:
    """Build telemetry that goes to a URL; give it up at the end without waiting."""
    for name, value in ({"OTEL_EXPORTER_OTLP_ENDPOINT": url} | variables).items():
        monkeypatch.setenv(name, value)
    telemetry = Telemetry(*destinations(), deadline_s=DEADLINE_S, long_lived=False)
    try:
        yield telemetry
    finally:
        telemetry.flush(0)
        for pipe in telemetry._pipes:
            pipe.sender.stop()


def fill(telemetry: Telemetry, scope: str = "mine", spans: int = SPANS) -> None:
    """Make spans and one point."""
    assert telemetry.tracer_provider is not None
    assert telemetry.meter_provider is not None
    tracer = telemetry.tracer_provider.get_tracer(scope)
    for number in range(spans):
        tracer.start_span(f"work {number}").end()
    telemetry.meter_provider.get_meter(scope).create_counter("done").add(1)


def answering(*answer: Any) -> Callable[[], AbstractContextManager[str]]:
    """Return a way to run a receiver that answers everything so."""

    @contextmanager
    def run() -> Iterator[str]:
        with otlp_server() as receiver:
            receiver.answer = lambda _: answer
            yield receiver.url

    return run


def serving(serve: Callable[[Any], None]) -> Callable[[], AbstractContextManager[str]]:
    """Return a way to run a server that treats connections so."""
    return lambda: socket_server(serve)


FAULTS: dict[str, tuple[Callable[[], AbstractContextManager[str]], str]] = {
    "refuses": (refused, "unreachable"),
    "has no name": (lambda: nullcontext("http://no-such-host.invalid:4318"), "unreachable"),
    "accepts and never answers": (serving(never_answers), "timeout"),
    "answers a byte a second": (serving(drips), "timeout"),
    "sends a body of a byte a second": (serving(drips_its_body), "timeout"),
    "closes in the middle": (serving(closes_in_the_middle), "unreachable"),
    "speaks another protocol": (serving(speaks_another_protocol), "unreachable"),
    "500": (answering(500, {}, b""), "rejected"),
    "503 with Retry-After": (answering(503, {"Retry-After": "1"}, b""), "rejected"),
    "429 with a long Retry-After": (answering(429, {"Retry-After": "60"}, b""), "rejected"),
    "413": (answering(413, {}, b"too much"), "rejected"),
    "401": (answering(401, {}, b"who?"), "rejected"),
    "redirects": (answering(302, {"Location": "http://127.0.0.1:1/"}, b""), "rejected"),
    "a page for people": (answering(200, {"Content-Type": "text/html"}, b"<h1>It works!</h1>"), "rejected"),
    "a long answer": (answering(200, PROTOBUF, b"\0" * 70_000), "delivered"),
    "an answer without end": (serving(never_stops), "delivered"),
    "an empty answer": (answering(200, {}, b""), "delivered"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_endpoint_that_is_wrong_costs_the_deadline_at_most(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All signals together; what did not arrive is counted by its reason."""
    run, reason = FAULTS[fault]
    with run() as url, telemetry_to(url, monkeypatch) as telemetry, captured_logs(logging.WARNING) as logs:
        fill(telemetry)
        started = time.monotonic()
        delivery = telemetry.flush()
        assert time.monotonic() - started < DEADLINE_S + 1
        if reason == "delivered":
            assert (delivery.delivered, delivery.dropped) == ({"traces": SPANS, "metrics": 1}, {})
            assert delivery.complete
            return
        assert delivery.dropped == {("traces", reason): SPANS, ("metrics", reason): 1}
        assert delivery.delivered == {"traces": 0, "metrics": 0}
        assert telemetry.lost == delivery.dropped
    said = [record.getMessage() for record in logs if not record.name.startswith("urllib3")]
    assert len(said) == 1
    assert said[0].startswith(
        f"Telemetry was lost: 3 traces {reason}, 1 metrics {reason}; {url} (http/protobuf): "
    )


def test_what_arrives_is_complete(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every span and every point, and nothing is logged."""
    with telemetry_to(otlp.url, monkeypatch) as telemetry, captured_logs(logging.WARNING) as logs:
        fill(telemetry, spans=1_300)
        delivery = telemetry.flush()
    assert (delivery.delivered, delivery.dropped) == ({"traces": 1_300, "metrics": 1}, {})
    assert sorted(span.name for span in otlp.spans()) == sorted(f"work {number}" for number in range(1_300))
    assert not logs


def test_what_a_receiver_does_not_accept_of_a_request_is_counted(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers 200 and says so in a partial success."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    otlp.answer = lambda request: (
        200, PROTOBUF, answer.SerializeToString() if request.path == "/v1/traces" else b""
    )  # fmt: skip
    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        fill(telemetry)
        delivery = telemetry.flush()
    assert delivery.delivered == {"traces": 1, "metrics": 1}
    assert delivery.dropped == {("traces", "rejected"): 2}


def test_a_short_retry_after_is_waited_for(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that was busy for a moment gets everything, within the deadline."""
    busy = [(503, {"Retry-After": "0"}, b"")] * 2
    otlp.answer = lambda _: busy.pop() if busy else (200, PROTOBUF, b"")
    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        fill(telemetry)
        assert telemetry.flush(20).dropped == {}


def test_what_arrives_late_is_no_longer_counted_as_lost(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books of a long-lived process stay right."""
    otlp.delay_s = 0.5
    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        fill(telemetry)
        assert telemetry.flush(0.1).dropped == {("traces", "timeout"): 3, ("metrics", "timeout"): 1}
        assert otlp.wait_for(lambda _: telemetry.delivery().complete)
        assert telemetry.delivery().delivered == {"traces": 3, "metrics": 1}


def test_what_ends_while_a_flush_waits_is_left_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of other runs in the process are not lost by this one's deadline."""
    with socket_server(never_answers) as url, telemetry_to(url, monkeypatch) as telemetry:
        fill(telemetry)
        later = threading.Timer(0.1, fill, [telemetry])
        later.start()
        assert telemetry.flush(0.5).dropped["traces", "timeout"] == SPANS
        later.join()
        assert telemetry.flush(0.1).dropped["traces", "timeout"] == 2 * SPANS


def test_a_full_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; the oldest stay, among them the parents."""
    with (
        socket_server(never_answers) as url,
        telemetry_to(url, monkeypatch, OTEL_BSP_MAX_QUEUE_SIZE="10") as telemetry,
    ):
        fill(telemetry, spans=25)
        dropped = telemetry.flush(0.2).dropped
        assert dropped["traces", "queue_full"] == 15
        assert dropped["traces", "timeout"] == 10


def test_a_loss_is_said_once_until_something_arrives(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long-lived process with a dead endpoint does not fill its log."""
    with telemetry_to(otlp.url, monkeypatch) as telemetry, captured_logs(logging.WARNING) as logs:
        for answers, expected in [(413, 1), (413, 1), (200, 1), (413, 2)]:
            otlp.answer = lambda _, status=answers: (status, PROTOBUF, b"")
            fill(telemetry)
            telemetry.flush(20)
            assert len([record for record in logs if "Telemetry was lost" in record.getMessage()]) == expected


def test_points_of_a_run_that_waits_behind_another_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not even collected when its time is up."""
    with socket_server(never_answers) as url, telemetry_to(url, monkeypatch) as telemetry:
        for runs in (1, 2, 3):
            fill(telemetry)
            dropped = telemetry.flush().dropped
            assert dropped == {("traces", "timeout"): runs * SPANS, ("metrics", "timeout"): runs}
            assert telemetry.lost == {("traces", "timeout"): SPANS, ("metrics", "timeout"): 1}


def test_points_behind_a_callback_that_hangs_are_counted(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one where none was ever collected; when they arrive after all, as none."""
    released = threading.Event()

    def hangs(_: object) -> Any:
        released.wait(20)
        return ()

    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        assert telemetry.meter_provider is not None
        telemetry.meter_provider.get_meter("theirs").create_observable_gauge("hangs", [hangs])
        fill(telemetry, spans=0)
        assert telemetry.flush().dropped == {("metrics", "timeout"): 1}
        released.set()
        assert otlp.wait_for(lambda _: telemetry.delivery().delivered["metrics"] == 1)
        assert telemetry.delivery().complete


def test_what_is_lost_before_a_flush_is_said_by_it(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that ran over is lost before anything is sent; the next flush may take all its time."""
    with (
        telemetry_to(otlp.url, monkeypatch, OTEL_BSP_MAX_QUEUE_SIZE="2") as telemetry,
        captured_logs(logging.WARNING) as logs,
    ):
        fill(telemetry)
        telemetry.flush(20)
        assert telemetry.lost == {("traces", "queue_full"): 1}
        telemetry.flush(20)
        assert telemetry.lost == {}
    assert [record.getMessage() for record in logs] == [
        f"Telemetry was lost: 1 traces queue_full; {otlp.url} (http/protobuf): more spans than the queue holds"
    ]
    assert not telemetry._failing


def test_each_signal_says_why_it_was_lost(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two reasons at one address are two; what was lost before, and no more is, is none."""
    with telemetry_to(otlp.url, monkeypatch) as telemetry, captured_logs(logging.WARNING) as logs:
        for traces, metrics in [(400, 401), (200, 200), (200, 401)]:
            status = {"/v1/traces": traces, "/v1/metrics": metrics}
            otlp.answer = lambda request, status=status: (status[request.path], PROTOBUF, b"")
            fill(telemetry)
            telemetry.flush(20)
    where = f"{otlp.url} (http/protobuf)"
    bad, unauthorized = "HTTP 400 Bad Request", "HTTP 401 Unauthorized"
    assert [record.getMessage() for record in logs if record.name.startswith("dqx")] == [
        f"Telemetry was lost: 3 traces rejected, 1 metrics rejected; {where}: {bad}, {unauthorized}",
        f"Telemetry was lost: 1 metrics rejected; {where}: {unauthorized}",
    ]


def test_a_path_that_is_not_there_is_said(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of one signal in the variable for all is what people get wrong; the SDK adds a path to it."""
    otlp.answer = lambda _: (404, {}, b"")
    with (
        telemetry_to(f"{otlp.url}/otel", monkeypatch, OTEL_METRICS_EXPORTER="none") as telemetry,
        captured_logs(logging.WARNING) as logs,
    ):
        assert telemetry.tracer_provider is not None
        telemetry.tracer_provider.get_tracer("mine").start_span("work").end()
        telemetry.flush(20)
    assert logs[0].getMessage().endswith(": HTTP 404 Not Found at /otel/v1/traces")


def test_no_secret_of_an_endpoint_is_logged_or_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by the exporter."""
    with (
        refused() as url,
        captured_logs(logging.WARNING) as logs,
        telemetry_to(url.replace("//", "//me:hunter2@"), monkeypatch) as telemetry,
    ):
        fill(telemetry)
        telemetry.flush()
        assert logs
        assert "hunter2" not in str([record.getMessage() for record in logs]) + str(telemetry.places)


def test_what_others_log_on_their_threads_is_not_kept_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that exports by itself sees its own warnings."""
    from dqx.telemetry.sender import EXPORTER_LOGGERS

    with refused() as url, telemetry_to(url, monkeypatch), captured_logs(logging.WARNING) as logs:
        for name in EXPORTER_LOGGERS:
            logging.getLogger(name).warning("a host's own")
    assert len(logs) == len(EXPORTER_LOGGERS)


@pytest.mark.parametrize("signal", ["traces", "metrics"])
def test_a_provider_s_own_flush_tells_the_truth(
    signal: str, otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is False when nothing arrived, and takes no longer than it was given."""
    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        provider: Any = telemetry.tracer_provider if signal == "traces" else telemetry.meter_provider
        fill(telemetry)
        assert provider.force_flush(20_000)
        otlp.answer = lambda _: (413, {}, b"")
        fill(telemetry)
        pipe: Any = next(p for p in telemetry._pipes if p.ledger.signal == signal)
        assert not pipe.force_flush(20_000)
        otlp.delay_s = 1.0
        fill(telemetry)
        assert not pipe.force_flush(100)


def test_what_is_made_after_the_end_is_counted_as_lost(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for it."""
    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        assert telemetry.shutdown().complete
        assert telemetry.tracer_provider is not None
        telemetry.tracer_provider.get_tracer("mine").start_span("late").end()
        assert telemetry.flush(20).dropped == {("traces", "timeout"): 1}


def test_what_was_shut_down_holds_nothing(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program may configure and shut down again and again: connections, providers and late spans are let go."""
    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        fill(telemetry)
        held: list[weakref.ref[Any]] = [weakref.ref(pipe._exporter) for pipe in telemetry._pipes]
        assert telemetry.tracer_provider is not None
        assert telemetry.meter_provider is not None
        providers: list[weakref.ref[Any]] = [
            weakref.ref(telemetry.tracer_provider),
            weakref.ref(telemetry.meter_provider),
        ]
        assert telemetry.shutdown().complete
        telemetry.tracer_provider.get_tracer("mine").start_span("late").end()
        buffer = telemetry._pipes[0]
        assert isinstance(buffer, SpanBuffer)
        assert not buffer._queue
        assert gone(held)
    del telemetry, buffer
    assert gone(providers)


def gone(held: list[weakref.ref[Any]], timeout_s: float = 20.0) -> bool:
    """Wait until nothing holds any of these any more; tell whether that came to pass."""
    until = time.monotonic() + timeout_s
    while any(one() is not None for one in held):
        if time.monotonic() > until:
            return False
        gc.collect()
        time.sleep(0.01)
    return True


def test_spans_that_were_not_sampled_are_not_sent(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor counted."""
    with telemetry_to(otlp.url, monkeypatch, OTEL_TRACES_SAMPLER="always_off") as telemetry:
        fill(telemetry)
        assert telemetry.flush(20).delivered == {"traces": 0, "metrics": 1}


def test_an_exporter_that_raises_is_no_end(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was given is counted, and the next batch is tried."""
    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        pipe: Any = telemetry._pipes[0]
        exporter = pipe._exporter
        pipe._exporter = None

        class Broken:
            def export(self, _: object) -> None:
                raise ValueError("cannot encode")

        pipe._exporter = Broken()
        fill(telemetry)
        assert telemetry.flush(20).dropped == {("traces", "unusable"): 3}
        pipe._exporter = exporter
        fill(telemetry)
        assert telemetry.flush(20).delivered["traces"] == 3


def test_a_callback_of_others_that_raises_costs_only_its_own_points(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instruments of DQX are on the same provider."""

    def broken(_: object) -> Any:
        raise RuntimeError("no")

    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        assert telemetry.meter_provider is not None
        telemetry.meter_provider.get_meter("theirs").create_observable_gauge("broken", [broken])
        fill(telemetry)
        telemetry.flush(20)
    assert [metric.name for metric in otlp.metrics()] == ["done"]


def test_points_go_in_one_request_where_they_fit_else_the_last_run_comes_last(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that looks at `last_run` must find the rest there already."""
    from opentelemetry.metrics import Observation

    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        pipe: Any = telemetry._pipes[1]
        assert telemetry.meter_provider is not None
        meter = telemetry.meter_provider.get_meter(names.SCOPE)
        for name, count in ((names.SUITE_LAST_RUN.name, 1), (names.ASSERTION_PASSED.name, 200)):
            points = [Observation(1, {"assertion": "é" * 200 + str(n)}) for n in range(count)]
            meter.create_observable_gauge(name, [lambda _, points=points: points])
        telemetry.flush(20)
        assert [len(otlp.requests), len(otlp.metrics())] == [1, 2]
        otlp.requests.clear()
        pipe._max_request_bytes = 20_000
        delivery = telemetry.flush(20)
        assert delivery.delivered["metrics"] == 402
    assert len(otlp.requests) > 3
    assert all(len(request.body) <= 20_000 for request in otlp.requests)
    assert otlp.metrics()[-1].name == names.SUITE_LAST_RUN.name
    passed = [p for m in otlp.metrics() if m.name == names.ASSERTION_PASSED.name for p in m.gauge.data_points]
    assert {attributes(point)["assertion"] for point in passed} == {"é" * 200 + str(n) for n in range(200)}


def test_after_a_request_that_failed_the_last_run_is_not_sent(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a run must not look like the newest."""
    from opentelemetry.metrics import Observation

    with telemetry_to(otlp.url, monkeypatch) as telemetry:
        pipe: Any = telemetry._pipes[1]
        pipe._max_request_bytes = 200
        assert telemetry.meter_provider is not None
        meter = telemetry.meter_provider.get_meter(names.SCOPE)
        for name, count in ((names.SUITE_LAST_RUN.name, 1), (names.ASSERTION_PASSED.name, 5)):
            points = [Observation(1, {"assertion": f"{n}"}) for n in range(count)]
            meter.create_observable_gauge(name, [lambda _, points=points: points])
        otlp.answer = lambda _: (413, {}, b"") if len(otlp.requests) == 1 else (200, PROTOBUF, b"")
        delivery = telemetry.flush(20)
    assert len(otlp.requests) == 2
    assert names.SUITE_LAST_RUN.name not in {metric.name for metric in otlp.metrics()}
    assert delivery.delivered["metrics"] + delivery.dropped["metrics", "rejected"] == 6


def test_a_sender_makes_the_calls_that_are_asked_for_and_those_that_are_due() -> None:
    """And none after it is stopped."""
    calls: list[float] = []
    sender = Sender("test", lambda: calls.append(time.monotonic()), Ledger("traces"), math.inf)
    with ExitStack() as stack:
        stack.callback(sender.stop)
        assert sender.wait(sender.ask(), time.monotonic() + 20)
        assert len(calls) == 1
        sender.soon(0.05)
        until = time.monotonic() + 20
        while len(calls) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(calls) == 2
    ticket = sender.ask()
    sender.wait(ticket, time.monotonic() + 0.2)
    assert len(calls) == 2
