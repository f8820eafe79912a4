"""`dqx plugins`: what was found, what can be set, and whether each works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dqx.cli.diagnostics import logging_to_stderr, verbose_option
from dqx.cli.duration import duration_text
from dqx.cli.output import emit, laid_out, plain_table, result_console
from dqx.cli.settings import read_settings
from dqx.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from dqx.cli.settings import Settings
    from dqx.common import PluginOutcome
    from dqx.plugins import PluginManager
    from dqx.plugins.roster import Listing

_EVERY_PLUGIN = (
    "Every plugin also takes enabled (true), timeout (10 seconds), order (0; lower ones run first) and "
    "required (false), which it does not see."
)


@click.group(invoke_without_command=True)
@verbose_option()
@click.pass_context
def plugins(ctx: click.Context) -> None:
    """List the installed plugins and their settings.

    Shows where each is from, whether it runs, and what can be set. Settings stand in dqx.toml, or under [tool.dqx] in
    pyproject.toml, as [plugins.NAME].

    \b
    Examples:
      dqx plugins
      dqx plugins check
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    if ctx.invoked_subcommand is None:
        settings = read_settings()
        with logging_to_stderr(settings.log_level, settings.log_format):
            show_plugins(settings)


@plugins.command()
@verbose_option()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Load and initialize each plugin, as a run would.

    Exits with 2 when one of them is broken. A plugin that is configured and not installed counts as broken. One that
    is switched off is not imported.

    \b
    Example:
      dqx plugins check
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    settings = read_settings()
    with logging_to_stderr(settings.log_level, settings.log_format):
        broken = check_plugins(settings)
    ctx.exit(2 if broken else 0)


def show_plugins(settings: Settings) -> None:
    """Write a table of the plugins, and one of the settings of each, to stdout."""
    with _manager(settings) as manager:
        listings = manager.listing()
        missing = manager.missing()
    if listings:
        _emit([_plugins_table(listings), *_settings_tables(listings), _EVERY_PLUGIN])
    else:
        emit("No plugin is installed.\n")
    _name_missing(missing)


def check_plugins(settings: Settings) -> bool:
    """Load and initialize the plugins, write what became of each to stdout, and tell whether one is broken."""
    with _manager(settings) as manager:
        outcomes = manager.initialize_all()
        missing = manager.missing()
    if outcomes:
        _emit([_outcomes_table(outcomes)])
    else:
        emit("No plugin is installed.\n")
    _name_missing(missing)
    return bool(missing) or any(outcome.outcome not in ("ok", "disabled") for outcome in outcomes)


def _manager(settings: Settings) -> PluginManager:
    from dqx.plugins import PluginManager

    return PluginManager(
        settings.plugins,
        allow=settings.plugins_allow,
        deny=settings.plugins_deny,
        total_timeout=30.0 if settings.plugins_timeout is None else settings.plugins_timeout,
    )


def _name_missing(missing: dict[str, str]) -> None:
    for message in missing.values():
        click.echo(f"Error: {message}", err=True)


def _emit(parts: Iterable[RenderableType]) -> None:
    console = result_console()
    with console.capture() as captured:
        for number, part in enumerate(parts):
            if number:
                console.print()
            console.print(part)
    emit(laid_out(console, captured.get()))


def _plugins_table(listings: Sequence[Listing]) -> Table:
    from rich.text import Text

    table = plain_table("Plugin", "Distribution", "Version", "State")
    for listing in listings:
        style = (
            "green"
            if listing.state == "enabled"
            else "red"
            if listing.state.startswith("broken")
            else "yellow"
        )
        origin = listing.distribution or "unknown", listing.version or "unknown"
        table.add_row(one_line(listing.name), *map(one_line, origin), Text(one_line(listing.state), style))
    return table


def _settings_tables(listings: Iterable[Listing]) -> Iterable[RenderableType]:
    from rich.console import Group
    from rich.text import Text

    for listing in listings:
        if not listing.settings:
            continue
        table = plain_table("Setting", "Type", "Default", "Meaning")
        for setting in listing.settings:
            default = "must be set" if setting.default is None else setting.default
            table.add_row(*map(one_line, (setting.name, setting.type, default, setting.meaning)))
        yield Group(Text(f"[plugins.{one_line(listing.name)}]", "bold"), table)


def _outcomes_table(outcomes: Sequence[PluginOutcome]) -> Table:
    """Return one row for each plugin: its last outcome, which is the one that failed if one did."""
    from rich.text import Text

    table = plain_table("Plugin", "Distribution", "Version", "Result", "Time")
    latest = {outcome.plugin: outcome for outcome in outcomes}
    for outcome in latest.values():
        match outcome.outcome:
            case "ok":
                result = Text("works", "green")
            case "disabled":
                result = Text(one_line(f"disabled: {outcome.message}"), "yellow")
            case ending:
                ended = f"{outcome.phase} {ending.replace('_', ' ')}: {outcome.why}"
                result = Text(one_line(f"broken: {ended}"), "red")
        taken = sum(each.duration_s for each in outcomes if each.plugin == outcome.plugin)
        table.add_row(
            one_line(outcome.plugin),
            one_line(outcome.distribution or "unknown"),
            one_line(outcome.version or "unknown"),
            result,
            duration_text(taken),
        )
    return table
