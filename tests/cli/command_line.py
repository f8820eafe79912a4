"""The command line as tests call it: in this process, and as a process of its own."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from dqx.cli.main import dqx

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

# What the installed script `dqx` does; with it comes no guess at where that script is.
PROGRAM = "from dqx.cli.main import main; main()"

CHECKS = """
    from dqx import check

    @check(name="Orders are complete", datasets=["orders"])
    def complete(mp, ctx):
        ctx.assert_that(mp.num_rows()).where(name="enough orders", severity="P0").is_geq({at_least})
        ctx.assert_that(mp.null_count("price") / mp.num_rows()).where(name="price known").is_lt(0.5)
"""


def invoke(*arguments: str, **variables: str | None) -> Result:
    """Call the command line in this process; its exit code, stdout and stderr are on what is returned."""
    streams = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    runner: Any = CliRunner(**streams)
    result: Result = runner.invoke(dqx, arguments, env=variables, prog_name="dqx")
    return result


def write(path: Path, text: str, **values: object) -> Path:
    """Write a file of dedented text, its `{names}` filled in when there are any values."""
    dedented = textwrap.dedent(text).lstrip("\n")
    path.write_text(dedented.format(**values) if values else dedented, encoding="utf-8")
    return path


def write_checks(folder: Path, at_least: int = 1) -> Path:
    """Write a checks file on the dataset `orders`, which passes when it has that many rows."""
    return write(folder / "checks.py", CHECKS, at_least=at_least)


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what would steer DQX."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DQX_", "OTEL_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}


def start(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command line as a process in `folder`, its output in pipes unless `options` say otherwise."""
    settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, *arguments], cwd=folder, text=True, **{**settings, **options}
    )


def run(folder: Path, *arguments: str, **options: Any) -> tuple[int, str, str]:
    """Run the command line as a process in `folder`; return exit code, stdout and stderr."""
    with start(folder, *arguments, **options) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err
