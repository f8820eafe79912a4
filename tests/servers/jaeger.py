"""A real Jaeger 2, which is an OpenTelemetry Collector too: it keeps traces, and hands metrics on."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from tests.servers.processes import answers, binary, free_ports, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Span:
    """A span as Jaeger shows it; `children` are in the order in which they began."""

    name: str
    tags: dict[str, Any]
    started_us: int
    duration_us: int
    scope: str
    children: list[Span]

    def walk(self) -> Iterator[Span]:
        """Yield the span and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Jaeger:
    """A running Jaeger.

    Attributes:
        http_url: The endpoint for OTLP by http/protobuf.
        grpc_url: That for OTLP by gRPC.
        query_url: Where traces are read.
        metrics_url: The page of its exporter `prometheus`.
        log: What its exporter `debug` saw, and what it had to say.
    """

    http_url: str
    grpc_url: str
    query_url: str
    metrics_url: str
    log: Path

    def traces(self, service: str = "dqx") -> list[dict[str, Any]]:
        """Return the traces of a service, as the API has them."""
        asked = urlencode({"service": service, "limit": 100})
        with urlopen(f"{self.query_url}/api/traces?{asked}", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"] or []
            return found

    def wait_for_traces(
        self, count: int = 1, service: str = "dqx", timeout_s: float = 20.0
    ) -> list[dict[str, Any]]:
        """Wait until there are as many traces, and return them; return those there are when that takes too long."""
        give_up_at = time.monotonic() + timeout_s
        while len(found := self.traces(service)) < count and time.monotonic() < give_up_at:
            time.sleep(0.05)
        return found


def roots(trace: dict[str, Any]) -> list[Span]:
    """Return the spans of a trace that have no parent in it, the others nested below them."""
    made: dict[str, Span] = {}
    parents: dict[str, str | None] = {}
    for span in sorted(trace["spans"], key=lambda span: (span["startTime"], -span["duration"])):
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        scope = tags.get("otel.scope.name", "")
        made[span["spanID"]] = Span(
            span["operationName"], tags, span["startTime"], span["duration"], scope, []
        )
        above = [each["spanID"] for each in span["references"] if each["refType"] == "CHILD_OF"]
        parents[span["spanID"]] = above[0] if above else None
    found: list[Span] = []
    for span_id, span in made.items():
        parent = made.get(parents[span_id] or "")
        (found if parent is None else parent.children).append(span)
    return found


@contextmanager
def jaeger_server(
    folder: Path, metrics_to: str | None = None, metric_expiration: str = "5m"
) -> Iterator[Jaeger]:
    """Run a Jaeger.

    Args:
        folder: Where its files go; an empty one.
        metrics_to: An endpoint of OTLP that its exporter `otlphttp` sends metrics on to.
        metric_expiration: After which its exporter `prometheus` drops a series that came no more.
    """
    program = binary("jaeger")
    http, grpc, query, query_grpc, metrics, health = (f"127.0.0.1:{port}" for port in free_ports(6))
    exporters: dict[str, Any] = {
        "debug": {"verbosity": "detailed"},
        "prometheus": {"endpoint": metrics, "metric_expiration": metric_expiration},
    }
    if metrics_to is not None:
        exporters["otlphttp"] = {"endpoint": metrics_to, "sending_queue": {"enabled": False}}
    config = {
        "extensions": {
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": health}},
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 1_000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": query},
                "grpc": {"endpoint": query_grpc},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": http}, "grpc": {"endpoint": grpc}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}, **exporters},
        "service": {
            "extensions": ["healthcheckv2", "jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter", "debug"]},
                "metrics": {"receivers": ["otlp"], "exporters": [*exporters]},
            },
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    file, log = folder / "jaeger.json", folder / "log"
    file.write_text(json.dumps(config))
    # Told to end it waits 10 s for connections that others hold; it has nothing to save.
    with running([program, "--config", file], log, answers(f"http://{health}/status"), stop=signal.SIGKILL):
        yield Jaeger(f"http://{http}", f"http://{grpc}", f"http://{query}", f"http://{metrics}/metrics", log)


@pytest.fixture
def start_jaeger(tmp_path: Path) -> Iterator[Callable[..., Jaeger]]:
    """Return what starts a Jaeger: `jaeger_server` without its folder."""
    with ExitStack() as stack:

        def start(*args: Any, **options: Any) -> Jaeger:
            folder = Path(mkdtemp(prefix="jaeger-", dir=tmp_path))
            return stack.enter_context(jaeger_server(folder, *args, **options))

        yield start


@pytest.fixture
def jaeger(start_jaeger: Callable[..., Jaeger]) -> Jaeger:
    """Start a Jaeger that keeps traces and shows metrics."""
    return start_jaeger()
