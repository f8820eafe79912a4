"""Which suites are known, under which tags, and what is expected of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from dqx.orm.definitions import digest, number_of
from dqx.orm.rows import chunks
from dqx.orm.tables import schedules, suites
from dqx.orm.values import decode_tags, encode_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from dqx.common import SuiteInfo
    from dqx.orm.rows import Row


def expectations(info: SuiteInfo) -> dict[str, object]:
    """Return what a suite says of itself by the names of the columns for it."""
    names = ("every_s", "grace_s", "timeout_s", "fail_on", "owner", "runbook_url")
    return {name: getattr(info, name) for name in names}


def identity(suite: str, tags: Mapping[str, str]) -> Row:
    """Return what tells one schedule from all others."""
    return (suite, encode_tags(tags))


def make_known(
    connection: Connection, info: SuiteInfo, tags: Mapping[str, str], registered_at: int | None = None
) -> int:
    """Store what is expected of a suite under these tags, in place of what was known; return the number.

    The first registration counts: a second one, at the next deployment, does not put off the alert that the
    suite never ran. What was forgotten is known again.
    """
    suite = number_of(connection, suites, (info.name,), {"name": info.name})
    expected = expectations(info)
    number = number_of(
        connection,
        schedules,
        identity(info.name, tags),
        {"suite": suite, "tags": encode_tags(tags), **expected},
    )
    connection.execute(
        update(schedules)
        .where(schedules.c.id == number)
        .values(
            forgotten_at=None,
            registered_at=func.coalesce(schedules.c.registered_at, registered_at),
            **expected,
        )
    )
    return number


def forget(connection: Connection, suite: str, tags: Mapping[str, str] | None, forgotten_at: int) -> int:
    """Mark the schedules of a suite that have at least these tags as forgotten; return how many were not."""
    numbers = matching(connection, suite, has_at_least(tags or {}))
    forgotten = 0
    for chunk in chunks(numbers):
        forgotten += connection.execute(
            update(schedules)
            .where(schedules.c.id.in_(chunk), schedules.c.forgotten_at.is_(None))
            .values(forgotten_at=forgotten_at, registered_at=None)
        ).rowcount
    return forgotten


def matching(
    connection: Connection, suite: str | None, accepts: Callable[[Mapping[str, str]], bool]
) -> list[int]:
    """Return the numbers of the schedules of a suite (None: of all) whose tags `accepts` takes."""
    return [schedule.number for schedule in known_tags(connection, suite) if accepts(schedule.tags)]


@dataclass(frozen=True, slots=True)
class KnownTags:
    """Tags under which a suite is known, by the number of the schedule."""

    number: int
    tags: Mapping[str, str]
    forgotten: bool


def known_tags(connection: Connection, suite: str | None) -> list[KnownTags]:
    """Return the sets of tags under which a suite (None: all of them) is known, or was until it was forgotten."""
    query = select(schedules.c.id, schedules.c.tags, schedules.c.forgotten_at)
    if suite is not None:
        query = query.join(suites).where(suites.c.digest == digest((suite,)))
    return [
        KnownTags(number, decode_tags(tags), forgotten_at is not None)
        for number, tags, forgotten_at in connection.execute(query)
    ]


def differing(sets: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the names of the tags in which sets of tags differ, in their order."""
    names = {name for tags in sets for name in tags}
    return tuple(sorted(name for name in names if len({tags.get(name) for tags in sets}) > 1))


def has_at_least(wanted: Mapping[str, str]) -> Callable[[Mapping[str, str]], bool]:
    """Return a test whether tags hold all that is wanted, and perhaps others."""
    return lambda tags: wanted.items() <= tags.items()


def known_suites(connection: Connection) -> list[str]:
    """Return the names of the suites that were registered or ran, and are not forgotten, in their order."""
    query = select(suites.c.name).join(schedules).where(schedules.c.forgotten_at.is_(None)).distinct()
    return sorted(connection.execute(query).scalars())
