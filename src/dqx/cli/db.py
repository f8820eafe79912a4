"""`dqx db`: make suites known to a store before they run, and take out of it what is old or retired."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqx.cli.checks_file import load_suites
from dqx.cli.diagnostics import verbose_option
from dqx.cli.duration import duration_text, duration_value
from dqx.cli.options import db_option, every_option, merged, suite_option, tag_option
from dqx.cli.readable import counted
from dqx.cli.settings import read_settings
from dqx.cli.store import existing_store, open_store
from dqx.cli.verdict_table import tags_text
from dqx.common import ConfigurationError, ResultKey
from dqx.wording import did_you_mean, one_line

if TYPE_CHECKING:
    from dqx.common import SuiteInfo


@click.group()
def db() -> None:
    """Look after the store of runs and metrics.

    \b
    Examples:
      dqx db register checks.py --tag env=prod --db sqlite:///quality.db
      dqx db prune --keep 400d --db sqlite:///quality.db
      dqx db forget old_suite --db sqlite:///quality.db
    """  # noqa: D301  # \b is how click is told to keep lines as they are


@db.command()
@click.argument("checks", type=click.Path(path_type=Path))
@db_option
@tag_option
@suite_option
@every_option
@verbose_option()
def register(
    *,
    checks: Path,
    db: str | None,
    tags: list[tuple[str, str]],
    suite: str | None,
    every: timedelta | None,
) -> None:
    """Make suites known before they run.

    Then one that never runs raises an alert, too. Give the tags that it will run with: a suite is expected
    once for each set of them.

    \b
    Examples:
      dqx db register checks.py --db sqlite:///quality.db
      dqx db register checks.py --tag env=prod --db sqlite:///quality.db
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    settings = read_settings()
    with ExitStack() as stack:
        store = open_store(stack, db or settings.db)
        suites = load_suites(checks, store, suite=suite, every=every, every_default=settings.every)
        known_tags = ResultKey(datetime.now(UTC).date(), merged("--tag", tags, settings.tags)).tags
        for each in suites:
            if not each.db.persistent:
                raise ConfigurationError(
                    f"suite '{each.name}' has no store that lasts; name one with --db, such as --db sqlite:///quality.db",
                    each.name,
                )
        for each in suites:
            each.db.register([each], known_tags)
            tagged = f" with {tags_text(known_tags)}" if known_tags else ""
            click.echo(f"registered {one_line(each.name)}{tagged}, {_expected(each.info)}, in {each.db.url}")


@db.command()
@click.option(
    "--keep",
    callback=duration_value,
    required=True,
    metavar="DURATION",
    help="How far back runs are kept: 400d.",
)
@db_option
@verbose_option()
def prune(*, keep: timedelta, db: str | None) -> None:
    """Remove old runs.

    Their dates are longer ago than --keep; the newest of each suite stays.

    \b
    Example:
      dqx db prune --keep 400d --db sqlite:///quality.db
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    with existing_store(db or read_settings().db) as store:
        count = store.prune(keep, datetime.now(UTC))
        click.echo(f"removed {counted(count, 'run')} from {store.url}")


@db.command("delete-run")
@click.argument("run_id")
@db_option
@verbose_option()
def delete_run(*, run_id: str, db: str | None) -> None:
    """Remove one run, as if it had not been.

    `dqx history` shows what RUN_ID a run has.

    \b
    Example:
      dqx db delete-run 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --db sqlite:///quality.db
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    with existing_store(db or read_settings().db) as store:
        store.delete_run(run_id)
        click.echo(f"removed run {run_id} from {store.url}")


@db.command()
@click.argument("suite")
@tag_option
@db_option
@verbose_option()
def forget(
    *,
    suite: str,
    tags: list[tuple[str, str]],
    db: str | None,
) -> None:
    """Retire a suite.

    Nobody is alerted any more that it does not run; its history stays. With --tag only where it runs with that
    tag. A later run, or `dqx db register`, makes it known again.

    \b
    Examples:
      dqx db forget old_suite --db sqlite:///quality.db
      dqx db forget flights --tag env=dev --db sqlite:///quality.db
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    wanted = merged("--tag", tags)
    with existing_store(db or read_settings().db) as store:
        count = store.forget(suite, wanted)
        if not count:
            known = store.suites()
            if suite in known:
                raise ConfigurationError(
                    f"{store.url} does not know '{suite}' with {tags_text(wanted)}", suite
                )
            raise ConfigurationError(
                f"{store.url} knows no suite '{suite}'{did_you_mean(suite, known)}", suite
            )
        sets = "" if count == 1 else f" ({count} sets of tags)"
        click.echo(f"forgot {one_line(suite)}{sets} in {store.url}; its history stays")


def _expected(info: SuiteInfo) -> str:
    if info.every_s is None:
        return "which has no every= and so is never late"
    return f"every {duration_text(info.every_s)}, late after {duration_text(info.every_s + info.grace_s)}"
