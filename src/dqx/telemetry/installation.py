"""Putting providers of DQX's own in use, as the standard `OTEL_*` variables ask for them."""

from __future__ import annotations

import atexit
from collections.abc import Iterable

from dqx.common import ConfigurationError
from dqx.telemetry import installed, tracing
from dqx.telemetry.exporters import destinations
from dqx.telemetry.providers import DEADLINE_S, Telemetry, is_own
from dqx.telemetry.redaction import secrets_in

MAX_DEADLINE_S = 3_600


def configure(
    *, set_global: bool = True, deadline_s: float = DEADLINE_S, secrets: Iterable[str] = ()
) -> Telemetry:
    """Build providers from the standard `OTEL_*` variables, and send the telemetry of all runs by them.

    Each run is flushed at its end, and what is left when the process ends. With no `OTEL_EXPORTER_OTLP_*ENDPOINT`
    and no `OTEL_*_EXPORTER` set nothing is built. Called again it returns what it built before.

    Args:
        set_global: Make the providers those of the process, so that spans of others are sent, too.
        deadline_s: Seconds that a flush may take, up to an hour.
        secrets: Values that must not leave in a span, wherever they stand, such as a password of a plugin; those of
            fewer than four characters are not looked for.

    Raises:
        ConfigurationError: When an argument or a variable cannot be used, an extra is not installed, or, with
            `set_global`, the process has providers already.
    """
    if not isinstance(deadline_s, int | float) or not 0 <= deadline_s <= MAX_DEADLINE_S:
        raise ConfigurationError(
            f"deadline_s is {deadline_s!r}; it takes seconds, from 0 to {MAX_DEADLINE_S}", "deadline_s"
        )
    kept = _secrets(secrets)
    if (built := installed.current()) is not None:
        return built
    wanted, problems = destinations()
    if problems:
        raise problems[0]
    for each in wanted if set_global else ():
        if taken(each.signal):
            raise ConfigurationError(
                f"this process has a provider for {each.signal} already, which DQX uses as it is, without being "
                "told; to send by providers of its own: configure(set_global=False)",
                each.signal,
            )
    telemetry = Telemetry(wanted, deadline_s=deadline_s, secrets=kept)
    if telemetry.active:
        install(telemetry, set_global=set_global)
        atexit.register(telemetry.flush_if_used)
    return telemetry


def install(telemetry: Telemetry, *, set_global: bool) -> None:
    """Send the telemetry of DQX by these providers, until they are shut down."""
    if set_global:
        _set_global(telemetry)
    installed.install(telemetry)
    if telemetry.tracer_provider is not None:
        tracing.use_provider(telemetry.tracer_provider)


def taken(signal: str) -> bool:
    """Tell whether the process has a provider for a signal that DQX did not build."""
    provider = installed.global_tracers() if signal == "traces" else installed.global_meters()
    return provider is not None and not is_own(provider)


def _set_global(telemetry: Telemetry) -> None:
    """Make the providers those of the process, for the spans of plugins, too, where it has none.

    OpenTelemetry lets nobody replace them: those that DQX built and shut down before stay.
    """
    from opentelemetry import metrics, trace

    if telemetry.tracer_provider is not None and installed.global_tracers() is None:
        trace.set_tracer_provider(telemetry.tracer_provider)
    if telemetry.meter_provider is not None and installed.global_meters() is None:
        metrics.set_meter_provider(telemetry.meter_provider)


def _secrets(values: Iterable[str]) -> frozenset[str]:
    # A text alone would be taken for its letters.
    if not isinstance(values, str) and isinstance(values, Iterable):
        given = list(values)
        if all(isinstance(value, str) for value in given):
            return secrets_in(given, named_secret=True)
    raise ConfigurationError("secrets takes a list of texts, such as [password]", "secrets")
