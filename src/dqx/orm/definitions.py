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
    """Return the numbers of those that are there, by digest; not of all: a threshold of the day is a new one each."""
    found: dict[str, int] = {}
    for chunk in chunks(digests):
        query = select(table.c.digest, table.c.id).where(table.c.suite == suite, table.c.digest.in_(chunk))
        found |= {row[0]: row[1] for row in connection.execute(query)}
    return found
