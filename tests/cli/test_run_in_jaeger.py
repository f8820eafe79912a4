"""`dqx run` with a real Jaeger or Prometheus at the other end: what a user sees there."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import duckdb
import pytest
from tests.cli.command_line import environment, run, write
from tests.exporter.conftest import fetch
from tests.plugins.stand_ins import install
from tests.servers.jaeger import roots
from tests.servers.series import read, series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.jaeger import Jaeger, Span
    from tests.servers.prometheus import Prometheus

CANARY = "hunter2-canary"
RUN = ("run", "checks.py", "--data", "orders=orders.parquet", "--db", "sqlite:///q.db", "--tag", "env=prod")

# A call into each plugin of DQX that does something, in the order of their time.
BUILT_IN = [
    [f"{phase} {plugin}" for phase in ("load", "initialize", "process")]
    for plugin in ("dqx_audit", "dqx_otel", "dqx_prometheus")
]


@pytest.fixture
def job(folder: Path) -> Path:
    """Make what a cron job has: checks, data, settings, and an installed plugin of somebody else."""
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT range AS id, '{CANARY}' AS name FROM range(10)) TO '{folder}/orders.parquet'"
        )
    write(
        folder / "checks.py",
        f"""
        from dqx import check

        @check(name="Orders are complete", datasets=["orders"])
        def complete(mp, ctx):
            ctx.assert_that(mp.num_rows()).where(name="enough orders", severity="P0").is_geq(1)
            ctx.assert_that(mp.num_rows(where="name = '{CANARY}'")).where(name="no bad name").is_zero()

        @check(name="Orders are plausible", datasets=["orders"])
        def plausible(mp, ctx):
            ctx.assert_that(mp.average("prize")).where(name="cheap", severity="P0").is_lt(3)
        """,
    )
    write(
        folder / "dqx.toml",
        f"""
        [plugins.dqx_audit]
        jsonl_file = "audit.jsonl"

        [plugins.webhook]
        token = "{CANARY}"
        """,
    )
    install(
        folder / "site",
        "webhook",
        "webhook = webhook:Webhook",
        webhook="""
        from opentelemetry import trace

        class Webhook:
            def initialize(self, config):
                self.token = config["token"]

            def process(self, results, symbols, suite_name, context):
                with trace.get_tracer("webhook").start_as_current_span("POST /hook"):
                    raise ConnectionError(f"https://me:{self.token}@hooks.example.com refused {self.token}")
        """,
    )
    return folder


def sending_to(job: Path, url: str, protocol: str = "http/protobuf") -> dict[str, str]:
    """Return an environment in which telemetry goes to a URL, and the plugin is installed."""
    variables = environment(
        OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, SECRET=CANARY
    )
    variables["PYTHONPATH"] = os.pathsep.join([str(job / "site"), variables["PYTHONPATH"]])
    return variables


def is_error(span: Span) -> bool:
    return span.tags.get("otel.status_code") == "ERROR"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_run_is_one_trace_and_its_numbers_are_beside_it(job: Path, jaeger: Jaeger, protocol: str) -> None:
    """Nested as documented, in words of the catalogue; what went wrong is red, and no canary has left."""
    if protocol == "grpc":
        pytest.importorskip("grpc", reason="pip install 'dqx[otlp-grpc]'")
    url = jaeger.grpc_url if protocol == "grpc" else jaeger.http_url
    code, _, err = run(job, *RUN, env=sending_to(job, url, protocol))
    assert code == 1
    (trace,) = jaeger.wait_for_traces()
    assert f"Telemetry: {len(trace['spans'])} spans and " in err.splitlines()[-1]
    (root,) = roots(trace)
    assert (root.name, root.tags["error.type"], root.tags["test.suite.run.status"]) == (
        "run_suite", "failed", "failure",
    )  # fmt: skip
    assert {(span.name, is_error(span)) for span in root.walk()} == {
        ("run_suite", True),
        ("SELECT orders", False),
        ("evaluate_check", True),
        ("assertion", False),
        ("assertion", True),
        *((name, False) for names in BUILT_IN for name in names),
        *((f"finish {plugin}", False) for plugin in ("dqx_otel", "dqx_prometheus", "dqx_audit")),
        *((f"{phase} webhook", False) for phase in ("load", "initialize")),
        ("process webhook", True),
        ("POST /hook", True),
    }
    nested = {
        (parent.name, child.name, child.tags.get("error.type"))
        for parent in root.walk()
        for child in parent.children
        if parent is not root or child.children
    }
    assert nested == {
        ("run_suite", "evaluate_check", "failed"),
        ("run_suite", "evaluate_check", "not_evaluated"),
        ("evaluate_check", "assertion", None),
        ("evaluate_check", "assertion", "failed"),
        ("evaluate_check", "assertion", "not_evaluated"),
        ("run_suite", "process webhook", "ConnectionError"),
        ("process webhook", "POST /hook", None),  # their own span, as the SDK ends it
    }
    statuses = {
        span.tags["dqx.assertion.name"]: (span.tags["dqx.assertion.status"], is_error(span))
        for span in root.walk()
        if span.name == "assertion"
    }
    assert statuses == {
        "enough orders": ("SUCCESS", False),
        "no bad name": ("FAILURE", True),
        "cheap": ("ERROR", True),
    }
    shown = read(fetch(jaeger.metrics_url).text, "dqx_assertion_passed")
    assert {dict(labels)["assertion"]: value for (_, labels), value in shown.items()} == {
        "enough orders": 1, "no bad name": 0, "cheap": 0,
    }  # fmt: skip
    assert CANARY not in json.dumps(trace)
    assert CANARY not in jaeger.log.read_text()


def test_a_backfill_sends_its_trace_and_no_gauge(
    job: Path, jaeger: Jaeger, start_prometheus: Callable[..., Prometheus]
) -> None:
    """What Prometheus shows is the newest day, although a run of an older one finished later."""
    prometheus = start_prometheus()
    variables = sending_to(job, jaeger.http_url) | {
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{prometheus.otlp_url}/v1/metrics"
    }
    assert run(job, *RUN, "--date", "2024-03-02", env=variables)[0] == 1
    newest = prometheus.query('{__name__=~"dqx_.+"}')
    labels = {"suite": "checks", "snapshot": "checks,env=prod", "env": "prod"}
    (found,) = [key for key in newest if key[0] == "dqx_suite_passed"]
    job_and_instance = {key: value for key, value in found[1] if key in ("job", "instance")}
    assert job_and_instance["job"] == "dqx"
    assert found == series("dqx_suite_passed", labels | job_and_instance)

    code, _, err = run(job, *RUN, "--date", "2024-03-01", env=variables)
    assert code == 1
    assert "points" not in err.splitlines()[-1]
    assert prometheus.query('{__name__=~"dqx_.+"}') == newest
    assert len(jaeger.wait_for_traces(2)) == 2
