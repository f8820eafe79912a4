"""The series of a run's assertions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names
from dqx.telemetry.labels import collisions, legal, told_apart
from dqx.telemetry.redaction import MAX_TEXT
from dqx.telemetry.sample import Sample, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dqx.common import AssertionResult, Severity

LIMIT = 10_000
"""Assertions of a suite that have series of their own."""

_NOT_PASSED = ("FAILURE", "ERROR")


class AssertionSeries:
    """The series of the assertions of one run.

    Args:
        results: The results in their order.
        common: The labels of every series of the snapshot.
        last_run: When the run finished, in Unix seconds; None when that is not known.
        failing_since: Check and assertion to the Unix seconds since when it does not pass.

    Attributes:
        warnings: What had to be changed, as messages.
        folded: How many assertions have no series of their own.
    """

    def __init__(
        self,
        results: Sequence[AssertionResult],
        common: Mapping[str, str],
        last_run: float | None,
        failing_since: Mapping[tuple[str, str], float],
    ) -> None:
        self._own, self._rest = results[:LIMIT], results[LIMIT:]
        self._common = common
        self._last_run = last_run
        self._failing_since = failing_since
        self.folded = len(self._rest)
        self.warnings: list[str] = []

    def samples(self) -> Iterator[Sample]:
        """Yield the samples, assertion by assertion; those of the overflow last."""
        checks = self._named("checks", [result.check for result in self._own])
        assertions = self._named("assertions", [result.assertion for result in self._own])
        pairs = Numbered()
        for result in self._own:
            check, assertion = checks[result.check], assertions[result.assertion]
            yield from self._of_one(result, check, pairs.name(check, assertion))
        if pairs.repeated:
            self.warnings.append(
                f"{pairs.repeated} assertions have the name of another of their check; they are told apart by #2, #3"
            )
        if self._rest:
            self.warnings.append(
                f"{len(self._rest)} assertions beyond the first {LIMIT:,} share the series {names.OVERFLOW}"
            )
            yield from self._of_the_rest()

    def _named(self, what: str, texts: list[str]) -> dict[str, str]:
        made = told_apart(texts)
        if count := collisions(made):
            self.warnings.append(
                f"the names of {count} {what} are the same once cut at {MAX_TEXT} characters and made legal; "
                "they are told apart by a hash"
            )
        return made

    def _of_one(self, result: AssertionResult, check: str, assertion: str) -> Iterator[Sample]:
        place = {**self._common, "check": check, "assertion": assertion}
        graded = FrozenDict({**place, "severity": result.severity})
        if result.status != "SKIPPED":
            since = self._failing_since.get((result.check, result.assertion), self._last_run)
            yield from self._outcome(graded, result.status == "SUCCESS", result.status == "ERROR")
            yield from self._times(place, since if result.status in _NOT_PASSED else None)
            value = number(result.value)
            if value is not None:
                yield Sample(names.ASSERTION_VALUE, graded, value)
            for bound, threshold in result.thresholds.items():
                limit = number(threshold)
                if limit is not None:
                    yield Sample(names.ASSERTION_THRESHOLD, FrozenDict({**graded, "bound": bound}), limit)
        yield self._info(
            place,
            legal(result.expression_redacted or ""),
            legal(",".join(result.datasets)),
            legal(result.owner or ""),
            legal(result.runbook_url or ""),
        )

    def _of_the_rest(self) -> Iterator[Sample]:
        place = {**self._common, "check": names.OVERFLOW, "assertion": names.OVERFLOW}
        evaluated = [result for result in self._rest if result.status != "SKIPPED"]
        by_severity: dict[Severity, set[str]] = {}
        for result in evaluated:
            by_severity.setdefault(result.severity, set()).add(result.status)
        for severity, statuses in sorted(by_severity.items()):
            # One that failed counts more than one that could not be evaluated: its data is known to be bad.
            yield from self._outcome(
                FrozenDict({**place, "severity": severity}),
                statuses == {"SUCCESS"},
                "ERROR" in statuses and "FAILURE" not in statuses,
            )
        if evaluated:
            since = [
                self._failing_since.get((result.check, result.assertion), self._last_run)
                for result in evaluated
                if result.status in _NOT_PASSED
            ]
            yield from self._times(place, min((at for at in since if at is not None), default=None))
        yield self._info(place, "", "", _only({r.owner for r in self._rest}), "")

    def _outcome(
        self,
        graded: FrozenDict[str, str],
        passed: bool,
        errored: bool,
    ) -> Iterator[Sample]:
        yield Sample(names.ASSERTION_PASSED, graded, float(passed))
        yield Sample(names.ASSERTION_ERRORED, graded, float(errored))

    def _times(self, place: Mapping[str, str], failing_since: float | None) -> Iterator[Sample]:
        labels = FrozenDict(place)
        if self._last_run is not None:
            yield Sample(names.ASSERTION_EVALUATED, labels, self._last_run)
        if failing_since is not None:
            yield Sample(names.ASSERTION_FAILING_SINCE, labels, failing_since)

    def _info(
        self, place: Mapping[str, str], expression: str, datasets: str, owner: str, runbook_url: str
    ) -> Sample:
        about = {"expression": expression, "datasets": datasets, "owner": owner, "runbook_url": runbook_url}
        return Sample(names.ASSERTION_INFO, FrozenDict({**place, **about}), 1.0)


class Numbered:
    """Names that are given out once: who wants one that is taken gets it with #2, #3, ... behind it.

    Attributes:
        repeated: How many were taken.
    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], int] = {}
        self.repeated = 0

    def name(self, within: str, wanted: str) -> str:
        """Return `wanted`, with a number where somebody within `within` has it already."""
        name, count = wanted, self._given.get((within, wanted), 1)
        while (within, name) in self._given:
            count += 1
            name = f"{wanted}#{count}"
        self._given[(within, name)] = 1
        if name != wanted:
            self._given[(within, wanted)] = count
            self.repeated += 1
        return name


def _only(owners: set[str | None]) -> str:
    """Return the owner when all have the same one, else an empty text."""
    return legal(next(iter(owners)) or "") if len(owners) == 1 else ""
