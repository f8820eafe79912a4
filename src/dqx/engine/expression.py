"""Expressions over metrics: a small tree that prints as a person would write it and computes exactly.

Numbers stay what they are: integers and decimals are never turned into floats on the way, and a literal float
stands for the decimal that was written (`0.05` is five hundredths, not the nearest binary fraction), so that
5 of 100 is exactly 0.05. Only values that are floats in the data are computed as floats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn

from dqx.common import ConfigurationError
from dqx.engine.arithmetic import EvaluationError, combine, finite
from dqx.engine.metrics import MetricSpec, is_finite, plain_value, render_value
from dqx.value import Value, as_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dqx.engine.arithmetic import Number, Operand


_DIGITS_MAX = 400
"""As many as are computed with; Python prints integers of up to 4,300."""


class NoHistoryError(Exception):
    """The store does not hold a value that an expression looks back to; the text says which."""


class Expression:
    """Something that has a value once the data has been read. Arithmetic on it makes larger expressions."""

    __slots__ = ()

    @property
    def precedence(self) -> int:
        """Return how tightly it binds where it stands in a larger expression: 1 loosely, 3 as one word."""
        return 3

    def metrics(self) -> Iterator[Metric]:
        """Yield every metric in the expression, from left to right, those that are named twice twice."""
        raise NotImplementedError

    def evaluate(self, lookup: Callable[[Metric], Value]) -> Operand:
        """Return the value, with `lookup` giving that of each metric.

        Raises:
            EvaluationError: When there is none, as after a division by zero.
            NoHistoryError: When `lookup` has no stored value.
        """
        raise NotImplementedError

    def render(self, *, redacted: bool = False) -> str:
        """Return the expression as a person would write it."""
        raise NotImplementedError

    def shift(self, days: int) -> Expression:
        """Return the same expression over the values stored `days` days earlier."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.render()

    def __add__(self, other: object) -> Expression:
        return Operation("+", self, as_expression(other))

    def __radd__(self, other: object) -> Expression:
        return Operation("+", as_expression(other), self)

    def __sub__(self, other: object) -> Expression:
        return Operation("-", self, as_expression(other))

    def __rsub__(self, other: object) -> Expression:
        return Operation("-", as_expression(other), self)

    def __mul__(self, other: object) -> Expression:
        return Operation("*", self, as_expression(other))

    def __rmul__(self, other: object) -> Expression:
        return Operation("*", as_expression(other), self)

    def __truediv__(self, other: object) -> Expression:
        return Operation("/", self, as_expression(other))

    def __rtruediv__(self, other: object) -> Expression:
        return Operation("/", as_expression(other), self)

    def __neg__(self) -> Expression:
        return Negation(self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return Absolute(self)

    def _no_comparison(self, other: object) -> NoReturn:
        raise ConfigurationError(
            f"{self} has no value before the data is read, so Python cannot compare it with {other}; "
            "write ctx.assert_that(...).where(name=...) and end it with is_gt, is_eq, is_between, ...",
            str(self),
        )

    __lt__ = __le__ = __gt__ = __ge__ = _no_comparison
    # An `==` that answered would make `if mp.num_rows() == 0:` a branch that is never taken, without a word.
    __eq__ = __ne__ = _no_comparison
    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise ConfigurationError(
            f"{self} has no value before the data is read, so it cannot be used in `if`, `and` or `not`; "
            "write ctx.assert_that(...) and end it with is_eq, is_zero, is_positive, ...",
            str(self),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Metric(Expression):
    """A metric of a dataset, `lag` days before the key date; `dataset` None stands for the check's only one."""

    spec: MetricSpec
    dataset: str | None = None
    lag: int = 0
    label: str | None = None

    def metrics(self) -> Iterator[Metric]:
        """Yield itself."""
        yield self

    def evaluate(self, lookup: Callable[[Metric], Value]) -> Operand:
        """Return what `lookup` knows."""
        return lookup(self)

    def render(self, *, redacted: bool = False) -> str:
        """Return `sum(distance, lag=1)`; with a dataset that was written, `num_rows(dataset=orders)`."""
        return self.spec.render(redacted=redacted, dataset=self.dataset, lag=self.lag)

    def shift(self, days: int) -> Metric:
        """Return the same metric `days` days earlier."""
        return Metric(self.spec, self.dataset, self.lag + days, self.label)


@dataclass(frozen=True, slots=True, eq=False)
class Constant(Expression):
    """A number or a moment that stands in the check itself."""

    value: Value

    def metrics(self) -> Iterator[Metric]:
        """Yield nothing."""
        return iter(())

    def evaluate(self, lookup: Callable[[Metric], Value]) -> Operand:  # noqa: ARG002  # the tree's one signature
        """Return the value; a float as the decimal that was written."""
        return Fraction(repr(self.value)) if isinstance(self.value, float) else self.value

    def render(self, *, redacted: bool = False) -> str:  # noqa: ARG002  # numbers print as they are
        """Return the literal."""
        return render_value(self.value)

    def shift(self, days: int) -> Constant:  # noqa: ARG002  # a constant was the same then
        """Return itself."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Negation(Expression):
    """Minus an expression."""

    operand: Expression

    def metrics(self) -> Iterator[Metric]:
        """Yield the operand's."""
        return self.operand.metrics()

    def evaluate(self, lookup: Callable[[Metric], Value]) -> Operand:
        """Return the negative of the operand."""
        return combine("-", 0, self._number(lookup))

    def _number(self, lookup: Callable[[Metric], Value]) -> Number:
        value = self.operand.evaluate(lookup)
        if isinstance(value, date):
            raise EvaluationError(
                f"{self.render()}: {self.operand.render()} is a moment, {value}, not a number"
            )
        return value

    def render(self, *, redacted: bool = False) -> str:
        """Return `-x`."""
        return f"-{_enclosed(self.operand, 3, redacted)}"

    def shift(self, days: int) -> Negation:
        """Shift the operand."""
        return type(self)(self.operand.shift(days))


@dataclass(frozen=True, slots=True, eq=False)
class Absolute(Negation):
    """The absolute value of an expression."""

    def evaluate(self, lookup: Callable[[Metric], Value]) -> Operand:
        """Return the operand without its sign."""
        value = self._number(lookup)
        return combine("-", 0, value) if value < 0 else value

    def render(self, *, redacted: bool = False) -> str:
        """Return `abs(x)`."""
        return f"abs({self.operand.render(redacted=redacted)})"


_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Expression):
    """Two expressions with +, -, * or / between them."""

    symbol: str
    left: Expression
    right: Expression

    @property
    def precedence(self) -> int:
        """Return how tightly the operator binds."""
        return _PRECEDENCE[self.symbol]

    def _chain(self) -> tuple[Expression, list[Operation]]:
        """Return the leftmost operand, and the operations from it to this one.

        A sum over a thousand columns is nested as deep, and Python's calls are not.
        """
        operations = [self]
        while isinstance(first := operations[-1].left, Operation):
            operations.append(first)
        return first, operations[::-1]

    def metrics(self) -> Iterator[Metric]:
        """Yield the left side's, then the right side's."""
        first, operations = self._chain()
        yield from first.metrics()
        for operation in operations:
            yield from operation.right.metrics()

    def evaluate(self, lookup: Callable[[Metric], Value]) -> Operand:
        """Compute both sides, then the operation."""
        first, operations = self._chain()
        value = first.evaluate(lookup)
        for operation in operations:
            value = operation._applied(value, operation.right.evaluate(lookup))
        return value

    def _applied(self, left: Operand, right: Operand) -> Operand:
        if isinstance(left, date) or isinstance(right, date):
            return self._moments(left, right)
        try:
            return combine(self.symbol, left, right)
        except ZeroDivisionError:
            raise EvaluationError(f"division by zero: {self.right.render()} is 0") from None
        except OverflowError:
            raise EvaluationError(f"{self.render()} is too large for a float") from None

    def _moments(self, left: Operand, right: Operand) -> Operand:
        if self.symbol == "-" and isinstance(left, date) and isinstance(right, date):
            return Fraction((as_utc(left) - as_utc(right)) // timedelta(microseconds=1), 1_000_000)
        raise EvaluationError(
            f"{self.render()}: a moment can only be subtracted from another (in seconds); found {left} and {right}"
        )

    def render(self, *, redacted: bool = False) -> str:
        """Return `left + right`, with parentheses where they are needed."""
        first, operations = self._chain()
        text, precedence = first.render(redacted=redacted), first.precedence
        for operation in operations:
            binds = operation.precedence
            right = _enclosed(operation.right, binds + 1 if operation.symbol in "-/" else binds, redacted)
            text = f"{f'({text})' if precedence < binds else text} {operation.symbol} {right}"
            precedence = binds
        return text

    def shift(self, days: int) -> Operation:
        """Shift both sides."""
        first, operations = self._chain()
        shifted = first.shift(days)
        for operation in operations:
            shifted = Operation(operation.symbol, shifted, operation.right.shift(days))
        assert isinstance(shifted, Operation)
        return shifted


@dataclass(frozen=True, slots=True, eq=False)
class Spread(Expression):
    """The sample standard deviation of one expression over `n` days of history.

    Days without a stored value are left out; fewer than two are no history.
    """

    base: Expression
    offset: int
    n: int

    def terms(self) -> list[Expression]:
        """Return the expression at each of the days, the newest first."""
        return [self.base.shift(self.offset + day) for day in range(self.n)]

    def metrics(self) -> Iterator[Metric]:
        """Yield the metrics of all days."""
        for term in self.terms():
            yield from term.metrics()

    def evaluate(self, lookup: Callable[[Metric], Value]) -> Operand:
        """Return the standard deviation as a float, from exact sums; NoHistoryError below two values."""
        values: list[Fraction] = []
        for term in self.terms():
            try:
                value = term.evaluate(lookup)
            except NoHistoryError:
                continue
            if isinstance(value, date):
                raise EvaluationError(f"{self.render()}: {term.render()} is a moment, {value}, not a number")
            values.append(Fraction(finite(value)))
        if len(values) < 2:
            raise NoHistoryError(f"{self.render()} needs two stored days at least, found {len(values)}")
        mean = sum(values, Fraction()) / len(values)
        try:
            return math.sqrt(sum(((value - mean) ** 2 for value in values), Fraction()) / (len(values) - 1))
        except OverflowError:
            raise EvaluationError(f"{self.render()} is too large for a float") from None

    def render(self, *, redacted: bool = False) -> str:
        """Return `stddev(sum(x), offset=1, n=7)`."""
        return f"stddev({self.base.render(redacted=redacted)}, offset={self.offset}, n={self.n})"

    def shift(self, days: int) -> Spread:
        """Shift the window."""
        return Spread(self.base, self.offset + days, self.n)


def as_expression(value: object) -> Expression:
    """Return an expression, a finite number or a moment as an expression; ConfigurationError otherwise."""
    if isinstance(value, Expression):
        return value
    plain = plain_value(value)
    if isinstance(plain, bool) or not isinstance(plain, (int, float, Decimal, date)):
        hint = " (did you compare inside assert_that?)" if isinstance(plain, bool) else ""
        raise ConfigurationError(
            f"an expression is made of metrics, numbers and dates, not of {value!r}{hint}", value
        )
    if not is_finite(plain):
        raise ConfigurationError(f"{value!r} cannot be compared with; a bound is a finite number", value)
    if isinstance(plain, (int, Decimal)) and not _is_written_out(plain):
        raise ConfigurationError(f"a number in an expression has at most {_DIGITS_MAX} digits", value)
    return Constant(plain)


def _is_written_out(number: int | Decimal) -> bool:
    """Tell whether a number is short enough to be printed, and to be computed with exactly."""
    _, digits, exponent = Decimal(number).as_tuple()
    return len(digits) + abs(int(exponent)) <= _DIGITS_MAX


def _enclosed(part: Expression, binds: int, redacted: bool) -> str:
    text = part.render(redacted=redacted)
    return f"({text})" if part.precedence < binds else text
