"""`dqx audit`: check an audit trail, and show the runs that stand in it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dqx.cli.diagnostics import verbose_option
from dqx.cli.duration import parse_duration
from dqx.cli.output import emit, laid_out, plain_table, result_console
from dqx.cli.verdict_table import VERDICT_STYLES, tags_text
from dqx.common import ConfigurationError
from dqx.value import as_utc
from dqx.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.table import Table

    from dqx.plugins.trail_verify import FileReport, Verification

_Row = TypeVar("_Row")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_COUNTS = {"SUCCESS": "passed", "FAILURE": "failed", "ERROR": "not evaluated", "SKIPPED": "skipped"}


def _hash(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", value.strip()):
        raise click.BadParameter(f"{value!r} is no hash of a line: that is 64 digits and letters a to f")
    return value and value.strip().lower()


def _moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        return as_utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) - parse_duration(value)
    except (ConfigurationError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no time; 2024-01-31 and 2024-01-31T06:00 are (UTC), and 7d (seven days ago)"
        ) from None


@click.group()
def audit() -> None:
    """Check and show audit trails.

    They are the files that `jsonl_file` of the plugin dqx_audit names.

    \b
    Examples:
      dqx audit show audit.jsonl --failed --since 7d
      dqx audit verify audit*.jsonl
    """  # noqa: D301  # \b is how click is told to keep lines as they are


@audit.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--anchor", metavar="HASH", callback=_hash, help="A hash that must be in the chain.")
@verbose_option()
@click.pass_context
def verify(ctx: click.Context, *, files: tuple[Path, ...], anchor: str | None) -> None:
    """Find the first line of each FILE that is wrong.

    Give the files that a trail was rotated to along with it, in any order. An --anchor is the head of the
    chain at some time, kept elsewhere. Exit code 0: no line is wrong; 1: one is, or the anchor is missing; 2: a
    file cannot be read.

    \b
    Examples:
      dqx audit verify audit.jsonl
      dqx audit verify audit*.jsonl --anchor 5f2c...
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    from dqx.plugins.trail_verify import verify as verify_files

    verification = verify_files(files, anchor)
    emit("".join(f"{line}\n" for line in _findings(verification)))
    ctx.exit(0 if verification.ok else 1)


@audit.command()
@click.argument("file", type=_FILE)
@click.option("--failed", is_flag=True, help="Show the assertions that failed or could not be evaluated.")
@click.option(
    "--since",
    metavar="TIME",
    callback=_moment,
    help="Leave out what is older: 2024-01-31 (UTC), or 7d (ago).",
)
@verbose_option()
def show(*, file: Path, failed: bool, since: datetime | None) -> None:
    """Show the runs in FILE, in the order in which they were recorded.

    \b
    Examples:
      dqx audit show audit.jsonl
      dqx audit show audit.jsonl --failed --since 7d
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    from dqx.plugins.trail_verify import read
    from dqx.plugins.trail_verify import verify as verify_files

    wrong = verify_files([file]).files[0].wrong
    if wrong:
        click.echo(f"Warning: {file}: line {wrong.line}: {wrong.message}", err=True)
    records = [record for record in read(file) if since is None or _recorded(record) >= since]
    table = _failures(records) if failed else _runs(records)
    if not table.row_count:
        click.echo(f"{file}: no {'assertion' if failed else 'run'} to show", err=True)
        return
    console = result_console()
    with console.capture() as captured:
        console.print(table)
    emit(laid_out(console, captured.get()))


def _findings(verification: Verification) -> Iterator[str]:
    from dqx.plugins.trail_verify import CANNOT_SEE

    for file in verification.files:
        if file.wrong:
            yield f"{file.path}: WRONG at line {file.wrong.line} ({file.wrong.kind}): {file.wrong.message}"
            yield f"  good before it: {_extent(file)}"
        else:
            yield f"{file.path}: ok: {_extent(file)}"
        yield from (f"  note: {note}" for note in file.notes)
    if verification.anchor_at:
        yield f"the anchor is record {verification.anchor_at}"
    elif verification.anchor:
        yield "WRONG: the anchor is in none of these files: lines were cut off, or the chain was rewritten"
    yield CANNOT_SEE


def _extent(file: FileReport) -> str:
    if not file.head:
        return "no record"
    return f"records {file.head.seq - file.records + 1} to {file.head.seq}, head {file.head.hash}"


def _recorded(record: Mapping[str, Any]) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(record["at"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _runs(records: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row per run, with what became of the plugins where that was recorded."""
    plugins = dict(_told([record for record in records if record.get("kind") == "outcomes"], _plugins))

    def run_of(record: Mapping[str, Any]) -> Iterator[list[object]]:
        counts = Counter(assertion.get("status") for assertion in record.get("assertions", ()))
        run_id = record.get("run_id")
        yield [
            f"{_recorded(record):%Y-%m-%d %H:%M:%S}",
            record.get("suite"),
            record.get("date"),
            tags_text(record.get("tags", {})),
            record.get("verdict"),
            ", ".join(f"{counts[status]} {word}" for status, word in _COUNTS.items() if counts[status]),
            plugins.get(str(run_id), "not recorded"),
            run_id,
        ]

    columns = ("Recorded (UTC)", "Suite", "Date", "Tags", "Verdict", "Assertions", "Plugins", "Run")
    return _table(columns, _told([record for record in records if record.get("kind") == "run"], run_of))


def _failures(records: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row per assertion that failed or could not be evaluated."""

    def failures_of(record: Mapping[str, Any]) -> Iterator[list[object]]:
        for assertion in record.get("assertions", ()):
            if assertion.get("status") in ("FAILURE", "ERROR"):
                yield [
                    f"{_recorded(record):%Y-%m-%d %H:%M:%S}",
                    record.get("suite"),
                    record.get("date"),
                    *(assertion.get(name) for name in ("severity", "check", "assertion", "status", "value")),
                    _bounds(assertion.get("thresholds") or {}),
                    assertion.get("reason"),
                ]

    columns = ("Recorded (UTC)", "Suite", "Date", "Severity", "Check", "Assertion", "Status", "Value")
    rows = _told([record for record in records if record.get("kind") == "run"], failures_of)
    return _table((*columns, "Bounds", "Reason"), rows)


def _told(
    records: Iterable[Mapping[str, Any]], rows_of: Callable[[Mapping[str, Any]], Iterator[_Row]]
) -> Iterator[_Row]:
    """Yield the rows of each record; one of another shape, which DQX did not write, is named and left out."""
    for record in records:
        try:
            yield from list(rows_of(record))
        except (AttributeError, TypeError):
            click.echo(f"Warning: record {record.get('seq')} is not as DQX writes it; left out", err=True)


def _plugins(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a run's id with what became of the plugins."""
    bad = [
        f"{outcome.get('plugin')} {outcome.get('outcome')}"
        for outcome in record.get("outcomes", ())
        if outcome.get("outcome") not in ("ok", "disabled")
    ]
    yield str(record.get("run_id")), ", ".join(dict.fromkeys(bad)) or "ok"


def _bounds(thresholds: Mapping[str, Any]) -> str:
    lower, upper = thresholds.get("lower"), thresholds.get("upper")
    if "excluded_lower" in thresholds:
        return f"not {thresholds['excluded_lower']} to {thresholds.get('excluded_upper')}"
    if lower is not None and upper is not None:
        return f"{lower} to {upper}" if lower != upper else str(lower)
    return f"from {lower}" if lower is not None else f"up to {upper}" if upper is not None else ""


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table; names are anybody's text, and none of it steers the terminal."""
    from rich.text import Text

    table = plain_table(*columns)
    for row in rows:
        cells = ["" if cell is None else one_line(str(cell)) for cell in row]
        table.add_row(*(Text(cell, VERDICT_STYLES.get(cell, "")) for cell in cells))
    return table
