"""`dqx run`: run the suites of a checks file, and show what they find."""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqx.cli.checks_file import load_suites
from dqx.cli.data_spec import data_sources
from dqx.cli.diagnostics import MESSAGE_MAX, Refused, is_verbose, logging_to_stderr, verbose_option
from dqx.cli.duration import duration_value
from dqx.cli.ending import StopSignals, first_that_applies
from dqx.cli.options import (
    day_value,
    db_option,
    every_option,
    format_option,
    log_format_option,
    log_level_option,
    merged,
    pairs_value,
    suite_option,
    tag_option,
)
from dqx.cli.output import Unwritable, emit, result_console
from dqx.cli.progress import progress_bar
from dqx.cli.run_json import render_runs
from dqx.cli.settings import read_settings
from dqx.cli.store import open_store
from dqx.cli.telemetry import telemetry_of_command, traceparent_option
from dqx.cli.verdict_table import render_run
from dqx.common import SEVERITIES, ConfigurationError, ResultKey, StoreError
from dqx.telemetry.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, timedelta

    from dqx.api import VerificationSuite
    from dqx.cli.settings import LogFormat, LogLevel, OutputFormat
    from dqx.common import Severity, SqlDataSource, SuiteRun
    from dqx.orm.repositories import MetricDB

_NO_STORE = (
    "Results are kept in memory only: history (lag=) and alerts on silence need --db, "
    "such as --db sqlite:///quality.db"
)


@click.command()
@click.argument("checks", type=click.Path(path_type=Path))
@click.option(
    "--data",
    multiple=True,
    callback=pairs_value("NAME=SPEC", "flights=flights.parquet"),
    metavar="NAME=SPEC",
    help="A dataset: a path or quoted glob that ends in .parquet, .csv or .csv.gz, or FILE.duckdb::TABLE.",
)
@click.option(
    "--date-column",
    "date_columns",
    multiple=True,
    callback=pairs_value("NAME=COLUMN", "flights=time_hour"),
    metavar="NAME=COLUMN",
    help="Keep a dataset to the rows of the date, by this column.",
)
@click.option(
    "--date",
    "day",
    callback=day_value,
    default="today",
    metavar="DATE",
    help="The day that the run is about: an ISO date, today (the default) or yesterday, in UTC.",
)
@tag_option
@db_option
@suite_option
@every_option
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help="The lowest severity at which a failed assertion fails the suite (default: the suite's own, P1).",
)
@click.option(
    "--timeout",
    callback=duration_value,
    metavar="DURATION",
    help="How long the scans of a suite may take, such as 90s or 15m (default: the suite's own, 1h).",
)
@traceparent_option
@click.option("--allow-future", is_flag=True, help="Accept a date later than tomorrow.")
@format_option
@click.option("-q", "--quiet", is_flag=True, help="Show nothing of a suite that passed, and no progress.")
@verbose_option("Show all assertions, what each plugin did, and tracebacks of unexpected errors.")
@log_level_option
@log_format_option
def run(
    *,
    checks: Path,
    data: list[tuple[str, str]],
    date_columns: list[tuple[str, str]],
    day: date,
    tags: list[tuple[str, str]],
    db: str | None,
    suite: str | None,
    every: timedelta | None,
    fail_on: Severity | None,
    timeout: timedelta | None,
    traceparent: str | None,
    allow_future: bool,
    form: OutputFormat | None,
    quiet: bool,
    log_level: LogLevel | None,
    log_format: LogFormat | None,
) -> None:
    """Run the suites of a checks file.

    CHECKS is a Python file. Each VerificationSuite at its top level is a suite; without any, its @check
    functions form one. Results go to stdout, all else to stderr.

    Flags come before DQX_* variables, and those before dqx.toml or [tool.dqx] in pyproject.toml.

    \b
    Examples:
      dqx run checks.py --data flights=flights.parquet
      dqx run checks.py --data 'orders=orders/2024-*.parquet' --data shops=shop.duckdb::shops \\
          --date-column orders=created_at --date yesterday --tag env=prod --db sqlite:///quality.db
      dqx run checks.py --data flights=flights.csv.gz --format json | jq .verdict

    \b
    Exit codes:
      0    every suite passed
      1    an assertion failed at or above --fail-on
      2    something about the command, the checks, the settings or the store is wrong; nothing was read
      3    no verdict: an assertion at or above --fail-on could not be evaluated, or none was
      4    passed, but not stored, not written, or a required plugin failed
      70   an unexpected error inside DQX
      130  interrupted (143: terminated)
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    ctx = click.get_current_context()
    settings = read_settings()
    with ExitStack() as stack:
        stack.enter_context(
            logging_to_stderr(log_level or settings.log_level, log_format or settings.log_format)
        )
        wanted = form or settings.format or "table"
        bar = not quiet and (wanted == "table" or sys.stdout.isatty())
        aside = stack.enter_context(ExitStack())
        if wanted == "json":  # one document: what checks and plugins print is no part of it
            aside.enter_context(redirect_stdout(sys.stderr))
        store = open_store(stack, db or settings.db)
        suites = load_suites(checks, store, suite=suite, every=every, every_default=settings.every)
        for each in suites:
            each.override(
                fail_on=fail_on or settings.fail_on,
                timeout=timeout or settings.timeout,
                plugin_config=settings.plugins,
                label_tags=settings.label_tags,
                plugins_allow=settings.plugins_allow,
                plugins_deny=settings.plugins_deny,
                plugins_timeout=settings.plugins_timeout,
            )
        runner = _Runner(
            sources=data_sources(
                merged("--data", data, settings.data),
                merged("--date-column", date_columns, settings.date_column),
            ),
            key=ResultKey(day, merged("--tag", tags, settings.tags)),
            allow_future=allow_future,
            form=wanted,
            quiet=quiet,
            bar=bar,
            verbose=is_verbose(ctx),
            signals=ctx.find_object(StopSignals) or StopSignals(),
        )
        plugins = [each.plugin_config for each in suites]
        # After the checks file, which may fork, or bring providers of its own.
        with telemetry_of_command(traceparent, plugins, quiet=quiet) as telemetry, ExitStack() as opened:
            for each in suites:
                opened.enter_context(each)
            if not quiet and not all(each.db.persistent for each in suites):
                click.echo(_NO_STORE, err=True)
            ended = runner.run_all(suites)
        aside.close()
        code = runner.conclude(ended, telemetry.dropped)
    ctx.exit(code)


@dataclass(frozen=True, slots=True)
class _Ended:
    """What became of the suites of a command: runs with their stores, reasons by suite, exit codes."""

    runs: list[tuple[MetricDB, SuiteRun]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    codes: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Runner:
    """What the suites of a command have in common: their data, their key, and how results are shown."""

    sources: Mapping[str, SqlDataSource]
    key: ResultKey
    allow_future: bool
    form: OutputFormat
    quiet: bool
    bar: bool
    verbose: bool
    signals: StopSignals

    def run_all(self, suites: Sequence[VerificationSuite]) -> _Ended:
        """Run every suite, one that is refused not keeping the others, and show what they found."""
        ended = _Ended()
        for suite in suites:
            try:
                finished = self._run(suite)
            except (ConfigurationError, StoreError) as error:
                if len(suites) == 1:
                    raise
                refusal = Refused(f"suite '{suite.name}' was not run: {error}")
                refusal.show()
                ended.refused[suite.name] = redact(str(error), MESSAGE_MAX)
                ended.codes.add(refusal.exit_code)
                continue
            ended.runs.append((suite.db, finished))
            ended.codes.add(finished.exit_code)
            if self.form == "table":
                ended.codes.add(self._show_table(suite, finished, alone=len(suites) == 1))
        return ended

    def conclude(self, ended: _Ended, dropped: Mapping[tuple[str, str], int]) -> int:
        """Note what the telemetry of all runs lost, write the one document on them, and return the exit code."""
        from dqx.publish import note_dropped

        runs = [note_dropped(finished, dropped, db) for db, finished in ended.runs]
        if self.form == "json":
            ended.codes.add(_write(render_runs(runs, ended.refused, first_that_applies(ended.codes))))
        return first_that_applies(ended.codes)

    def _run(self, suite: VerificationSuite) -> SuiteRun:
        for message in suite.missing_plugins().values():
            raise ConfigurationError(f"{message}; install it, or take its settings away")
        kept = f"; what its run stored stays in {suite.db.url}" if suite.db.persistent else ""
        with (
            progress_bar(suite, wanted=self.bar),
            self.signals.during(f"suite '{suite.name}' did not finish{kept}", suite.interrupt),
        ):
            return suite.run(self.sources, self.key, allow_future=self.allow_future)

    def _show_table(self, suite: VerificationSuite, finished: SuiteRun, *, alone: bool) -> int:
        text = render_run(
            result_console(),
            finished,
            f"stored in {suite.db.url}" if suite.db.persistent else "kept in memory only",
            titled=not alone,
            verbose=self.verbose,
            quiet=self.quiet,
        )
        return _write(text if alone or not text else f"{text}\n")


def _write(text: str) -> int:
    """Write results and return 0; 4 when they cannot be written, as to a full disk."""
    try:
        emit(text)
    except Unwritable as error:
        error.show()
        return error.exit_code
    return 0
