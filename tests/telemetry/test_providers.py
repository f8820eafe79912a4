"""The providers that are built from the standard variables: when, what of, and whom they leave alone."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers.otlp import attributes

from dqx.common import ConfigurationError
from dqx.telemetry import configure, installed, names
from dqx.telemetry.exporters import destinations
from dqx.telemetry.providers import Telemetry
from dqx.telemetry.resource import make_resource
from dqx.telemetry.views import SERIES_LIMIT, make_views
from dqx.testing import captured_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.otlp import OtlpReceiver

CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin without `OTEL_*` variables, and end without providers."""
    for name in [*os.environ]:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    yield
    if (built := installed.current()) is not None:
        built.shutdown()


def places(**variables: str) -> list[tuple[str, str]]:
    """Return signal and place of each destination that variables ask for."""
    return [(found.signal, found.shown) for found in destinations(variables)[0]]


WRONG_HEADERS = (
    "OTEL_EXPORTER_OTLP_HEADERS has no NAME=VALUE at place 2 of 2; write pairs with commas between them, and within "
    "a value a comma as %2C, a quote as %22"
)
HTTP = "http://collector:4318 (http/protobuf)"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, [("traces", HTTP), ("metrics", HTTP)]),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318"}, [("metrics", HTTP)]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, [("traces", "http://localhost:4318 (http/protobuf)")]),
        ({"OTEL_TRACES_EXPORTER": "console"}, [("traces", "the console (stderr)")]),
        ({"OTEL_METRICS_EXPORTER": "console, console"}, [("metrics", "the console (stderr)")]),
        (
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
            [("metrics", HTTP)],
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            [("traces", "http://localhost:4317 (grpc)")],
        ),
        (
            {"OTEL_METRICS_EXPORTER": "otlp_proto_grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
            [("traces", "otlp (unusable)"), ("metrics", "collector:4317 (grpc)")],
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "TRUE "}, []),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"https://u:{CANARY}@collector/v1/traces"},
            [("traces", "https://***@collector/v1/traces (http/protobuf)")],
        ),
    ],
)
def test_where_variables_send_what(variables: dict[str, str], expected: list[tuple[str, str]]) -> None:
    """Nothing goes to the default endpoint unasked; no secret is shown."""
    assert places(**variables) == expected


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT is 'collector:4318'; write a URL such as http://localhost:4318",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:port"},
            "OTEL_EXPORTER_OTLP_ENDPOINT is 'http://collector:port'; write a URL such as http://localhost:4318",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "oltp"},
            "OTEL_TRACES_EXPORTER names 'oltp', which DQX does not know; did you mean 'otlp'?",
        ),
        (
            {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'; DQX sends http/protobuf (the default) and grpc",
        ),
        *(
            (
                {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": f"a=b,{pair}"},
                WRONG_HEADERS,
            )
            for pair in (
                CANARY,
                f"x-team: {CANARY}",
                f"x team={CANARY}",
                f'x={{"{CANARY}"}}',
                f"x={CANARY}%0Ab",
            )
        ),
    ],
)
def test_what_cannot_be_used_is_an_error_for_a_program(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asked for it in so many words; nothing is logged beside it, as the SDK would, a token with it."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with captured_logs(logging.WARNING) as logs, pytest.raises(ConfigurationError) as caught:
        configure(set_global=False)
    assert str(caught.value) == message
    assert not logs


@pytest.mark.parametrize("headers", ["", " , ", "a=", "A = b c , d=e%2C=f", "authorization=Basic%20Zm9v=="])
def test_headers_as_the_sdk_takes_them_are_sent(
    headers: str, otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With spaces, also as they are."""
    from opentelemetry.util.re import parse_env_headers

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{otlp.url}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    with configure(set_global=False) as telemetry:
        assert telemetry.tracer_provider is not None
        telemetry.tracer_provider.get_tracer("mine").start_span("work").end()
    assert otlp.requests[0].headers.items() >= parse_env_headers(headers, liberal=True).items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"deadline_s": -1}, "deadline_s is -1; it takes seconds, from 0 to 3600"),
        ({"deadline_s": math.nan}, "deadline_s is nan; it takes"),
        ({"deadline_s": math.inf}, "deadline_s is inf; it takes"),
        ({"deadline_s": "3"}, "deadline_s is '3'; it takes"),
        ({"secrets": CANARY}, "secrets takes a list of texts"),
        ({"secrets": [CANARY.encode()]}, "secrets takes a list of texts"),
        ({"secrets": [None]}, "secrets takes a list of texts"),
        ({"secrets": None}, "secrets takes a list of texts"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    """Not one at the end of the first run; and a text alone would be taken for its letters."""
    with pytest.raises(ConfigurationError) as caught:
        configure(set_global=False, **arguments)
    assert str(caught.value).startswith(message)
    assert CANARY not in str(caught.value)


def test_a_secret_that_is_empty_masks_nothing(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a variable that is not set."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
    with configure(set_global=False, secrets=["", CANARY]) as telemetry:
        assert telemetry.tracer_provider is not None
        telemetry.tracer_provider.get_tracer("mine").start_span(f"work of {CANARY}").end()
    assert [span.name for span in otlp.spans("mine")] == ["work of ***"]


@pytest.mark.parametrize("value", ["inf", "nan", "0.5", "-1", "many"])
def test_a_number_that_is_none_is_warned_of(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the default is used, as the SDK does it."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", value)
    with captured_logs(logger="dqx") as logs:
        telemetry = Telemetry(*destinations({"OTEL_TRACES_EXPORTER": "console"}))
    telemetry.shutdown()
    assert [record.getMessage() for record in logs] == [
        f"OTEL_BSP_MAX_QUEUE_SIZE is '{value}'; it takes a number of 1 or more, and 20000 is used"
    ]


@pytest.mark.parametrize(
    ("protocol", "module", "extra"),
    [("http/protobuf", "opentelemetry.exporter.otlp.proto.http", "otlp"), ("grpc", "grpc", "otlp-grpc")],
)
def test_a_missing_extra_is_named_with_what_brings_it(protocol: str, module: str, extra: str) -> None:
    """As after `pip install dqx`."""
    program = f"""
import sys
sys.modules[{module!r}] = None
from dqx.telemetry import configure
try:
    configure()
except Exception as error:
    print(type(error).__name__, error)
"""
    variables = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    said = subprocess.check_output([sys.executable, "-c", program], text=True, env=os.environ | variables)
    assert said.startswith("ConfigurationError sending telemetry to http://localhost:431")
    assert f"which is not installed; pip install 'dqx[{extra}]' brings it" in said


def test_what_an_unusable_exporter_loses_is_counted() -> None:
    """The command line goes on without it."""
    telemetry = Telemetry(*destinations({"OTEL_TRACES_EXPORTER": "oltp", "OTEL_METRICS_EXPORTER": "oltp"}))
    assert telemetry.tracer_provider is not None
    assert telemetry.meter_provider is not None
    telemetry.tracer_provider.get_tracer("mine").start_span("work").end()
    telemetry.meter_provider.get_meter("mine").create_counter("done").add(1)
    assert telemetry.shutdown().dropped == {("traces", "unusable"): 1, ("metrics", "unusable"): 1}


def test_with_nothing_asked_for_nothing_is_built() -> None:
    """And nothing imported: each run of a cron job would pay for it."""
    program = """
import sys
from dqx.telemetry import configure
with configure() as telemetry:
    assert not telemetry.active
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "requests"))])
"""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert subprocess.check_output([sys.executable, "-c", program], text=True, env=variables) == "[]\n"


def test_the_service_is_dqx_and_its_instance_the_same_in_every_run() -> None:
    """Or each run of a batch job makes every series anew."""
    first, second = (make_resource().attributes for _ in range(2))
    assert first["service.name"] == "dqx"
    assert first == second
    assert uuid.UUID(str(first["service.instance.id"])).version == 5


def test_service_and_environment_make_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two environments are two instances, two services too."""
    found = set()
    for service, environment in [("", ""), ("", "prod"), ("", "test"), ("orders", "prod")]:
        monkeypatch.setenv("OTEL_SERVICE_NAME", service)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"deployment.environment.name={environment}")
        found.add(make_resource().attributes["service.instance.id"])
    assert len(found) == 4


def test_a_resource_that_is_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what is secret in it."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "checks")
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES",
        f"service.instance.id=one,team=data,db=postgresql://u:{CANARY}@h/d,process.command_line=dqx {CANARY}",
    )
    found = make_resource().attributes
    assert {name: found[name] for name in ("service.name", "service.instance.id", "team", "db")} == {
        "service.name": "checks",
        "service.instance.id": "one",
        "team": "data",
        "db": "postgresql://***@h/d",
    }
    assert CANARY not in str(dict(found))


def test_no_command_line_is_sent_even_when_a_detector_finds_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=process` puts it there, data and tags in it."""
    monkeypatch.setenv("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "process")
    found = make_resource().attributes
    assert "process.pid" in found
    assert not [name for name in found if name.startswith("process.command")]


def test_seconds_have_our_buckets_and_series_our_limit() -> None:
    """The SDK's own buckets end at 10,000, and its limit folds what is above 2,000 without a word."""
    from opentelemetry.metrics import Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=make_views(), shutdown_on_exit=False)
    meter = provider.get_meter(names.SCOPE)
    meter.create_histogram(names.SUITE_RUN_DURATION.name, "s").record(0.3)
    meter.create_observable_gauge(
        "dqx.many", [lambda _: [Observation(1, {"n": str(n)}) for n in range(2_500)]]
    )
    data = reader.get_metrics_data()
    assert data is not None
    found = {m.name: m.data.data_points for m in data.resource_metrics[0].scope_metrics[0].metrics}
    assert found["dqx.suite.run.duration"][0].explicit_bounds == names.SECONDS_BUCKETS
    assert len(found["dqx.many"]) == 2_500 < SERIES_LIMIT
    provider.shutdown()


def test_what_the_sdk_refuses_is_an_error_for_a_program(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its variables it is."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "many")
    with pytest.raises(ConfigurationError, match=r"the OTEL_\* variables cannot be used: "):
        configure(set_global=False)
    assert installed.current() is None


def test_what_is_built_is_used_and_given_up_again(
    otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`configure` twice is one; after `shutdown` another may be built."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
    telemetry = configure(set_global=False)
    assert configure(set_global=False) is telemetry
    assert telemetry.places == (f"{otlp.url} (http/protobuf)",)
    telemetry.shutdown()
    assert installed.current() is None
    with configure(set_global=False) as other:
        assert other is not telemetry
    assert installed.current() is None


GLOBAL = """
import sys, threading
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from datetime import date
from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check
from dqx.telemetry import configure

@check(name="Orders")
def orders(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()

def run():
    with VerificationSuite([orders], MetricDB(), "orders") as suite:
        suite.run({"orders": DataSource.from_records([{"id": 1}])}, ResultKey(date(2024, 1, 31)))

class Host:
    def __init__(self):
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracer_provider, self.meter_provider = TracerProvider(), MeterProvider([self.reader])
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        trace.set_tracer_provider(self.tracer_provider)
        metrics.set_meter_provider(self.meter_provider)

    def names(self):
        data = self.reader.get_metrics_data()
        parts = data.resource_metrics[0].scope_metrics if data else []
        return {m.name for part in parts for m in part.metrics}, {s.name for s in self.spans.get_finished_spans()}
"""


def program(source: str, **variables: str) -> str:
    """Run a program with GLOBAL before it and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.check_output(
        [sys.executable, "-W", "error", "-c", GLOBAL + source], text=True, env=kept | variables, timeout=120
    )


def test_global_providers_are_set_for_the_spans_of_others(otlp: OtlpReceiver) -> None:
    """Their scope goes along."""
    program(
        """
configure()
trace.get_tracer("mine").start_span("work").end()
metrics.get_meter("mine").create_counter("done").add(2)
""",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
    )
    assert [span.name for span in otlp.spans("mine")] == ["work"]
    assert "done" in {metric.name for metric in otlp.metrics()}


def test_without_set_global_the_process_stays_as_it_was(otlp: OtlpReceiver) -> None:
    """DQX's own spans and metrics are sent, those of others are not."""
    said = program(
        """
configure(set_global=False)
trace.get_tracer("mine").start_span("work").end()
run()
print(type(trace.get_tracer_provider()).__name__)
""",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
    )
    assert said == "ProxyTracerProvider\n"
    assert not otlp.spans("mine")
    assert {"run_suite", "assertion"} <= {span.name for span in otlp.spans("dqx")}
    assert otlp.gauges()["dqx.suite.passed"]


def test_the_providers_of_a_host_are_used_and_left_alone() -> None:
    """It gets our spans and metrics, and nothing of its own is touched."""
    said = program(
        """
host = Host()
run()
metric_names, span_names = host.names()
print("dqx.suite.passed" in metric_names, {"run_suite", "assertion", "evaluate_check"} <= span_names)
assert trace.get_tracer_provider() is host.tracer_provider
host.tracer_provider.get_tracer("mine").start_span("later").end()
print("later" in host.names()[1])
"""
    )
    assert said.split() == ["True", "True", "True"]


def test_a_host_keeps_its_providers_when_dqx_brings_its_own(otlp: OtlpReceiver) -> None:
    """`configure()` says so, `configure(set_global=False)` sends beside them."""
    said = program(
        """
host = Host()
try:
    configure()
except Exception as error:
    print(error)
print(sum(thread.name.startswith("dqx-") for thread in threading.enumerate()))
configure(set_global=False)
run()
print(host.names())
""",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
    )
    first, threads, second = said.splitlines()
    assert threads == "0"
    assert first.startswith("this process has a provider for traces already")
    assert second == "(set(), set())"
    assert {"run_suite", "assertion"} <= {span.name for span in otlp.spans("dqx")}


def test_a_disabled_sdk_sends_nothing(otlp: OtlpReceiver) -> None:
    """Whatever else is set."""
    program("configure()\nrun()\n", OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url, OTEL_SDK_DISABLED="true")
    assert not otlp.requests


def test_metrics_alone_are_sent_at_the_end_of_a_run(otlp: OtlpReceiver) -> None:
    """As to a Prometheus, which takes no traces."""
    program(
        "import os\nconfigure()\nrun()\nos._exit(0)\n",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{otlp.url}/v1/metrics",
    )
    assert otlp.gauges()["dqx.suite.passed"]
    assert not otlp.spans()


def test_instrumented_http_makes_no_loop(otlp: OtlpReceiver) -> None:
    """What a sender sends is marked, so that instrumentation leaves it alone."""
    said = program(
        """
import requests
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
original, seen = requests.Session.send, []
def send(self, request, **options):
    seen.append(bool(get_value(_SUPPRESS_INSTRUMENTATION_KEY)))
    return original(self, request, **options)
requests.Session.send = send
configure()
run()
print(seen and all(seen))
""",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
    )
    assert said == "True\n"


def test_what_the_receiver_is_told_of_the_origin(otlp: OtlpReceiver) -> None:
    """Resource, scope, its version and the schema that the names follow."""
    program(
        "configure()\nrun()\n", OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url, OTEL_EXPORTER_OTLP_HEADERS="x-key=abc"
    )
    traces = next(request for request in otlp.requests if request.path == "/v1/traces")
    resource = traces.message.resource_spans[0]
    assert attributes(resource.resource)["service.name"] == "dqx"
    part = resource.scope_spans[0]
    assert part.scope.name == "dqx"
    assert part.schema_url in (names.SCHEMA_URL, "")  # the exporter of 1.27 leaves it out
    assert {request.headers["x-key"] for request in otlp.requests} == {"abc"}
