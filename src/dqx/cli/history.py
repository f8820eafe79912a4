"""`dqx history`: the runs of a suite that the store holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from dqx.cli.diagnostics import verbose_option
from dqx.cli.duration import duration_text
from dqx.cli.options import db_option, format_option, merged, tag_option
from dqx.cli.output import emit, laid_out, plain_table, result_console
from dqx.cli.run_json import render_history
from dqx.cli.settings import read_settings
from dqx.cli.store import existing_store
from dqx.cli.verdict_table import VERDICT_STYLES, tags_text
from dqx.common import ConfigurationError
from dqx.wording import did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from dqx.cli.settings import OutputFormat
    from dqx.common import Status
    from dqx.orm.records import StoredRun


_BAD: Mapping[Status, str] = {"FAILURE": "failed", "ERROR": "not evaluated", "SKIPPED": "skipped"}


@click.command()
@click.argument("suite")
@db_option
@tag_option
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs to show."
)
@format_option
@verbose_option()
def history(
    *,
    suite: str,
    db: str | None,
    tags: list[tuple[str, str]],
    limit: int,
    form: OutputFormat | None,
) -> None:
    """Show the newest runs of a suite.

    They are in the order of the dates that they are about; with --tag only those that have that tag.

    \b
    Examples:
      dqx history flights --db sqlite:///quality.db
      dqx history flights --db sqlite:///quality.db --tag env=prod --limit 100
      dqx history flights --db sqlite:///quality.db --format json | jq '.runs[0].verdict'
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    settings = read_settings()
    with existing_store(db or settings.db) as store:
        runs = store.runs(suite, tags=merged("--tag", tags), limit=limit)
        known = store.suites()
        url = store.url
    if not runs and suite not in known:
        raise ConfigurationError(f"{url} knows no suite '{suite}'{did_you_mean(suite, known)}", suite)
    if (form or settings.format) == "json":
        emit(render_history(runs))
        return
    if not runs:
        asked = f" with {tags_text(dict(tags))}" if tags else ""
        click.echo(f"{url} knows suite '{one_line(suite)}', and holds no run of it{asked}", err=True)
        return
    console = result_console()
    with console.capture() as captured:
        console.print(_table(console, runs, datetime.now(UTC)))
    emit(laid_out(console, captured.get()))


def _table(console: Console, runs: Sequence[StoredRun], now: datetime) -> Table:
    from rich.text import Text

    wide = console.width >= 110
    tagged = any(run.key.tags for run in runs)
    table = plain_table()
    table.add_column("Date", no_wrap=True)
    if tagged:
        table.add_column("Tags", overflow="fold")
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Assertions" if wide else "Passed", overflow="fold")
    if wide:
        table.add_column("Started (UTC)", no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    # Whole, on two lines where it must be: `dqx db delete-run` takes it.
    table.add_column("Run", no_wrap=console.width >= 80, overflow="fold")
    for run in runs:
        verdict = run.verdict or _unfinished(run, now)
        table.add_row(
            str(run.key.yyyy_mm_dd),
            *([tags_text(run.key.tags)] if tagged else []),
            Text(verdict, VERDICT_STYLES.get(verdict, "bold yellow")),
            _counts(run, wide=wide),
            *([f"{run.started_at:%Y-%m-%d %H:%M:%S}"] if wide else []),
            "" if run.duration_s is None else duration_text(run.duration_s),
            run.run_id,
        )
    return table


def _unfinished(run: StoredRun, now: datetime) -> str:
    """Return what became of a run without a verdict, as far as its time limit tells."""
    return "running" if (now - run.started_at).total_seconds() <= run.timeout_s else "crashed"


def _counts(run: StoredRun, *, wide: bool) -> str:
    if run.verdict is None:
        return ""
    total = sum(run.counts.values())
    if not wide:
        return f"{run.counts['SUCCESS']:,}/{total:,}"
    bad = [f"{run.counts[status]:,} {word}" for status, word in _BAD.items() if run.counts[status]]
    return ", ".join([f"{run.counts['SUCCESS']:,} of {total:,} passed", *bad])
