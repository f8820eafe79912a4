"""A check, and what it asserts with: `@check`, `ctx`, and the assertions that are drafted on it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dqx.arguments import refuse_texts
from dqx.common import DEFAULT_SEVERITY, ConfigurationError, check_severity
from dqx.engine.arithmetic import EvaluationError, compare
from dqx.engine.assertion import Assertion, Comparison, Validator
from dqx.engine.expression import Constant, Expression, as_expression
from dqx.frozen_dict import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dqx.common import Severity
    from dqx.engine.expression import Metric
    from dqx.orm.repositories import MetricDB
    from dqx.provider import MetricProvider
    from dqx.value import Value

    Bound = Expression | Value

_EXACTLY = Constant(0)

COMPLETES = "check completes"
"""The assertion that a check which raises ends with, as what it would still have asserted is unknown."""


class CheckProducer(Protocol):
    """A check: a function of `mp` (the metrics) and `ctx` (the assertions)."""

    def __call__(self, mp: MetricProvider, ctx: Context, /) -> None:
        """Name metrics and assert something of them."""
        ...


@dataclass(frozen=True, slots=True)
class DecoratedCheck:
    """A check with its name and its datasets, as `@check` makes it."""

    name: str
    function: Callable[[Any, Any], None]
    datasets: tuple[str, ...] = ()

    def __call__(self, mp: MetricProvider, ctx: Context, /) -> None:
        """Run the function."""
        self.function(mp, ctx)


_F = TypeVar("_F", bound="Callable[[Any, Any], None]")


def check(*, name: str, datasets: Sequence[str] = ()) -> Callable[[_F], DecoratedCheck]:
    """Make a function of `(mp, ctx)` a check.

    Args:
        name: What the check is called in results, telemetry and alerts; unique in its suite.
        datasets: What it reads. With one name, its metrics need no `dataset=`.

    Raises:
        ConfigurationError: When the name is empty or `datasets` is not a list of names.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"@check: name is text that says what is checked, not {name!r}", name)
    listed = isinstance(datasets, Iterable) and not isinstance(datasets, str)
    if not listed or not all(isinstance(dataset, str) and dataset for dataset in datasets):
        raise ConfigurationError(
            f"@check(name={name!r}): datasets is a list of names, not {datasets!r}", datasets
        )

    def decorate(function: _F) -> DecoratedCheck:
        return DecoratedCheck(name.strip(), function, tuple(datasets))

    return decorate


def check_name(producer: CheckProducer) -> str:
    """Return what a check is called: its decorator's name, or the function's."""
    name = getattr(producer, "name", None) or getattr(producer, "__name__", None)
    if not callable(producer) or not isinstance(name, str):
        raise ConfigurationError(f"a check is a function of (mp, ctx), not {producer!r}", producer)
    function = getattr(producer, "function", producer)
    # To call one runs nothing of it, so it would assert nothing, and nobody would know.
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        raise ConfigurationError(
            f"check '{name}' is asynchronous or a generator; it only says what to assert, so write a plain `def`",
            name,
        )
    with suppress(ValueError):  # of some functions in C the signature is not known
        signature = inspect.signature(function)
        try:
            signature.bind(None, None)
        except TypeError:
            raise ConfigurationError(
                f"check '{name}' takes {signature}; a check is a function of (mp, ctx)", name
            ) from None
    return name


class Context:
    """What a check asserts with, `ctx`. `suite` is the suite's name, `db` its store."""

    def __init__(self, suite: str, db: MetricDB, check: str = "", datasets: tuple[str, ...] = ()) -> None:
        self.suite = suite
        self.db = db
        self.check = check
        self._dataset = datasets[0] if len(datasets) == 1 else None
        self._drafts: list[AssertionDraft] = []
        self._assertions: list[Assertion] = []

    def assert_that(self, actual: Expression) -> AssertionDraft:
        """Begin an assertion on a metric or an expression of metrics.

        Name it with `.where(name=...)`, then end it with a validator such as `.is_lt(0.05)`.

        Raises:
            ConfigurationError: When `actual` is not an expression of metrics.
        """
        if not isinstance(actual, Expression):
            hint = "; compare with .is_eq(...) and the like" if isinstance(actual, bool) else ""
            raise ConfigurationError(
                f"check '{self.check}': assert_that takes a metric or an expression of metrics, "
                f"such as mp.num_rows(), not {actual!r}{hint}",
                actual,
            )
        draft = AssertionDraft(self, actual)
        self._drafts.append(draft)
        return draft

    def collected(self) -> list[Assertion]:
        """Return what the check asserted, in order.

        Raises:
            ConfigurationError: When an assertion has no validator, or two have one name.
        """
        for draft in self._drafts:
            if not draft._ended:
                raise ConfigurationError(
                    f"{draft._place()} has no validator, so it asserts nothing; end it with is_gt, is_zero, ... "
                    "or with noop() to collect its metrics only",
                    str(draft._actual),
                )
        names: set[str] = set()
        for assertion in self._assertions:
            if assertion.validator is None:
                continue
            if assertion.name in names:
                raise ConfigurationError(
                    f"check '{self.check}' has two assertions named '{assertion.name}'; rename one",
                    assertion.name,
                )
            names.add(assertion.name)
        return self._assertions

    def broken_off(self, defect: str) -> list[Assertion]:
        """Return what the check asserted until it raised, all to end as ERROR for this reason, and `COMPLETES`."""
        ended = [a if a.validator is None else replace(a, defect=defect) for a in self._assertions]
        begun = [d._assertion(None, defect) for d in self._drafts if d._name is not None and not d._ended]
        unique = {a.name: a for a in (*ended, *begun) if a.defect is not None and a.name != COMPLETES}
        # P0: whatever the suite fails on, a check of which nobody knows what it asserts is not a passed one.
        return [
            *(a for a in ended if a.defect is None),
            *unique.values(),
            Assertion(self.check, COMPLETES, "P0", None, None, None, defect=defect),
        ]


class AssertionDraft:
    """An assertion that is being written: call `where` to name it, then exactly one validator.

    A validator raises ConfigurationError when there is no name yet, or a bound is no finite number, moment or
    expression of metrics.
    """

    def __init__(self, context: Context, actual: Expression) -> None:
        self._context = context
        self._actual = actual
        self._name: str | None = None
        self._severity: Severity = DEFAULT_SEVERITY
        self._owner: str | None = None
        self._runbook_url: str | None = None
        self._tags: Mapping[str, str] = Tags()
        self._ended = False

    def where(
        self,
        *,
        name: str,
        severity: str = DEFAULT_SEVERITY,
        owner: str | None = None,
        runbook_url: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> AssertionDraft:
        """Say what the assertion is called and who answers for it.

        Args:
            name: Says what is good, such as "one row per order"; unique in its check.
            severity: P0 (wake somebody) to P3 (worth a look).
            owner: Who is told when it fails; the suite's owner unless given.
            runbook_url: What to do when it fails.
            tags: Text to text, added to the tags of the run in this assertion's result.

        Raises:
            ConfigurationError: When one of them is not what it should be.
        """
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(
                f"check '{self._context.check}', {self._actual}: name is text that says what is good, "
                f"not {name!r}",
                name,
            )
        self._name = name.strip()
        where = self._place()
        self._severity = check_severity(severity, where)
        refuse_texts(where, owner=owner, runbook_url=runbook_url)
        given = {} if tags is None else tags
        if not isinstance(given, Mapping) or not all(
            isinstance(part, str) for pair in given.items() for part in pair
        ):
            raise ConfigurationError(f"{where}: tags are text to text, not {tags!r}", tags)
        self._owner, self._runbook_url, self._tags = owner, runbook_url, Tags(given)
        return self

    config = where

    def is_eq(self, expected: Bound, tol: Value = 0) -> None:
        """Assert that the value is `expected`, give or take `tol`."""
        self._end("==", expected, tol=tol)

    def is_neq(self, unwanted: Bound, tol: Value = 0) -> None:
        """Assert that the value is not `unwanted`, nor within `tol` of it."""
        self._end("!=", unwanted, tol=tol)

    def is_gt(self, bound: Bound) -> None:
        """Assert that the value is greater than `bound`."""
        self._end(">", bound)

    def is_geq(self, bound: Bound) -> None:
        """Assert that the value is `bound` or greater."""
        self._end(">=", bound)

    def is_lt(self, bound: Bound) -> None:
        """Assert that the value is less than `bound`."""
        self._end("<", bound)

    def is_leq(self, bound: Bound) -> None:
        """Assert that the value is `bound` or less."""
        self._end("<=", bound)

    def is_between(self, lower: Bound, upper: Bound) -> None:
        """Assert that the value is `lower`, `upper`, or in between."""
        self._end("between", lower, upper)

    def is_not_between(self, lower: Bound, upper: Bound) -> None:
        """Assert that the value is less than `lower` or greater than `upper`."""
        self._end("not between", lower, upper)

    def is_positive(self) -> None:
        """Assert that the value is greater than 0."""
        self._end(">", 0)

    def is_negative(self) -> None:
        """Assert that the value is less than 0."""
        self._end("<", 0)

    def is_zero(self) -> None:
        """Assert that the value is 0."""
        self._end("==", 0)

    def noop(self) -> None:
        """Assert nothing: the metrics are computed, stored and sent, and there is no result."""
        self._close(None)

    def _end(
        self, comparison: Comparison, bound: Bound, upper: Bound | None = None, tol: Bound = _EXACTLY
    ) -> None:
        where = self._place()
        if self._name is None:
            raise ConfigurationError(
                f"{where} has no name; write .where(name='what is good about it') before the validator",
                str(self._actual),
            )
        try:
            low = as_expression(bound)
            high = None if upper is None else as_expression(upper)
            tolerance = as_expression(tol)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}", error.culprit) from None
        if not isinstance(tolerance, Constant) or isinstance(tolerance.value, date) or tolerance.value < 0:
            raise ConfigurationError(f"{where}: tol is a number, 0 or more, not {tol!r}", tol)
        if tolerance.value and isinstance(low, Constant) and isinstance(low.value, date):
            raise ConfigurationError(f"{where}: only numbers have a tolerance, not {low}", tol)
        validator = Validator(comparison, low, high, tolerance.value)
        if _reversed(low, high):
            raise ConfigurationError(
                f"{where}: {validator.render()} has its bounds the wrong way round; write {high} and {low}",
                str(validator.bound),
            )
        self._close(validator)

    def _close(self, validator: Validator | None) -> None:
        self._ended = True
        self._context._assertions.append(self._assertion(validator))

    def _assertion(self, validator: Validator | None, defect: str | None = None) -> Assertion:
        return Assertion(
            check=self._context.check,
            name=self._name or str(self._actual),
            severity=self._severity,
            actual=self._actual,
            validator=validator,
            dataset=self._context._dataset,
            owner=self._owner,
            runbook_url=self._runbook_url,
            tags=self._tags,
            defect=defect,
        )

    def _place(self) -> str:
        named = f"assertion '{self._name}'" if self._name else f"the assertion on {self._actual}"
        return f"check '{self._context.check}', {named}"


def _reversed(low: Expression, high: Expression | None) -> bool:
    """Tell whether two constant bounds leave nothing in between."""
    if not isinstance(low, Constant) or not isinstance(high, Constant):
        return False
    nothing: dict[Metric, Value] = {}  # a constant looks nothing up
    try:
        return compare(low.evaluate(nothing.__getitem__), high.evaluate(nothing.__getitem__)) > 0
    except EvaluationError:  # a moment beside a number
        return False
