"""From a run to what is sent of it."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dqx.common import PluginOutcome, SuiteRun
from dqx.telemetry import names
from dqx.telemetry.families import Families, families
from dqx.telemetry.sample import number
from dqx.telemetry.snapshot import Snapshot, snapshot_of, with_outcomes
from dqx.testing import STARTED_AT, assertion_result, context_of, suite_run, symbol_info

if TYPE_CHECKING:
    from collections.abc import Iterable

GOLDEN = Path(__file__).with_name("snapshot.prom")
TIME = 1706756645.3  # when the run of dqx.testing finished


def snapshot(run: SuiteRun | None = None, outcomes: Iterable[PluginOutcome] = (), **context: Any) -> Snapshot:
    run = suite_run() if run is None else run
    return snapshot_of(run.results, run.symbols, run.suite, context_of(run) | context, outcomes)


def values(made: Snapshot, metric: names.Metric, *labels: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by some of its labels."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in made.samples
        if sample.metric is metric
    }


def text(made: Snapshot) -> str:
    return generate_latest(Families(families(made.samples))).decode()


def everything() -> Snapshot:
    """Make a snapshot that has a series of every metric that a run can send."""
    results = [
        assertion_result(owner="data@example.com", runbook_url="https://example.com/orders"),
        assertion_result("FAILURE", severity="P0", thresholds={"upper": 0.05}),
        assertion_result("ERROR", severity="P2"),
        assertion_result("SKIPPED", severity="P3"),
        assertion_result(assertion="not 13", thresholds={"excluded_lower": 13, "excluded_upper": 13}),
    ]
    run = suite_run(results, symbols=(symbol_info(), symbol_info(1000, label="rows")))
    context = context_of(run)
    context["datasets"]["orders"]["freshness_at"] = STARTED_AT
    context |= {
        "owner": "data@example.com",
        "runbook_url": "https://example.com/runbook",
        "last_success_at": STARTED_AT - timedelta(days=1),
        "failing_since": {("Orders are complete", "few prices are missing"): STARTED_AT - timedelta(days=3)},
    }
    outcomes = [
        PluginOutcome("dqx_audit", "process", "ok", 0.01, timeout_s=10.0),
        PluginOutcome("dqx_audit", "finish", "ok", 0.02, timeout_s=10.0),
        PluginOutcome("mine", "process", "timed_out", 2.5, timeout_s=2.5),
        PluginOutcome("off", "process", "disabled"),
    ]
    return snapshot_of(results, run.symbols, "orders", context, outcomes)


def test_the_exposition_is_the_golden_one() -> None:
    """Names, labels, HELP texts and numbers are those that dashboards and alerts were built on."""
    version = names.BUILD_INFO.prometheus_name
    lines = [line for line in text(everything()).splitlines() if not line.startswith(version)]
    assert lines == GOLDEN.read_text().splitlines()


def test_every_metric_of_a_run_is_there() -> None:
    """What the catalogue says a run sends, this run sends."""
    assert {sample.metric.name for sample in everything().samples} == {
        metric.name for metric in names.METRICS if metric.source == "run"
    }


def test_labels_are_literally_those_of_the_catalogue() -> None:
    """Every series has suite, snapshot and the label tags, the metric's own labels, and nothing else."""
    for sample in everything().samples:
        assert set(sample.labels) == {*names.COMMON_LABELS, "env", *sample.metric.labels}, sample.metric.name
        assert all(isinstance(value, str) for value in sample.labels.values())


def test_no_series_is_there_twice() -> None:
    """Prometheus refuses a scrape in which one is."""
    made = everything()
    counts = Counter((sample.metric.name, *sorted(sample.labels.items())) for sample in made.samples)
    assert max(counts.values()) == 1


@pytest.mark.parametrize("form", ["text", "openmetrics"])
def test_the_parsers_of_prometheus_give_back_what_was_sent(form: str) -> None:
    """Both formats hold the same series."""
    made = everything()
    registry = Families(families(made.samples))
    if form == "text":
        parsed = list(parse_text(generate_latest(registry).decode()))
    else:
        parsed = list(parse_openmetrics(generate_openmetrics(registry).decode()))
    found = {(s.name, *sorted(s.labels.items())): s.value for family in parsed for s in family.samples}
    assert found == {(s.metric.prometheus_name, *sorted(s.labels.items())): s.value for s in made.samples}
    helps = {metric.prometheus_name: metric.help for metric in names.METRICS}
    assert all(family.documentation == helps[family.name] for family in parsed)


@pytest.mark.parametrize(
    ("status", "passed", "errored", "evaluated", "failing"),
    [
        ("SUCCESS", 1, 0, True, False),
        ("FAILURE", 0, 0, True, True),
        ("ERROR", 0, 1, True, True),
        ("SKIPPED", None, None, False, False),
    ],
)
def test_what_a_status_becomes(
    status: str, passed: float | None, errored: float | None, evaluated: bool, failing: bool
) -> None:
    """A skipped assertion has its info and nothing else."""
    made = snapshot(suite_run([assertion_result(status)]))
    assert values(made, names.ASSERTION_PASSED).get(()) == passed
    assert values(made, names.ASSERTION_ERRORED).get(()) == errored
    assert values(made, names.ASSERTION_EVALUATED) == ({(): TIME} if evaluated else {})
    assert values(made, names.ASSERTION_FAILING_SINCE) == ({(): TIME} if failing else {})
    assert bool(values(made, names.ASSERTION_THRESHOLD)) == evaluated
    assert values(made, names.ASSERTION_INFO) == {(): 1}


@pytest.mark.parametrize("timestamp", [TIME, datetime.fromtimestamp(TIME, UTC)])
def test_evaluated_is_the_very_number_of_last_run(timestamp: object) -> None:
    """Alerts find the newest copy of a series by their being equal."""
    made = snapshot(timestamp=timestamp)
    last_run = values(made, names.SUITE_LAST_RUN)[()]
    assert set(values(made, names.ASSERTION_EVALUATED, "assertion").values()) == {last_run}


def test_failing_since_is_what_the_store_knows() -> None:
    """The first run of a row counts, whether its time is a datetime, with a zone or without, or a number."""
    since = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    place = ("Orders are complete", "few prices are missing")
    run = suite_run([assertion_result("FAILURE")])
    for moment in (since, since.astimezone(UTC).replace(tzinfo=None), since.timestamp()):
        made = snapshot(run, failing_since={place: moment})
        assert values(made, names.ASSERTION_FAILING_SINCE) == {(): since.timestamp()}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (0, 0.0),
        (-0.0, -0.0),
        (2**53 + 1, float(2**53)),
        (Decimal("0.1"), 0.1),
        (10**400, None),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("-Infinity"), None),
        (Decimal("1e999"), None),
        (None, None),
        ("12", None),
        (True, 1.0),
        (date(2024, 1, 31), 1706659200.0),
        (datetime(2024, 1, 31, 12), 1706702400.0),
        (datetime(2024, 1, 31, 12, tzinfo=timezone(timedelta(hours=1))), 1706698800.0),
    ],
)
def test_only_finite_numbers_are_sent(value: Any, sent: float | None) -> None:
    """A value, a threshold or a metric that is none has no series, not one at 0."""
    result = assertion_result(value=value, thresholds={"lower": value})
    made = snapshot(suite_run([result], symbols=(symbol_info(value),)))
    expected = {} if sent is None else {(): sent}
    assert values(made, names.ASSERTION_VALUE) == expected
    assert values(made, names.ASSERTION_THRESHOLD) == expected
    assert values(made, names.METRIC_VALUE) == expected
    if sent is not None:
        assert math.copysign(1, values(made, names.ASSERTION_VALUE)[()]) == math.copysign(1, sent)


@given(st.one_of(st.floats(), st.integers(), st.decimals(), st.none(), st.text()))
def test_a_number_is_finite_or_none(value: object) -> None:
    """Whatever a value is."""
    made = number(value)
    assert made is None or math.isfinite(made)


def test_a_metric_without_a_value_has_no_series() -> None:
    """Its error says nothing as a number."""
    made = snapshot(suite_run(symbols=(symbol_info(ValueError("no")),)))
    assert values(made, names.METRIC_VALUE) == {}


def test_the_metrics_of_earlier_days_are_not_sent_again() -> None:
    """They were, on their day."""
    made = snapshot(suite_run(symbols=(symbol_info(5, source="history", label="yesterday"), symbol_info(6))))
    assert values(made, names.METRIC_VALUE, "metric") == {("minimum(price)",): 6}


def test_metrics_whose_names_coincide_are_numbered_in_the_order_of_definition() -> None:
    """Each of another dataset, or of another name, is left alone; one without a value keeps its number."""
    symbols = (
        symbol_info(1, label="m"),
        symbol_info(ValueError("no"), label="m"),
        symbol_info(3, label="m"),
        symbol_info(4, label="m#2"),
        symbol_info(5, label="m", dataset="other"),
    )
    made = snapshot(suite_run(symbols=symbols))
    assert values(made, names.METRIC_VALUE, "dataset", "metric") == {
        ("orders", "m"): 1,
        ("orders", "m#3"): 3,
        ("orders", "m#2#2"): 4,
        ("other", "m"): 5,
    }
    assert [w for w in made.warnings if "#2" in w] == list(made.warnings)
    assert len(made.warnings) == 1


@pytest.mark.parametrize(
    ("verdict", "passed"), [("passed", 1), ("failed", 0), ("error", 0), ("skipped", None)]
)
def test_what_a_verdict_becomes(verdict: str, passed: float | None) -> None:
    """A suite of which nothing was evaluated has neither passed nor failed."""
    assert values(snapshot(verdict=verdict), names.SUITE_PASSED).get(()) == passed


def test_all_statuses_are_counted_for_each_severity_in_use() -> None:
    """Zeros too, so that a ratio of the counts is never without one of its parts."""
    run = suite_run([assertion_result(severity="P0"), assertion_result("FAILURE", severity="P2")])
    counts = values(snapshot(run), names.SUITE_ASSERTIONS, "severity", "status")
    assert counts == {
        (severity, status): float((severity, status) in (("P0", "success"), ("P2", "failure")))
        for severity in ("P0", "P2")
        for status in ("success", "failure", "error", "skipped")
    }


def test_what_is_not_known_is_not_sent() -> None:
    """A bare context, as somebody's own test has it, is enough for the rest."""
    made = snapshot_of([], [], "empty", {})
    assert made.identity.text == "empty"
    assert made.newest
    assert {sample.metric for sample in made.samples} == {
        names.SUITE_INFO,
        names.TELEMETRY_DROPPED,
        names.BUILD_INFO,
    }
    for missing in ("every_s", "last_success_at"):
        assert not values(
            snapshot(**{missing: None}),
            names.SUITE_EXPECTED_INTERVAL if missing == "every_s" else names.SUITE_LAST_SUCCESS,
        )


def test_a_plugin_is_ok_when_every_call_was() -> None:
    """The last call of a phase counts; a plugin that is disabled has no series at all."""
    outcomes = [
        PluginOutcome("good", "load", "not_run", 0.0),
        PluginOutcome("good", "load", "ok", 0.5, timeout_s=10.0),
        PluginOutcome("good", "process", "ok", 1.5, timeout_s=8.0),
        PluginOutcome("bad", "process", "ok", 0.1),
        PluginOutcome("bad", "finish", "error", 0.2),
        PluginOutcome("off", "load", "disabled"),
    ]
    made = snapshot(outcomes=outcomes)
    assert values(made, names.PLUGIN_OK, "plugin") == {("good",): 1, ("bad",): 0}
    assert values(made, names.PLUGIN_DURATION, "plugin", "phase") == {
        ("good", "load"): 0.5,
        ("good", "process"): 1.5,
        ("bad", "process"): 0.1,
        ("bad", "finish"): 0.2,
    }
    assert values(made, names.PLUGIN_TIMEOUT, "plugin") == {("good",): 8.0}
    later = with_outcomes(snapshot(), outcomes, {})
    assert sorted(map(repr, later.samples)) == sorted(map(repr, made.samples))


def test_finish_is_that_of_the_run_before_until_it_is_known() -> None:
    """A sink cannot send how its own ended; of a plugin that is gone nothing is sent."""
    before = [
        PluginOutcome("slow", "finish", "ok", 3.0, timeout_s=5.0),
        PluginOutcome("bad", "finish", "error", 0.5, timeout_s=5.0),
        PluginOutcome("gone", "finish", "error", 1.0),
    ]
    outcomes = [
        PluginOutcome("slow", "process", "ok", 1.0, timeout_s=10.0),
        PluginOutcome("bad", "process", "ok", 0.1),
        PluginOutcome("slow", "finish", "ok", 2.0, timeout_s=10.0),
    ]
    made = snapshot(outcomes=outcomes, finish_outcomes=tuple(before))
    assert values(made, names.PLUGIN_DURATION, "plugin", "phase") == {
        ("slow", "process"): 1.0,
        ("slow", "finish"): 2.0,
        ("bad", "process"): 0.1,
        ("bad", "finish"): 0.5,
    }
    assert values(made, names.PLUGIN_OK, "plugin") == {("slow",): 1, ("bad",): 0}
    assert values(made, names.PLUGIN_TIMEOUT, "plugin") == {("slow",): 10.0}
    assert not values(snapshot(finish_outcomes=tuple(before)), names.PLUGIN_DURATION, "plugin")
    later = with_outcomes(snapshot(), outcomes, {"finish_outcomes": tuple(before)})
    assert sorted(map(repr, later.samples)) == sorted(map(repr, made.samples))


def test_runs_that_share_a_snapshot_are_warned_of() -> None:
    """By every road, as each makes its snapshots here; the setting is named."""
    (warning,) = snapshot(unlabelled_tags=("region", "shard")).warnings
    assert warning == (
        "suite orders: runs that differ in region, shard share the snapshot orders,env=test, and the newest of "
        "them is shown; the setting label_tags names the tags that keep snapshots apart"
    )
    assert snapshot().warnings == ()


def test_what_was_dropped_is_counted_by_signal_and_reason_with_zeros() -> None:
    """An alert on it must see a zero, not nothing, when all is well."""
    dropped = values(
        snapshot(telemetry_dropped={("traces", "timeout"): 3}), names.TELEMETRY_DROPPED, "signal", "reason"
    )
    assert set(dropped) == {
        (signal, reason)
        for signal in names.LABELS["signal"].values
        for reason in names.LABELS["reason"].values
    }
    assert {place: count for place, count in dropped.items() if count} == {("traces", "timeout"): 3}


def test_a_backfill_is_not_newest() -> None:
    """Sinks set nothing then."""
    assert not snapshot(newest=False).newest


def test_raw_expressions_and_metrics_never_leave() -> None:
    """Where the redacted form is missing, nothing stands in its place."""
    canary = "canary-7f3a"
    result = assertion_result(
        "FAILURE", expression=f"minimum('{canary}')", metric=canary, reason=canary, expression_redacted=None
    )
    symbol = symbol_info(metric=canary, metric_redacted=None, label=None)
    made = snapshot(suite_run([result], symbols=(symbol,)), key=canary, run_id=canary, traceparent=canary)
    assert canary not in repr(made)
    redacted = snapshot(
        suite_run([assertion_result(owner=f"https://u:{canary}@h/", runbook_url=f"https://u:{canary}@h/x")])
    )
    assert canary not in repr(redacted)


def test_beyond_the_limit_assertions_share_a_series_for_each_severity() -> None:
    """The first 10,000 have their own; of the rest a failure shows, and how many they are is counted."""
    results = [assertion_result(assertion=f"a{i}") for i in range(10_000)]
    results += [
        assertion_result(assertion="x", severity="P0"),
        assertion_result("FAILURE", assertion="y", severity="P0"),
        assertion_result("ERROR", assertion="z", severity="P0"),
        assertion_result("ERROR", assertion="e", severity="P2"),
        assertion_result("SKIPPED", assertion="s", severity="P3"),
        assertion_result(assertion="p"),
    ]
    run = suite_run(results)
    since = {
        ("Orders are complete", "y"): 5.0,
        ("Orders are complete", "z"): 7.0,
        ("Orders are complete", "e"): 6.0,
    }
    made = snapshot(run, failing_since=since)

    def overflow(metric: names.Metric, *labels: str) -> dict[tuple[str, ...], float]:
        found = values(made, metric, "check", "assertion", *labels)
        return {place[2:]: value for place, value in found.items() if place[:2] == (names.OVERFLOW,) * 2}

    assert overflow(names.ASSERTION_PASSED, "severity") == {("P0",): 0, ("P1",): 1, ("P2",): 0}
    assert overflow(names.ASSERTION_ERRORED, "severity") == {("P0",): 0, ("P1",): 0, ("P2",): 1}
    assert overflow(names.ASSERTION_EVALUATED) == {(): TIME}
    assert overflow(names.ASSERTION_FAILING_SINCE) == {(): 5.0}
    assert overflow(names.ASSERTION_INFO) == {(): 1}
    assert len(values(made, names.ASSERTION_PASSED, "assertion")) == 10_001
    assert sum(values(made, names.SUITE_ASSERTIONS, "severity", "status").values()) == 10_006
    dropped = values(made, names.TELEMETRY_DROPPED, "signal", "reason")
    assert dropped["metrics", "series_limit"] == 6
    assert any("6 assertions beyond the first 10,000" in warning for warning in made.warnings)


def test_at_the_limit_there_is_no_overflow() -> None:
    """10,000 are not too many."""
    made = snapshot(suite_run([assertion_result(assertion=f"a{i}") for i in range(10_000)]))
    assert (names.OVERFLOW,) not in values(made, names.ASSERTION_PASSED, "assertion")
    assert made.warnings == ()


def test_beyond_the_limit_metrics_are_left_out_and_counted() -> None:
    """Memory is bounded, and what is dropped is counted."""
    symbols = tuple(symbol_info(i, label=f"m{i}") for i in range(10_003))
    made = snapshot(suite_run(symbols=symbols))
    assert len(values(made, names.METRIC_VALUE, "metric")) == 10_000
    assert values(made, names.TELEMETRY_DROPPED, "signal", "reason")["metrics", "series_limit"] == 3


def test_warnings_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A suite that runs every minute must not fill the log."""
    from dqx.telemetry.snapshot import warn_once

    made = snapshot_of([assertion_result()] * 2, [], "said once", {})
    warn_once(made)
    warn_once(made)
    assert [record.getMessage() for record in caplog.records if "said once" in record.getMessage()] == list(
        made.warnings
    )


def test_a_warning_stays_on_its_line(caplog: pytest.LogCaptureFixture) -> None:
    """A name forges no record of a log."""
    from dqx.telemetry.snapshot import warn_once

    warn_once(snapshot_of([assertion_result()] * 2, [], "forged\nERROR dqx: disk on fire", {}))
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "forged\\nERROR dqx: disk on fire" in record.getMessage()
