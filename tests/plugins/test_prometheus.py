"""`dqx_prometheus`: its settings, and the two roads within the process, a registry and a server."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from tests.plugins.prometheus_runs import deliver, of_suite
from tests.servers.processes import free_port
from tests.servers.series import read

from dqx.exporter import in_process
from dqx.plugins.prometheus import PrometheusPlugin, PrometheusSettings, address
from dqx.telemetry import names
from dqx.testing import assertion_result, context_of, suite_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.series import Series


def series_of(registry: CollectorRegistry) -> dict[Series, float]:
    return read(generate_latest(registry).decode())


@pytest.fixture
def port() -> Iterator[int]:
    """A free port; the server of this process is ended afterwards."""
    yield free_port()
    in_process.stop()


# Settings ---------------------------------------------------------------------------------------------


def test_with_nothing_configured_it_does_nothing_and_imports_nothing() -> None:
    """Every run pays for what a built-in plugin imports."""
    program = """
import sys
from dqx.testing import context_of, suite_run
from dqx.plugins import PluginManager
run = suite_run()
manager = PluginManager(allow=["dqx_prometheus"])
outcomes = manager.process_all(run.results, run.symbols, run.suite, context_of(run))
assert [o.outcome for o in outcomes if o.plugin == "dqx_prometheus"] == ["ok"] * 4, outcomes
heavy = {"prometheus_client", "waitress", "http.client", "pydantic", "sqlalchemy"}
heavy |= {"dqx.telemetry.snapshot", "dqx.exporter"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"regisry": True}, "it has no setting 'regisry'; did you mean 'registry'"),
        ({"registry": "yes"}, "registry takes true, false, or a CollectorRegistry"),
        ({"http": "9464"}, "it takes ADDRESS:PORT, such as 127.0.0.1:9464"),
        ({"http": "127.0.0.1:70000"}, "it takes ADDRESS:PORT"),
        ({"http": 9464}, "http is 9464"),
        ({"pushgateway": {}}, "'pushgateway.url' is missing"),
        (
            {"pushgateway": {"url": "http://h:1", "timeout": 5}},
            "no setting 'pushgateway.timeout'; did you mean 'timeout_s'?",
        ),
        ({"pushgateway": {"url": "127.0.0.1:9091"}}, "url takes the form http://HOST:PORT"),
        ({"pushgateway": {"url": "http://u:canary@h:1"}}, "they go into username and password"),
        ({"pushgateway": {"url": "http://h:99999"}}, "pushgateway: Port out of range 0-65535"),
        *(
            ({"pushgateway": {"url": "http://h:1", "headers": {name: value}}}, "cannot be sent: HTTP takes")
            for name, value in [("X-Team", "canary\n"), ("X-Team", "canary€"), ("X Team", "canary"), ("", "")]
        ),
        ({"pushgateway": {"url": "h", "headers": {"X-Team": "canary"}}}, "pushgateway: url takes the form"),
        ({"pushgateway": {"url": "http://h:1", "job": ""}}, "job cannot be empty"),
        ({"pushgateway": {"url": "http://h:1", "username": "u"}}, "go together, and one is missing"),
        ({"pushgateway": {"url": "http://h:1", "timeout_s": 0}}, "allowed are more than 0"),
        ({"pushgateway": {"url": "http://h:1", "timeout_s": float("nan")}}, "allowed are more than 0"),
    ],
)
def test_a_wrong_setting_is_named(config: dict[str, Any], message: str) -> None:
    """With what is allowed, and never with a password."""
    outcomes = deliver(config).outcomes
    assert [(o.phase, o.outcome) for o in outcomes if o.outcome != "ok"] == [("initialize", "error")]
    assert message in str(outcomes[-1].message)
    assert "canary" not in str(outcomes)


@pytest.mark.parametrize(
    ("text", "pair"),
    [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:0", ("::1", 0)), ("localhost:1", ("localhost", 1))],
)
def test_an_address_is_host_and_port(text: str, pair: tuple[str, int]) -> None:
    """IPv6 in brackets, as in a URL."""
    assert address(text) == pair


@pytest.mark.parametrize("text", ["", ":9464", "::1:9464", "http://h:1", "a@b:1", "h:", "h:99999", "h :1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """At once, not when the first scrape fails."""
    with pytest.raises(ValueError, match="ADDRESS:PORT"):
        PrometheusSettings(http=text)


# A registry ---------------------------------------------------------------------------------------------


def test_a_registry_yields_what_the_run_found() -> None:
    """All of it, the series of the plugins too."""
    registry = CollectorRegistry()
    delivered = deliver({"registry": registry})
    assert delivered.errors == []
    assert series_of(registry) == delivered.expected()
    assert any(name == "dqx_plugin_ok" for name, _ in series_of(registry))


def test_a_registry_is_told_of_no_metric_that_it_never_yields() -> None:
    """A program may have one of that name: those of `dqx serve`, and those that go by OTLP alone."""
    registry = CollectorRegistry()
    for metric in names.METRICS:
        if metric.source != "run":
            Gauge(metric.prometheus_name, metric.help, registry=registry)
    assert deliver({"registry": registry}).errors == []


def test_true_is_the_default_registry() -> None:
    """The one that a program's own metrics are in."""
    program = """
from prometheus_client import REGISTRY, generate_latest
from dqx.plugins.prometheus import PrometheusPlugin
from dqx.testing import deliver
deliver(PrometheusPlugin(), config={"registry": True})
text = generate_latest(REGISTRY).decode()
assert "dqx_suite_passed{" in text and "python_info" in text
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_run_replaces_every_series_of_its_snapshot() -> None:
    """A renamed or deleted assertion is gone; another suite's series stay."""
    registry = CollectorRegistry()
    deliver({"registry": registry}, of_suite("other"))
    first = deliver({"registry": registry}, suite_run([assertion_result(assertion="old")]))
    second = deliver({"registry": registry}, suite_run([assertion_result(assertion="new")]))
    found = series_of(registry)
    assert second.expected().items() <= found.items()
    assert not any(dict(labels).get("assertion") == "old" for _, labels in found)
    assert {dict(labels)["suite"] for _, labels in found} == {"orders", "other"}
    assert first.errors == second.errors == []


def test_a_backfill_sets_nothing() -> None:
    """A run about last month does not overwrite now."""
    registry = CollectorRegistry()
    now = deliver({"registry": registry})
    backfill = deliver({"registry": registry}, suite_run([assertion_result("FAILURE")]), newest=False)
    assert backfill.errors == []
    assert series_of(registry) == now.expected()


def test_two_plugins_share_a_registry() -> None:
    """No family is there twice."""
    registry = CollectorRegistry()
    deliver({"registry": registry}, of_suite("one"))
    deliver({"registry": registry}, of_suite("two"))
    text = generate_latest(registry).decode()
    assert text.count("# TYPE dqx_suite_passed gauge") == 1
    assert {dict(labels)["suite"] for _, labels in read(text)} == {"one", "two"}


def test_a_name_that_is_taken_in_the_registry_is_an_outcome() -> None:
    """A program with a metric of the same name is told so, and its own metric stays."""
    registry = CollectorRegistry()
    Gauge("dqx_suite_passed", "mine", registry=registry).set(42)
    errors = deliver({"registry": registry}).errors
    assert [phase for phase, _ in errors] == ["initialize"]
    assert "dqx_suite_passed" in str(errors[0][1])
    assert series_of(registry) == {("dqx_suite_passed", ()): 42}


def test_a_registry_that_is_given_up_is_collected() -> None:
    """The plugin keeps nothing alive that a program has thrown away."""
    import weakref

    registry = CollectorRegistry()
    deliver({"registry": registry})
    gone = weakref.ref(registry)
    del registry
    gc.collect()
    assert gone() is None


def test_scrapes_during_runs_see_whole_snapshots() -> None:
    """Every scrape has as many assertions as one run had, never some of two."""
    registry = CollectorRegistry()
    plugin = PrometheusPlugin()
    plugin.initialize({"registry": registry})
    runs = [suite_run([assertion_result(assertion=f"{n} {i}") for i in range(50)]) for n in range(2)]
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for run in runs:
                plugin.process(list(run.results), [], run.suite, context_of(run))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(50):
            passed = [dict(labels) for name, labels in series_of(registry) if name == "dqx_assertion_passed"]
            assert len({labels["assertion"].split()[0] for labels in passed}) <= 1
            assert len(passed) in (0, 50)
    finally:
        stop.set()
        worker.join()


# A server -----------------------------------------------------------------------------------------------


def test_http_answers_from_the_process(port: int) -> None:
    """Until the process ends, also after the suite was closed."""
    delivered = deliver({"http": f"127.0.0.1:{port}"})
    assert delivered.errors == []
    text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    assert read(text) == delivered.expected()
    again = deliver({"http": f"127.0.0.1:{port}"}, of_suite("second"))
    text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    assert read(text) == delivered.expected() | again.expected()


def test_a_process_has_one_server(port: int) -> None:
    """A second address is refused, in words that name the first."""
    deliver({"http": f"127.0.0.1:{port}"})
    errors = deliver({"http": f"127.0.0.1:{free_port()}"}).errors
    assert [phase for phase, _ in errors] == ["initialize"]
    assert f"a process has one server, and this one has it at http://127.0.0.1:{port}" in str(errors[0][1])


def test_a_port_that_is_taken_is_an_outcome(port: int) -> None:
    """With what to do about it."""
    with socket.create_server(("127.0.0.1", port)):
        errors = deliver({"http": f"127.0.0.1:{port}"}).errors
    assert [phase for phase, _ in errors] == ["initialize"]
    assert f"127.0.0.1:{port} cannot be listened on (Address already in use)" in str(errors[0][1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_begins_without_a_server(port: int) -> None:
    """It holds no socket on which nobody would answer; the parent goes on."""
    deliver({"http": f"127.0.0.1:{port}"})
    assert in_process._process.server is not None
    listening = in_process._process.server._socket
    child = os.fork()
    if child == 0:
        os._exit(0 if listening.fileno() == -1 and in_process._process.server is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10).status == 200
