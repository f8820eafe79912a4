"""An assertion as a value: an expression, the bounds it is held against, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dqx.engine.arithmetic import compare, settle
from dqx.engine.expression import Constant, Expression, Operation
from dqx.engine.metrics import render_value
from dqx.frozen_dict import FrozenDict, Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dqx.common import Severity
    from dqx.engine.arithmetic import Operand
    from dqx.engine.expression import Metric
    from dqx.value import Value

Comparison = Literal["==", "!=", ">", ">=", "<", "<=", "between", "not between"]

_HOLDS: dict[Comparison, Callable[[int, int], bool]] = {
    # From how the value compares with the lower and with the upper bound: -1, 0 or 1 each.
    "==": lambda low, high: low >= 0 >= high,
    "!=": lambda low, high: low < 0 or high > 0,
    ">": lambda low, _: low > 0,
    ">=": lambda low, _: low >= 0,
    "<": lambda _, high: high < 0,
    "<=": lambda _, high: high <= 0,
    "between": lambda low, high: low >= 0 >= high,
    "not between": lambda low, high: low < 0 or high > 0,
}


@dataclass(frozen=True, slots=True)
class Validator:
    """A comparison with one bound, with two, or (`==` and `!=`) with one and a tolerance around it."""

    comparison: Comparison
    bound: Expression
    upper: Expression | None = None
    tolerance: Value = 0

    def expressions(self) -> Iterator[Expression]:
        """Yield the bounds."""
        yield self.bound
        if self.upper is not None:
            yield self.upper

    def bounds(self, lookup: Callable[[Metric], Value]) -> tuple[Operand | None, Operand | None]:
        """Return the lower and the upper bound; None where there is none on that side.

        Raises:
            EvaluationError: When a bound has no value.
        """
        bound = self.bound.evaluate(lookup)
        if self.upper is not None:
            return bound, self.upper.evaluate(lookup)
        if self.comparison in ("==", "!="):
            if not self.tolerance:
                return bound, bound
            distance = Constant(self.tolerance)
            return (
                Operation("-", self.bound, distance).evaluate(lookup),
                Operation("+", self.bound, distance).evaluate(lookup),
            )
        return (bound, None) if self.comparison in (">", ">=") else (None, bound)

    def holds(self, value: Operand, low: Operand | None, high: Operand | None) -> bool:
        """Tell whether a value passes.

        Raises:
            EvaluationError: When the value cannot be compared with a bound.
        """
        below = 0 if low is None else compare(value, low)
        above = 0 if high is None else compare(value, high)
        return _HOLDS[self.comparison](below, above)

    def thresholds(self, low: Operand | None, high: Operand | None) -> Mapping[str, Value]:
        """Return the bounds by name: what is good lies inside of lower and upper, outside of excluded ones."""
        prefix = "excluded_" if self.comparison in ("!=", "not between") else ""
        named = {f"{prefix}lower": low, f"{prefix}upper": high}
        return FrozenDict({name: settle(bound) for name, bound in named.items() if bound is not None})

    def render(self, *, redacted: bool = False) -> str:
        """Return `< 0.05`, `between 0.5 and 2`, `== 10 ± 0.1`."""
        shown = f"{self.comparison} {self.bound.render(redacted=redacted)}"
        if self.upper is not None:
            return f"{shown} and {self.upper.render(redacted=redacted)}"
        return f"{shown} ± {render_value(self.tolerance)}" if self.tolerance else shown


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assertion of a check. Without a validator it only collects its metrics.

    `dataset` is where metrics without a dataset of their own belong. `defect` is why it can only end as
    ERROR: the check around it raised; then what it is about may be unknown (`actual` is None).
    """

    check: str
    name: str
    severity: Severity
    actual: Expression | None
    validator: Validator | None
    dataset: str | None
    owner: str | None = None
    runbook_url: str | None = None
    tags: Mapping[str, str] = field(default_factory=Tags)
    defect: str | None = None

    def metrics(self) -> Iterator[Metric]:
        """Yield every metric of the expression and its bounds, repeated ones repeatedly."""
        if self.actual is not None:
            yield from self.actual.metrics()
        if self.validator is not None:
            for bound in self.validator.expressions():
                yield from bound.metrics()

    def dataset_of(self, metric: Metric, only: str | None) -> str | None:
        """Return where one of its metrics belongs, by the metric, by the check, or as the run's only dataset."""
        return metric.dataset or self.dataset or only

    def render(self, *, redacted: bool = False) -> str:
        """Return the whole assertion as a person would write it."""
        shown = self.name if self.actual is None else self.actual.render(redacted=redacted)
        return f"{shown} {self.validator.render(redacted=redacted)}" if self.validator else shown
