"""Telemetry: `names` is the catalogue, `redaction` what text passes, `tracing` makes the spans.

`configure` builds OpenTelemetry's providers from the standard `OTEL_*` variables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dqx.telemetry.providers import Telemetry, configure

__all__ = ["Telemetry", "configure"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from dqx.telemetry import providers

        return getattr(providers, name)
    raise AttributeError(f"module 'dqx.telemetry' has no attribute {name!r}")
