"""What is removed from the store: runs that are old, and runs that somebody names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, except_, exists, func, or_, select

from dqx.common import ConfigurationError, as_utc, did_you_mean
from dqx.orm.rows import chunks
from dqx.orm.tables import OF_A_RUN, assertions, metric_values, metrics, results, runs, schedules
from dqx.orm.values import encode_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection


def prune(connection: Connection, keep: timedelta, now: datetime) -> int:
    """Remove the runs whose key date is before `now - keep` (UTC); return how many.

    The newest finished run of a schedule stays, however old: it says what the state is. So does a run that
    started since then and has not finished: it may be a backfill at work.
    """
    try:
        cutoff = as_utc(now) - keep
    except OverflowError:  # before the year 1, where no run is
        return 0
    by_age = (runs.c.key_date.desc(), runs.c.started_at.desc(), runs.c.id.desc())
    ranked = (
        select(runs.c.id, func.row_number().over(partition_by=runs.c.schedule, order_by=by_age).label("rank"))
        .where(runs.c.finished_at.is_not(None))
        .subquery()
    )
    old = select(runs.c.id).where(
        runs.c.key_date < cutoff.date(),
        runs.c.id.not_in(select(ranked.c.id).where(ranked.c.rank == 1)),
        or_(runs.c.finished_at.is_not(None), runs.c.started_at < encode_time(cutoff)),
    )
    numbers = list(connection.execute(old).scalars())
    _delete(connection, numbers)
    for definitions, used in ((assertions, results.c.assertion), (metrics, metric_values.c.metric)):
        unused = except_(select(definitions.c.id), select(used))
        connection.execute(delete(definitions).where(definitions.c.id.in_(unused)))
    return len(numbers)


def delete_run(connection: Connection, run_id: str) -> None:
    """Remove a run by its id; raise ConfigurationError, with ids like it, when it is not there."""
    number = connection.execute(select(runs.c.id).where(runs.c.run_id == run_id)).scalar()
    if number is None:
        # Of the newest 200: a person types the id of a run that they have just seen in a list.
        recent = connection.execute(select(runs.c.run_id).order_by(runs.c.id.desc()).limit(200)).scalars()
        raise ConfigurationError(f"there is no run {run_id!r}{did_you_mean(run_id, recent)}", run_id)
    _delete(connection, [number])


def _delete(connection: Connection, numbers: Sequence[int]) -> None:
    for chunk in chunks(numbers):
        for table in OF_A_RUN:
            connection.execute(delete(table).where(table.c.run.in_(chunk)))
        connection.execute(delete(runs).where(runs.c.id.in_(chunk)))
    # A suite that never was registered and has no run left is not known any more.
    connection.execute(
        delete(schedules).where(
            schedules.c.registered_at.is_(None), ~exists().where(runs.c.schedule == schedules.c.id)
        )
    )
