"""The verdict table: what stands in it, what does not, and that nothing in a name can break it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from dqx.cli.output import PIPE_WIDTH
from dqx.cli.verdict_table import bounds_text, render_run
from dqx.common import DatasetRun, PluginOutcome, ResultKey
from dqx.testing import KEY, STARTED_AT, assertion_result, suite_run

if TYPE_CHECKING:
    from dqx.common import SuiteRun


def pipe() -> Console:
    """Return a console as results to a pipe get it."""
    return Console(file=io.StringIO(), width=PIPE_WIDTH, markup=False, highlight=False, emoji=False)


def terminal(width: int) -> Console:
    """Return a console as a terminal of this width gets it, without colours."""
    return Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system=None, markup=False, emoji=False
    )


def shown(run: SuiteRun, **options: Any) -> str:
    """Return the report as a pipe gets it."""
    return render_run(pipe(), run, "stored in sqlite:///q.db", **options)


def test_a_report_is_this() -> None:
    """The table, what did not pass and why, the data, and the verdict last, where the eye is."""
    assert shown(suite_run()) == (
        "Status   Sev  Assertion                 Value  Expected  Metric\n"
        "────────────────────────────────────────────────────────────────────────\n"
        "              Orders are complete\n"
        "SUCCESS  P1     price is positive         0.5  > 0       minimum(price)\n"
        "FAILURE  P1     few prices are missing   0.25  > 0       minimum(price)\n"
        "ERROR    P1     stock is known                 > 0       minimum(price)\n"
        "SKIPPED  P1     volume is stable               > 0       minimum(price)\n"
        "\n"
        "FAILURE P1 Orders are complete: few prices are missing\n"
        "    0.25 is not below 0.05\n"
        "ERROR P1 Orders are complete: stock is known\n"
        "    dataset 'orders' has no column 'stock'\n"
        "SKIPPED P1 Orders are complete: volume is stable\n"
        "    no value is stored for 2024-01-30\n"
        "\n"
        "Dataset orders: 1,000 rows, 4 metrics, 1 read, 0.20 s\n"
        "Run 00000000000000000000000000000001 stored in sqlite:///q.db\n"
        "FAILED orders 2024-01-31 env=test: 1 failed, 1 could not be evaluated, 1 skipped, 1 passed in 0.30 s\n"
    )


@pytest.mark.parametrize(
    ("expression", "value", "thresholds", "expected"),
    [
        ("m < 0.05", 0.0245, {"upper": 0.05}, "< 0.05"),
        ("m < 0.05", 0.0500001, {"upper": 0.05}, "< 0.05"),
        ("m <= 5", 4, {"upper": 5}, "<= 5"),
        ("m > median(x) * 2", 173.2, {"lower": 302.0}, "> 302"),
        ("m >= 336776", 1, {"lower": 336_776}, ">= 336,776"),
        ("m == 0", 3, {"lower": 0, "upper": 0}, "== 0"),
        ("m != 0", 0, {"excluded_lower": 0, "excluded_upper": 0}, "!= 0"),
        ("m == 10 ± 0.1", 9, {"lower": 9.9, "upper": 10.1}, "9.9 to 10.1"),
        ("m != 10 ± 1", 9, {"excluded_lower": 9, "excluded_upper": 11}, "not 9 to 11"),
        ("m between 0.5 and 2", 1, {"lower": 0.5, "upper": 2}, "0.5 to 2"),
        ("m not between 1 and 1", 1, {"excluded_lower": 1, "excluded_upper": 1}, "not 1 to 1"),
        ("m between 0.5 and 2", None, {}, "0.5 to 2"),
        ("m not between 0.5 and 2", None, {}, "not 0.5 to 2"),
        ("m < average(x, where=a > 1 and b < 2)", None, {}, "< average(x, where=a > 1 and b < 2)"),
        ("m", None, {}, ""),
    ],
)
def test_what_was_expected_is_shown_in_numbers(
    expression: str, value: float | None, thresholds: dict[str, Any], expected: str
) -> None:
    """As far as they are known: a bound that is a metric by its value."""
    result = assertion_result(metric="m", expression=expression, value=value, thresholds=thresholds)
    assert bounds_text(result)[1] == expected


def test_a_value_near_its_bound_is_told_from_it() -> None:
    """`0.05` beside `< 0.05` would not say why it failed."""
    result = assertion_result(
        "FAILURE", expression="minimum(price) < 0.05", value=0.05001, thresholds={"upper": 0.05}
    )
    assert bounds_text(result) == ("0.05001", "< 0.05")


def test_what_is_below_fail_on_is_counted_apart() -> None:
    """It does not fail the suite, and the report says so in place and in the verdict."""
    run = suite_run(
        [
            assertion_result(),
            assertion_result("FAILURE", severity="P2"),
            assertion_result("ERROR", severity="P3"),
        ]
    )
    text = shown(run)
    assert "few prices are missing (below P1, does not fail the suite)" in text
    assert text.endswith(
        "PASSED orders 2024-01-31 env=test: 1 failed below P1, 1 could not be evaluated below P1, 1 passed in 0.30 s\n"
    )


def test_who_answers_for_it_stands_at_what_failed() -> None:
    """Owner and runbook, where there are any."""
    run = suite_run(
        [assertion_result("FAILURE", owner="ops@example.com", runbook_url="https://wiki.example/x")]
    )
    assert "    ops@example.com, https://wiki.example/x\n" in shown(run)


def test_a_failed_scan_is_told_once() -> None:
    """Not again at each of its assertions."""
    error = "dataset 'orders' could not be read: IO Error: truncated"
    run = suite_run(
        [assertion_result("ERROR", assertion=str(n), reason=error) for n in range(20)],
        datasets=(DatasetRun("orders", None, 0.1, 0, 4, error=error),),
    )
    text = shown(run)
    assert text.count("truncated") == 1
    assert "Dataset orders could not be read: IO Error: truncated\n" in text
    assert text.count("ERROR   P1") == 20


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (
            PluginOutcome("mail", "process", "timed_out", 10.0, message="it did not come back within 10 s"),
            "Plugin mail: process timed out after 10.0 s: it did not come back within 10 s\n",
        ),
        (
            PluginOutcome("mail", "load", "error", 0.5, message="no\nmodule", required=True),
            "Plugin mail (required): load error after 0.50 s: no\\nmodule\n",
        ),
        (PluginOutcome("mail", "process", "not_run"), "Plugin mail: process not run after 0.00 s\n"),
    ],
)
def test_a_plugin_that_did_not_end_well_has_a_line(outcome: PluginOutcome, line: str) -> None:
    """The others have none, unless all is asked for."""
    well = (PluginOutcome("dqx_audit", "load", "ok", 0.02), PluginOutcome("dqx_audit", "process", "ok", 0.12))
    run = suite_run(plugin_outcomes=(*well, outcome))
    assert line in shown(run)
    assert "dqx_audit" not in shown(run)
    assert "Plugin dqx_audit: load 0.02 s, process 0.12 s\n" in shown(run, verbose=True)


def test_what_was_not_stored_or_delivered_is_said() -> None:
    """And the run is not called stored."""
    text = shown(suite_run(store_error="the store is full", delivery_error="dqx_audit: disk full"))
    assert "Not stored: the store is full\nNot delivered: dqx_audit: disk full\n" in text
    assert "Run 00000000000000000000000000000001 not stored\n" in text


def test_quiet_shows_what_is_not_well_and_nothing_else() -> None:
    """Made for cron, which sends what is printed by mail."""
    assert (
        shown(suite_run([assertion_result(), assertion_result("FAILURE", severity="P3")]), quiet=True) == ""
    )
    text = shown(suite_run(), quiet=True)
    assert text.startswith("FAILURE P1 Orders are complete: few prices are missing\n")
    assert "price is positive" not in text
    assert "FAILED orders" in text
    assert "Not stored" in shown(suite_run([assertion_result()], store_error="full"), quiet=True)


def test_one_of_several_suites_begins_with_its_name() -> None:
    """Else it would only be known at the end whose table it was."""
    assert shown(suite_run(), titled=True).startswith("orders 2024-01-31 env=test\nStatus")
    plain = suite_run(key=ResultKey(KEY.yyyy_mm_dd))
    assert shown(plain, titled=True).startswith("orders 2024-01-31\nStatus")


def test_a_run_without_any_result_still_has_a_verdict() -> None:
    """As when every assertion only collects."""
    text = shown(suite_run([]))
    assert "Status" not in text
    assert text.endswith("SKIPPED orders 2024-01-31 env=test: no assertion in 0.30 s\n")


def test_checks_stand_in_their_order_with_their_assertions() -> None:
    """Each check's name once, above what it asserts."""
    results = [
        assertion_result(check=check, assertion=name) for check, name in (("b", "1"), ("b", "2"), ("a", "3"))
    ]
    rows = [line[14:].split()[0] for line in shown(suite_run(results)).splitlines()[2:7]]
    assert rows == ["b", "1", "2", "a", "3"]


def test_of_many_that_passed_the_first_are_shown_and_of_many_reasons() -> None:
    """The rest are counted; what did not pass is in the table whatever there is."""
    passed = [assertion_result(assertion=f"good {n}") for n in range(250)]
    failed = [assertion_result("FAILURE", assertion=f"bad {n}", reason=f"reason {n}!") for n in range(150)]
    text = shown(suite_run([*passed, *failed]))
    assert text.count("good ") == 200
    assert "and 50 more (-v shows all)" in text
    assert text.count("FAILURE  P1") == 150
    assert text.count("reason ") == 100
    assert "and 50 more that did not pass (--format json has all)" in text
    assert shown(suite_run([*passed, *failed]), verbose=True).count("good ") == 250


NASTY = [
    "",
    " ",
    "[bold]no markup[/bold]",
    ":smile:",
    "a\nb",
    "\x1b[31mred",
    "🛫" * 30,
    "\"'`",
    "x" * 10_000,
    "\ud800",
]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize(
    "console", [pipe(), terminal(80), terminal(160), terminal(40)], ids=["pipe", "80", "160", "40"]
)
def test_no_name_can_break_the_report(console: Console, name: str) -> None:
    """On a terminal every line fits, nothing is cut off, and no escape sequence gets through."""
    run = suite_run(
        [
            assertion_result(
                "FAILURE", check=name, assertion=name, reason=name, metric=name, expression=f"{name} < 1"
            )
        ],
        suite=name or "x",
        datasets=(DatasetRun(name, 1, 0.1, 1, 1),),
    )
    text = render_run(console, run, "stored", titled=True)
    assert "\x1b" not in text
    assert "…" not in text
    if console.is_terminal:
        assert max(cell_len(line) for line in text.splitlines()) <= console.width
    elif name.isprintable() and name.strip():
        assert text.count(name) >= 5


def test_the_metric_is_shown_where_there_is_room() -> None:
    """At 80 columns names and numbers need it all."""
    assert "minimum(price)" in render_run(terminal(160), suite_run(), "stored")
    narrow = render_run(terminal(80), suite_run(), "stored")
    assert "minimum(price)" not in narrow
    assert "few prices are missing" in narrow


def test_a_long_reason_is_indented_on_every_line_of_a_terminal() -> None:
    """So that one can see where the next begins."""
    run = suite_run([assertion_result("FAILURE", reason="word " * 40)])
    lines = render_run(terminal(60), run, "stored").splitlines()
    assert sum(line.startswith("    word") for line in lines) >= 4
    assert not any(line.startswith("word") for line in lines)


def test_freshness_and_no_rows_are_shown() -> None:
    """Of a dataset that has them."""
    datasets = (
        DatasetRun("a", 0, 0.1, 1, 1, freshness_at=STARTED_AT),
        DatasetRun("b", None, 75.0, 0, 2),
    )
    text = shown(suite_run(datasets=datasets))
    assert "Dataset a: 0 rows, 1 metric, 1 read, 0.10 s, newest 2024-02-01 03:04:05\n" in text
    assert "Dataset b: 2 metrics, 0 reads, 1m 15s\n" in text
