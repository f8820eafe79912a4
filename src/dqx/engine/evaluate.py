"""From values to results: the one place where an assertion is decided."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dqx.common import AssertionResult
from dqx.engine.arithmetic import EvaluationError, settle
from dqx.engine.expression import Constant, NoHistoryError
from dqx.engine.metrics import render_value
from dqx.engine.plan import Symbol
from dqx.frozen_dict import FrozenDict, Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from dqx.common import ResultKey, ResultValue, Status
    from dqx.engine.assertion import Assertion
    from dqx.engine.expression import Metric
    from dqx.value import Value

_NO_THRESHOLDS: Mapping[str, Value] = FrozenDict()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What assertions are decided by: the values of a run, and when and for what it ran.

    `values` holds every symbol that was computed or found in the store; a lagged one that is not there has no
    history. `clock` gives the time, aware and in UTC.
    """

    suite: str
    key: ResultKey
    values: Mapping[Symbol, ResultValue]
    only_dataset: str | None
    clock: Callable[[], datetime]

    def decide(self, assertions: Iterable[Assertion]) -> list[AssertionResult]:
        """Return a result for each assertion but those that only collect, in their order."""
        return [
            self._result(assertion) for assertion in assertions if assertion.validator or assertion.defect
        ]

    def _result(self, assertion: Assertion) -> AssertionResult:
        evaluated_at = self.clock()
        started = time.perf_counter()
        symbols = [self._symbol(assertion, metric) for metric in assertion.metrics()]
        status, reason, value, thresholds = self._outcome(assertion, symbols)
        tags = Tags({**assertion.tags, **self.key.tags}) if assertion.tags else self.key.tags
        metric = assertion.name if assertion.actual is None else assertion.actual.render()
        return AssertionResult(
            yyyy_mm_dd=self.key.yyyy_mm_dd,
            suite=self.suite,
            check=assertion.check,
            assertion=assertion.name,
            severity=assertion.severity,
            status=status,
            metric=metric,
            expression=f"{metric} {assertion.validator.render()}" if assertion.validator else metric,
            tags=tags,
            reason=reason,
            value=value,
            thresholds=thresholds,
            evaluated_at=evaluated_at,
            duration_s=time.perf_counter() - started,
            owner=assertion.owner,
            runbook_url=assertion.runbook_url,
            datasets=tuple(dict.fromkeys(symbol.dataset for symbol in symbols)),
            expression_redacted=assertion.render(redacted=True),
        )

    def _outcome(
        self, assertion: Assertion, symbols: Iterable[Symbol]
    ) -> tuple[Status, str | None, Value | None, Mapping[str, Value]]:
        if assertion.defect is not None:
            return "ERROR", assertion.defect, None, _NO_THRESHOLDS
        # What could not be computed outweighs what was not stored yet: the one needs a person, the other time.
        for symbol in symbols:
            found = self.values.get(symbol)
            if found is not None and found.error is not None:
                return "ERROR", str(found.error), None, _NO_THRESHOLDS
        value: Value | None = None
        thresholds: Mapping[str, Value] = _NO_THRESHOLDS
        actual, validator = assertion.actual, assertion.validator
        assert actual is not None
        assert validator is not None

        def lookup(metric: Metric) -> Value:
            found = self.values.get(self._symbol(assertion, metric))
            if found is None:
                day = self.key.yyyy_mm_dd - timedelta(days=metric.lag)
                raise NoHistoryError(f"{metric} is not stored for {day}")
            return found.unwrap()

        try:
            operand = actual.evaluate(lookup)
            value = settle(operand)
            low, high = validator.bounds(lookup)
            thresholds = validator.thresholds(low, high)
            if validator.holds(operand, low, high):
                return "SUCCESS", None, value, thresholds
        except NoHistoryError as absent:
            return "SKIPPED", f"no history yet: {absent}", value, thresholds
        except EvaluationError as error:
            return "ERROR", str(error), value, thresholds
        wanted = validator.render()
        claim = wanted.removeprefix("not ") if wanted.startswith("not ") else f"not {wanted}"
        shown = f"{actual.render()} is {render_value(value)}, which is {claim}"
        if not all(isinstance(bound, Constant) for bound in validator.expressions()):
            # What a bound came to, once where both are one.
            shown += f" ({' to '.join(dict.fromkeys(map(render_value, thresholds.values())))})"
        return "FAILURE", shown, value, thresholds

    def _symbol(self, assertion: Assertion, metric: Metric) -> Symbol:
        dataset = assertion.dataset_of(metric, self.only_dataset)
        assert dataset is not None  # the plan has seen to it
        return Symbol(dataset, metric.spec.identity, metric.lag)
