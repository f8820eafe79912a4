"""What makes two metrics one, how a metric prints, and by what the store finds it again."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.naming import plain_id

from dqx.engine.metrics import MetricSpec, render_literal, render_name, render_value
from dqx.provider import MetricProvider

if TYPE_CHECKING:
    from dqx.engine.expression import Metric

mp = MetricProvider()

# History is looked up by these: a release that changes one forgets everything that was stored before.
PINNED: list[tuple[Metric, str]] = [
    (mp.num_rows(), "b015d8d3177365fcb8fbef358d5a4918"),
    (mp.sum("distance"), "fd0217f973530e8d3259a40d1a2b2bad"),
    (mp.sum("distance", where="carrier = 'UA'"), "c4d586ef92055c71386384d795e34c4d"),
    (mp.duplicate_count(["time_hour", "carrier"]), "dbaf4286b0c918320841b203cb5f4c5b"),
    (mp.quantile("price", 0.95), "c4a5bc22cfae4a7cb9319a851bc2d7f5"),
    (mp.count_values("status", ["paid", "open"]), "e49792b8e81911709090b895c641e675"),
    (mp.not_in_count("flag", True), "ec3607a35488e4f03d52cc138a8f3573"),
    (mp.count_values("day", date(2024, 1, 31)), "3bd0d8bf02bed45a1b9d22f4b6292788"),
    (mp.count_values("price", Decimal("1.50")), "6eb2a748e7d9270ad3438ea4e42277b9"),
    (mp.custom_sql("sum(a) / sum(b)"), "45e8760486e722d2442ae3e4c0095d43"),
    (mp.null_count("naïve 😀"), "7ad379904ac7433a1ef5b4a3f718eab6"),
]


@pytest.mark.parametrize(("metric", "metric_id"), PINNED, ids=[str(metric) for metric, _ in PINNED])
def test_stored_history_is_found_by_later_releases(metric: Metric, metric_id: str) -> None:
    """The identity of a metric in the store is fixed, for good."""
    assert metric.spec.metric_id == metric_id


def test_identity_is_the_same_in_another_process() -> None:
    """Neither the hash seed of a process nor the order of a set is part of it."""
    program = (
        "from dqx.provider import MetricProvider as P\n"
        "print(P().not_in_count('s', {'a', 'b', 'c', 'd', 'e'}).spec.metric_id)\n"
        "print(P().duplicate_count({'a', 'b', 'c', 'd', 'e'}).spec.metric_id)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


DIFFERENT: list[Metric] = [
    mp.num_rows(),
    mp.num_rows(where="a > 0"),
    mp.num_rows(where="a > 1"),
    mp.count("a"),
    mp.count("A"),
    mp.count("a "),
    mp.null_count("a"),
    mp.first("a", "b"),
    mp.first("b", "a"),
    mp.duplicate_count(["a"]),
    mp.duplicate_count(["a", "b"]),
    mp.duplicate_count(["a,b"]),
    mp.duplicate_count(["b", "a"]),
    mp.count_values("a", 1),
    mp.count_values("a", True),
    mp.count_values("a", "1"),
    mp.count_values("a", 1.0),
    mp.count_values("a", Decimal("1.0")),
    mp.count_values("a", [1, 2]),
    mp.count_values("a", [2, 1]),
    mp.count_values("a", "x', 'y"),
    mp.count_values("a", ["x", "y"]),
    mp.count_values("a", date(2024, 1, 1)),
    mp.count_values("a", datetime(2024, 1, 1)),
    mp.count_values("a", datetime(2024, 1, 1, tzinfo=UTC)),
    mp.not_in_count("a", 1),
    mp.quantile("a", 0.5),
    mp.quantile("a", 0.25),
    mp.median("a"),
    mp.pattern_count("a", "x"),
    mp.custom_sql("sum(a)"),
    mp.custom_sql("sum(a) "),
    mp.custom_sql("sum(a)", where="a > 0"),
]


def test_metrics_that_ask_for_different_things_are_different() -> None:
    """1, True and '1' are equal or look alike in Python, and are different questions."""
    assert len({metric.spec for metric in DIFFERENT}) == len(DIFFERENT)
    assert len({metric.spec.metric_id for metric in DIFFERENT}) == len(DIFFERENT)


class Status(StrEnum):
    """A user's enum of text."""

    PAID = "paid"


class Grade(IntEnum):
    """A user's enum of integers."""

    GOOD = 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (mp.sum("a", name="x", dataset="d", lag=3), mp.sum("a")),
        (mp.quantile("a", 1), mp.quantile("a", 1.0)),
        (mp.count_values("a", Status.PAID), mp.count_values("a", "paid")),
        (mp.count_values("a", [Grade.GOOD]), mp.count_values("a", 3)),
        (mp.count_values("a", np.int64(3)), mp.count_values("a", 3)),
        (mp.count_values("a", np.float64(0.1)), mp.count_values("a", 0.1)),
        (mp.count_values("a", np.array([1, 2])), mp.count_values("a", [1, 2])),
        (mp.count_values("a", pd.Series(["x"])), mp.count_values("a", ("x",))),
        (mp.not_in_count("a", Status), mp.not_in_count("a", ["paid"])),
        (mp.not_in_count("a", {"y", "x"}), mp.not_in_count("a", frozenset(("x", "y")))),
        (mp.count_values("a", pd.Timestamp("2024-01-01")), mp.count_values("a", datetime(2024, 1, 1))),
        (mp.count_values("a", (v for v in (1, 2))), mp.count_values("a", range(1, 3))),
    ],
    ids=plain_id,
)
def test_metrics_that_ask_for_the_same_are_one(one: Metric, other: Metric) -> None:
    """What a metric is called, of which day it is, and which class a value happens to have, is not what it asks."""
    assert one.spec == other.spec
    assert hash(one.spec) == hash(other.spec)
    assert one.spec.metric_id == other.spec.metric_id
    assert str(one.spec.values) == str(other.spec.values)
    assert mp.sum("a").spec != "sum(a)"


def test_half_a_surrogate_pair_has_an_identity() -> None:
    """Python's text can hold what no encoding takes; a metric that names it is an ERROR later, not a crash."""
    assert len(mp.count("\ud800").spec.metric_id) == 32
    assert mp.count("\ud800").spec.metric_id != mp.count("?").spec.metric_id


@given(
    st.lists(st.text(max_size=5), min_size=1, max_size=4),
    st.lists(st.text(max_size=5), min_size=1, max_size=4),
)
def test_no_two_lists_of_columns_share_an_identity(one: list[str], other: list[str]) -> None:
    """Nothing in a name can make two names look like one."""
    same = MetricSpec("duplicate_count", tuple(one)) == MetricSpec("duplicate_count", tuple(other))
    assert same == (one == other)


PRINTED: list[tuple[Metric, str, str]] = [
    (mp.num_rows(), "num_rows()", "num_rows()"),
    (mp.num_rows(where="a > 0"), "num_rows(where=a > 0)", "num_rows(where=<sql>)"),
    (mp.sum("a", lag=1), "sum(a, lag=1)", "sum(a, lag=1)"),
    (mp.sum("a", where="b", lag=7), "sum(a, where=b, lag=7)", "sum(a, where=<sql>, lag=7)"),
    (mp.sum("order id"), 'sum("order id")', 'sum("order id")'),
    (mp.sum('say "hi"'), 'sum("say ""hi""")', 'sum("say ""hi""")'),
    (mp.sum("1a"), 'sum("1a")', 'sum("1a")'),
    (mp.sum("😀\n"), 'sum("😀\n")', 'sum("😀\n")'),
    (mp.quantile("a", 0.95), "quantile(a, 0.95)", "quantile(a, 0.95)"),
    (mp.first("a", "b"), "first(a, b)", "first(a, b)"),
    (mp.duplicate_count(["a"]), "duplicate_count([a])", "duplicate_count([a])"),
    (mp.duplicate_count(["a", "b c"]), 'duplicate_count([a, "b c"])', 'duplicate_count([a, "b c"])'),
    (mp.count_values("a", 5), "count_values(a, 5)", "count_values(a, 5)"),
    (mp.count_values("a", "it's"), "count_values(a, 'it''s')", "count_values(a, ?)"),
    (mp.count_values("a", [1, 2.5]), "count_values(a, [1, 2.5])", "count_values(a, [1, 2.5])"),
    (mp.not_in_count("a", ["x", "y"]), "not_in_count(a, ['x', 'y'])", "not_in_count(a, [?, ?])"),
    (mp.not_in_count("a", [True, False]), "not_in_count(a, [true, false])", "not_in_count(a, [true, false])"),
    (mp.count_values("a", date(2024, 1, 31)), "count_values(a, 2024-01-31)", "count_values(a, 2024-01-31)"),
    (mp.pattern_count("a", "^x'"), "pattern_count(a, '^x''')", "pattern_count(a, ?)"),
    (mp.custom_sql("sum(a * b)"), "custom_sql(sum(a * b))", "custom_sql(<sql>)"),
    (mp.custom_sql("sum(a)", where="b"), "custom_sql(sum(a), where=b)", "custom_sql(<sql>, where=<sql>)"),
]


@pytest.mark.parametrize(("metric", "text", "public"), PRINTED, ids=[text for _, text, _ in PRINTED])
def test_prints_in_full_and_in_the_form_that_may_leave_the_machine(
    metric: Metric, text: str, public: str
) -> None:
    """Redacted, a text is `?` and a user's SQL `<sql>`, while numbers, dates and names stay."""
    assert metric.render() == text
    assert metric.render(redacted=True) == public
    assert str(metric) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (2**70, "1180591620717411303424"),
        (5.0, "5"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (1e-7, "1e-07"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.00000001"), "0.00000001"),
        (True, "true"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, 5, tzinfo=UTC), "2024-01-31 05:00:00+00:00"),
    ],
)
def test_values_print_exactly(value: Any, text: str) -> None:
    """Without an exponent where a person would write none."""
    assert render_value(value) == text
    assert render_literal(value) == text
    assert render_literal(value, redacted=True) == text


@pytest.mark.parametrize(
    ("name", "text"), [("a", "a"), ("_a1", "_a1"), ("", '""'), ("a\n", '"a\n"'), ("é", '"é"')]
)
def test_names_are_quoted_unless_plain(name: str, text: str) -> None:
    """A plain word is one of ASCII letters, digits and underscores that does not begin with a digit."""
    assert render_name(name) == text
