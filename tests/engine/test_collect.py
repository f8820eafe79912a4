"""Checks are collected into assertions; what is written wrong is refused before anything is read."""

from __future__ import annotations

import functools
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from dqx.common import ConfigurationError, StoreError
from dqx.engine.check import AssertionDraft, Context, DecoratedCheck, check
from dqx.engine.collect import collect
from dqx.provider import MetricProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from dqx.engine.assertion import Assertion

DB: Any = object()


def collected(*checks: Any) -> list[Assertion]:
    """Return what the checks of a suite assert."""
    return collect(checks, MetricProvider(), "suite", DB)


def refusal(body: Callable[[MetricProvider, Context], Any]) -> ConfigurationError:
    """Return the error with which a check is refused."""
    with pytest.raises(ConfigurationError) as caught:
        collected(check(name="Orders")(body))
    return caught.value


def test_assertions_come_in_the_order_in_which_they_are_written() -> None:
    """Each has its check's name, its own, and what it prints."""

    @check(name="Orders ", datasets=["orders"])
    def orders(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name=" some ", severity="P0").is_positive()
        ctx.assert_that(mp.sum("price")).noop()
        ctx.assert_that(mp.average("price")).config(
            name="mean", owner="team-a", runbook_url="https://x", tags={"k": "v"}
        ).is_between(1, mp.maximum("price"))

    def plain(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.null_count("id", dataset="other")).where(name="known").is_zero()

    some, collecting, mean, known = collected(orders, plain)
    assert (some.check, some.name, some.severity, some.dataset) == ("Orders", "some", "P0", "orders")
    assert some.render() == "num_rows() > 0"
    assert collecting.validator is None
    assert collecting.render() == "sum(price)"
    assert mean.render() == "average(price) between 1 and maximum(price)"
    assert (mean.owner, mean.runbook_url, mean.tags, mean.severity) == (
        "team-a",
        "https://x",
        {"k": "v"},
        "P1",
    )
    assert [str(metric) for metric in mean.metrics()] == ["average(price)", "maximum(price)"]
    assert (known.check, known.dataset, known.render()) == (
        "plain",
        None,
        "null_count(id, dataset=other) == 0",
    )


VALIDATORS: list[tuple[str, tuple[Any, ...], str]] = [
    ("is_eq", (5,), "num_rows() == 5"),
    ("is_eq", (5, 0.1), "num_rows() == 5 ± 0.1"),
    ("is_eq", (Decimal("5.00"), Decimal("0.10")), "num_rows() == 5.00 ± 0.10"),
    ("is_eq", (date(2024, 1, 1),), "num_rows() == 2024-01-01"),
    ("is_neq", (5, 1), "num_rows() != 5 ± 1"),
    ("is_gt", (5,), "num_rows() > 5"),
    ("is_geq", (0.05,), "num_rows() >= 0.05"),
    ("is_lt", (5,), "num_rows() < 5"),
    ("is_leq", (5,), "num_rows() <= 5"),
    ("is_between", (1, 2), "num_rows() between 1 and 2"),
    ("is_between", (2, 2), "num_rows() between 2 and 2"),
    ("is_not_between", (1, 2), "num_rows() not between 1 and 2"),
    ("is_positive", (), "num_rows() > 0"),
    ("is_negative", (), "num_rows() < 0"),
    ("is_zero", (), "num_rows() == 0"),
]


@pytest.mark.parametrize(
    ("validator", "arguments", "text"), VALIDATORS, ids=[text for *_, text in VALIDATORS]
)
def test_every_validator_prints_what_it_asserts(
    validator: str, arguments: tuple[Any, ...], text: str
) -> None:
    """The printed form says what is good, with the numbers as they were written."""

    def body(mp: MetricProvider, ctx: Context) -> None:
        getattr(ctx.assert_that(mp.num_rows()).where(name="n"), validator)(*arguments)

    (assertion,) = collected(check(name="c")(body))
    assert assertion.render() == text


def draft(mp: MetricProvider, ctx: Context) -> AssertionDraft:
    """Return an assertion on sum(a), named x, that has no validator yet."""
    return ctx.assert_that(mp.sum("a")).where(name="x")


def unnamed(mp: MetricProvider, ctx: Context) -> AssertionDraft:
    """Return an assertion on sum(a) without a name."""
    return ctx.assert_that(mp.sum("a"))


EVE, NEW_YEAR = date(2023, 12, 31), date(2024, 1, 1)
NOON = datetime(2023, 12, 31, 12, tzinfo=UTC)
ROUND = "has its bounds the wrong way round"
REFUSED: dict[str, tuple[Callable[[MetricProvider, Context], Any], str, object]] = {
    "no validator": (unnamed, "has no validator, so it asserts nothing", "sum(a)"),
    "named, no validator": (draft, "check 'Orders', assertion 'x' has no validator", "sum(a)"),
    "no name": (
        lambda mp, ctx: unnamed(mp, ctx).is_zero(),
        r"the assertion on sum\(a\) has no name; write .where\(name=",
        "sum(a)",
    ),
    "empty name": (lambda mp, ctx: unnamed(mp, ctx).where(name="  "), "name is text", "  "),
    "name no text": (lambda mp, ctx: unnamed(mp, ctx).where(name=5), "name is text", 5),
    "severity": (
        lambda mp, ctx: unnamed(mp, ctx).where(name="x", severity="P4"),
        "check 'Orders', assertion 'x': severity is 'P4'; allowed are P0, P1, P2, P3",
        "P4",
    ),
    "lower case": (lambda mp, ctx: unnamed(mp, ctx).where(name="x", severity="p1"), "severity is 'p1'", "p1"),
    "owner": (lambda mp, ctx: unnamed(mp, ctx).where(name="x", owner=5), "owner is text, not 5", 5),
    "runbook": (lambda mp, ctx: unnamed(mp, ctx).where(name="x", runbook_url=5), "runbook_url is text", 5),
    "tags that are no mapping": (
        lambda mp, ctx: unnamed(mp, ctx).where(name="x", tags="env=prod"),
        "tags are text to text, not 'env=prod'",
        "env=prod",
    ),
    "tags": (
        lambda mp, ctx: unnamed(mp, ctx).where(name="x", tags={"k": 1}),
        "tags are text to text, not {'k': 1}",
        {"k": 1},
    ),
    "bound": (lambda mp, ctx: draft(mp, ctx).is_gt("5"), "assertion 'x'.*not of '5'", "5"),
    "no bound": (lambda mp, ctx: draft(mp, ctx).is_gt(None), "not of None", None),
    "infinity": (lambda mp, ctx: draft(mp, ctx).is_lt(math.inf), "a bound is a finite number", math.inf),
    "negative tol": (
        lambda mp, ctx: draft(mp, ctx).is_eq(5, tol=-1),
        "tol is a number, 0 or more, not -1",
        -1,
    ),
    "tol of text": (lambda mp, ctx: draft(mp, ctx).is_eq(5, tol="1"), "not of '1'", "1"),
    "tol of bool": (lambda mp, ctx: draft(mp, ctx).is_eq(5, tol=True), "not of True", True),
    "tol of metric": (lambda mp, ctx: draft(mp, ctx).is_eq(5, tol=mp.num_rows()), "tol is a number", ...),
    "tol of a moment": (
        lambda mp, ctx: draft(mp, ctx).is_eq(NEW_YEAR, tol=1),
        "only numbers have a tolerance, not 2024-01-01",
        1,
    ),
    "tol as a moment": (lambda mp, ctx: draft(mp, ctx).is_eq(5, tol=EVE), "tol is a number", EVE),
    "reversed": (
        lambda mp, ctx: draft(mp, ctx).is_between(2, 0.5),
        f"between 2 and 0.5 {ROUND}; write 0.5 and 2",
        "2",
    ),
    "reversed, outside": (
        lambda mp, ctx: draft(mp, ctx).is_not_between(Decimal(2), 1),
        f"not between 2 and 1 {ROUND}",
        "2",
    ),
    "reversed moments": (lambda mp, ctx: draft(mp, ctx).is_between(NEW_YEAR, NOON), ROUND, "2024-01-01"),
    "reversed dates": (lambda mp, ctx: draft(mp, ctx).is_between(NEW_YEAR, EVE), ROUND, "2024-01-01"),
    "bool": (lambda mp, ctx: ctx.assert_that(True), "not True; compare with .is_eq", True),
    "number": (lambda mp, ctx: ctx.assert_that(5), "takes a metric or an expression of metrics", 5),
    "compared": (
        lambda mp, ctx: ctx.assert_that(mp.sum("a") > 5),
        "no value before the data is read",
        "sum(a)",
    ),
    "equal": (
        lambda mp, ctx: ctx.assert_that(mp.sum("a") == 5),
        "no value before the data is read",
        "sum(a)",
    ),
    "branch": (lambda mp, ctx: 1 if mp.sum("a") else 2, "cannot be used in `if`", "sum(a)"),
    "two of a name": (
        lambda mp, ctx: [draft(mp, ctx).is_zero(), draft(mp, ctx).is_gt(5)],
        "two assertions named 'x'; rename one",
        "x",
    ),
    "two validators": (
        lambda mp, ctx: [(same := draft(mp, ctx)).is_gt(5), same.is_lt(9)],
        "two assertions named 'x'; rename one",
        "x",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_written_wrong_is_refused(case: str) -> None:
    """The message names the place and what to write instead; the culprit comes along."""
    body, message, culprit = REFUSED[case]
    error = refusal(body)
    with pytest.raises(ConfigurationError, match=message):
        raise error
    assert culprit is ... or error.culprit == culprit


def test_two_checks_of_one_name_are_refused() -> None:
    """A function's own name counts as one."""

    def twice(mp: MetricProvider, ctx: Context) -> None:
        """Assert nothing."""

    with pytest.raises(
        ConfigurationError, match="suite 'suite' has two checks named 'twice'; rename one"
    ) as caught:
        collected(twice, DecoratedCheck("twice", twice))
    assert caught.value.culprit == "twice"


@pytest.mark.parametrize("producer", [5, "check", None, functools.partial(print), [print]])
def test_what_is_no_check_is_refused(producer: Any) -> None:
    """A check is a function with a name."""
    with pytest.raises(ConfigurationError, match=r"a check is a function of \(mp, ctx\), not"):
        collected(producer)


@pytest.mark.parametrize(
    ("takes", "function"),
    [
        ("()", lambda: None),
        ("(mp)", lambda mp: None),
        ("(mp, ctx, day)", lambda mp, ctx, day: None),
        ("(*, mp, ctx)", lambda *, mp, ctx: None),
    ],
    ids=["nothing", "one", "three", "by keyword alone"],
)
@pytest.mark.parametrize("decorate", [check(name="c"), lambda function: function], ids=["decorated", "plain"])
def test_a_check_that_does_not_take_mp_and_ctx_is_refused(decorate: Any, takes: str, function: Any) -> None:
    """Before anything is read, with what it takes."""
    with pytest.raises(ConfigurationError, match=r"; a check is a function of \(mp, ctx\)") as caught:
        collected(decorate(function))
    assert f"' takes {takes}; " in str(caught.value)


def test_a_check_may_take_more_that_has_a_default() -> None:
    """It is called with two arguments, by position."""

    def more(provider: MetricProvider, context: Context, days: int = 7, *rest: int) -> None:
        context.assert_that(provider.num_rows()).where(name=f"{days} {rest}").is_positive()

    assert [assertion.name for assertion in collected(more)] == ["7 ()"]


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_a_check_needs_a_name(name: Any) -> None:
    """The decorator refuses it where it is written."""
    with pytest.raises(ConfigurationError, match="@check: name is text that says what is checked"):
        check(name=name)


@pytest.mark.parametrize("datasets", ["orders", [""], [5], None, 7])
def test_datasets_are_a_list_of_names(datasets: Any) -> None:
    """A single name as text would be a list of letters."""
    with pytest.raises(ConfigurationError, match=r"datasets is a list of names, not") as caught:
        check(name="c", datasets=datasets)
    assert caught.value.culprit == datasets


def test_noop_needs_no_name_and_may_repeat() -> None:
    """It makes no result, so nothing has to tell one from the other."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        for _ in range(2):
            ctx.assert_that(mp.num_rows()).noop()
            ctx.assert_that(mp.sum("a")).where(name="same").noop()

    assert len(collected(body)) == 4


def test_a_check_that_raises_ends_as_error_and_the_others_run() -> None:
    """Its assertions, ended or begun, and one more of severity P0; what it only collects stays."""

    @check(name="broken", datasets=["orders"])
    def broken(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="ended", severity="P2").is_gt(mp.sum("a"))
        ctx.assert_that(mp.sum("b")).where(name="collected").noop()
        ctx.assert_that(mp.sum("c")).where(name="begun", owner="me")
        ctx.assert_that(mp.sum("d"))
        ctx.assert_that(mp.sum("e")).where(name=str({}["missing"]))

    @check(name="fine")
    def fine(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()

    found = {(a.check, a.name): a for a in collected(broken, fine)}
    assert set(found) == {
        ("broken", "ended"),
        ("broken", "collected"),
        ("broken", "begun"),
        ("broken", "check completes"),
        ("fine", "rows"),
    }
    ended, completes = found["broken", "ended"], found["broken", "check completes"]
    assert ended.render() == "num_rows() > sum(a)"
    assert ended.severity == "P2"
    assert found["broken", "begun"].owner == "me"
    assert found["broken", "collected"].defect is None
    assert found["broken", "collected"].validator is None
    assert found["fine", "rows"].defect is None
    assert completes.severity == "P0"
    assert completes.defect is not None
    assert completes.defect == ended.defect
    assert completes.defect.startswith("the check raised KeyError: 'missing' (line ")
    assert "test_collect.py" in completes.defect


class UnprintableError(Exception):
    """Cannot say what it is about."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(0), "the check raised SystemExit: 0"),
        (SystemExit(), "the check raised SystemExit: SystemExit"),
        (UnprintableError(), "the check raised UnprintableError: <UnprintableError that cannot be printed>"),
        (ValueError(), "the check raised ValueError: ValueError"),
    ],
    ids=["exits", "exits without a word", "cannot be printed", "says nothing"],
)
def test_however_a_check_ends_it_is_its_own_error(error: BaseException, said: str) -> None:
    """No exit of a check is taken for a verdict, or for a program's end."""

    @check(name="one")
    def one(mp: MetricProvider, ctx: Context) -> None:
        raise error

    @check(name="other")
    def other(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()

    first, second = collected(one, other)
    assert str(first.defect).startswith(said)
    assert (second.name, second.defect) == ("rows", None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda mp, _: mp.nul_count("a"), "has no attribute 'nul_count'; did you mean 'null_count'? (line "),
        (lambda mp, _: mp.ext.stdev(mp.num_rows()), "'stdev'; did you mean 'stddev'? (line "),
        (lambda mp, ctx: ctx.assert_that(mp.num_rows()).is_equal(5), "; did you mean 'is_eq'? (line "),
        (lambda mp, _: mp.zzz(), "'zzz'; there are: approx_unique_count, average, count, count_values, "),
        (lambda *_: [].null_count, "'list' object has no attribute 'null_count' (line "),
    ],
    ids=["metric", "over history", "validator", "none near", "of something else"],
)
def test_a_metric_or_validator_that_is_not_there_is_named_with_the_nearest(body: Any, said: str) -> None:
    """As a column is; it is the commonest slip."""
    (completes,) = collected(check(name="c")(body))
    assert said in str(completes.defect)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            lambda mp, _: mp.sum("a", lagg=1),
            "check 'Orders': sum takes no argument 'lagg'; did you mean 'lag'? (line ",
        ),
        (lambda mp, _: mp.num_rows() > 5, "check 'Orders': num_rows() has no value before the data is read"),
        (
            lambda mp, ctx: ctx.assert_that(mp.num_rows()).is_zero(),
            "check 'Orders', the assertion on num_rows() has",
        ),
    ],
    ids=["metric", "comparison", "assertion"],
)
def test_what_is_refused_inside_of_a_check_is_said_with_the_check(body: Any, said: str) -> None:
    """Once; on a command line there is no traceback to look into."""
    error = refusal(body)
    assert str(error).startswith(said)
    assert str(error).count("check 'Orders'") == 1
    assert error.culprit is not None


def test_a_check_that_raises_may_use_a_name_twice_or_ours() -> None:
    """No two results of one check have one name, whatever it had named."""

    @check(name="broken")
    def broken(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="same").is_positive()
        ctx.assert_that(mp.num_rows()).where(name="same").is_positive()
        ctx.assert_that(mp.num_rows()).where(name="check completes").is_positive()
        raise RuntimeError

    assert sorted(a.name for a in collected(broken)) == ["check completes", "same"]


def test_a_store_that_fails_inside_a_check_refuses_the_run() -> None:
    """What DQX raises on purpose is no defect of the check."""

    def asks(mp: MetricProvider, ctx: Context) -> None:
        raise StoreError("the store is locked")

    with pytest.raises(StoreError, match="locked"):
        collected(asks)


def test_the_context_tells_suite_store_and_check() -> None:
    """A check may ask where it runs."""
    seen = []

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        seen.append((ctx.suite, ctx.db, ctx.check))

    assert collected(body) == []
    assert seen == [("suite", DB, "c")]


def test_checks_run_anew_each_time_they_are_collected() -> None:
    """Nothing of a run is left in a check."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.num_rows()).where(name="n").is_eq(datetime.now().year)

    assert [a.render() for a in collected(body)] == [a.render() for a in collected(body)]
