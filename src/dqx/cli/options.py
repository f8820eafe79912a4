"""Flags that several commands share, and the forms of their values."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import click

from dqx.cli.duration import duration_value
from dqx.cli.settings import LogFormat, LogLevel, OutputFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    _Callback = Callable[[click.Context, click.Parameter, Any], Any]


def pairs_value(form: str, example: str, *, may_be_empty: bool = False) -> _Callback:
    """Return the callback of a repeated option whose values are NAME=VALUE, which gives them as pairs.

    Args:
        form: How a value is written, for messages.
        example: A right one.
        may_be_empty: Whether nothing may stand after the `=`.
    """

    def parse(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
        pairs = []
        for value in values:
            name, separator, rest = (part.strip() for part in value.partition("="))
            if not (name and separator and (rest or may_be_empty)):
                raise click.BadParameter(f"{value!r} is not {form}; for example {example}")
            pairs.append((name, rest))
        return pairs

    return parse


def day_value(_ctx: click.Context, _param: click.Parameter, value: str) -> date:
    """Return what a flag says as a day, `today` and `yesterday` in UTC: the callback of a click option."""
    today = datetime.now(UTC).date()
    if value in ("today", "yesterday"):
        return today if value == "today" else today - timedelta(days=1)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no date; write it as {today}, or as today or yesterday (both in UTC)"
        ) from None


def merged(
    flag: str, pairs: Iterable[tuple[str, str]], settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return what the settings say by name, and over it what a repeated flag says.

    Raises:
        click.UsageError: When the flag gives a name twice.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise click.UsageError(f"{flag} gives '{name}' twice: {given[name]!r} and {value!r}")
        given[name] = value
    return {**(settings or {}), **given}


db_option = click.option(
    "--db",
    metavar="URL",
    help="Where runs are stored, such as sqlite:///quality.db or postgresql://user@host/database.",
)
tag_option = click.option(
    "--tag",
    "tags",
    multiple=True,
    callback=pairs_value("NAME=VALUE", "env=prod", may_be_empty=True),
    metavar="NAME=VALUE",
    help="A tag, such as env=prod. May be repeated.",
)
suite_option = click.option(
    "--suite",
    metavar="NAME",
    help="Take this suite of the file alone; the name of the suite where its @check functions form one.",
)
every_option = click.option(
    "--every",
    callback=duration_value,
    metavar="DURATION",
    help="How often the suite that @check functions form should run (default: 1d).",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(get_args(OutputFormat)),
    help="How results are written to stdout (default: table).",
)
log_level_option = click.option(
    "--log-level", type=click.Choice(get_args(LogLevel)), help="What is logged to stderr (default: warning)."
)
log_format_option = click.option(
    "--log-format", type=click.Choice(get_args(LogFormat)), help="How it is logged (default: text)."
)
