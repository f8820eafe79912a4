"""The telemetry of a command: where `OTEL_*` variables send it, the trace it belongs to, and what became of it."""

from __future__ import annotations

import logging
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from dqx.cli.readable import counted
from dqx.common import ConfigurationError
from dqx.telemetry.redaction import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dqx.telemetry.installed import Account
    from dqx.telemetry.providers import Telemetry

logger = logging.getLogger(__name__)

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
_ITEMS = {"traces": "span", "metrics": "point"}


def _traceparent_value(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _TRACEPARENT.match(value):
        raise click.BadParameter(
            f"{value[:80]!r} is no W3C traceparent; write 00-, 32 hexadecimal digits, -, 16, and -01"
        )
    return value


traceparent_option = click.option(
    "--traceparent",
    callback=_traceparent_value,
    metavar="TEXT",
    help="The span that the runs belong to, as W3C traceparent (default: the variable TRACEPARENT).",
)


@contextmanager
def telemetry_of_command(
    traceparent: str | None, plugins: Sequence[Mapping[str, Mapping[str, Any]]], *, quiet: bool = False
) -> Iterator[Account]:
    """Send the telemetry of the block as `OTEL_*` variables ask, and say on stderr what became of it.

    Args:
        traceparent: The span that what is traced belongs to; None for that of the environment, or none.
        plugins: The settings of plugins by name, of each suite; what cannot be used is an error where `dqx_otel`
            is required.
        quiet: Say nothing when everything has arrived.

    Yields:
        What was lost, which is known when the block has ended.

    Raises:
        ConfigurationError: When telemetry is required and cannot be sent.
    """
    from opentelemetry import context

    from dqx.telemetry.installed import Account

    telemetry = _telemetry(plugins)
    token = context.attach(_parent(traceparent))
    process = os.getpid()
    account = Account()
    try:
        yield account
    finally:
        context.detach(token)
        if telemetry is not None:
            account.dropped = _end(telemetry, forked=os.getpid() != process, quiet=quiet)


def _telemetry(plugins: Sequence[Mapping[str, Mapping[str, Any]]]) -> Telemetry | None:
    """Build and install providers; those that the process has already are used, and left alone."""
    from dqx.telemetry.exporters import destinations

    wanted, problems = destinations()
    said = _problems_of(problems, plugins)
    if not wanted:
        return None
    from dqx.telemetry.installation import install, taken
    from dqx.telemetry.providers import Telemetry

    wanted = [each for each in wanted if not taken(each.signal)]
    if not wanted:
        return None
    try:
        telemetry = Telemetry(wanted, problems, long_lived=False, secrets=secrets_in(list(plugins)))
    except ConfigurationError as error:
        # The SDK itself cannot be used, nor can what is lost be counted by it.
        logger.warning("Telemetry is not sent: %s", _problems_of([*problems, error], plugins))
        return None
    if problems:
        logger.warning("Telemetry is not sent: %s", said)
    install(telemetry, set_global=True)
    return telemetry


def _problems_of(
    problems: Sequence[ConfigurationError], plugins: Sequence[Mapping[str, Mapping[str, Any]]]
) -> str:
    """Return what is wrong, each fault once; raise it where `dqx_otel` is required."""
    from dqx.plugins import settings

    said = "; ".join(dict.fromkeys(map(str, problems)))
    if problems and any(settings.read("dqx_otel", of_suite).required for of_suite in plugins):
        raise ConfigurationError(f"plugin 'dqx_otel' is required: {said}; nothing was run", "dqx_otel")
    return said


def _parent(traceparent: str | None) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": traceparent or os.environ.get("TRACEPARENT", "")}
    if traceparent is None:
        carrier["tracestate"] = os.environ.get("TRACESTATE", "")
    return TraceContextTextMapPropagator().extract(carrier)


def _end(telemetry: Telemetry, *, forked: bool, quiet: bool) -> Mapping[tuple[str, str], int]:
    """Send what is left, say what became of it all, and return what was lost."""
    if forked:
        # A child that a checks file forked, on its way out through us: it sends what it did itself, if anything.
        telemetry.flush_if_used()
        return telemetry.lost
    dropped = telemetry.shutdown().dropped
    for place, delivery in telemetry.by_place().items():
        sent = [counted(number, _ITEMS[signal]) for signal, number in delivery.delivered.items() if number]
        if sent and not quiet:
            click.echo(f"Telemetry: {' and '.join(sent)} sent to {place}", err=True)
        lost = [
            f"{counted(number, _ITEMS[signal])} ({reason.replace('_', ' ')})"
            for (signal, reason), number in delivery.dropped.items()
        ]
        if lost:
            click.echo(f"Telemetry: not sent to {place}: {', '.join(lost)}", err=True)
    return dropped
