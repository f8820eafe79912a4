"""Reading once; and when the engine refuses, finding out which aggregate is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dqx.common import ScanError
from dqx.engine.foreign import reason_of
from dqx.engine.user_sql import BEGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dqx.engine.aggregates import Aggregate

EXTRA_READS_MAX = 8
"""Reads spent at most on finding culprits after an error at run time; a halving of 128 takes as many."""


class Reads:
    """The reads of one scan.

    Args:
        run: Runs aggregates in one query that reads data.
        probe: Runs them over no rows, which binds them and reads nothing.
        refused: The errors of the engine for which an aggregate may be to blame, not the data as a whole.
        unbound: Those among them that come before anything is read.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Aggregate]], tuple[Any, ...]],
        probe: Callable[[Sequence[Aggregate]], object],
        refused: tuple[type[Exception], ...],
        unbound: tuple[type[Exception], ...],
    ) -> None:
        self._run = run
        self._probe = probe
        self._refused = refused
        self._unbound = unbound
        self._extra = EXTRA_READS_MAX
        self.count = 0

    def read(self, aggregates: Iterable[Aggregate]) -> dict[Aggregate, Any]:
        """Return the value of each aggregate, or a ScanError in its place, in one read when all is well."""
        wanted = list(dict.fromkeys(aggregates))
        if not wanted:
            return {}
        try:
            return self._attempt(wanted)
        except self._unbound as error:
            return self._without_unbound(wanted, error)
        except self._refused as error:
            if not any(aggregate.fallback for aggregate in wanted):
                return self._isolate(wanted, error)
            # A bitmap that did not fit, as the likelier cause: it is counted in a hash table instead.
            self._extra = max(self._extra - 1, 0)
            plain = self.read(aggregate.fallback or aggregate for aggregate in wanted)
            return {aggregate: plain[aggregate.fallback or aggregate] for aggregate in wanted}

    def _attempt(self, aggregates: list[Aggregate]) -> dict[Aggregate, Any]:
        try:
            values = self._run(aggregates)
        except self._unbound:
            raise
        except Exception:
            self.count += 1
            raise
        self.count += 1
        return dict(zip(aggregates, values, strict=True))

    def _without_unbound(self, wanted: list[Aggregate], error: Exception) -> dict[Aggregate, Any]:
        """Take out what does not bind, found by halving without a read, and read the rest."""
        failed: dict[Aggregate, Any] = {}
        groups = [wanted]
        while groups:
            group = groups.pop()
            try:
                self._probe(group)
            except self._unbound as cause:
                if len(group) == 1:
                    failed[group[0]] = ScanError(reason_of(cause))
                else:
                    groups += _halves(group)
            except self._refused:
                continue  # to be found when it is read
        if not failed:
            return dict.fromkeys(wanted, ScanError(reason_of(error)))
        return failed | self.read(aggregate for aggregate in wanted if aggregate not in failed)

    def _isolate(self, wanted: list[Aggregate], cause: Exception) -> dict[Aggregate, Any]:
        """Halve until the culprits are known or the extra reads are spent.

        The last of them is kept for what is not suspected: where the culprit cannot be told from a few others,
        only those few go without a value.
        """
        found: dict[Aggregate, Any] = {}
        rest = wanted
        while rest:
            suspects = rest
            while len(suspects) > 1 and self._extra > 1:
                half, other = _halves(suspects)
                try:
                    found |= self._spend(half)
                    suspects = other
                except self._refused as error:
                    cause, suspects = error, half
            found |= dict.fromkeys(suspects, _blamed(suspects, cause))
            rest = [aggregate for aggregate in rest if aggregate not in found]
            try:
                return found | (self._spend(rest) if rest else {})
            except self._refused as error:
                cause = error
        return found

    def _spend(self, aggregates: list[Aggregate]) -> dict[Aggregate, Any]:
        self._extra -= 1
        return self._attempt(aggregates)


def _blamed(suspects: list[Aggregate], cause: Exception) -> ScanError:
    """Return the reason why suspects, one of which is the culprit, have no value."""
    if len(suspects) == 1:
        return ScanError(reason_of(cause))
    return ScanError(
        f"not computed: an aggregate of the same query failed, and {EXTRA_READS_MAX} more reads did not tell "
        f"which: {reason_of(cause)}"
    )


def _halves(suspects: list[Aggregate]) -> tuple[list[Aggregate], list[Aggregate]]:
    """Split what DQX wrote from what the user wrote, as that is likelier to fail; then in the middle."""
    ours = [aggregate for aggregate in suspects if BEGIN not in aggregate.sql]
    if ours and len(ours) < len(suspects):
        return ours, [aggregate for aggregate in suspects if BEGIN in aggregate.sql]
    middle = len(suspects) // 2
    return suspects[:middle], suspects[middle:]
