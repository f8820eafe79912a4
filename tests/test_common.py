"""The result model: verdicts, keys, tags and errors, and that none of them can be changed."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.common import (
    SEVERITIES,
    AssertionResult,
    ConfigurationError,
    DQXError,
    PluginOutcome,
    ResultKey,
    ResultValue,
    ScanError,
    StoreError,
    SuiteRun,
    VerdictError,
    check_severity,
    verdict_of,
)
from dqx.frozen_dict import FrozenDict, Tags

DAY = date(2024, 2, 29)
KEY = ResultKey(DAY, {"env": "prod"})


def result(status: Any = "SUCCESS", severity: Any = "P1", **changed: Any) -> AssertionResult:
    """Return a result of an assertion."""
    made = AssertionResult(DAY, "s", "c", "a", severity, status, "m", "m > 0", Tags())
    return dataclasses.replace(made, **changed)


def suite_run(*results: AssertionResult, fail_on: Any = "P1", **changed: Any) -> SuiteRun:
    """Return a run with the verdict of its results."""
    made = SuiteRun(
        run_id="r",
        suite="orders",
        key=KEY,
        verdict=verdict_of(results, fail_on),
        results=results,
        symbols=(),
        datasets=(),
        started_at=datetime(2024, 3, 1, tzinfo=UTC),
        duration_s=1.5,
        fail_on=fail_on,
    )
    return dataclasses.replace(made, **changed)


@pytest.mark.parametrize(
    ("results", "fail_on", "verdict"),
    [
        ([], "P1", "skipped"),
        ([("SKIPPED", "P0")], "P1", "skipped"),
        ([("SUCCESS", "P3")], "P1", "passed"),
        ([("SUCCESS", "P0"), ("SKIPPED", "P0")], "P1", "passed"),
        ([("SUCCESS", "P0"), ("FAILURE", "P1")], "P1", "failed"),
        ([("FAILURE", "P2")], "P1", "passed"),
        ([("FAILURE", "P2")], "P2", "failed"),
        ([("FAILURE", "P1")], "P0", "passed"),
        ([("ERROR", "P1"), ("SUCCESS", "P0")], "P1", "error"),
        ([("ERROR", "P0"), ("FAILURE", "P1")], "P1", "failed"),
        ([("ERROR", "P0"), ("FAILURE", "P2")], "P1", "error"),
        ([("ERROR", "P2"), ("SUCCESS", "P0")], "P1", "passed"),
        ([("ERROR", "P2")], "P1", "skipped"),
        ([("ERROR", "P2"), ("SKIPPED", "P0")], "P1", "skipped"),
    ],
)
def test_the_verdict_counts_what_is_at_or_above_fail_on(
    results: list[tuple[str, str]], fail_on: str, verdict: str
) -> None:
    """Neither an error nor what was skipped counts as passed, and nothing evaluated is no verdict."""
    assert verdict_of([result(*pair) for pair in results], fail_on) == verdict


@given(
    st.lists(
        st.tuples(st.sampled_from(["SUCCESS", "FAILURE", "ERROR", "SKIPPED"]), st.sampled_from(SEVERITIES))
    )
)
def test_a_verdict_is_passed_only_without_failures_and_errors_that_count(
    pairs: list[tuple[str, str]],
) -> None:
    """And with one assertion at least that was evaluated."""
    for fail_on in SEVERITIES:
        passed = verdict_of([result(*pair) for pair in pairs], fail_on) == "passed"
        bad = any(status in ("FAILURE", "ERROR") and severity <= fail_on for status, severity in pairs)
        evaluated = any(status in ("SUCCESS", "FAILURE") for status, _ in pairs)
        assert passed == (evaluated and not bad)


@pytest.mark.parametrize(
    ("verdict", "store_error", "delivery_error", "code"),
    [
        ("passed", None, None, 0),
        ("passed", "full", None, 4),
        ("passed", None, "audit: no space", 4),
        ("failed", None, None, 1),
        ("failed", "full", "audit", 1),
        ("error", None, None, 3),
        ("error", "full", None, 3),
        ("skipped", None, None, 3),
        ("skipped", "full", "audit", 3),
    ],
)
def test_exit_codes(verdict: Any, store_error: str | None, delivery_error: str | None, code: int) -> None:
    """Of several, 1 before 3 before 4."""
    run = suite_run(result(), verdict=verdict, store_error=store_error, delivery_error=delivery_error)
    assert run.exit_code == code
    assert run.passed == (verdict == "passed")


def test_a_run_counts_its_results_and_knows_when_it_ended() -> None:
    """All four statuses are there, zeros too."""
    run = suite_run(result(), result("FAILURE"), result("FAILURE", "P3"))
    assert run.counts() == {"SUCCESS": 1, "FAILURE": 2, "ERROR": 0, "SKIPPED": 0}
    assert run.finished_at == datetime(2024, 3, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_a_run_that_did_not_pass_raises_what_went_wrong() -> None:
    """Naming the first five that count, so that a task's log says what to look at."""
    suite_run(result()).raise_for_verdict()
    suite_run(result(), result("FAILURE", "P2", reason="x")).raise_for_verdict()
    run = suite_run(
        result("FAILURE", reason="m is 0", assertion="some rows"),
        result("FAILURE", "P3", reason="unimportant"),
        result("ERROR", "P0"),
        *[result("FAILURE", reason="again")] * 5,
    )
    with pytest.raises(VerdictError) as caught:
        run.raise_for_verdict()
    assert caught.value.run is run
    assert str(caught.value) == (
        "suite 'orders' 2024-02-29: failed: P1 c: some rows: m is 0; P0 c: a: error; "
        "P1 c: a: again; P1 c: a: again; P1 c: a: again; and 2 more"
    )
    with pytest.raises(VerdictError, match=r"2024-02-29: skipped \(no assertion could be evaluated\)"):
        suite_run(result("SKIPPED")).raise_for_verdict()


@pytest.mark.parametrize("day", ["2024-02-29", None, datetime(2024, 2, 29), 20240229, pytest])
def test_a_key_takes_a_date(day: Any) -> None:
    """Text and datetimes are refused with how to make a date."""
    with pytest.raises(
        ConfigurationError, match=r"takes a datetime.date, not .*date.fromisoformat"
    ) as caught:
        ResultKey(day)
    assert caught.value.culprit is day


@pytest.mark.parametrize("tags", [{"env": 1}, {1: "x"}, {"env": None}, {"": "x"}, {b"env": "x"}])
def test_tags_are_text_to_text(tags: Any) -> None:
    """The error names the tag."""
    with pytest.raises(ConfigurationError, match="names and values of tags are text") as caught:
        ResultKey(DAY, tags)
    assert caught.value.culprit in tags


@pytest.mark.parametrize("tags", [None, "env", 5, [("env", "prod")]])
def test_tags_are_a_mapping(tags: Any) -> None:
    """Anything else is refused with what to write."""
    with pytest.raises(
        ConfigurationError, match=r"tags are text to text, such as {'env': 'prod'}, not"
    ) as caught:
        ResultKey(DAY, tags)
    assert caught.value.culprit is tags


def test_no_key_is_before_the_calendar() -> None:
    """The error names the key and how far back was asked."""
    with pytest.raises(ConfigurationError, match="7 days before the key date 0001-01-03 there is no date"):
        ResultKey(date(1, 1, 3)).lag(7)


def test_a_key_keeps_its_own_tags() -> None:
    """What becomes of the mapping that was given is no matter."""
    given = {"env": "prod"}
    key = ResultKey(DAY, given)
    given["env"] = "dev"
    assert key.tags == {"env": "prod"}
    assert key == ResultKey(DAY, Tags({"env": "prod"}))
    assert ResultKey(DAY).tags == {}
    assert key.lag(1) == ResultKey(date(2024, 2, 28), {"env": "prod"})
    assert key.lag(366).yyyy_mm_dd == date(2023, 2, 28)
    assert key.lag(0) == key


def test_a_value_or_the_reason_why_there_is_none() -> None:
    """Never both."""
    good, bad = ResultValue.success(0), ResultValue.failure(ScanError("why", "orders"))
    assert (good.is_success(), good.is_failure(), good.unwrap(), good.error) == (True, False, 0, None)
    assert (bad.is_success(), bad.is_failure(), bad.value) == (False, True, None)
    with pytest.raises(ScanError, match="why") as caught:
        bad.unwrap()
    assert caught.value.dataset == "orders"


def test_a_run_and_its_results_survive_pickle_and_cannot_be_changed() -> None:
    """They travel between processes as they are."""
    run = suite_run(
        result(tags=Tags({"k": "v"}), thresholds=FrozenDict({"lower": 5})),
        plugin_outcomes=(PluginOutcome("p", "process", "ok"),),
    )
    again = pickle.loads(pickle.dumps(run))
    assert again == run
    assert again.results[0].tags == {"k": "v"}
    for frozen in (run, run.results[0], run.plugin_outcomes[0], run.key):
        for field in dataclasses.fields(frozen):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(frozen, field.name, None)
    assert not hasattr(run, "__dict__")


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("message", "culprit"),
        StoreError("message", "sqlite:///x"),
        ScanError("message", "orders"),
        VerdictError("message", suite_run(result("FAILURE"))),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_carry_their_culprit_through_pickle(error: DQXError) -> None:
    """All are DQXErrors, and say what they say in another process, too."""
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(error, DQXError)
    assert type(again) is type(error)
    assert str(again) == "message"
    assert vars(again) == vars(error)


def test_severities_are_p0_to_p3() -> None:
    """Anything else is refused by name."""
    assert [check_severity(severity, "here") for severity in SEVERITIES] == ["P0", "P1", "P2", "P3"]
    for wrong in ("P4", "p1", "", None, 1, "P1 "):
        with pytest.raises(ConfigurationError, match=r"here: severity is .*; allowed are P0") as caught:
            check_severity(wrong, "here")
        assert caught.value.culprit is wrong


def test_every_status_and_severity_has_a_verdict() -> None:
    """No combination is left undecided."""
    for status, severity, fail_on in product(
        ["SUCCESS", "FAILURE", "ERROR", "SKIPPED"], SEVERITIES, SEVERITIES
    ):
        assert verdict_of([result(status, severity)], fail_on) in ("passed", "failed", "error", "skipped")


@pytest.mark.parametrize(
    ("ending", "error_type", "message", "why"),
    [
        ("error", "KeyError", "'channel'", "KeyError: 'channel'"),
        ("error", "KeyError", "KeyError", "KeyError"),
        ("error", "dqx.common.ConfigurationError", "url is missing", "url is missing"),
        ("timed_out", "timeout", "it did not come back within 1 s", "it did not come back within 1 s"),
        ("not_run", "hanging", None, "not_run"),
    ],
)
def test_a_stranger_s_exception_is_told_with_its_class(
    ending: Any, error_type: str, message: str | None, why: str
) -> None:
    """Its message alone may be no more than a name in quotes; what DQX says itself is a sentence."""
    assert PluginOutcome("p", "process", ending, error_type=error_type, message=message).why == why
