"""`dqx run` with `OTEL_*` variables: what arrives at a receiver, what is said, and how the process ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from typing import TYPE_CHECKING

import duckdb
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.command_line import environment, invoke, run, start, write, write_checks
from tests.servers.otlp import OtlpReceiver, attributes, drips, never_answers, refused, socket_server

from dqx.exporter.store import StoreSource
from dqx.orm import MetricDB

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = ("--data", "orders=orders.parquet")
CANARY = "hunter2-canary"


def sending_to(url: str, **variables: str) -> dict[str, str]:
    """Return an environment in which telemetry goes to a URL."""
    return environment(OTEL_EXPORTER_OTLP_ENDPOINT=url, **variables)


def names(otlp: OtlpReceiver) -> list[str]:
    """Return the names of DQX's spans, in order."""
    return sorted(span.name for span in otlp.spans("dqx"))


@pytest.mark.parametrize(("at_least", "code"), [(1, 0), (31, 1)])
def test_a_run_arrives_and_the_last_line_says_where(
    orders: Path, otlp: OtlpReceiver, at_least: int, code: int
) -> None:
    """Spans and points are counted; what is said on stderr is what the receiver got."""
    write_checks(orders.parent, at_least)
    got, _, err = run(
        orders.parent, "run", "checks.py", *ORDERS, "--db", "sqlite:///q.db", env=sending_to(otlp.url)
    )
    assert got == code
    points = sum(len(metric.gauge.data_points) for metric in otlp.metrics())
    said = f"Telemetry: {len(otlp.spans())} spans and {points} points sent to {otlp.url} (http/protobuf)"
    assert err.splitlines()[-1] == said
    assert names(otlp).count("assertion") == 2
    assert names(otlp).count("run_suite") == 1
    assert len([request for request in otlp.requests if request.path == "/v1/metrics"]) == 1


def test_nothing_is_said_or_imported_without_variables(orders: Path) -> None:
    """Each cron run would pay for it."""
    write_checks(orders.parent)
    program = f"""
import sys
sys.argv = ["dqx", "run", "checks.py", *{ORDERS!r}, "--db", "sqlite:///q.db", "-q"]
from dqx.cli.main import dqx
try:
    dqx()
except SystemExit as ending:
    print(ending.code)
heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.metrics", "requests")
print([name for name in sys.modules if name.startswith(heavy)])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=orders.parent,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("0\n[]\n", "")


def test_quiet_says_nothing_of_what_arrived(orders: Path, otlp: OtlpReceiver) -> None:
    """As of a run that passed."""
    write_checks(orders.parent)
    arguments = ("run", "checks.py", *ORDERS, "-q", "--db", "sqlite:///q.db")
    assert run(orders.parent, *arguments, env=sending_to(otlp.url)) == (0, "", "")
    assert otlp.spans()


def test_two_places_are_told_apart(orders: Path, otlp: OtlpReceiver) -> None:
    """What one of them took, and what the other did not."""
    write_checks(orders.parent)
    with refused() as url:
        variables = environment(
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{otlp.url}/v1/traces",
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{url}/v1/metrics",
        )
        code, _, err = run(orders.parent, "run", "checks.py", *ORDERS, env=variables)
    assert code == 0
    told = [re.sub(r"\d+ (?=spans|points)", "", line) for line in err.splitlines() if "Telemetry:" in line]
    assert told == [
        f"Telemetry: spans sent to {otlp.url}/v1/traces (http/protobuf)",
        f"Telemetry: not sent to {url}/v1/metrics (http/protobuf): points (unreachable)",
    ]


def test_json_stays_one_document(orders: Path, otlp: OtlpReceiver) -> None:
    """What is said of telemetry goes to stderr."""
    write_checks(orders.parent)
    code, out, _ = run(
        orders.parent, "run", "checks.py", *ORDERS, "--format", "json", env=sending_to(otlp.url)
    )
    assert (code, json.loads(out)["verdict"]) == (0, "passed")


@pytest.mark.parametrize("server", [never_answers, drips, None])
@pytest.mark.parametrize(("at_least", "code"), [(1, 0), (31, 1)])
def test_a_bad_endpoint_changes_neither_verdict_nor_exit_code(
    orders: Path, server: object, at_least: int, code: int
) -> None:
    """It is warned of once, and counted in the last line."""
    write_checks(orders.parent, at_least)
    with socket_server(server) if server else refused() as url:
        started = time.monotonic()
        arguments = ("run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
        got, out, err = run(orders.parent, *arguments, env=sending_to(url))
        assert time.monotonic() - started < 3 + 1 + 10  # a start on a busy machine, and the deadline
    reason = "timeout" if server else "unreachable"
    assert got == code
    assert "PASSED" in out or "FAILED" in out
    *_, warning, last = err.splitlines()
    assert warning.startswith("WARNING dqx.telemetry.providers: Telemetry was lost: ")
    assert err.count("Telemetry was lost") == 1
    assert last.startswith(f"Telemetry: not sent to {url} (http/protobuf): ")
    assert f" spans ({reason}), " in last
    assert last.endswith(f" points ({reason})")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_TRACES_EXPORTER": "oltp"}, "OTEL_TRACES_EXPORTER names 'oltp', which DQX does not know"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "nowhere"}, "OTEL_EXPORTER_OTLP_ENDPOINT is 'nowhere'"),
    ],
)
def test_what_cannot_be_used_is_one_warning_and_a_count(
    orders: Path, variables: dict[str, str], message: str
) -> None:
    """Unless `dqx_otel` is required: then nothing is run."""
    write_checks(orders.parent)
    arguments = ("run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
    code, out, err = run(orders.parent, *arguments, env=environment(**variables))
    assert code == 0
    assert "PASSED" in out
    warning, last = err.splitlines()
    assert warning.startswith(f"WARNING dqx.cli.telemetry: Telemetry is not sent: {message}")
    assert "spans (unusable)" in last
    (orders.parent / "dqx.toml").write_text("[plugins.dqx_otel]\nrequired = true\n")
    code, out, err = run(orders.parent, *arguments, env=environment(**variables))
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: plugin 'dqx_otel' is required: {message}")


@pytest.mark.parametrize("variable", ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"])
def test_a_variable_that_the_sdk_itself_refuses_is_one_warning(orders: Path, variable: str) -> None:
    """Whichever it is; without an SDK nothing is left that could count."""
    write_checks(orders.parent)
    arguments = ("run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
    variables = sending_to("http://127.0.0.1:1", **{variable: "many"})
    code, out, err = run(orders.parent, *arguments, env=variables)
    assert (code, "PASSED" in out) == (0, True)
    (warning,) = err.splitlines()
    assert warning.startswith(
        "WARNING dqx.cli.telemetry: Telemetry is not sent: the OTEL_* variables cannot be used: "
    )
    (orders.parent / "dqx.toml").write_text("[plugins.dqx_otel]\nrequired = true\n")
    code, out, err = run(orders.parent, *arguments, env=variables)
    assert (code, out) == (2, "")
    assert err.startswith("Error: plugin 'dqx_otel' is required: the OTEL_* variables cannot be used: ")


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER"])
def test_a_provider_that_cannot_be_loaded_costs_no_verdict(orders: Path, variable: str) -> None:
    """The API raises whenever it is asked for one."""
    write_checks(orders.parent)
    arguments = ("run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
    code, out, err = run(orders.parent, *arguments, env=environment(**{variable: "of_nobody"}))
    assert (code, "PASSED" in out) == (0, True)
    assert "Failed to load configured provider" in err
    assert "dqx." not in err


def test_required_counts_where_the_suite_itself_says_it(orders: Path) -> None:
    """Not in a settings file alone."""
    path = write_checks(orders.parent)
    path.write_text(
        path.read_text() + "from dqx import MetricDB, VerificationSuite\n"
        "suite = VerificationSuite([complete], MetricDB(), 'orders', {'dqx_otel': {'required': True}})\n"
    )
    code, out, err = run(
        orders.parent, "run", "checks.py", *ORDERS, env=environment(OTEL_TRACES_EXPORTER="oltp")
    )
    assert (code, out) == (2, "")
    assert err.startswith("Error: plugin 'dqx_otel' is required: OTEL_TRACES_EXPORTER names 'oltp'")


def test_a_secret_of_the_suites_own_settings_stays_at_home(orders: Path, otlp: OtlpReceiver) -> None:
    """Also in a span that the plugin makes itself."""
    path = write_checks(orders.parent)
    source = f"""
    from opentelemetry import trace
    from dqx import MetricDB, VerificationSuite

    class Plugin:
        def initialize(self, config):
            self.token = config["token"]

        def process(self, results, symbols, suite_name, context):
            with trace.get_tracer("theirs").start_as_current_span("call") as span:
                span.set_attribute("said", f"I know {{self.token}}")

    suite = VerificationSuite([complete], MetricDB(), "orders", {{"mine": {{"token": "{CANARY}"}}}})
    suite.register_plugin("mine", Plugin())
    """
    path.write_text(path.read_text() + textwrap.dedent(source))
    assert run(orders.parent, "run", "checks.py", *ORDERS, "-q", env=sending_to(otlp.url))[0] == 0
    (call,) = otlp.spans("theirs")
    assert attributes(call)["said"] == "I know ***"


def test_what_was_lost_is_in_the_document_in_the_store_and_in_the_next_run(orders: Path) -> None:
    """`dqx serve` shows it of this run, a textfile with the next one, which loses nothing."""
    write_checks(orders.parent)
    (orders.parent / "dqx.toml").write_text(f'[plugins.dqx_prometheus]\ntextfile = "{orders.parent}"\n')
    arguments = ("run", "checks.py", *ORDERS, "--db", "sqlite:///q.db", "--format", "json")
    with refused() as url:
        code, out, err = run(orders.parent, *arguments, env=sending_to(url))
    assert code == 0
    dropped = {
        (each["signal"], each["reason"]): each["items"] for each in json.loads(out)["telemetry_dropped"]
    }
    assert set(dropped) == {("traces", "unreachable"), ("metrics", "unreachable")}
    spans, points = dropped.values()
    last = err.splitlines()[-1]
    assert last.endswith(f": {spans} spans (unreachable), {points:,} points (unreachable)")
    assert shown_by_serve(orders.parent / "q.db") == dropped
    assert in_textfile(orders.parent / "dqx_checks.prom") == {}

    code, out, err = run(orders.parent, *arguments, env=environment())
    assert (code, json.loads(out)["telemetry_dropped"], err) == (0, [], "")
    assert shown_by_serve(orders.parent / "q.db") == {}
    assert in_textfile(orders.parent / "dqx_checks.prom") == dropped


def shown_by_serve(path: Path) -> dict[tuple[str, str], float]:
    """Return what `dqx serve` says was lost, without zeros."""
    with closing(MetricDB(f"sqlite:///{path}")) as db, closing(StoreSource(db, ("env",))) as source:
        return dropped_in(source.page().body("text", compressed=False).decode())


def in_textfile(path: Path) -> dict[tuple[str, str], float]:
    """Return what a textfile says was lost, without zeros."""
    return dropped_in(path.read_text())


def dropped_in(text: str) -> dict[tuple[str, str], float]:
    found = {
        (sample.labels["signal"], sample.labels["reason"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "dqx_telemetry_dropped"
    }
    assert len(found) == 18  # of every signal and reason
    return {place: count for place, count in found.items() if count}


def test_the_time_that_finish_took_is_shown_with_all_plugins(orders: Path) -> None:
    """And sent with the next run."""
    write_checks(orders.parent)
    (orders.parent / "dqx.toml").write_text(f'[plugins.dqx_prometheus]\ntextfile = "{orders.parent}"\n')
    arguments = ("run", "checks.py", *ORDERS, "--db", "sqlite:///q.db", "-v")
    series = 'dqx_plugin_duration_seconds{phase="finish",plugin="dqx_prometheus",'
    file = orders.parent / "dqx_checks.prom"
    code, out, _ = run(orders.parent, *arguments, env=environment())
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.strip().startswith("Plugin dqx_prometheus: ")]
    assert ", process " in line
    assert ", finish " in line
    assert series not in file.read_text()
    assert run(orders.parent, *arguments, env=environment())[0] == 0
    assert series in file.read_text()


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("arguments", "variables", "trace", "parent", "state"),
    [
        (("--traceparent", PARENT), {}, PARENT[3:35], PARENT[36:52], ""),
        ((), {"TRACEPARENT": PARENT, "TRACESTATE": "a=1"}, PARENT[3:35], PARENT[36:52], "a=1"),
        (
            ("--traceparent", PARENT),
            {"TRACEPARENT": PARENT.replace("0af7", "1111")},
            PARENT[3:35],
            PARENT[36:52],
            "",
        ),
        ((), {"TRACEPARENT": "nonsense"}, None, "", ""),
    ],
)
def test_a_run_belongs_to_the_trace_of_its_caller(
    orders: Path,
    otlp: OtlpReceiver,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    trace: str | None,
    parent: str,
    state: str,
) -> None:
    """By the flag, else by the environment; what is no traceparent there is ignored, as W3C has it."""
    write_checks(orders.parent)
    command = ("run", "checks.py", *ORDERS, "-q", *arguments)
    assert run(orders.parent, *command, env=sending_to(otlp.url, **variables))[0] == 0
    (root,) = [span for span in otlp.spans("dqx") if span.name == "run_suite"]
    assert trace is None or root.trace_id.hex() == trace
    assert root.parent_span_id.hex() == parent
    assert root.trace_state == state
    assert len({span.trace_id for span in otlp.spans("dqx")}) == 1


@pytest.mark.parametrize("value", ["", "nonsense", PARENT.upper(), PARENT + "-x", "ff" + PARENT[2:]])
def test_a_wrong_traceparent_is_refused(folder: Path, value: str) -> None:
    """It was typed."""
    result = invoke("run", "checks.py", "--traceparent", value)
    assert result.exit_code == 2
    assert "is no W3C traceparent" in result.stderr


def test_an_unsampled_trace_stays_unsampled(orders: Path, otlp: OtlpReceiver) -> None:
    """The caller decided; the metrics are sent all the same."""
    write_checks(orders.parent)
    command = ("run", "checks.py", *ORDERS, "-q", "--traceparent", PARENT[:-1] + "0")
    assert run(orders.parent, *command, env=sending_to(otlp.url))[0] == 0
    assert not otlp.spans()
    assert otlp.gauges()["dqx.suite.passed"]


ENDINGS = {
    "an exception inside DQX": ("import dqx.api\ndqx.api.make_plan = None\n", 70, []),
    "a thread that goes on": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n", 0,
        ["assertion", "assertion", "evaluate_check", "run_suite"],
    ),
    "a child forked in the checks file": (
        "import os\nif os.fork() == 0:\n    os._exit(0)\nos.wait()\n", 0,
        ["assertion", "assertion", "evaluate_check", "run_suite"],
    ),
    "a child that goes the whole way": (
        "import os\nos.fork()\n", 0, ["assertion"] * 4 + ["evaluate_check"] * 2 + ["run_suite"] * 2
    ),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_traced_arrives_however_the_command_ends(
    orders: Path, otlp: OtlpReceiver, ending: str
) -> None:
    """Once."""
    source, code, expected = ENDINGS[ending]
    path = write_checks(orders.parent)
    path.write_text(path.read_text() + source)
    assert run(orders.parent, "run", "checks.py", *ORDERS, "-q", env=sending_to(otlp.url))[0] == code
    assert otlp.wait_for(lambda got: len([n for n in names(got) if n in expected]) >= len(expected))
    wanted = ("assertion", "evaluate_check", "run_suite")
    assert [name for name in names(otlp) if name in wanted] == expected


SLOW = """
import time
from pathlib import Path
from dqx import MetricDB, VerificationSuite, check

@check(name="Orders", datasets=["orders"])
def orders(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()

class Slow:
    def initialize(self, config): pass
    def process(self, results, symbols, suite_name, context):
        Path("ready").touch()
        time.sleep(600)

suite = VerificationSuite([orders], MetricDB(), "orders", {"slow": {"timeout": 600}}, plugins_timeout=600)
suite.register_plugin("slow", Slow())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_traced_until_a_signal_arrives(
    orders: Path, otlp: OtlpReceiver, number: signal.Signals, code: int
) -> None:
    """The run's span says that it was aborted; spans and metrics of the verdict are there."""
    (orders.parent / "checks.py").write_text(SLOW)
    arguments = ("run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
    with start(orders.parent, *arguments, env=sending_to(otlp.url)) as process:
        until = time.monotonic() + 60
        while not (orders.parent / "ready").exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    (root,) = [span for span in otlp.spans("dqx") if span.name == "run_suite"]
    assert attributes(root)["test.suite.run.status"] == "aborted"
    assert root.status.code == 2
    assert {"SELECT orders", "evaluate_check", "assertion", "process slow"} <= set(names(otlp))
    assert otlp.gauges()["dqx.suite.passed"]


def test_a_plugin_that_takes_its_time_does_not_hold_up_the_verdict(orders: Path, otlp: OtlpReceiver) -> None:
    """It is sent meanwhile, and stands although the process is killed."""
    (orders.parent / "checks.py").write_text(SLOW)
    with start(orders.parent, "run", "checks.py", *ORDERS, env=sending_to(otlp.url)) as process:
        arrived = otlp.wait_for(lambda got: "dqx.suite.passed" in got.gauges())
        process.kill()
        process.communicate(timeout=60)
    assert arrived


def test_no_canary_arrives(folder: Path, otlp: OtlpReceiver) -> None:
    """Planted in data, a user's SQL, URLs, exceptions, tags that are no labels, configuration and environment."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT '{CANARY}' AS name, 1 AS id) TO '{folder}/orders.parquet'")
    write(
        folder / "checks.py",
        f"""
        from opentelemetry import trace
        from dqx import MetricDB, VerificationSuite, check

        @check(name="Orders", datasets=["orders"])
        def orders(mp, ctx):
            ctx.assert_that(mp.num_rows(where="name = '{CANARY}'")).where(name="some").is_positive()
            ctx.assert_that(mp.sum("name")).where(name="no number").is_positive()
            ctx.assert_that(mp.num_rows()).where(
                name="rows", runbook_url="https://me:{CANARY}@wiki/page", owner="ops"
            ).is_positive()

        class Plugin:
            def initialize(self, config):
                self.config = config

            def process(self, results, symbols, suite_name, context):
                span = trace.get_current_span()
                span.set_attribute("mine", "{CANARY}")
                span.set_attribute("db.query.text", "SELECT 1 -- password={CANARY}")
                span.add_event("found", {{"name": "{CANARY}"}})
                span.record_exception(ValueError("{CANARY}"))
                with trace.get_tracer("theirs").start_as_current_span("call") as own:
                    own.set_attribute("url.full", "https://me:{CANARY}@host/?token={CANARY}")
                    raise ConnectionError("postgresql://me:{CANARY}@host/db " + self.config["password"])

        suite = VerificationSuite([orders], MetricDB(), "orders")
        suite.register_plugin("mine", Plugin())
        """,
    )
    (folder / "dqx.toml").write_text(f'[plugins.mine]\npassword = "{CANARY}"\n')
    arguments = ("run", "checks.py", "--data", "orders=orders.parquet", "--tag", f"secret={CANARY}")
    variables = {"MY_PASSWORD": CANARY, "OTEL_RESOURCE_ATTRIBUTES": f"db=postgresql://me:{CANARY}@h/d"}
    code, out, err = run(folder, *arguments, env=sending_to(otlp.url, **variables))
    assert code == 3, err
    assert "no number" in out
    assert {"process mine", "call", "assertion"} <= {span.name for span in otlp.spans()}
    (call,) = otlp.spans("theirs")
    assert attributes(call)["url.full"] == "https://***@host/?token=***"
    assert CANARY.encode() not in otlp.everything()
