"""How aggregates are put to data: through a connection of DQX's own, or through a relation of the caller's."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from dqx.common import ScanError
from dqx.engine.columns import Column
from dqx.engine.foreign import foreign_code
from dqx.engine.user_sql import fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from dqx.engine.aggregates import Aggregate


class OutOfTimeError(ScanError):
    """The time limit of a scan is over. A TimeoutError is what a caller's own files and streams may raise."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A condition on rows, with the values bound in it."""

    sql: str
    parameters: tuple[Any, ...]


class Reader(Protocol):
    """An open dataset.

    `files` are the Parquet files behind it, when it is nothing but them; `own` says that DQX made the connection
    for it, with its own settings.
    """

    columns: tuple[Column, ...]
    connection: duckdb.DuckDBPyConnection
    files: tuple[str, ...]
    own: bool

    def run(self, aggregates: Sequence[Aggregate], rows: RowFilter | None) -> tuple[Any, ...]:
        """Return the value of each aggregate over the rows that pass, in one query."""
        ...

    def interrupt(self) -> None:
        """End a running query. Called from another thread, more than once."""
        ...

    def progress(self) -> float | None:
        """Return how much of a running query is done, 0 to 1, or None."""
        ...


class ConnectionReader:
    """Reads through a connection; `relation` is what stands after FROM."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        relation: str,
        files: tuple[str, ...] = (),
        *,
        own: bool = True,
    ) -> None:
        self.connection = connection
        self.files = files
        self.own = own
        self._relation = relation
        rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        self.columns = tuple(Column(row[0], row[1]) for row in rows)

    def run(self, aggregates: Sequence[Aggregate], rows: RowFilter | None) -> tuple[Any, ...]:
        """Return the value of each aggregate, in one query with every value bound."""
        parameters = [value for aggregate in aggregates for value in aggregate.parameters]
        sql = fill(f"SELECT {', '.join(aggregate.sql for aggregate in aggregates)}", "?" * len(parameters))
        # Nothing is filled into the relation's own text: it may be a file's name, or a query of the user's.
        sql += f" FROM {self._relation}"
        if rows:
            sql += fill(f" WHERE {rows.sql}", "?" * len(rows.parameters))
            parameters += rows.parameters
        # All rows, though there is one: a result that is not read to its end keeps a caller's connection busy.
        with foreign_code():
            return tuple(self.connection.execute(sql, parameters).fetchall()[0])

    def interrupt(self) -> None:
        """End a running query."""
        self.connection.interrupt()

    def progress(self) -> float | None:
        """Return the engine's own estimate, where its release has one."""
        import duckdb

        query_progress = getattr(self.connection, "query_progress", None)
        try:
            percent = query_progress() if query_progress else -1.0
        except duckdb.ConnectionException:  # closed a moment ago, on its own thread
            return None
        return None if percent < 0 else percent / 100


class RelationReader:
    """Reads through a relation that the caller made on a connection of its own.

    A relation takes no bound values, so they are written as literals. Nor does it let its connection be
    interrupted, so the query runs on a thread that is left behind when time is up.
    """

    files: tuple[str, ...] = ()
    own = False

    def __init__(self, connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation) -> None:
        self.connection = connection
        self._relation = relation
        self._interrupted = threading.Event()
        self.columns = tuple(
            Column(name, str(type_)) for name, type_ in zip(relation.columns, relation.types, strict=True)
        )

    def run(self, aggregates: Sequence[Aggregate], rows: RowFilter | None) -> tuple[Any, ...]:
        """Return the value of each aggregate, in one query."""
        parts = (f"{a.sql} AS m{i}" for i, a in enumerate(aggregates))
        values = [literal(value) for aggregate in aggregates for value in aggregate.parameters]
        sql = fill(", ".join(parts), values)
        condition = None if rows is None else fill(rows.sql, map(literal, rows.parameters))
        with foreign_code():
            kept = self._relation if condition is None else self._relation.filter(condition)
            return self._fetch(kept.aggregate(sql))

    def _fetch(self, wanted: duckdb.DuckDBPyRelation) -> tuple[Any, ...]:
        answer: list[tuple[Any, ...] | BaseException] = []

        def fetch() -> None:
            try:
                answer.append(wanted.fetchall()[0])
            except BaseException as error:  # noqa: BLE001  # handed on to the waiting thread
                answer.append(error)
            self._interrupted.set()

        threading.Thread(target=fetch, name="dqx-relation", daemon=True).start()
        self._interrupted.wait()
        if not answer:
            raise OutOfTimeError("the time limit is over")
        self._interrupted.clear()
        if isinstance(answer[0], BaseException):
            raise answer[0]
        return answer[0]

    def interrupt(self) -> None:
        """Stop waiting for a running query."""
        self._interrupted.set()

    def progress(self) -> float | None:
        """Return None: a relation does not tell."""
        return None


def query_text(aggregates: Sequence[Aggregate], relation: str, rows: RowFilter | None) -> str:
    """Return the query that computes the aggregates, with its marks."""
    where = f" WHERE {rows.sql}" if rows else ""
    return f"SELECT {', '.join(aggregate.sql for aggregate in aggregates)} FROM {relation}{where}"


def quote(text: str) -> str:
    """Return text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def literal(value: object) -> str:
    """Return a value as an SQL literal of its own type."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)"
    if isinstance(value, (int, Decimal)):
        return f"({value:f})" if isinstance(value, Decimal) else f"({value})"
    if isinstance(value, datetime):
        kind = "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"
        return f"CAST('{value.isoformat(sep=' ')}' AS {kind})"
    if isinstance(value, date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    # Early releases take a NUL for the end of the query.
    return f"({' || chr(0) || '.join(map(quote, str(value).split(chr(0))))})"
