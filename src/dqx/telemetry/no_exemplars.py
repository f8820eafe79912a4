"""A reservoir of exemplars that keeps none, for gauges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import ExemplarReservoir

if TYPE_CHECKING:
    from collections.abc import Callable


class NoExemplars(ExemplarReservoir):
    """Keeps nothing; one serves all series."""

    def offer(self, *_: Any, **__: Any) -> None:
        """Let it go."""

    def collect(self, *_: Any, **__: Any) -> list[Any]:
        """Return none."""
        return []


_none = NoExemplars()


def reservoir_factory(_aggregation: type[Any]) -> Callable[..., ExemplarReservoir]:
    """Return what makes the reservoir of a series."""
    return lambda **_: _none
