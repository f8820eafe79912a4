"""What is known of a snapshot: a suite and those of its tags that became labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqx.frozen_dict import FrozenDict
from dqx.orm.outcomes import read_dropped, read_finishes
from dqx.orm.records import SnapshotState
from dqx.orm.results import read_failing_since
from dqx.orm.runs import newest
from dqx.orm.schedules import differing, known_tags
from dqx.orm.tables import runs
from dqx.orm.values import decode_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from sqlalchemy import Connection


def labels_of(tags: Mapping[str, str], label_tags: Sequence[str]) -> dict[str, str]:
    """Return those tags that are labels."""
    return {name: value for name, value in tags.items() if name in label_tags}


def read_snapshot(
    connection: Connection, suite: str, labels: Mapping[str, str], label_tags: Sequence[str], key_date: date
) -> SnapshotState:
    """Return the state of a snapshot, as a run about `key_date` has to know it.

    The newest of several runs is that of the latest key date, and of those the last to start. So a backfill
    of last month that passes today is not the last success.
    """
    known = [each for each in known_tags(connection, suite) if labels_of(each.tags, label_tags) == labels]
    schedules = [each.number for each in known]
    finished = runs.c.finished_at.is_not(None)
    latest = newest(connection, schedules, finished, limit=1)
    passed = newest(connection, schedules, runs.c.verdict == "passed", limit=1)
    before = newest(connection, schedules, finished, runs.c.key_date <= key_date, limit=1)
    return SnapshotState(
        newest_key_date=latest[0].key_date if latest else None,
        last_success_at=decode_time(passed[0].finished_at) if passed else None,
        failing_since=read_failing_since(connection, before[0].id) if before else FrozenDict(),
        finish_outcomes=read_finishes(connection, latest[0].id) if latest else (),
        telemetry_dropped=read_dropped(connection, latest[0].id) if latest else FrozenDict(),
        unlabelled_tags=differing([each.tags for each in known if not each.forgotten]),
    )
