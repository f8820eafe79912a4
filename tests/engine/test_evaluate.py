"""Every assertion is decided in one place, exactly; what is not finite never passes, whatever is asserted."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.naming import plain_id

from dqx.common import AssertionResult, ResultKey, ResultValue, ScanError
from dqx.engine.check import check
from dqx.engine.collect import collect
from dqx.engine.evaluate import Evaluation
from dqx.engine.plan import Symbol
from dqx.provider import MetricProvider

if TYPE_CHECKING:
    from dqx.engine.check import Context
    from dqx.engine.expression import Expression

DB: Any = object()
KEY = ResultKey(date(2024, 3, 1), {"env": "prod"})
CLOCK = datetime(2024, 3, 1, 12, tzinfo=UTC)
mp = MetricProvider()
A, B = mp.sum("a"), mp.sum("b")
ERROR = ScanError("cannot be computed")


def decided(actual: Expression, validator: str, *arguments: Any, **known: Any) -> AssertionResult:
    """Return what becomes of one assertion; `known` has the values by column, `a_1` that of the day before.

    A value may be an exception, the reason why there is none.
    """

    @check(name="c")
    def body(_: MetricProvider, ctx: Context) -> None:
        getattr(ctx.assert_that(actual).where(name="x", tags={"env": "mine", "k": "v"}), validator)(
            *arguments
        )

    found = {}
    for name, value in known.items():
        column, _, lag = name.partition("_")
        result = ResultValue.failure(value) if isinstance(value, Exception) else ResultValue.success(value)
        found[Symbol("t", mp.sum(column).spec.identity, int(lag or 0))] = result
    assertions = collect([body], mp, "suite", DB)
    (result,) = Evaluation("suite", KEY, found, "t", lambda: CLOCK).decide(assertions)
    return result


BIG = 2**53
OUTCOMES: list[tuple[Any, str, tuple[Any, ...], bool]] = [
    (Decimal("0.1"), "is_between", (0.1, Decimal("0.1")), True),  # one number, written in two ways
    (5, "is_eq", (5,), True),
    (5, "is_eq", (5.0,), True),
    (5, "is_eq", (Decimal("5.00"),), True),
    (BIG + 1, "is_eq", (BIG,), False),
    (BIG + 1, "is_eq", (float(BIG),), False),
    (BIG + 1, "is_gt", (BIG,), True),
    (2**64 + 1, "is_gt", (2**64,), True),
    (2**64 + 1, "is_eq", (2**64 + 1,), True),
    (Decimal("9" * 38), "is_lt", (10**38,), True),
    (Decimal("9" * 38), "is_eq", (Decimal("9" * 37 + "8"),), False),
    (Decimal("0.05"), "is_eq", (0.05,), True),
    (Decimal("0.0500000000000000001"), "is_leq", (0.05,), False),
    (0.05, "is_eq", (0.05,), True),
    (0.1 + 0.2, "is_eq", (0.3,), False),
    (0.1 + 0.2, "is_eq", (0.3, 1e-9), True),
    (-0.0, "is_zero", (), True),
    (-0.0, "is_negative", (), False),
    (0.0, "is_positive", (), False),
    (5e-324, "is_positive", (), True),
    (10, "is_eq", (9.9, 0.1), True),
    (10, "is_eq", (9.9, Decimal("0.1")), True),
    (10, "is_eq", (9.9, 0.09), False),
    (Decimal("10.01"), "is_eq", (Decimal(10), 0.01), True),
    (Decimal("10.011"), "is_eq", (Decimal(10), 0.01), False),
    (10, "is_eq", (10, 0), True),
    (10, "is_neq", (9.9, 0.1), False),
    (10, "is_neq", (9.8, 0.1), True),
    (10, "is_neq", (10,), False),
    (2**64 + 1, "is_neq", (2**64,), True),
    (5, "is_between", (5, 6), True),
    (6, "is_between", (5, 6), True),
    (Decimal("6.0000001"), "is_between", (5, 6), False),
    (4, "is_between", (5, 6), False),
    (5, "is_not_between", (5, 6), False),
    (4, "is_not_between", (5, 6), True),
    (7, "is_not_between", (5, 6), True),
    (5, "is_geq", (5,), True),
    (5, "is_gt", (5,), False),
    (5, "is_leq", (5,), True),
    (5, "is_lt", (5,), False),
    (-1, "is_negative", (), True),
    (date(2024, 1, 2), "is_gt", (date(2024, 1, 1),), True),
    (date(2024, 1, 1), "is_eq", (datetime(2024, 1, 1, tzinfo=UTC),), True),
    (datetime(2024, 1, 1, 12, tzinfo=UTC), "is_between", (date(2024, 1, 1), date(2024, 1, 2)), True),
]


@pytest.mark.parametrize(("value", "validator", "arguments", "holds"), OUTCOMES)
def test_values_pass_by_their_exact_size(
    value: Any, validator: str, arguments: tuple[Any, ...], holds: bool
) -> None:
    """No value is rounded on its way to the comparison, and no bound either."""
    result = decided(A, validator, *arguments, a=value)
    assert result.status == ("SUCCESS" if holds else "FAILURE")
    assert result.value == value
    assert (result.reason is None) == holds


VALIDATORS: list[tuple[str, tuple[Any, ...]]] = [
    ("is_eq", (5,)),
    ("is_eq", (5, 1)),
    ("is_neq", (5,)),
    ("is_neq", (5, 1)),
    ("is_gt", (5,)),
    ("is_geq", (5,)),
    ("is_lt", (5,)),
    ("is_leq", (5,)),
    ("is_between", (1, 9)),
    ("is_not_between", (1, 9)),
    ("is_positive", ()),
    ("is_negative", ()),
    ("is_zero", ()),
]


@pytest.mark.parametrize(
    ("validator", "arguments"), VALIDATORS, ids=[f"{name}{args}" for name, args in VALIDATORS]
)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("-Infinity")], ids=str
)
def test_what_is_not_finite_passes_no_validator(
    value: Any, validator: str, arguments: tuple[Any, ...]
) -> None:
    """`NaN != 5` and `inf > 5` are true in Python, and `NaN > 5` is in the engine; here each is an ERROR."""
    result = decided(A, validator, *arguments, a=value)
    assert result.status == "ERROR"
    assert f"the value is {value}, where a finite number was needed" in str(result.reason)
    assert result.value is None


@pytest.mark.parametrize(
    ("validator", "arguments"), VALIDATORS, ids=[f"{name}{args}" for name, args in VALIDATORS]
)
@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        ({"a": ERROR}, "ERROR", "cannot be computed"),
        ({}, "SKIPPED", "no history yet: sum(a, lag=1) is not stored for 2024-02-29"),
    ],
)
def test_what_has_no_value_passes_no_validator(
    validator: str, arguments: tuple[Any, ...], known: dict[str, Any], status: str, reason: str
) -> None:
    """An error ends as ERROR, a day without history as SKIPPED, with the reason."""
    actual = A if known else mp.sum("a", lag=1)
    result = decided(actual, validator, *arguments, **known)
    assert (result.status, result.reason, result.value) == (status, reason, None)


def test_a_bound_that_is_not_finite_is_an_error_too() -> None:
    """On either side of either bound."""
    for validator, bounds in [
        ("is_lt", (B,)),
        ("is_between", (0, B)),
        ("is_between", (B, 9)),
        ("is_eq", (B, 1)),
    ]:
        for value in (math.nan, math.inf):
            result = decided(A, validator, *bounds, a=5, b=value)
            assert result.status == "ERROR", (validator, value)
            assert "where a finite number was needed" in str(result.reason)


def test_an_error_outweighs_missing_history() -> None:
    """The one needs a person, the other time."""
    result = decided(mp.sum("a", lag=1) + B, "is_positive", b=ERROR)
    assert (result.status, result.reason) == ("ERROR", "cannot be computed")
    result = decided(mp.sum("a", lag=1), "is_gt", B, b=ERROR)
    assert (result.status, result.reason) == ("ERROR", "cannot be computed")


def test_a_value_whose_bound_has_no_history_is_kept() -> None:
    """The value is known though nothing can be said of it yet."""
    result = decided(A, "is_gt", mp.sum("a", lag=7) * 0.5, a=10)
    assert (result.status, result.value) == ("SKIPPED", 10)
    assert result.reason == "no history yet: sum(a, lag=7) is not stored for 2024-02-23"


@pytest.mark.parametrize(
    ("actual", "known", "reason"),
    [
        (A / B, {"a": 1, "b": 0}, "division by zero: sum(b) is 0"),
        (A / (B - B), {"a": 1, "b": 7}, "division by zero: sum(b) - sum(b) is 0"),
        (A + B, {"a": date(2024, 1, 1), "b": 1}, "a moment can only be subtracted"),
        (A * B, {"a": 1e308, "b": 1e308}, "the value is inf"),
        (A, {"a": date(2024, 1, 1)}, "a moment and a number cannot be compared: 2024-01-01 and 5"),
    ],
)
def test_what_cannot_be_computed_is_an_error_with_the_reason(
    actual: Expression, known: dict[str, Any], reason: str
) -> None:
    """In the words of the expression, not as an exception out of the run."""
    result = decided(actual, "is_gt", 5, **known)
    assert result.status == "ERROR"
    assert reason in str(result.reason)


def test_a_tolerance_around_a_moment_is_an_error() -> None:
    """A bound that is an expression may turn out to be a moment; that must not end the run."""
    result = decided(A, "is_eq", B, 1, a=date(2024, 1, 1), b=date(2024, 1, 1))
    assert result.status == "ERROR"
    assert "a moment can only be subtracted" in str(result.reason)


def test_bounds_may_be_expressions() -> None:
    """They are computed as exactly as the value, and stand in the thresholds."""
    result = decided(A, "is_between", B * 0.9, B + Decimal("0.5"), a=10, b=10)
    assert result.status == "SUCCESS"
    assert dict(result.thresholds) == {"lower": 9, "upper": Decimal("10.5")}
    assert result.expression == "sum(a) between sum(b) * 0.9 and sum(b) + 0.5"
    assert decided(A, "is_between", B, 5, a=7, b=9).status == "FAILURE"


@pytest.mark.parametrize(
    ("validator", "arguments", "thresholds"),
    [
        ("is_eq", (5,), {"lower": 5, "upper": 5}),
        ("is_eq", (5, 0.5), {"lower": 4.5, "upper": 5.5}),
        ("is_neq", (5, 1), {"excluded_lower": 4, "excluded_upper": 6}),
        ("is_gt", (5,), {"lower": 5}),
        ("is_geq", (0.05,), {"lower": 0.05}),
        ("is_lt", (5,), {"upper": 5}),
        ("is_leq", (Decimal("5.0"),), {"upper": Decimal("5.0")}),
        ("is_between", (1, 2.5), {"lower": 1, "upper": 2.5}),
        ("is_not_between", (1, 2), {"excluded_lower": 1, "excluded_upper": 2}),
        ("is_zero", (), {"lower": 0, "upper": 0}),
    ],
)
def test_thresholds_say_on_which_side_good_lies(
    validator: str, arguments: tuple[Any, ...], thresholds: dict[str, Any]
) -> None:
    """Lower and upper enclose what is good, excluded ones what is bad."""
    assert dict(decided(A, validator, *arguments, a=5).thresholds) == thresholds


def test_a_failure_says_what_was_found_and_what_was_allowed() -> None:
    """In one line that is the reason in results, audit and alerts."""
    result = decided(A / B, "is_lt", 0.05, a=1, b=8)
    assert result.reason == "sum(a) / sum(b) is 0.125, which is not < 0.05"
    assert result.expression == "sum(a) / sum(b) < 0.05"
    assert result.metric == "sum(a) / sum(b)"


@pytest.mark.parametrize(
    ("validator", "bounds", "allowed"),
    [
        ("is_eq", (B,), "== sum(b) (2)"),
        ("is_eq", (B, 0.5), "== sum(b) ± 0.5 (1.5 to 2.5)"),
        ("is_leq", (B / 4,), "<= sum(b) / 4 (0.5)"),
        ("is_between", (0, B), "between 0 and sum(b) (0 to 2)"),
        ("is_between", (B, B), "between sum(b) and sum(b) (2)"),
    ],
    ids=plain_id,
)
def test_a_failure_says_what_a_bound_came_to(validator: str, bounds: tuple[Any, ...], allowed: str) -> None:
    """A bound that is an expression alone tells nobody what was allowed."""
    assert decided(A, validator, *bounds, a=8, b=2).reason == f"sum(a) is 8, which is not {allowed}"


def test_a_failure_of_what_must_not_be_between_says_that_it_is() -> None:
    """Not that it is not not between."""
    assert decided(A, "is_not_between", 0, 10, a=8).reason == "sum(a) is 8, which is between 0 and 10"


def test_a_result_carries_where_it_is_from() -> None:
    """The tags of the run win over those of the assertion."""
    result = decided(A, "is_positive", a=1)
    assert (result.suite, result.check, result.assertion, result.severity) == ("suite", "c", "x", "P1")
    assert (result.yyyy_mm_dd, result.evaluated_at, result.datasets) == (date(2024, 3, 1), CLOCK, ("t",))
    assert dict(result.tags) == {"env": "prod", "k": "v"}
    with pytest.raises(TypeError):
        result.tags["env"] = "dev"


def test_the_redacted_expression_shows_no_text_of_the_user() -> None:
    """Numbers stay."""
    result = decided(mp.sum("a", where="name = 'secret'") / 5, "is_lt", 3)
    assert result.expression_redacted == "sum(a, where=<sql>) / 5 < 3"
    assert "secret" in result.expression


def _holds(validator: str, value: Fraction, low: Fraction, high: Fraction) -> bool:
    return {
        "is_eq": value == low,
        "is_neq": value != low,
        "is_gt": value > low,
        "is_geq": value >= low,
        "is_lt": value < low,
        "is_leq": value <= low,
        "is_between": low <= value <= high,
        "is_not_between": not low <= value <= high,
    }[validator]


exact = st.one_of(st.integers(-(2**70), 2**70), st.decimals(-(10**20), 10**20, places=3))


@given(value=exact, one=exact, other=exact, validator=st.sampled_from([n for n, args in VALIDATORS if args]))
def test_validators_agree_with_arithmetic(value: Any, one: Any, other: Any, validator: str) -> None:
    """For exact values and bounds, whatever their types, a validator is the comparison that it is named for."""
    low, high = sorted((one, other), key=Fraction)
    arguments = (low, high) if "between" in validator else (low,)
    result = decided(A, validator, *arguments, a=value)
    assert (result.status == "SUCCESS") == _holds(validator, Fraction(value), Fraction(low), Fraction(high))


def test_nothing_asserted_gives_no_result() -> None:
    """noop() collects only."""

    @check(name="c")
    def body(mp: MetricProvider, ctx: Context) -> None:
        ctx.assert_that(mp.sum("a")).where(name="x").noop()

    assert Evaluation("s", KEY, {}, "t", lambda: CLOCK).decide(collect([body], mp, "s", DB)) == []
