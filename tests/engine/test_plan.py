"""A plan holds every metric once for each dataset, with the base of all that looks back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dqx.common import ConfigurationError
from dqx.engine.check import check
from dqx.engine.collect import collect
from dqx.engine.plan import Plan, make_plan
from dqx.provider import MetricProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dqx.engine.check import Context

DB: Any = object()


def planned(body: Callable[[MetricProvider, Context], Any], datasets: Sequence[str], *reads: str) -> Plan:
    """Return the plan of one check, which reads datasets `reads`, in a run over `datasets`."""
    return make_plan(
        collect([check(name="c", datasets=reads)(body)], MetricProvider(), "suite", DB), datasets
    )


def symbols(plan: Plan) -> list[tuple[str, str, int, str | None]]:
    """Return dataset, metric, lag and label of every symbol."""
    return [(s.dataset, p.spec.render(), s.lag, p.label) for s, p in plan.symbols.items()]


def test_every_metric_is_computed_once() -> None:
    """However often it is named, in whatever expression, bound or check."""

    def body(mp: MetricProvider, ctx: Context) -> None:
        ratio = mp.null_count("a") / mp.num_rows()
        ctx.assert_that(ratio).where(name="one").is_lt(ratio * 2)
        ctx.assert_that(mp.num_rows(dataset="t")).where(name="two").is_gt(mp.num_rows())
        ctx.assert_that(mp.num_rows(where="a > 0")).noop()

    plan = planned(body, ["t"])
    assert [spec.render() for spec in plan.scans["t"]] == [
        "null_count(a)",
        "num_rows()",
        "num_rows(where=a > 0)",
    ]
    assert symbols(plan) == [
        ("t", "null_count(a)", 0, None),
        ("t", "num_rows()", 0, None),
        ("t", "num_rows(where=a > 0)", 0, None),
    ]


def test_what_looks_back_has_its_base_computed_too() -> None:
    """Naming a lagged or an `ext` metric stores its unlagged base in every run, or there never is a history."""

    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.sum("a", lag=3)).where(name="lagged").is_positive()
        ctx.assert_that(mp.ext.stddev(mp.sum("b"), offset=1, n=2)).where(name="spread").is_positive()
        ctx.assert_that(mp.ext.week_over_week(mp.sum("c"))).where(name="week").is_positive()
        ctx.assert_that(mp.num_rows()).where(name="bound").is_geq(mp.num_rows(lag=1) * 0.5)

    plan = planned(body, ["t"])
    assert [spec.render() for spec in plan.scans["t"]] == ["sum(a)", "sum(b)", "sum(c)", "num_rows()"]
    assert {(metric, lag) for _, metric, lag, _ in symbols(plan)} == {
        ("sum(a)", 3),
        ("sum(a)", 0),
        ("sum(b)", 1),
        ("sum(b)", 2),
        ("sum(b)", 0),
        ("sum(c)", 7),
        ("sum(c)", 0),
        ("num_rows()", 1),
        ("num_rows()", 0),
    }


def test_the_first_name_of_a_metric_counts() -> None:
    """A metric that is named once keeps that name, for its history as well."""

    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.sum("a")).noop()
        ctx.assert_that(mp.sum("a", name="total")).noop()
        ctx.assert_that(mp.sum("a", name="other")).noop()
        ctx.assert_that(mp.sum("b", name="past", lag=1)).noop()

    plan = planned(body, ["t"])
    assert symbols(plan) == [
        ("t", "sum(a)", 0, "total"),
        ("t", "sum(b)", 1, "past"),
        ("t", "sum(b)", 0, "past"),
    ]


def test_a_dataset_is_found_in_the_metric_then_in_the_check_then_in_the_run() -> None:
    """Only where one of them says which."""

    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows() / mp.num_rows(dataset="b")).noop()

    assert list(planned(body, ["a", "b", "unread"], "a").scans) == ["a", "b"]
    assert list(planned(body, ["b"]).scans) == ["b"]


TWO = ["orders", "items"]
ABSENT = "which the run does not have"


@pytest.mark.parametrize(
    ("dataset", "run", "reads", "message", "culprit"),
    [
        (
            None,
            TWO,
            [],
            r"none of the run's datasets in particular \(items, orders\); write dataset=",
            "num_rows()",
        ),
        (None, TWO, TWO, "datasets=.* with one name in the check", "num_rows()"),
        (None, [], [], r"in particular \(none\)", "num_rows()"),
        ("order", TWO, [], f"needs dataset 'order', {ABSENT}; .*; did you mean 'orders'?", "order"),
        (
            None,
            ["orders"],
            ["flights"],
            f"needs dataset 'flights', {ABSENT}; .*; there are: orders",
            "flights",
        ),
        ("x", [], [], f"needs dataset 'x', {ABSENT}", "x"),
    ],
)
def test_a_metric_of_no_dataset_of_the_run_is_refused(
    dataset: str | None, run: list[str], reads: list[str], message: str, culprit: str
) -> None:
    """The error names check, assertion and metric, and the nearest dataset."""

    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows(dataset=dataset)).where(name="rows").is_positive()

    with pytest.raises(ConfigurationError, match=message) as caught:
        planned(body, run, *reads)
    assert str(caught.value).startswith("check 'c', assertion 'rows': num_rows()")
    assert caught.value.culprit == culprit
