"""Expressions print as a person would write them, and compute exactly."""

from __future__ import annotations

import functools
import math
import operator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.common import ConfigurationError
from dqx.engine.arithmetic import EvaluationError, combine, compare, settle
from dqx.engine.expression import Expression, Metric, NoHistoryError, as_expression
from dqx.provider import MetricProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from dqx.value import Value

mp = MetricProvider()
A, B = mp.sum("a"), mp.sum("b")


def of(**values: Value) -> Callable[[Metric], Value]:
    """Return a lookup by the metric's column; with a lag, by column and lag, such as a_1."""

    def lookup(metric: Metric) -> Value:
        name = metric.spec.columns[0] + (f"_{metric.lag}" if metric.lag else "")
        if name not in values:
            raise NoHistoryError(f"{metric} is not stored")
        return values[name]

    return lookup


PRINTED: list[tuple[Expression, str]] = [
    (mp.null_count("dep_time") / mp.num_rows(), "null_count(dep_time) / num_rows()"),
    (A + B - 1, "sum(a) + sum(b) - 1"),
    (A - (B - 1), "sum(a) - (sum(b) - 1)"),
    (A - B - 1, "sum(a) - sum(b) - 1"),
    (A - (B + 1), "sum(a) - (sum(b) + 1)"),
    (A + (B - 1), "sum(a) + sum(b) - 1"),
    ((A + B) * 2, "(sum(a) + sum(b)) * 2"),
    (2 * (A + B), "2 * (sum(a) + sum(b))"),
    (A / (B * 2), "sum(a) / (sum(b) * 2)"),
    (A / B / 2, "sum(a) / sum(b) / 2"),
    (A / (B / 2), "sum(a) / (sum(b) / 2)"),
    (A * (B / 2), "sum(a) * sum(b) / 2"),
    (1 - A / B, "1 - sum(a) / sum(b)"),
    (1 / A, "1 / sum(a)"),
    (-A, "-sum(a)"),
    (-(A + B), "-(sum(a) + sum(b))"),
    (A * -B, "sum(a) * -sum(b)"),
    (A - -B, "sum(a) - -sum(b)"),
    (+A, "sum(a)"),
    (abs(A - B), "abs(sum(a) - sum(b))"),
    (-abs(A), "-abs(sum(a))"),
    (A * 0.05, "sum(a) * 0.05"),
    (A + 1.0, "sum(a) + 1"),
    (A + Decimal("1.50"), "sum(a) + 1.50"),
    (A + 2**70, "sum(a) + 1180591620717411303424"),
    (A - date(2024, 1, 31), "sum(a) - 2024-01-31"),
    (mp.ext.day_over_day(A), "sum(a) / sum(a, lag=1)"),
    (mp.ext.week_over_week(A / B), "sum(a) / sum(b) / (sum(a, lag=7) / sum(b, lag=7))"),
    (mp.ext.stddev(A, 1, 7), "stddev(sum(a), offset=1, n=7)"),
    (mp.ext.day_over_day(mp.sum("a", lag=2)), "sum(a, lag=2) / sum(a, lag=3)"),
    (
        mp.num_rows(dataset="orders") - mp.num_rows(dataset="b c", lag=1),
        'num_rows(dataset=orders) - num_rows(dataset="b c", lag=1)',
    ),
    (mp.ext.stddev(mp.sum("a", dataset="orders")), "stddev(sum(a, dataset=orders), offset=1, n=7)"),
    (mp.ext.day_over_day(mp.ext.stddev(A)), "stddev(sum(a), offset=1, n=7) / stddev(sum(a), offset=2, n=7)"),
]


@pytest.mark.parametrize(("expression", "text"), PRINTED, ids=[text for _, text in PRINTED])
def test_prints_as_a_person_would_write_it(expression: Expression, text: str) -> None:
    """Parentheses stand where they are needed and nowhere else."""
    assert str(expression) == text
    assert expression.render() == text


def test_printed_text_means_the_same_in_python() -> None:
    """What an expression prints is Python that has its value, by Python's own precedence."""
    for expression, text in PRINTED:
        if any(word in text for word in ("lag", "stddev", "null", "2024")):
            continue
        value = expression.evaluate(of(a=7, b=3))
        python = eval(text, {"sum": {"a": 7, "b": 3}.__getitem__, "a": "a", "b": "b"})
        assert float(value) == pytest.approx(float(python))


@given(a=st.integers(-(10**30), 10**30), b=st.integers(-(10**30), 10**30))
def test_integers_are_never_rounded(a: int, b: int) -> None:
    """Sums, differences, products and negatives of integers are those of Python."""
    lookup = of(a=a, b=b)
    for expression, value in [
        (A + B, a + b),
        (A - B, a - b),
        (A * B, a * b),
        (-A, -a),
        (abs(A), abs(a)),
        (A + B * 2 - 1, a + b * 2 - 1),
    ]:
        assert expression.evaluate(lookup) == value
        assert type(expression.evaluate(lookup)) is int
    if b:
        assert Fraction(expression_value := (A / B).evaluate(lookup)) == Fraction(a, b)
        assert isinstance(expression_value, (int, Fraction))


@given(
    a=st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20), max_value=10**20),
    b=st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**30), max_value=10**30),
)
def test_decimals_are_never_rounded(a: Decimal, b: Decimal) -> None:
    """38 digits stay 38 digits, whatever the precision of the thread's decimal context; a minus rounds nothing."""
    lookup = of(a=a, b=b)
    exact_a, exact_b = Fraction(a), Fraction(b)
    for expression, value in [
        (A + B, exact_a + exact_b),
        (A - B, exact_a - exact_b),
        (A * B, exact_a * exact_b),
        (-A, -exact_a),
        (abs(B), abs(exact_b)),
        (A - 1, exact_a - 1),
        (A + 0.1, exact_a + Fraction(1, 10)),
    ]:
        assert Fraction(expression.evaluate(lookup)) == value


def test_a_literal_float_is_the_decimal_that_was_written() -> None:
    """5 of 100 is 0.05, three tenths are 0.1 + 0.2, though no binary fraction is any of them."""
    assert compare((A / B).evaluate(of(a=5, b=100)), as_expression(0.05).evaluate(of())) == 0
    assert compare(as_expression(0.3).evaluate(of()), (A * 0 + 0.1 + 0.2).evaluate(of(a=1))) == 0
    assert compare(Decimal("0.05"), as_expression(0.05).evaluate(of())) == 0
    assert compare(Decimal("0.0500000000000000000001"), as_expression(0.05).evaluate(of())) == 1


def test_a_float_from_the_data_is_the_float_nearest_to_the_literal() -> None:
    """A mean of 0.05 that comes as a float equals the literal 0.05, and 0.1 + 0.2 of floats is not 0.3."""
    assert compare(0.05, as_expression(0.05).evaluate(of())) == 0
    assert compare(0.1 + 0.2, as_expression(0.3).evaluate(of())) == 1
    assert compare(0.05, Decimal("0.05")) == compare(Decimal("0.05"), 0.05) == 0
    assert compare((A + 0).evaluate(of(a=0.1)), as_expression(0.1).evaluate(of())) == 0


ORDERED: list[Any] = [
    -(2**64),
    Decimal("-1e30") + 2**64,
    -1.5,
    0,
    Decimal("0.05"),
    Fraction(1, 3),
    2**53,
    2**53 + 1,
    2**63,
    2**64,
    2**64 + 1,
    Decimal(2**70) + Decimal("0.5"),
    1e300,
]


def test_values_of_every_type_compare_by_their_exact_size() -> None:
    """Integers beyond 2**53 and 2**64 are told from their neighbours, floats and decimals from integers."""
    ordered = sorted(ORDERED, key=Fraction)
    for left_rank, left in enumerate(ordered):
        for right_rank, right in enumerate(ordered):
            assert compare(left, right) == (left_rank > right_rank) - (left_rank < right_rank), (left, right)
    assert compare(-0.0, 0) == 0
    assert compare(2.0**53, 2**53 + 1) == -1


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity"), Decimal("-sNaN")]
)
def test_what_is_not_finite_compares_with_nothing(value: Any) -> None:
    """NaN and infinities on either side raise; `NaN > 5` is an answer that somebody would believe."""
    for left, right in [(value, 1), (1, value), (value, value)]:
        with pytest.raises(EvaluationError, match="where a finite number was needed"):
            compare(left, right)
    with pytest.raises(EvaluationError, match="where a finite number was needed"):
        settle(value)


def test_a_fraction_leaves_as_the_nearest_float_and_whole_ones_as_integers() -> None:
    """A third is 0.333..., 6 / 3 is the integer 2."""
    assert settle((A / B).evaluate(of(a=1, b=3))) == 1 / 3
    two = settle((A / B).evaluate(of(a=6, b=3)))
    assert (two, type(two)) == (2, int)
    assert settle(Decimal("1.10")) == Decimal("1.10")
    assert settle(date(2024, 1, 1)) == date(2024, 1, 1)


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, Decimal("0.00"), Decimal("-0")])
def test_division_by_zero_has_no_value(zero: Any) -> None:
    """The reason names the divisor as it was written."""
    with pytest.raises(EvaluationError, match=r"division by zero: sum\(b\) is 0"):
        (A / B).evaluate(of(a=1, b=zero))
    with pytest.raises(EvaluationError, match=r"division by zero: sum\(b\) is 0"):
        (A / B).evaluate(of(a=1.5, b=zero))


def test_divisors_too_small_for_a_float_are_no_crash() -> None:
    """A divisor that is 0 as a float, though not exactly, ends as no value."""
    with pytest.raises(EvaluationError, match="division by zero"):
        (A / (B * 1e-300 * 1e-300)).evaluate(of(a=1.5, b=1))


def test_what_is_too_large_for_a_float_has_no_value() -> None:
    """Exact numbers of any size are fine until a float is asked for."""
    huge = A * A * A * A * A * A * A * A * A * A
    assert huge.evaluate(of(a=10**40)) == 10**400
    with pytest.raises(EvaluationError, match="too large"):
        settle((huge / 3).evaluate(of(a=10**40)))
    with pytest.raises(EvaluationError, match=r"sum\(b\) is too large for a float"):
        (huge + B).evaluate(of(a=10**40, b=0.5))
    with pytest.raises(EvaluationError, match="the value is inf"):
        settle((B * 10).evaluate(of(b=1e308)))


NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def test_moments_subtract_to_seconds() -> None:
    """Dates, naive and zoned timestamps differ by exact seconds; a moment without a zone is UTC."""
    for later, earlier, seconds in [
        (date(2024, 1, 2), date(2024, 1, 1), 86_400),
        (datetime(2024, 1, 1, 0, 0, 0, 1), date(2024, 1, 1), Fraction(1, 1_000_000)),
        (NEW_YEAR + timedelta(hours=1), datetime(2024, 1, 1), 3_600),
        (date(2024, 1, 1), date(2024, 1, 2), -86_400),
    ]:
        assert (A - B).evaluate(of(a=later, b=earlier)) == seconds
    assert compare(NEW_YEAR, date(2024, 1, 1)) == 0
    assert compare(NEW_YEAR, datetime(2024, 1, 1, 1)) == -1


@pytest.mark.parametrize("expression", [A + B, A * B, A / B, A - 1, 1 - A, -A, abs(A), A + 1])
def test_moments_do_nothing_else(expression: Expression) -> None:
    """Any other arithmetic with a moment is told so, in the expression's words."""
    with pytest.raises(EvaluationError, match="moment") as caught:
        expression.evaluate(of(a=date(2024, 1, 1), b=date(2024, 1, 2)))
    assert str(expression) in str(caught.value)


def test_a_moment_compares_with_no_number() -> None:
    """Neither side is quietly turned into the other."""
    with pytest.raises(EvaluationError, match="a moment and a number cannot be compared"):
        compare(date(2024, 1, 1), 5)
    with pytest.raises(EvaluationError, match="a moment and a number cannot be compared"):
        compare(5, NEW_YEAR)


def test_stddev_over_history_is_the_sample_deviation_of_the_days_that_are_there() -> None:
    """Days without a value are left out; exact integers give the exact deviation."""
    spread = mp.ext.stddev(A, offset=1, n=4)
    assert spread.evaluate(of(a_1=2, a_2=4, a_4=9)) == pytest.approx(math.sqrt(13))
    assert spread.evaluate(of(a_1=2**60, a_3=2**60 + 2)) == math.sqrt(2)
    assert spread.evaluate(of(a_1=Decimal("1.5"), a_2=1.5, a_3=Decimal("1.50"))) == 0.0
    assert [str(m) for m in spread.metrics()] == [f"sum(a, lag={n})" for n in (1, 2, 3, 4)]
    assert [m.lag for m in mp.ext.stddev(A, offset=0, n=2).metrics()] == [0, 1]


@pytest.mark.parametrize("stored", [{}, {"a_2": 1}])
def test_stddev_over_fewer_than_two_days_is_no_history(stored: dict[str, int]) -> None:
    """One day has no deviation, so the assertion waits."""
    with pytest.raises(NoHistoryError, match=f"needs two stored days at least, found {len(stored)}"):
        mp.ext.stddev(A, offset=1, n=4).evaluate(of(**stored))


def test_stddev_over_what_is_no_number_has_no_value() -> None:
    """Moments, and values beyond any float, are told so instead of raising what nobody expects."""
    with pytest.raises(EvaluationError, match="is a moment"):
        mp.ext.stddev(A, n=2).evaluate(of(a_1=date(2024, 1, 1), a_2=date(2024, 1, 2)))
    with pytest.raises(EvaluationError, match="finite"):
        mp.ext.stddev(A * 10, n=2).evaluate(of(a_1=1e308, a_2=1.0))
    with pytest.raises(EvaluationError, match="too large"):
        mp.ext.stddev(A * A, n=2).evaluate(of(a_1=10**300, a_2=1))


def test_history_shifts_every_metric_of_an_expression() -> None:
    """Day over day of a ratio is the ratio by the ratio of the day before; constants stay."""
    shifted = (-(A + 5) * abs(B) / mp.ext.stddev(A, 1, 2)).shift(3)
    assert str(shifted) == "-(sum(a, lag=3) + 5) * abs(sum(b, lag=3)) / stddev(sum(a), offset=4, n=2)"
    assert mp.sum("a", lag=2, name="x", dataset="d").shift(3).lag == 5
    assert mp.sum("a", lag=2, name="x", dataset="d").shift(3).label == "x"
    assert mp.sum("a", lag=2, name="x", dataset="d").shift(3).dataset == "d"


@pytest.mark.parametrize(
    ("compared", "name"),
    [
        (lambda: A < 5, "<"),
        (lambda: A <= B, "<="),
        (lambda: A > 5, ">"),
        (lambda: 5 >= A, ">="),
        (lambda: A == 0, "=="),
        (lambda: A != 0, "!="),
        (lambda: 0 == A, "=="),
        (lambda: bool(A), "bool"),
        (lambda: not A, "not"),
        (lambda: A and B, "and"),
        (lambda: 1 if A else 2, "if"),
        (lambda: 1 < A < 5, "chain"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_python_cannot_compare_what_has_no_value_yet(compared: Callable[[], object], name: str) -> None:
    """`if mp.sum(...) == 0:` would be a branch that is never taken; it raises and says what to write."""
    with pytest.raises(
        ConfigurationError, match=r"sum\(a\) has no value before the data is read.*ctx.assert_that"
    ) as caught:
        compared()
    assert caught.value.culprit == "sum(a)"


def test_expressions_stay_fit_for_sets_and_lists() -> None:
    """An expression is found by identity, without being compared."""
    assert A in [A]
    assert len({A, B, A}) == 2


class Grade(IntEnum):
    """An enum of a user's."""

    GOOD = 3


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (np.float64(0.05), 0.05),
        (np.float32(0.5), 0.5),
        (np.int64(2**60 + 1), 2**60 + 1),
        (np.uint8(5), 5),
        (Grade.GOOD, 3),
        (pd.Timestamp("2024-01-01 05:00", tz="America/New_York"), datetime(2024, 1, 1, 10, tzinfo=UTC)),
        (pd.Timestamp("2024-01-01"), datetime(2024, 1, 1)),
    ],
    ids=repr,
)
def test_bounds_may_come_from_numpy_pandas_and_enums(given: Any, plain: Any) -> None:
    """They are the plain value that they stand for: exact, printable, and a literal as it was written."""
    made = as_expression(given)
    assert compare(made.evaluate(of()), as_expression(plain).evaluate(of())) == 0
    assert (A + made).render().count("np.") == 0


@pytest.mark.parametrize(
    "value", [None, "5", True, False, [1], 1j, object, np.array([1, 2]), np.bool_(True), timedelta(1)]
)
def test_other_things_are_no_operands(value: Any) -> None:
    """Text, booleans, None and lists are refused where the expression is written."""
    with pytest.raises(ConfigurationError, match="made of metrics, numbers and dates"):
        A + value


@pytest.mark.parametrize(
    "value", [10**400, -(10**5_000), Decimal("1e999999999"), Decimal("1e-400")], ids=type
)
def test_numbers_of_many_digits_are_refused(value: Any) -> None:
    """Python does not print them, nor would anybody read them."""
    with pytest.raises(
        ConfigurationError, match="a number in an expression has at most 400 digits"
    ) as caught:
        A * value
    assert caught.value.culprit is value
    assert as_expression(10**399).render() == "1" + "0" * 399


def test_an_expression_may_be_as_long_as_a_table_is_wide() -> None:
    """Thousands of columns are added up and looked back to, though Python's calls are not nested as deep."""
    total = functools.reduce(operator.add, [A] * 5_000) - 5 * B
    assert total.evaluate(of(a=2, b=3)) == 9_985
    assert len(list(total.metrics())) == 5_001
    assert str(total).endswith("+ sum(a) - 5 * sum(b)")
    assert str(total.shift(1)).count("sum(a, lag=1)") == 5_000


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, Decimal("NaN"), Decimal("sNaN"), np.float64("nan"), pd.NaT]
)
def test_bounds_that_are_not_finite_are_refused(value: Any) -> None:
    """Nothing could be said of a value beside them."""
    with pytest.raises(ConfigurationError, match="a bound is a finite number"):
        as_expression(value)


def test_combine_is_exact_between_all_exact_types() -> None:
    """Only a float makes a float."""
    exact = [7, Decimal("0.1"), Fraction(1, 3)]
    for symbol, operate in {"+": "__add__", "-": "__sub__", "*": "__mul__", "/": "__truediv__"}.items():
        for left in exact:
            for right in exact:
                wanted = getattr(Fraction(left), operate)(Fraction(right))
                assert Fraction(combine(symbol, left, right)) == wanted
            assert type(combine(symbol, left, 0.5)) is float
            assert type(combine(symbol, 0.5, left)) is float
