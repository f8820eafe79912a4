"""Opening data: each function gives a reader of one kind of source, and closes what it opened.

What DQX opens, it opens so that a query can reach nothing else: only the source's own files are allowed,
then access to anything outside is switched off and the configuration locked.
"""

from __future__ import annotations

import glob
from contextlib import contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqx.common import ScanError
from dqx.engine.reader import ConnectionReader, RelationReader, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

_PROGRESS_AFTER_MS = 200
_INT64 = 1 << 63
_INT128 = 1 << 127


@contextmanager
def open_files(function: str, paths: Sequence[str], options: Mapping[str, Any]) -> Iterator[ConnectionReader]:
    """Open Parquet or CSV files with the engine's table function of that name."""
    files = _expand(paths)
    with _engine() as connection:
        _seal(connection, files)
        arguments = [f"[{', '.join(map(quote, files))}]"]
        arguments += [f"{name} = {_option(value)}" for name, value in options.items()]
        relation = f"{function}({', '.join(arguments)})"
        yield ConnectionReader(connection, relation, tuple(files) if function == "read_parquet" else ())


@contextmanager
def open_database(path: str, table: str | None, query: str | None) -> Iterator[ConnectionReader]:
    """Open a table or a query of a DuckDB database file, read-only."""
    if not Path(path).is_file():
        raise ScanError(f"no such file: {path}")
    with _engine() as connection:
        connection.execute(f"ATTACH {quote(path)} AS source (READ_ONLY)")
        connection.execute("USE source")
        _seal(connection, [path])
        yield ConnectionReader(connection, _relation(table, query))


@contextmanager
def open_connection(
    connection: duckdb.DuckDBPyConnection, table: str | None, query: str | None
) -> Iterator[ConnectionReader]:
    """Open a table or a query of a connection that the caller made, and leave it open."""
    yield ConnectionReader(connection, _relation(table, query))


@contextmanager
def open_relation(relation: duckdb.DuckDBPyRelation) -> Iterator[RelationReader]:
    """Open a relation that the caller made on a connection of its own."""
    with _engine() as connection:
        _seal(connection, [])
        yield RelationReader(connection, relation)


@contextmanager
def open_frame(frame: object, *, nan_is_missing: bool) -> Iterator[ConnectionReader]:
    """Open a data frame or an Arrow table in memory, without a copy."""
    with _engine() as connection:
        connection.register("frame", frame)
        _seal(connection, [])
        reader = ConnectionReader(connection, "frame")
        floats = [column.sql for column in reader.columns if column.family == "float"]
        if nan_is_missing and floats:
            replaced = ", ".join(f"CASE WHEN isnan({c}) THEN NULL ELSE {c} END AS {c}" for c in floats)
            reader = ConnectionReader(connection, f"(SELECT * REPLACE ({replaced}) FROM frame)")
        yield reader


@contextmanager
def open_records(records: Sequence[Mapping[str, Any]]) -> Iterator[ConnectionReader]:
    """Open a list of dicts: a column for each key, NULL where a record lacks it."""
    names = list(dict.fromkeys(name for record in records for name in record))
    with _engine() as connection:
        _seal(connection, [])
        if not names:
            # A table has one column at least; this one is for the engine alone.
            connection.execute("CREATE TABLE records AS SELECT NULL AS none FROM range(?)", [len(records)])
            reader = ConnectionReader(connection, "records")
            reader.columns = ()
            yield reader
        else:
            typed, values = [], []
            for name in names:
                column = [record.get(name) for record in records]
                type_, converted = _typed(str(name), column)
                typed.append(f'unnest(?::{type_}[]) AS "{str(name).replace(chr(34), chr(34) * 2)}"')
                values.append(converted)
            connection.execute(f"CREATE TABLE records AS SELECT {', '.join(typed)}", values)
            yield ConnectionReader(connection, "records")


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    connection = duckdb.connect(":memory:")
    try:
        # So that progress can be asked for; and where DuckDB takes its host for interactive, as a notebook is,
        # it would print a bar of its own into stdout.
        connection.execute("SET enable_progress_bar_print = false")
        connection.execute("SET enable_progress_bar = true")
        connection.execute(f"SET progress_bar_time = {_PROGRESS_AFTER_MS}")
        # Releases that have this step copy every column that a query needs before they count distinct values:
        # 10 million orders with it in 0.62 GiB and 0.41 s, without it in 0.10 GiB and 0.29 s.
        with suppress(duckdb.CatalogException, duckdb.ParserException, duckdb.InvalidInputException):
            connection.execute("SET disabled_optimizers = 'distinct_aggregate_rewrite'")
        yield connection
    finally:
        connection.close()


def _seal(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """Let the connection reach `files` and nothing else, for good."""
    connection.execute(f"SET allowed_paths = [{', '.join(map(quote, files))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _relation(table: str | None, query: str | None) -> str:
    if table is not None:
        return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
    return f"({query}\n)"


def _option(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else quote(str(value))


def _expand(paths: Sequence[str]) -> list[str]:
    """Return the files that paths and globs name; raise ScanError for one that names none."""
    files: list[str] = []
    for path in paths:
        if Path(path).is_dir():
            raise ScanError(f"{path} is a directory; name its files, for example {Path(path) / '*.parquet'}")
        if Path(path).is_file():
            files.append(path)
        elif glob.has_magic(path):
            matches = glob.glob(path, recursive=True)  # noqa: PTH207  # Path.glob refuses absolute patterns
            found = sorted(match for match in matches if Path(match).is_file())
            if not found:
                raise ScanError(f"no file matches {path}")
            files += found
        else:
            raise ScanError(f"no such file: {path}")
    return files


def _typed(name: str, values: list[Any]) -> tuple[str, list[Any]]:
    """Return the engine's type for the values of one column of records, and the values as it takes them."""
    kinds = {_kind(value) for value in values if value is not None}
    if not kinds:
        return "INTEGER", values
    if kinds <= {bool}:
        return "BOOLEAN", values
    if kinds <= {int}:
        return _integer(name, values), values
    if kinds <= {int, Decimal}:
        return _decimal(name, values), values
    if kinds <= {int, float, Decimal}:
        return "DOUBLE", [None if value is None else float(value) for value in values]
    if kinds <= {date}:
        return "DATE", values
    if kinds <= {date, datetime}:
        aware = any(getattr(value, "tzinfo", None) is not None for value in values)
        return ("TIMESTAMPTZ" if aware else "TIMESTAMP"), values
    if kinds <= {str}:
        return "VARCHAR", values
    raise ScanError(
        f"column {name!r} of the records holds {' and '.join(sorted(kind.__name__ for kind in kinds))}; "
        "a column takes numbers, or text, or booleans, or dates and datetimes"
    )


def _kind(value: object) -> type:
    """Return the plain type of a value, so that a subclass (an IntEnum, numpy's float64) counts as it."""
    plain = (bool, int, float, Decimal, datetime, date, str)
    return next((kind for kind in plain if isinstance(value, kind)), type(value))


def _integer(name: str, values: list[int | None]) -> str:
    known = [value for value in values if value is not None]
    if all(-_INT64 <= value < _INT64 for value in known):
        return "BIGINT"
    if all(-_INT128 < value < _INT128 for value in known):
        return "HUGEINT"
    raise ScanError(f"column {name!r} of the records holds an integer of more than 128 bits")


def _decimal(name: str, values: list[Any]) -> str:
    decimals = [Decimal(value) for value in values if value is not None]
    if any(not value.is_finite() for value in decimals):
        raise ScanError(f"column {name!r} of the records holds a Decimal that is not finite")
    scale = max(-int(value.as_tuple().exponent) for value in decimals)
    scale = max(scale, 0)
    whole = max(value.adjusted() + 1 for value in decimals)
    if max(whole, 1) + scale > 38:
        raise ScanError(f"column {name!r} of the records holds a Decimal of more than 38 digits")
    return f"DECIMAL(38, {scale})"
