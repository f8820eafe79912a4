"""A registry of prometheus-client in this process, which the program itself exposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqx.telemetry.families import collector_of

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

    from dqx.telemetry.snapshot import Snapshot


class RegistryRoad:
    """Makes snapshots known to a registry.

    Args:
        registry: The registry; True for the process's default one.

    Raises:
        ValueError: When the registry has a metric of the same name from somebody else.
    """

    name = "registry"

    def __init__(self, registry: CollectorRegistry | bool) -> None:
        if isinstance(registry, bool):
            from prometheus_client import REGISTRY

            registry = REGISTRY
        self._collector = collector_of(registry)

    def send(self, snapshot: Snapshot, *, knows_last_success: bool) -> None:  # noqa: ARG002  # as every road
        """Let the registry yield a snapshot in the place of the one of the same identity."""
        self._collector.replace(snapshot)
