"""Runs: started, finished, and listed with the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from dqx.common import ResultKey, StoreError
from dqx.frozen_dict import FrozenDict
from dqx.orm.records import StoredRun
from dqx.orm.rows import chunks
from dqx.orm.schedules import expectations, make_known
from dqx.orm.tables import runs, schedules, suites
from dqx.orm.values import decode_tags, decode_time, encode_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, ScalarSelect
    from sqlalchemy import Row as SqlRow

    from dqx.common import SuiteInfo, SuiteRun

LISTED = (
    select(runs, schedules.c.tags, suites.c.name)
    .join(schedules, runs.c.schedule == schedules.c.id)
    .join(suites, schedules.c.suite == suites.c.id)
)
"""Runs with their tags and their suite's name, in rows for `as_stored`."""


def newest_first(columns: Any = runs.c) -> tuple[ColumnElement[Any], ...]:
    """Return the order in which the run about the latest day comes first, of those the last to start."""
    return columns.key_date.desc(), columns.started_at.desc(), columns.id.desc()


def newness(row: SqlRow[Any]) -> tuple[Any, ...]:
    """Return by what rows of runs come in that order; the newest has the largest."""
    return row.key_date, row.started_at, row.id


def start(connection: Connection, run_id: str, info: SuiteInfo, key: ResultKey, started_at: datetime) -> None:
    """Store that a run has started."""
    connection.execute(
        runs.insert().values(
            run_id=run_id,
            schedule=make_known(connection, info, key.tags),
            key_date=key.yyyy_mm_dd,
            started_at=encode_time(started_at),
            successes=0,
            failures=0,
            errors=0,
            skips=0,
            **expectations(info),
        )
    )


def finish(connection: Connection, run: SuiteRun) -> tuple[int, int]:
    """Store how a run ended; return its number and that of its suite.

    Raises:
        StoreError: When the run is not there, or has finished before.
    """
    counts = run.counts()
    finished = connection.execute(
        update(runs)
        .where(runs.c.run_id == run.run_id, runs.c.finished_at.is_(None))
        .values(
            finished_at=encode_time(run.finished_at),
            duration_s=run.duration_s,
            verdict=run.verdict,
            fail_on=run.fail_on,
            successes=counts["SUCCESS"],
            failures=counts["FAILURE"],
            errors=counts["ERROR"],
            skips=counts["SKIPPED"],
        )
    )
    if finished.rowcount != 1:
        raise StoreError(
            f"the results of run {run.run_id!r} cannot be stored: it was never started in this store, was "
            "deleted while it ran, or has its results"
        )
    found = connection.execute(
        select(runs.c.id, schedules.c.suite).join(schedules).where(runs.c.run_id == run.run_id)
    ).one()
    return found.id, found.suite


def newest(
    connection: Connection, schedule_numbers: Sequence[int], *conditions: ColumnElement[bool], limit: int
) -> list[SqlRow[Any]]:
    """Return the newest runs of some schedules by key date and start, with their tags and suite's name.

    Each schedule is asked by itself: asked for several at once SQLite sorts all of their runs, and PostgreSQL walks
    through the runs of all suites.
    """
    found: list[SqlRow[Any]] = []
    for chunk in chunks(schedule_numbers):
        of_each = select(number_of_newest(runs.c, *conditions)).where(schedules.c.id.in_(chunk))
        numbers = [number for number in connection.execute(of_each).scalars() if number is not None]
        found += connection.execute(LISTED.where(runs.c.id.in_(numbers)))
    found = sorted(found, key=newness, reverse=True)[:limit]
    if limit == 1:
        return found
    # The other schedules have no run among the newest.
    of_one = (
        LISTED.where(runs.c.schedule == bindparam("of"), *conditions).order_by(*newest_first()).limit(limit)
    )
    found = [row for first in found for row in connection.execute(of_one, {"of": first.schedule})]
    return sorted(found, key=newness, reverse=True)[:limit]


def number_of_newest(columns: Any, *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    """Return a subquery: the number of the newest run of each schedule that a query is about, or NULL.

    It takes one look into an index; to rank all runs takes a second when there are a million.
    """
    return (
        select(columns.id)
        .where(columns.schedule == schedules.c.id, *conditions)
        .order_by(*newest_first(columns))
        .limit(1)
        .correlate(schedules)
        .scalar_subquery()
    )


def as_stored(row: SqlRow[Any]) -> StoredRun:
    """Make a StoredRun of a row of `LISTED`."""
    return StoredRun(
        run_id=row.run_id,
        suite=row.name,
        key=ResultKey(row.key_date, decode_tags(row.tags)),
        started_at=decode_time(row.started_at),
        finished_at=None if row.finished_at is None else decode_time(row.finished_at),
        duration_s=row.duration_s,
        verdict=row.verdict,
        counts=FrozenDict(
            {
                "SUCCESS": row.successes,
                "FAILURE": row.failures,
                "ERROR": row.errors,
                "SKIPPED": row.skips,
            }
        ),
        every_s=row.every_s,
        grace_s=row.grace_s,
        timeout_s=row.timeout_s,
        fail_on=row.fail_on,
        owner=row.owner,
        runbook_url=row.runbook_url,
    )
