"""`dqx`: the command line. What a command does stands in its own file, which is imported when it is called."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NoReturn

import click

from dqx import __version__
from dqx.cli.diagnostics import Refused, UnexpectedError, is_verbose, verbose_option
from dqx.cli.ending import Stopped, StopSignals, leave
from dqx.cli.output import Unwritable, open_streams
from dqx.common import DQXError
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from typing import Any

_COMMANDS = ("run", "history", "db", "plugins", "audit", "serve", "alerts", "dashboards")


class _Commands(click.Group):
    """The commands, each `dqx.cli.NAME:NAME`; an error in one becomes a message and an exit code."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            ctx.fail(f"there is no command '{cmd_name}'{did_you_mean(cmd_name, _COMMANDS)}")
        command = getattr(importlib.import_module(f"dqx.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, SystemExit, Stopped):
            raise  # a check's own exit is its result: here it is that of a child that it forked
        except KeyboardInterrupt as interrupt:
            raise Stopped from interrupt  # from the engine; click would make it exit code 1
        except DQXError as error:
            raise Refused(str(error)) from error
        except BaseException as error:  # a check may raise what is no Exception, as a test's skip is none
            raise UnexpectedError(error, verbose=is_verbose(ctx)) from error


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dqx", message="%(prog)s %(version)s")
@verbose_option()
def dqx() -> None:
    """Check data, and hand the results to the monitoring you already run.

    \b
    Examples:
      dqx run checks.py --data flights=flights.parquet
      dqx run checks.py --data flights=flights.parquet --db sqlite:///quality.db --tag env=prod
      dqx history flights --db sqlite:///quality.db

    `dqx COMMAND --help` shows more of each.
    """  # noqa: D301  # \b is how click is told to keep lines as they are


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    open_streams()
    signals = StopSignals()
    try:
        with signals.heard():
            dqx.main(prog_name="dqx", obj=signals)
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0
    except OSError as error:  # of its own help: what a command writes has been seen to
        unwritable = Unwritable(error)
        unwritable.show()
        code = unwritable.exit_code
    except Stopped:
        click.echo(signals.said, err=True)
        code = signals.exit_code
    leave(code)
