"""However a program ends, what its runs made has arrived: counted at a receiver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.servers.otlp import OtlpReceiver, attributes, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import os, signal, sys, threading, time
from datetime import date
from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check
from dqx.telemetry import configure

@check(name="Orders")
def orders(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()
    ctx.assert_that(mp.minimum("id")).where(name="ids").is_positive()

def run(name="orders"):
    with VerificationSuite([orders], MetricDB(), name) as suite:
        suite.run({"orders": DataSource.from_records([{"id": 1}])}, ResultKey(date(2024, 1, 31)))

telemetry = configure()
"""
TRACE = {"run_suite": 1, "SELECT orders": 1, "evaluate_check": 1, "assertion": 2}

ENDINGS = {
    "normally": ("run()", 0),
    "by an exception": ("run()\nraise RuntimeError('no')", 1),
    "by sys.exit": ("run()\nsys.exit(3)", 3),
    "by SIGTERM": ("run()\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)", -signal.SIGTERM),
    "by SIGINT": ("run()\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)", -signal.SIGINT),
    "by SIGKILL": ("run()\nos.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "at once": ("run()\nos._exit(0)", 0),
    "with its handle closed": ("with telemetry:\n    run()", 0),
    "while a thread goes on": ("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nrun()", 0),
    "after a run on a thread": ("t = threading.Thread(target=run)\nt.start()\nt.join()", 0),
    "with a fork before": ("if os.fork() == 0:\n    os._exit(0)\nos.wait()\nrun()", 0),
    "with a run in a forked child": (
        "child = os.fork()\nif child == 0:\n    run()\n    os._exit(0)\nsys.exit(os.waitpid(child, 0)[1])", 0
    ),
    "with a child that exits like any program": (
        "child = os.fork()\nif child == 0:\n    run()\n    sys.exit(0)\nsys.exit(os.waitpid(child, 0)[1])", 0
    ),
    "with a run in a process of multiprocessing": (
        "import multiprocessing\np = multiprocessing.get_context('fork').Process(target=run)\np.start()\np.join()", 0
    ),
    "with a child that does nothing": ("run()\nif os.fork() == 0:\n    sys.exit(0)\nos.wait()", 0),
}  # fmt: skip


def end(source: str, url: str) -> int:
    """Run a program that ends as its source says; return its exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM + source],
        env=kept | {"OTEL_EXPORTER_OTLP_ENDPOINT": url},
        timeout=120,
        check=False,
        capture_output=True,
    )
    return ended.returncode


def counted(otlp: OtlpReceiver) -> dict[str, int]:
    """Count the spans that belong to a trace, by name."""
    names = [span.name for span in otlp.spans("dqx")]
    return {name: names.count(name) for name in TRACE}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_has_arrived_however_the_program_ends(ending: str, otlp: OtlpReceiver) -> None:
    """Once, complete, in one trace, with its metrics."""
    source, code = ENDINGS[ending]
    assert end(source, otlp.url) == code
    assert counted(otlp) == TRACE
    assert len({span.trace_id for span in otlp.spans("dqx")}) == 1
    passed = otlp.gauges()["dqx.assertion.passed"]
    assert {dict(labels)["assertion"]: value for labels, value in passed.items()} == {"rows": 1, "ids": 1}


def test_runs_on_threads_and_in_children_all_arrive(otlp: OtlpReceiver) -> None:
    """Each its own trace and its own snapshot; nothing of the parent's is sent by a child."""
    source = """
run("before")
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        run(f"child {number}")
        os._exit(0)
    children.append(child)
threads = [threading.Thread(target=run, args=(f"thread {number}",)) for number in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for child in children:
    os.waitpid(child, 0)
"""
    assert end(source, otlp.url) == 0
    names = {"before", *(f"{kind} {number}" for kind in ("child", "thread") for number in range(3))}
    roots = [attributes(span)["dqx.suite.name"] for span in otlp.spans("dqx") if span.name == "run_suite"]
    assert sorted(roots) == sorted(names)
    assert {dict(labels)["suite"] for labels in otlp.gauges()["dqx.suite.passed"]} == names
    for request in otlp.requests:
        if request.path.endswith("metrics"):
            suites = {
                attributes(point)["suite"]
                for metric in request.message.resource_metrics[0].scope_metrics[0].metrics
                if metric.name == "dqx.suite.passed"
                for point in metric.gauge.data_points
            }
            assert len([suite for suite in suites if suite.startswith("child")]) <= 1
            assert not any(suite.startswith("child") for suite in suites) or len(suites) == 1


def test_a_forked_worker_sends_what_others_make_in_it(otlp: OtlpReceiver) -> None:
    """Though no suite ever runs there, as in most workers of a web server."""
    source = """
from opentelemetry import metrics, trace
served = metrics.get_meter("site").create_counter("served")
child = os.fork()
if child == 0:
    served.add(1)
    trace.get_tracer("site").start_span("serve").end()
    time.sleep(60)
sys.stdin.read()
os.kill(child, signal.SIGKILL)
os.wait()
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "OTEL_METRIC_EXPORT_INTERVAL": "100"}
    program = [sys.executable, "-c", PROGRAM + source]
    with subprocess.Popen(program, env=kept | variables, stdin=subprocess.PIPE):
        assert otlp.wait_for(lambda got: bool(got.spans("site")) and bool(got.metrics()))
    assert {metric.name for metric in otlp.metrics()} == {"served"}


@pytest.fixture
def dead() -> Iterator[str]:
    """Give the URL of an endpoint that refuses."""
    with refused() as url:
        yield url


@pytest.mark.parametrize(
    "ending", ["normally", "by an exception", "by sys.exit", "with a run in a forked child"]
)
def test_a_dead_endpoint_changes_no_exit_code(ending: str, dead: str) -> None:
    """And holds the end up by its deadline, once."""
    source, code = ENDINGS[ending]
    assert end(source, dead) == code
