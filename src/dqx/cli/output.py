"""Where results go: stdout, laid out for a terminal or for a pipe."""

from __future__ import annotations

import os
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 10_000
"""Columns where there is no terminal: a pipe has no width to keep to, and a wrapped cell is hard to grep."""


def result_console() -> Console:
    """Return a console to lay results out with: as wide as the terminal, plain in a pipe.

    What it prints is to be captured and given to `emit`. Nothing in a text is taken for markup.
    """
    from rich.console import Console

    on_terminal = sys.stdout.isatty()
    return Console(
        # Never the real stdout, which `emit` alone touches; of its encoding, as in a small one lines are ASCII.
        file=TextIOWrapper(BytesIO(), encoding=sys.stdout.encoding),
        force_terminal=on_terminal or None,
        width=None if on_terminal else PIPE_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )


def plain_table(*columns: str) -> Table:
    """Return a table without lines but the one below its head; long cells go on below."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def laid_out(console: Console, text: str) -> str:
    """Return what a console captured, in a pipe without the blanks that fill its lines."""
    return text if console.is_terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


class Unwritable(click.ClickException):
    """Results cannot be written, as to a full disk: exit code 4."""

    exit_code = 4

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the results could not be written: {error.strerror}")


def emit(text: str) -> None:
    """Write results to stdout. That their reader has left, as `head` does, changes nothing else.

    Raises:
        Unwritable: When they cannot be written.
    """
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        drop_stdout()
    except OSError as error:
        drop_stdout()  # what is left in its buffer would fail again at the end of the process
        raise Unwritable(error) from None


def open_streams() -> None:
    """Make stdout and stderr take every text: also where one is closed (`>&-`), or its encoding is small."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # open for the process's life
        else:
            stream.reconfigure(errors="backslashreplace")


def drop_stdout() -> None:
    """Let what is still written to stdout, and its flush when the process ends, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
