"""Runs: started, finished, and listed with the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from dqx.common import FrozenDict, ResultKey, StoreError
from dqx.orm.records import StoredRun
from dqx.orm.rows import chunks
from dqx.orm.schedules import expectations, make_known
from dqx.orm.tables import runs, schedules, suites
from dqx.orm.values import decode_tags, decode_time, encode_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy import Row as SqlRow

    from dqx.common import SuiteInfo, SuiteRun


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
    """Return the newest runs of some schedules by key date and start, with their tags and suite's name."""
    found: list[SqlRow[Any]] = []
    for chunk in chunks(schedule_numbers):
        found += connection.execute(
            select(runs, schedules.c.tags, suites.c.name)
            .join(schedules, runs.c.schedule == schedules.c.id)
            .join(suites, schedules.c.suite == suites.c.id)
            .where(runs.c.schedule.in_(chunk), *conditions)
            .order_by(runs.c.key_date.desc(), runs.c.started_at.desc(), runs.c.id.desc())
            .limit(limit)
        )
    found.sort(key=lambda row: (row.key_date, row.started_at, row.id), reverse=True)
    return found[:limit]


def as_stored(row: SqlRow[Any]) -> StoredRun:
    """Make a StoredRun of a row that `newest` found."""
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
