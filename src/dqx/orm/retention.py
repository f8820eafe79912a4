"""What is removed from the store: runs that are old, and runs that somebody names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, or_, select

from dqx.common import ConfigurationError
from dqx.orm.rows import chunks
from dqx.orm.runs import number_of_newest
from dqx.orm.tables import OF_A_RUN, assertions, metric_values, metrics, results, runs, schedules
from dqx.orm.values import encode_time
from dqx.value import as_utc
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Column, Connection


_FINISHED = runs.c.finished_at.is_not(None)

BATCH = 100
"""Runs that are removed in one transaction, which nobody can write beside: 100 runs of 100 assertions take 0.1 s."""


def old_runs(connection: Connection, keep: timedelta, now: datetime) -> list[int]:
    """Return the numbers of the runs whose key date is before `now - keep` (UTC).

    The newest finished run of a schedule stays, however old: it says what the state is. So does a run that
    started since then and has not finished: it may be a backfill at work.
    """
    try:
        cutoff = as_utc(now) - keep
    except OverflowError:  # before the year 1, where no run is
        return []
    stay = set(
        connection.execute(select(number_of_newest(runs.c, _FINISHED)).select_from(schedules)).scalars()
    )
    old = select(runs.c.id).where(
        runs.c.key_date < cutoff.date(), or_(_FINISHED, runs.c.started_at < encode_time(cutoff))
    )
    return [number for number in connection.execute(old).scalars() if number not in stay]


def delete_run(connection: Connection, run_id: str) -> None:
    """Remove a run by its id; raise ConfigurationError, with ids like it, when it is not there."""
    number = connection.execute(select(runs.c.id).where(runs.c.run_id == run_id)).scalar()
    if number is None:
        # Of the newest 200: a person types the id of a run that they have just seen in a list.
        recent = connection.execute(select(runs.c.run_id).order_by(runs.c.id.desc()).limit(200)).scalars()
        raise ConfigurationError(f"there is no run {run_id!r}{did_you_mean(run_id, recent)}", run_id)
    for suite in delete_runs(connection, [number]):
        delete_unused(connection, suite)


def delete_runs(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Remove at most `BATCH` runs and their rows; return the numbers of their suites, for `delete_unused`."""
    of_suites = select(schedules.c.suite).join(runs).where(runs.c.id.in_(numbers)).distinct()
    concerned = set(connection.execute(of_suites).scalars())
    for table in OF_A_RUN:
        connection.execute(delete(table).where(table.c.run.in_(numbers)))
    connection.execute(delete(runs).where(runs.c.id.in_(numbers)))
    return concerned


def delete_unused(connection: Connection, suite: int) -> None:
    """Remove the definitions of a suite to which no row refers any more, and its schedules without a run.

    Its newest runs refer to nearly all. Only for the others all of its runs are looked through: an index that leads
    from definitions to rows would take as much room as the rows.
    """
    newest = select(number_of_newest(runs.c, _FINISHED)).where(schedules.c.suite == suite)
    every = select(runs.c.id).join(schedules).where(schedules.c.suite == suite)
    for definitions, used in ((assertions, results.c.assertion), (metrics, metric_values.c.metric)):
        of_suite = select(definitions.c.id).where(definitions.c.suite == suite)
        unused = set(connection.execute(of_suite).scalars())
        for query in (newest, every):
            if unused:
                unused -= _used(connection, used, list(connection.execute(query).scalars()))
        for chunk in chunks(sorted(unused)):
            connection.execute(delete(definitions).where(definitions.c.id.in_(chunk)))
    # A suite that never was registered and has no run left is not known any more.
    connection.execute(
        delete(schedules).where(
            schedules.c.suite == suite,
            schedules.c.registered_at.is_(None),
            ~exists().where(runs.c.schedule == schedules.c.id),
        )
    )


def _used(connection: Connection, used: Column[Any], run_numbers: Sequence[int]) -> set[int]:
    """Return the numbers of the definitions to which rows of some runs refer."""
    found: set[int] = set()
    for chunk in chunks(run_numbers):
        found |= set(connection.execute(select(used).where(used.table.c.run.in_(chunk)).distinct()).scalars())
    return found
