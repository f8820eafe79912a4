"""Exact arithmetic on the values of metrics, and the one place where they are compared.

Integers, decimals and fractions are never turned into floats on the way; only what is a float in the data is
computed as a float.
"""

from __future__ import annotations

import operator
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from dqx.engine.metrics import is_finite
from dqx.value import as_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from dqx.value import Value

Number = int | float | Decimal | Fraction
Operand = Number | date
"""A value on its way through an expression."""

_V = TypeVar("_V")


class EvaluationError(Exception):
    """An expression has no value; the text says why, in the words of the expression."""


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
# Exact for sums and products of the widest DECIMAL(38) that an expression can reasonably hold.
_EXACT = Context(prec=400)
_DECIMAL = {"+": _EXACT.add, "-": _EXACT.subtract, "*": _EXACT.multiply}


def combine(symbol: str, left: Number, right: Number) -> Number:
    """Return `left symbol right`, exactly unless one of them is a float.

    Raises:
        OverflowError: When the result is a float and too large for one.
        ZeroDivisionError: When `right` is 0, or nearer to it than a float can be.
    """
    operate = _OPERATORS[symbol]
    if isinstance(left, float) or isinstance(right, float):
        return float(operate(float(left), float(right)))
    if symbol != "/" and not isinstance(left, Fraction) and not isinstance(right, Fraction):
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            return _DECIMAL[symbol](Decimal(left), Decimal(right))
        return int(operate(left, right))
    exact: Fraction = operate(Fraction(left), Fraction(right))
    return exact.numerator if exact.denominator == 1 else exact


def settle(value: Operand) -> Value:
    """Return the form in which a value leaves the expression: a fraction as the nearest float.

    Raises:
        EvaluationError: When the value is not finite, or too large for a float.
    """
    try:
        settled = float(value) if isinstance(value, Fraction) else value
    except OverflowError:
        raise EvaluationError("the value is too large for a float") from None
    return finite(settled)


def compare(left: Operand, right: Operand) -> int:
    """Return -1, 0 or 1 as `left` is smaller than, equal to or larger than `right`.

    The one place where values are compared. Exact values compare exactly; where one side is a float, a
    fraction on the other is the float nearest to it, so that a mean of 0.05 equals the literal 0.05.

    Raises:
        EvaluationError: When one is a moment and the other a number, or one is not finite.
    """
    if isinstance(left, date) or isinstance(right, date):
        if not (isinstance(left, date) and isinstance(right, date)):
            raise EvaluationError(f"a moment and a number cannot be compared: {left} and {right}")
        first, second = as_utc(left), as_utc(right)
        return (first > second) - (first < second)
    left, right = finite(left), finite(right)
    if isinstance(left, float) != isinstance(right, float):
        # Integers stay: Python compares them with floats exactly.
        left = float(left) if isinstance(left, (Fraction, Decimal)) else left
        right = float(right) if isinstance(right, (Fraction, Decimal)) else right
    return (left > right) - (left < right)


def finite(value: _V) -> _V:
    """Return the value; raise EvaluationError when it is NaN or infinite."""
    if not is_finite(value):
        raise EvaluationError(f"the value is {value}, where a finite number was needed")
    return value
