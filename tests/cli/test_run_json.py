"""Runs as JSON: one document, the names of the result model, and no digit lost."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.cli.run_json import render_history, render_runs
from dqx.common import AssertionResult, DatasetRun, PluginOutcome, ResultKey, SuiteRun, SymbolInfo
from dqx.orm.records import StoredRun
from dqx.testing import KEY, STARTED_AT, assertion_result, suite_run, symbol_info


def refuse(constant: str) -> None:
    """Fail for what is not JSON."""
    raise AssertionError(f"{constant} is not JSON")


def parsed(text: str) -> Any:
    """Return a document with its numbers as they are written."""
    return json.loads(text, parse_constant=refuse, parse_float=Decimal)


def document(*runs: SuiteRun, **refused: str) -> Any:
    """Return the document on runs."""
    return parsed(render_runs(runs, refused, 1))


def names(kind: type) -> set[str]:
    """Return the names of a record's fields."""
    return {field.name for field in fields(kind)}


def test_a_run_has_the_names_of_the_result_model() -> None:
    """All of them, so that nobody has to learn two."""
    run = document(suite_run(plugin_outcomes=(PluginOutcome("a", "process", "ok"),)))
    assert run["schema_version"] == 1
    extra = {"schema_version", "passed", "exit_code", "finished_at", "counts"}
    assert set(run) == names(SuiteRun) | extra
    assert set(run["key"]) == names(ResultKey)
    assert set(run["results"][0]) == names(AssertionResult)
    assert set(run["symbols"][0]) == names(SymbolInfo) | {"error"}
    assert set(run["datasets"][0]) == names(DatasetRun)
    assert set(run["plugin_outcomes"][0]) == names(PluginOutcome)
    assert (run["verdict"], run["passed"], run["exit_code"]) == ("failed", False, 1)
    assert run["counts"] == {"SUCCESS": 1, "FAILURE": 1, "ERROR": 1, "SKIPPED": 1}
    assert run["key"] == {"yyyy_mm_dd": "2024-01-31", "tags": {"env": "test"}}
    assert run["started_at"] == "2024-02-01T03:04:05+00:00"
    assert run["telemetry_dropped"] == []


def test_what_telemetry_lost_is_a_list() -> None:
    """By signal and reason."""
    run = document(suite_run(telemetry_dropped={("traces", "timeout"): 3, ("metrics", "unusable"): 1}))
    assert run["telemetry_dropped"] == [
        {"signal": "traces", "reason": "timeout", "items": 3},
        {"signal": "metrics", "reason": "unusable", "items": 1},
    ]


def test_several_suites_are_one_document() -> None:
    """With what ran, and what was refused and why."""
    both = document(suite_run(), suite_run(suite="shops"), orders="no store")
    assert set(both) == {"schema_version", "passed", "exit_code", "runs", "refused"}
    assert [run["suite"] for run in both["runs"]] == ["orders", "shops"]
    assert both["refused"] == [{"suite": "orders", "reason": "no store"}]
    assert (both["passed"], both["exit_code"]) == (False, 1)
    well = suite_run([assertion_result()])
    assert document(well, well)["passed"] is True


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, 0),
        (2**53 + 1, 2**53 + 1),
        (-(2**127), -(2**127)),
        (0.1, Decimal("0.1")),
        (1e300, Decimal("1e300")),
        (-0.0, Decimal("-0.0")),
        (Decimal("12.10"), Decimal("12.10")),
        (
            Decimal("12345678901234567890.123456789012345678"),
            Decimal("12345678901234567890.123456789012345678"),
        ),
        (Decimal("1E+3"), 1000),
        (Decimal("1E-10"), Decimal("0.0000000001")),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("-Infinity"), None),
        (Decimal("sNaN"), None),
        (None, None),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime.fromisoformat("2024-01-31 05:00"), "2024-01-31T05:00:00+00:00"),
        (datetime(2024, 1, 31, 5, tzinfo=UTC), "2024-01-31T05:00:00+00:00"),
    ],
)
def test_values_are_exact(value: Any, written: object) -> None:
    """Whole numbers and decimals with all their digits; what is not finite is null, as JSON has no number for it."""
    run = suite_run(
        [assertion_result(value=value, thresholds={"lower": value})], symbols=(symbol_info(value),)
    )
    shown = document(run)
    places = [
        shown["results"][0]["value"],
        shown["results"][0]["thresholds"]["lower"],
        shown["symbols"][0]["value"],
    ]
    for place in places:
        assert place == written
        assert str(place) == str(written)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_every_decimal_comes_back(value: Decimal) -> None:
    """As the number that it was."""
    assert document(suite_run([assertion_result(value=value)]))["results"][0]["value"] == value


def test_a_metric_without_a_value_says_why() -> None:
    """In place of the value."""
    symbol = document(suite_run(symbols=(symbol_info(ValueError("no column")),)))["symbols"][0]
    assert (symbol["value"], symbol["error"]) == (None, "no column")


@given(st.text())
def test_every_name_comes_back(name: str) -> None:
    """Quotes, newlines, emoji and whatever else a name may hold."""
    run = document(suite_run([assertion_result(assertion=name, tags={name: name})], suite=name))
    assert run["suite"] == run["results"][0]["assertion"] == name
    assert run["results"][0]["tags"] == {name: name}


def test_half_a_surrogate_pair_is_spelled_out() -> None:
    """It is in no encoding, and the document is UTF-8."""
    text = render_runs([suite_run(suite="\ud800")], {}, 0)
    assert parsed(text.encode().decode())["suite"] == "\\ud800"


def test_history_is_a_document_too() -> None:
    """With the names of a stored run."""
    stored = StoredRun(
        "r1",
        "orders",
        KEY,
        STARTED_AT,
        None,
        None,
        None,
        {"SUCCESS": 0},
        86_400.0,
        900.0,
        3_600.0,
        "P1",
        None,
        None,
    )
    history = parsed(render_history([stored]))
    assert history["schema_version"] == 1
    assert set(history["runs"][0]) == names(StoredRun)
    assert history["runs"][0]["verdict"] is None
