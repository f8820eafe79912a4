"""What became of the items of one signal: taken, delivered, or dropped, and then why."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Signal = Literal["traces", "metrics"]
Reason = Literal["queue_full", "timeout", "unreachable", "rejected", "series_limit", "unusable"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt to send failed. `message` is for people; it is not redacted yet."""

    reason: Reason
    message: str


class Ledger:
    """Counts the items of one signal on their way to one place. Any thread may write.

    Attributes:
        failure: Why the latest attempt failed; None when it did not, or is still under way.
        refused: Items that the latest answer said were not accepted, while it accepted the rest.
    """

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.start_clean()

    def start_clean(self) -> None:
        """Forget everything: after a fork it is the parent process's."""
        self._lock = threading.Lock()
        self.taken = 0
        self.failure: Failure | None = None
        self.refused = 0
        self._settled = 0
        self._delivered = 0
        self._dropped: Counter[Reason] = Counter()
        self._written_off: Counter[Reason] = Counter()
        self._missed: Counter[Reason] = Counter()

    @property
    def delivered(self) -> int:
        """Return how many items have arrived."""
        return self._delivered

    @property
    def dropped(self) -> Mapping[Reason, int]:
        """Return how many items did not arrive, by reason; none is 0."""
        with self._lock:
            return dict(self._dropped + self._written_off + self._missed)

    def take(self, count: int) -> None:
        """Note that items are to be sent; those that were missed are among them."""
        with self._lock:
            self.taken += count
            self._missed.clear()

    def attempt(self) -> None:
        """Note that another attempt begins, about which nothing is known yet."""
        self.failure, self.refused = None, 0

    def arrive(self, count: int) -> None:
        """Note that an attempt with so many items succeeded, but for those that the answer refused."""
        with self._lock:
            refused = min(count, self.refused)
            self._settle(count)
            self._delivered += count - refused
            self._dropped["rejected"] += refused

    def fail(self, count: int) -> None:
        """Note that an attempt with so many items failed, for the reason in `failure`, and is the last of them."""
        self.drop(count, self.failure.reason if self.failure else "rejected")

    def drop(self, count: int, reason: Reason) -> None:
        """Note that items will not arrive."""
        with self._lock:
            self._settle(count)
            self._dropped[reason] += count

    def open(self, mark: int) -> int:
        """Return how many of the first `mark` items are neither delivered nor dropped."""
        return max(0, mark - self._settled)

    def write_off(self, mark: int | None = None) -> int:
        """Count what is still open of the first `mark` items, or of all, as dropped; return how many those are.

        The reason is that of the latest attempt; what was neither refused nor answered ran out of time.
        """
        with self._lock:
            still_open = self.open(self.taken if mark is None else mark)
            if still_open:
                self._written_off[self._late] += still_open
                self._settled += still_open
            return still_open

    def miss(self, count: int) -> None:
        """Count items as dropped, for the reason of the latest attempt, that were not even taken to be sent."""
        with self._lock:
            self._missed[self._late] += count

    @property
    def _late(self) -> Reason:
        return self.failure.reason if self.failure else "timeout"

    def _settle(self, count: int) -> None:
        """Settle items, first of all those that were written off too early."""
        late = 0
        for reason in list(self._written_off):
            back = min(count - late, self._written_off[reason])
            self._written_off[reason] -= back
            late += back
        self._settled += count - late
