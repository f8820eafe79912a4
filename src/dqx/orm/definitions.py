"""What repeats from run to run is stored once, and has a number: found by its content, or given to it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select

from dqx.orm.rows import chunks, insert_if_new, insert_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

    from dqx.orm.rows import Row


def digest(content: Row) -> str:
    """Return 128 bits of a hash as text. The repr of a tuple of texts is unambiguous, and fast."""
    return hashlib.blake2b(repr(content).encode(), digest_size=16).hexdigest()


def number_of(connection: Connection, table: Table, content: Row, values: dict[str, object]) -> int:
    """Return the number of a suite or schedule that `content` identifies, after storing it when it is new."""
    key = digest(content)
    query = select(table.c.id).where(table.c.digest == key)
    number: int | None = connection.execute(query).scalar()
    if number is None:
        connection.execute(insert_if_new(connection, table).values(digest=key, **values))
        number = connection.execute(query).scalar_one()
    return number


def numbers_of(
    connection: Connection, table: Table, suite: int, columns: Sequence[str], contents: Sequence[Row]
) -> list[int]:
    """Return the number of each definition, after storing those that are new.

    Args:
        connection: In a transaction that writes.
        table: `assertions` or `metrics`.
        suite: The number of the suite to which the definitions belong.
        columns: The table's columns but for number, suite and digest.
        contents: The definitions, their values in the order of `columns`.
    """
    digests = [digest(content) for content in contents]
    known = _known(connection, table, suite, digests)
    # Sorted, because two programs that insert the same definitions in two orders wait for each other for ever.
    new = sorted(
        {key: content for key, content in zip(digests, contents, strict=True) if key not in known}.items()
    )
    if new:
        insert_rows(
            connection,
            insert_if_new(connection, table),
            ("suite", "digest", *columns),
            [(suite, key, *content) for key, content in new],
        )
        known = _known(connection, table, suite, digests)
    return [known[key] for key in digests]


def _known(connection: Connection, table: Table, suite: int, digests: Sequence[str]) -> dict[str, int]:
    """Return the numbers of those that are there, by digest."""
    of_suite = select(table.c.digest, table.c.id).where(table.c.suite == suite)
    # Most suites have few others, and to read them takes no plan: PostgreSQL has no statistics of a young table, and
    # took 3.5 s to find each 5,000 of 70,000. One with a threshold of the day has new ones with every run.
    most = 4 * len(digests)
    rows = connection.execute(of_suite.limit(most + 1)).all()
    if len(rows) > most:
        rows = [
            row
            for chunk in chunks(digests)
            for row in connection.execute(of_suite.where(table.c.digest.in_(chunk)))
        ]
    return {row[0]: row[1] for row in rows}
