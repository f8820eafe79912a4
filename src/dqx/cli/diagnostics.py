"""What the command line says beside its results, on stderr: logs, refusals, and what went wrong inside DQX."""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from dqx.cli.ending import Stopped
from dqx.telemetry.redaction import redact, redact_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dqx.cli.settings import LogFormat, LogLevel

_F = TypeVar("_F", bound="Callable[..., object]")
_VERBOSE = "dqx.verbose"
MESSAGE_MAX = 4_000
_LINE_MAX = 1_000


class Refused(click.ClickException):
    """DQX does not do what was asked, for a reason that is the user's to change: exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(redact(message, MESSAGE_MAX))


class UnexpectedError(click.ClickException):
    """Something went wrong inside DQX: exit code 70. With `verbose` its traceback is shown, redacted."""

    exit_code = 70

    def __init__(self, error: BaseException, *, verbose: bool) -> None:
        kind = type(error).__name__
        message = f"unexpected error inside DQX: {kind}: {redact_exception(error, MESSAGE_MAX)}"
        if verbose:
            lines = "".join(traceback.format_exception(error)).splitlines()
            message = "\n".join([message, *(redact(line, _LINE_MAX) for line in lines)])
        else:
            message += "\nThe same command with -v (`dqx -v ...`) shows where; please report it with that."
        super().__init__(message)


def verbose_option(help_text: str = "Show tracebacks of unexpected errors.") -> Callable[[_F], _F]:
    """Return the option -v, which counts before and after the name of a command; `is_verbose` tells."""

    def keep(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        ctx.meta[_VERBOSE] = value or is_verbose(ctx)

    return click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=keep, help=help_text)


def is_verbose(ctx: click.Context) -> bool:
    """Tell whether -v was given, to the command or before it."""
    return bool(ctx.meta.get(_VERBOSE, False))


@contextmanager
def logging_to_stderr(level: LogLevel | None, form: LogFormat | None) -> Iterator[None]:
    """Write log records to stderr while the block runs, those of DQX, of plugins and of the user's checks.

    Unless somebody asked for logs they are warnings, and the audit plugin's records are left out: they say of
    each assertion what the command's own results say.

    Raises:
        ConfigurationError: When JSON was asked for and its formatter is not installed.
    """
    from dqx.cli.logs import json_log_handler, text_log_handler

    handler = json_log_handler() if form == "json" else text_log_handler()
    if level is None and form is None:
        handler.addFilter(lambda record: record.name != "dqx.plugins.audit")
    # A signal may come while SQLAlchemy closes a connection, and it logs that with a traceback.
    handler.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], Stopped)))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel((level or "warning").upper())
    # It logs every statement at INFO, for which `--log-level info` was not meant.
    statements = logging.getLogger("sqlalchemy")
    statements.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        statements.setLevel(logging.NOTSET)
        handler.close()
