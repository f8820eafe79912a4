"""The providers in use: those that DQX built, or the global ones. Nothing is imported to find out."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from dqx.telemetry.providers import Telemetry

_Provider = TypeVar("_Provider")

_installed: list[Telemetry] = []
"""One per process, as the global providers are, or none."""


def current() -> Telemetry | None:
    """Return what DQX built and has not shut down, or None."""
    return next((telemetry for telemetry in _installed if not telemetry.closed), None)


def install(telemetry: Telemetry) -> None:
    """Take the place of what was in use."""
    _installed[:] = [telemetry]


@dataclass(slots=True)
class Account:
    """What the telemetry of a block of code lost, by signal and reason; known when the block has ended."""

    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)


@contextmanager
def sent_at_end() -> Iterator[Account]:
    """Have all telemetry sent at the end of a block, in a process that outlives it.

    One that does not, such as a command, flushes when it ends, and has an account of its own.
    """
    account = Account()
    telemetry = current()
    if telemetry is None or not telemetry.long_lived:
        yield account
        return
    before = telemetry.delivery()
    try:
        yield account
    finally:
        account.dropped = telemetry.flush().dropped_since(before)


def tracers() -> TracerProvider | None:
    """Return the provider of spans: DQX's own, else the global one, unless that is the API's stand-in."""
    built = current()
    return (built.tracer_provider if built else None) or global_tracers()


def meters() -> MeterProvider | None:
    """Return the provider of instruments: DQX's own, else the global one, unless that is the API's stand-in."""
    built = current()
    return (built.meter_provider if built else None) or global_meters()


def global_tracers() -> TracerProvider | None:
    """Return the process's provider of spans, or None where it is the API's stand-in, which does nothing."""
    return _real(trace.get_tracer_provider)


def global_meters() -> MeterProvider | None:
    """Return the process's provider of instruments, or None where it is the API's stand-in."""
    if "opentelemetry.metrics" not in sys.modules and not os.environ.get("OTEL_PYTHON_METER_PROVIDER"):
        return None  # nobody can have set one; 3 ms saved
    from opentelemetry import metrics

    return _real(metrics.get_meter_provider)


def _real(get: Callable[[], _Provider]) -> _Provider | None:
    try:
        provider = get()
    except Exception:  # noqa: BLE001  # OTEL_PYTHON_*_PROVIDER names none that can be loaded: the API logs why
        return None
    return provider if callable(getattr(provider, "force_flush", None)) else None
