"""Telemetry: `names` is the catalogue, `redaction` what text passes, `tracing` makes the spans.

`configure` builds OpenTelemetry's providers from the standard `OTEL_*` variables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dqx.telemetry.installation import configure
    from dqx.telemetry.providers import Telemetry

__all__ = ["Telemetry", "configure"]


def __getattr__(name: str) -> object:
    if name == "configure":
        from dqx.telemetry.installation import configure

        return configure
    if name == "Telemetry":
        from dqx.telemetry.providers import Telemetry

        return Telemetry
    raise AttributeError(f"module 'dqx.telemetry' has no attribute {name!r}")
