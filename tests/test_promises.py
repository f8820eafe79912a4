"""What `docs/promises.md` says in public is what the code does: its numbers, its exit codes, its witnesses."""

from __future__ import annotations

import inspect
import re
import signal
from datetime import timedelta

import click
import pytest
from tests.page import Page, page

from dqx import ConfigurationError, MetricDB, MetricProvider, VerificationSuite, check
from dqx.cli.diagnostics import Refused, UnexpectedError
from dqx.cli.ending import EXIT_CODES, UNWIND_S, StopSignals
from dqx.cli.run import run as run_command
from dqx.exporter.server import CONNECTIONS, REQUEST_BYTES
from dqx.exporter.store import PATIENCE_S
from dqx.orm.address import LOCK_TIMEOUT_S
from dqx.plugins import ALL_SHUTDOWNS_S, SHUTDOWN_S, PluginManager
from dqx.plugins.locked_file import LOCK_PATIENCE_S
from dqx.plugins.settings import DEFAULT_TIMEOUT_S, LONGEST_S, SHORTEST_S
from dqx.plugins.trail_record import run_record
from dqx.telemetry import providers
from dqx.telemetry.assertion_series import LIMIT
from dqx.telemetry.assertion_spans import ALL_UP_TO
from dqx.telemetry.metric_push import MAX_REQUEST_BYTES
from dqx.telemetry.pushgateway_settings import PushgatewaySettings
from dqx.telemetry.redaction import MAX_QUERY, MAX_REASON, MAX_TEXT
from dqx.telemetry.span_buffer import MAX_QUEUE
from dqx.telemetry.textfile import file_name
from dqx.telemetry.views import SERIES_LIMIT
from dqx.testing import STARTED_AT, assertion_result, context_of, suite_run

PAGE = page("docs/promises.md")
PROMISES = re.findall(r"^## (\d+\. .+)$", PAGE.text, re.MULTILINE)


@check(name="one")
def one(mp, ctx):
    ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()


def limits(of: str) -> dict[str, str]:
    """Return one of the three tables of limits: what is limited, and by how much."""
    of_time, of_number, of_length = Page.tables(PAGE.section("Limits"))
    table = {"time": of_time, "number": of_number, "length": of_length}[of]
    return {row[0]: row[1] for row in table}


@pytest.mark.parametrize("title", PROMISES)
def test_a_promise_says_what_it_leaves_out_and_who_holds_it(title: str) -> None:
    """Each names what is not promised, tests that can be read, and a page that tells more."""
    text = PAGE.section(title)
    promised, _, rest = text.partition("**Not promised.**")
    left_out, _, rest = rest.partition("**Tested by**")
    tests, _, more = rest.partition("**More:**")
    assert promised.strip()
    assert left_out.strip()
    assert re.search(r"\]\(\.\./tests/[\w/]+\.py\)", tests)
    assert re.search(r"\]\([\w-]+\.md", more)


def test_there_are_ten_promises_and_the_list_names_them_all() -> None:
    """In their order."""
    listed = re.findall(r"^(\d+\. )\[(.+?)\]\(#", PAGE.text, re.MULTILINE)
    assert ["".join(each) for each in listed] == PROMISES
    assert len(PROMISES) == 10


def test_the_exit_codes_are_those_of_the_code() -> None:
    """All of them, in the order of the manual, and no other."""
    (table,) = Page.tables(PAGE.section("Exit codes"))
    told = [int(code) for row in table for code in row[0].split(", ")]
    stopped = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signals = StopSignals()
        signals._received = name
        stopped.append(signals.exit_code)
    assert told == [0, *sorted(EXIT_CODES), UnexpectedError.exit_code, *stopped]
    assert Refused.exit_code == click.UsageError.exit_code == 2
    assert isinstance(run_command.callback.__doc__, str)
    in_help = re.findall(r"^\s+(\d+)  ", run_command.callback.__doc__.split("Exit codes:")[1], re.MULTILINE)
    assert [int(code) for code in in_help] == told[:-1]
    order = re.search(r"first that applies of ([\d, ]+)\.", PAGE.text)
    assert order is not None
    assert tuple(int(code) for code in order[1].split(", ")) == EXIT_CODES


@pytest.mark.parametrize(
    ("statuses", "store_error", "exit_code"),
    [
        (["SUCCESS"], None, 0),
        (["SUCCESS"], "full", 4),
        (["FAILURE"], "full", 1),
        (["ERROR"], "full", 3),
        (["SKIPPED"], None, 3),
        (["FAILURE", "ERROR"], None, 1),
    ],
    ids=["passed", "not-stored", "failed-and-not-stored", "error-and-not-stored", "skipped", "both"],
)
def test_a_run_ends_with_the_code_that_the_page_says(
    statuses: list[str], store_error: str | None, exit_code: int
) -> None:
    """A failed delivery never hides that a suite did not pass."""
    results = [assertion_result(status, assertion=f"a{i}") for i, status in enumerate(statuses)]
    assert suite_run(results, store_error=store_error).exit_code == exit_code


def test_the_limits_of_time_are_those_of_the_code() -> None:
    """Each is the constant or the default that the code goes by."""
    suite = inspect.signature(VerificationSuite.__init__).parameters
    assert (
        suite["plugins_timeout"].default
        == inspect.signature(PluginManager).parameters["total_timeout"].default
    )
    assert limits("time") == {
        "all calls of a plugin in a run": f"{DEFAULT_TIMEOUT_S:g} s",
        "all plugins in a run": f"{suite['plugins_timeout'].default:g} s",
        "shutdown of a plugin; of all": f"{SHUTDOWN_S:g} s; {ALL_SHUTDOWNS_S:g} s",
        "the scans of a run": f"{suite['timeout'].default / timedelta(hours=1):g} h",
        "sending telemetry at the end of a run": f"{providers.DEADLINE_S:g} s",
        "a push to a Pushgateway": f"{PushgatewaySettings(url='http://127.0.0.1:9091').timeout_s:g} s",
        "the end of `dqx` after a signal": f"{UNWIND_S:g} s",
        "waiting for a locked store": f"{LOCK_TIMEOUT_S:g} s",
        "waiting for a locked audit trail": f"{LOCK_PATIENCE_S:g} s",
        "`dqx serve` waiting for its store, then 503": f"{PATIENCE_S:g} s",
        "how late a suite may be": "a quarter of `every`, at least 15 min",
    }
    assert f"`timeout` of the plugin, {SHORTEST_S:g} to {LONGEST_S:,.0f} |" in PAGE.text


@pytest.mark.parametrize(("hours", "grace_min"), [(0.5, 15), (1, 15), (2, 30), (24, 360)])
def test_how_late_a_suite_may_be(hours: float, grace_min: float) -> None:
    """A quarter of the interval, and at least 15 minutes."""
    suite = VerificationSuite([one], MetricDB(), "s", every=timedelta(hours=hours))
    assert suite.info.grace_s == grace_min * 60


def test_the_limits_of_number_are_those_of_the_code() -> None:
    """Each is the constant that the code goes by; the days of `lag=` are tried."""
    told = limits("number")
    days = int(told.pop("days that `lag=` may look back").replace(",", ""))
    MetricProvider().num_rows(lag=days)
    with pytest.raises(ConfigurationError, match=f"0 to {days}"):
        MetricProvider().num_rows(lag=days + 1)
    assert told == {
        "assertions of a suite with series of their own": f"{LIMIT:,}",
        "assertions of a suite that all get a span": f"{ALL_UP_TO:,}",
        "spans that wait to be sent": f"{MAX_QUEUE:,}",
        "series of one instrument by OTLP": f"{SERIES_LIMIT:,}",
        "metrics in one request by OTLP": f"{MAX_REQUEST_BYTES >> 20} MiB",
        "connections to the exporter": f"{CONNECTIONS}",
    }


def test_the_limits_of_length_are_those_of_the_code() -> None:
    """Each is the constant that the code goes by; what has no public one is tried."""
    run = suite_run([assertion_result("ERROR", reason="word " * 10_000)])
    record = run_record(
        run.results, "s", context_of(run), at=STARTED_AT, trace_id="", plugins=[], dqx_version=""
    )
    (assertion,) = record["assertions"]
    longest_name = len(file_name("s" * 10_000)) - len("dqx_.prom")
    assert limits("length") == {
        "a name, an expression, a message in telemetry": f"{MAX_TEXT} characters",
        "the text of a query in telemetry": f"{MAX_QUERY:,} characters",
        "why something could not be evaluated": f"{MAX_REASON:,} characters",
        "a reason in the audit trail": f"{len(assertion['reason']):,} characters",
        "a request to the exporter": f"{REQUEST_BYTES >> 10} KiB",
        "the name of a text file": f"{longest_name} characters",
    }
