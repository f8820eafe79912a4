"""The built-in plugin `dqx_prometheus`: what a run found, for Prometheus, by the roads that are configured."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003  # pydantic reads the annotation
from typing import TYPE_CHECKING, Any, ClassVar

from dqx.plugins.declared import validated
from dqx.telemetry.pushgateway_settings import PushgatewaySettings  # noqa: TC001  # pydantic reads the annotation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dqx.common import AssertionResult, PluginOutcome, SymbolInfo
    from dqx.telemetry.delivery import Road
    from dqx.telemetry.snapshot import Snapshot

logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\]/@]+)):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSettings:
    """The roads that `dqx_prometheus` takes; none by default. The folder must exist; DQX makes none."""

    registry: Any = field(
        default=False,
        metadata={"meaning": "true: the process's default registry of prometheus-client; or one of your own"},
    )
    http: str | None = field(
        default=None,
        metadata={"meaning": "ADDRESS:PORT of a server in this process, for programs that live long"},
    )
    textfile: Path | None = field(default=None, metadata={"meaning": "folder of node_exporter's textfiles"})
    pushgateway: PushgatewaySettings | None = field(
        default=None, metadata={"meaning": "table of url, job, username, password, headers, timeout_s"}
    )

    def __post_init__(self) -> None:
        if not isinstance(self.registry, bool) and not hasattr(self.registry, "register"):
            raise ValueError("registry takes true, false, or a CollectorRegistry of prometheus-client")
        if self.http is not None:
            address(self.http)


def address(text: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:9464` or `[::1]:9464`; raise ValueError when it is neither."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError(f"http is {text!r}; it takes ADDRESS:PORT, such as 127.0.0.1:9464")
    return match["six"] or match["host"], int(match["port"])


@dataclass(frozen=True, slots=True)
class _Sent:
    """A run that was sent on `roads`, so far, and is not finished."""

    snapshot: Snapshot
    context: dict[str, Any]
    roads: list[Road]
    knows_last_success: bool


class PrometheusPlugin:
    """Send the newest run of each suite to Prometheus: with its verdict, and again with the plugins' series.

    A backfill, whose key date is not the newest of its snapshot, sends nothing.
    """

    Settings: ClassVar = PrometheusSettings

    def __init__(self) -> None:
        self._roads: list[Road] = []
        self._sent: _Sent | None = None

    def initialize(self, config: dict[str, Any]) -> None:
        """Take the settings: what `PrometheusSettings` has, by name. Nothing is imported for what is not set.

        Raises:
            ConfigurationError: When a setting is unknown or has a wrong value, the address of `http` cannot be
                listened on, or the process has a server at another address.
            ValueError: When `registry` has a metric of the same name from somebody else.
        """
        self._roads = _roads(PrometheusSettings(**validated("dqx_prometheus", PrometheusSettings, config)))
        self._sent = None

    def process(
        self,
        results: list[AssertionResult],
        symbols: list[SymbolInfo],
        suite_name: str,
        context: dict[str, Any],
    ) -> None:
        """Send what the run found on every road.

        Raises:
            DeliveryError: When it did not arrive on one of them; the others had their turn.
        """
        self._sent = None
        if not self._roads:
            return
        from dqx.telemetry.snapshot import snapshot_of, warn_once

        snapshot = snapshot_of(results, symbols, suite_name, context)
        if not snapshot.newest:
            logger.info(
                "%s: a backfill of an older date; nothing is sent to Prometheus", snapshot.identity.text
            )
            return
        warn_once(snapshot)
        knows_last_success = bool(context.get("persistent")) or context.get("last_success_at") is not None
        open_roads: list[Road] = []
        # Kept before the first road is taken, as this call may be given up while it waits.
        self._sent = _Sent(snapshot, context, open_roads, knows_last_success)
        _send(snapshot, self._roads, knows_last_success, arrived=open_roads)

    def finish(self, outcomes: Sequence[PluginOutcome]) -> None:
        """Send the run again, with the plugins' series, on the roads on which it arrived.

        Raises:
            DeliveryError: When it did not arrive on one of them.
        """
        sent, self._sent = self._sent, None
        if sent is None:
            return
        from dqx.telemetry.snapshot import with_outcomes

        snapshot = with_outcomes(sent.snapshot, outcomes, sent.context)
        _send(snapshot, sent.roads, sent.knows_last_success, arrived=[])


def _roads(settings: PrometheusSettings) -> list[Road]:
    """Return the roads, those that wait for nobody first."""
    roads: list[Road] = []
    if settings.registry is not False:
        from dqx.telemetry.registry import RegistryRoad

        roads.append(RegistryRoad(settings.registry))
    if settings.http is not None:
        from dqx.exporter.in_process import HttpRoad

        roads.append(HttpRoad(*address(settings.http)))
    if settings.textfile is not None:
        from dqx.telemetry.textfile import Textfile

        roads.append(Textfile(settings.textfile.absolute()))  # a later chdir must not move it
    if settings.pushgateway is not None:
        from dqx.telemetry.pushgateway import Pushgateway

        roads.append(Pushgateway(settings.pushgateway))
    return roads


def _send(snapshot: Snapshot, roads: list[Road], knows_last_success: bool, *, arrived: list[Road]) -> None:
    from dqx.telemetry.delivery import DeliveryError

    failed: list[DeliveryError] = []
    for road in roads:
        try:
            road.send(snapshot, knows_last_success=knows_last_success)
            arrived.append(road)
        except DeliveryError as error:
            failed.append(error)
    if failed:
        raise DeliveryError("; ".join(map(str, failed)), ", ".join(error.road for error in failed))
