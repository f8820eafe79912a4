"""What the audit trail keeps of a run, and that every value comes back as it was."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.common import AssertionResult, PluginOutcome, ResultKey
from dqx.plugins.trail_record import decode, encode, key_of, outcomes_record, run_record

NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


def through_json(value: object) -> Any:
    return json.loads(json.dumps(encode(value), allow_nan=False), object_pairs_hook=decode)


offsets = st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=-3, minutes=-30)))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.text()
    | st.dates()
    | st.datetimes(timezones=offsets).map(lambda moment: moment.replace(fold=0))  # no offset repeats an hour
)
keys = st.text() | st.sampled_from(["$int", "$float", "$decimal", "$date", "$datetime", "$map", "$"])
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


@given(values)
def test_any_value_comes_back_from_json_equal_and_of_the_same_type(value: object) -> None:
    """Encoding and decoding give back the same, text that looks like an encoded value included."""
    back = through_json(value)
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        2**53 + 1,
        -(2**70),
        Decimal("1.10"),
        Decimal("1E+400"),
        -0.0,
        math.inf,
        -math.inf,
        date(2024, 2, 29),
        NOON.replace(tzinfo=None, microsecond=999_999),
        datetime(2024, 2, 29, tzinfo=UTC),
        "🛫 “quoted”\n",
        "x" * 10_000,
    ],
)
def test_edge_values_come_back_exactly(value: object) -> None:
    """What a double or plain JSON would lose is kept."""
    back = through_json(value)
    assert (type(back), repr(back)) == (type(value), repr(value))


@pytest.mark.parametrize("value", [math.nan, Decimal("NaN"), Decimal("sNaN")])
def test_not_a_number_comes_back_as_not_a_number(value: float | Decimal) -> None:
    """NaN is not JSON, so it is written as text that says what it was."""
    assert repr(through_json(value)) == repr(value)


def test_numbers_up_to_2_to_the_53_stand_as_plain_json() -> None:
    """Small integers and finite floats can be read by any JSON tool; a larger integer would be rounded by some."""
    assert encode([2**53, -1.5, True, None]) == [2**53, -1.5, True, None]
    assert encode(2**53 + 1) == {"$int": "9007199254740993"}


def test_an_unknown_object_is_kept_as_text() -> None:
    """A result made by hand may hold anything; it must not cost the record."""
    assert encode({1: object}) == {"1": "<class 'object'>"}


def result(**changes: Any) -> AssertionResult:
    fields: dict[str, Any] = {
        "yyyy_mm_dd": date(2024, 1, 31),
        "suite": "flights",
        "check": "complete",
        "assertion": "departure time known",
        "severity": "P1",
        "status": "FAILURE",
        "metric": "null_count(dep_time) / num_rows()",
        "expression": "null_count(dep_time) / num_rows() < 0.05",
        "tags": {"team": "ops"},
        "reason": "0.07 is not below 0.05",
        "value": 0.07,
        "thresholds": {"upper": Decimal("0.05")},
        "evaluated_at": NOON,
        "datasets": ("flights",),
        "owner": "ops",
        "runbook_url": "https://wiki/flights",
    }
    return AssertionResult(**fields | changes)


CONTEXT = {
    "key": ResultKey(date(2024, 1, 31), {"env": "prod"}),
    "run_id": "r1",
    "verdict": "failed",
    "fail_on": "P1",
    "started_at": NOON - timedelta(seconds=2),
    "duration_s": 2.0,
    "datasources": ["flights"],
    "datasets": {"flights": {"rows": 2**60, "scan_duration_s": 0.5, "freshness_at": NOON}},
}


def record(results: list[AssertionResult], context: dict[str, Any]) -> dict[str, Any]:
    plugins = [{"name": "dqx_audit", "distribution": "dqx", "version": "0.1.0"}]
    return run_record(
        results, "flights", context, at=NOON, trace_id="ab" * 16, plugins=plugins, dqx_version="0.1.0"
    )


def test_a_run_is_recorded_in_full() -> None:
    """Suite, run, date, tags, datasets and each assertion with all that was compared are in the record."""
    assert record([result()], CONTEXT) == {
        "kind": "run",
        "at": "2024-01-31T12:00:00+00:00",
        "run_id": "r1",
        "trace_id": "ab" * 16,
        "suite": "flights",
        "date": "2024-01-31",
        "tags": {"env": "prod"},
        "verdict": "failed",
        "fail_on": "P1",
        "started_at": "2024-01-31T11:59:58+00:00",
        "duration_s": 2.0,
        "datasets": {
            "flights": {
                "rows": {"$int": str(2**60)},
                "scan_duration_s": 0.5,
                "freshness_at": "2024-01-31T12:00:00+00:00",
            }
        },
        "assertions": [
            {
                "check": "complete",
                "assertion": "departure time known",
                "severity": "P1",
                "status": "FAILURE",
                "reason": "0.07 is not below 0.05",
                "metric": "null_count(dep_time) / num_rows()",
                "expression": "null_count(dep_time) / num_rows() < 0.05",
                "value": 0.07,
                "thresholds": {"upper": {"$decimal": "0.05"}},
                "evaluated_at": "2024-01-31T12:00:00+00:00",
                "datasets": ["flights"],
                "tags": {"team": "ops"},
                "owner": "ops",
                "runbook_url": "https://wiki/flights",
            }
        ],
        "plugins": [{"name": "dqx_audit", "distribution": "dqx", "version": "0.1.0"}],
        "dqx_version": "0.1.0",
    }


def test_a_run_about_which_little_is_known_is_recorded_too() -> None:
    """Without most of the context the record has the same keys, and the names of the datasets."""
    bare = record([], {"datasources": ["a", "b"]})
    assert bare.keys() == record([result()], CONTEXT).keys()
    assert bare["datasets"] == {"a": {}, "b": {}}
    assert bare["run_id"] is bare["date"] is bare["verdict"] is None


@pytest.mark.parametrize(
    ("started_at", "expected"),
    [
        (NOON.astimezone(timezone(timedelta(hours=2))), "2024-01-31T12:00:00+00:00"),
        (NOON.replace(tzinfo=None), "2024-01-31T12:00:00+00:00"),
        (NOON.timestamp(), "2024-01-31T12:00:00+00:00"),
        ("noon", None),
    ],
)
def test_times_are_in_utc_however_they_come(started_at: object, expected: str | None) -> None:
    """In another zone, without one, or as Unix seconds."""
    assert record([], CONTEXT | {"started_at": started_at})["started_at"] == expected


def test_a_reason_that_came_with_an_exception_is_kept_without_its_secrets() -> None:
    """An engine's error text repeats connection URLs; what cannot be evaluated brings such text."""
    error = result(status="ERROR", reason="cannot open postgresql://bob:hunter2@db/x")
    assert "hunter2" not in json.dumps(record([error], CONTEXT))
    assert "cannot open postgresql://" in json.dumps(record([error], CONTEXT))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (ResultKey(date(2024, 1, 1), {"env": "prod"}), ("2024-01-01", {"env": "prod"})),
        ({"yyyy_mm_dd": "2024-01-01"}, ("2024-01-01", {})),
        ({"yyyy_mm_dd": date(2024, 1, 1), "tags": {"a": "b"}}, ("2024-01-01", {"a": "b"})),
        ({}, (None, {})),
        (None, (None, {})),
    ],
)
def test_the_key_may_be_a_result_key_or_a_mapping(key: object, expected: object) -> None:
    """The date is text in ISO form either way."""
    assert key_of({"key": key}) == expected


def test_the_outcomes_of_plugins_are_recorded_with_versions() -> None:
    """What became of each plugin stands with the run it belongs to."""
    outcome = PluginOutcome("mail", "process", "timed_out", 10.0, "timeout", "too late", "1.2", "dqx-mail")
    recorded = outcomes_record("r1", "flights", [outcome], at=NOON, trace_id="")
    assert recorded == {
        "kind": "outcomes",
        "at": "2024-01-31T12:00:00+00:00",
        "run_id": "r1",
        "trace_id": None,
        "suite": "flights",
        "outcomes": [
            {
                "plugin": "mail",
                "phase": "process",
                "outcome": "timed_out",
                "duration_s": 10.0,
                "error_type": "timeout",
                "message": "too late",
                "version": "1.2",
                "distribution": "dqx-mail",
                "required": False,
                "timeout_s": None,
            }
        ],
    }
