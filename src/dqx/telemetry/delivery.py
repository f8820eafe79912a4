"""A road by which a snapshot travels, and what is raised when it does not arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dqx.common import DQXError

if TYPE_CHECKING:
    from dqx.telemetry.snapshot import Snapshot


class DeliveryError(DQXError):
    """A snapshot did not arrive. `road` says on which road it was."""

    def __init__(self, message: str, road: str) -> None:
        super().__init__(message)
        self.road = road

    def __reduce__(self) -> tuple[type[DeliveryError], tuple[str, str]]:
        return type(self), (str(self), self.road)


class Road(Protocol):
    """A way to send snapshots. `name` is what its setting is called."""

    @property
    def name(self) -> str:
        """Return it."""
        ...

    def send(self, snapshot: Snapshot, *, knows_last_success: bool) -> None:
        """Send a snapshot in the place of the one of the same identity.

        Args:
            snapshot: What to send.
            knows_last_success: Whether a snapshot without a last success means that there was none. Without a
                store that lasts it means nothing, and what stands at the other end is kept.

        Raises:
            DeliveryError: When it did not arrive.
        """
        ...
