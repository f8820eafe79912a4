"""Opening data: each function gives a reader of one kind of source, and closes what it opened.

What DQX opens, it opens so that a query can reach nothing else: only the source's own files are allowed,
then access to anything outside is switched off and the configuration locked.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqx.common import ScanError
from dqx.engine.columns import Column
from dqx.engine.reader import ConnectionReader, RelationReader, quote
from dqx.engine.records import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

_PROGRESS_AFTER_MS = 200


@contextmanager
def open_files(function: str, paths: Sequence[str], options: Mapping[str, Any]) -> Iterator[ConnectionReader]:
    """Open Parquet or CSV files with the engine's table function of that name."""
    found = _expand(paths)
    # The engine takes each for a pattern, and asks whether it may open both what is written and what it finds.
    files = [glob.escape(path) for path in found]
    with _engine() as connection:
        _seal(connection, [*found, *files])
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
    with _ending(connection):
        yield ConnectionReader(connection, _relation(table, query), own=False)


@contextmanager
def open_relation(relation: duckdb.DuckDBPyRelation) -> Iterator[RelationReader]:
    """Open a relation that the caller made on a connection of its own."""
    with _engine() as connection:
        _seal(connection, [])
        yield RelationReader(connection, relation)


@contextmanager
def open_frame(frame: object, *, nan_is_missing: bool) -> Iterator[ConnectionReader]:
    """Open a data frame or an Arrow table in memory, without a copy."""
    if frame is None or isinstance(frame, (str, PathLike, Mapping, Sequence)):
        raise ScanError(
            f"what was given is of type {type(frame).__name__}, and no data frame; from_records takes dicts, "
            "from_csv and from_parquet take paths"
        )
    match getattr(frame, "shape", None):
        case (int(rows), 0):
            with _open_columnless(rows) as columnless:
                yield columnless
            return
    with _engine() as connection:
        # Of 1,000 values of a column of Python objects the engine would take the type of all, and round a decimal that
        # has more places, silently. To look at every one takes 0.15 s for a million texts.
        connection.execute(f"SET pandas_analyze_sample = {2**63 - 1}")
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
    odd = next((n for n, record in enumerate(records) if not isinstance(record, Mapping)), None)
    if odd is not None:
        raise ScanError(f"record {odd} is no dict, but of type {type(records[odd]).__name__}")
    # A column without a name cannot be asked for, and is none to the engine.
    names = [name for name in dict.fromkeys(name for record in records for name in record) if str(name)]
    if not names:
        with _open_columnless(len(records)) as columnless:
            yield columnless
        return
    columns = [column_of(str(name), [record.get(name) for record in records]) for name in names]
    selected = ", ".join(
        f"unnest(CAST(?::{column.sent_as}[] AS {column.type}[])) AS {Column(str(name), '').sql}"
        for name, column in zip(names, columns, strict=True)
    )
    with _engine() as connection:
        _seal(connection, [])
        connection.execute(
            f"CREATE TABLE records AS SELECT {selected}", [column.values for column in columns]
        )
        reader = ConnectionReader(connection, "records")
        untyped = [known for known, column in zip(reader.columns, columns, strict=True) if column.untyped]
        if untyped:
            # In a table a column without a type is one of integers, of which nothing else could be asked.
            replaced = ", ".join(f"NULL AS {column.sql}" for column in untyped)
            typed = reader.columns
            reader = ConnectionReader(connection, f"(SELECT * REPLACE ({replaced}) FROM records)")
            reader.columns = tuple(Column(c.name, "NULL") if c in untyped else c for c in typed)
        yield reader


@contextmanager
def _open_columnless(rows: int) -> Iterator[ConnectionReader]:
    """Open rows without columns, as an empty list or frame has them; they can be counted."""
    with _engine() as connection:
        _seal(connection, [])
        # A table has one column at least; this one is for the engine alone.
        connection.execute("CREATE TABLE rows AS SELECT NULL AS none FROM range(?)", [rows])
        reader = ConnectionReader(connection, "rows")
        reader.columns = ()
        yield reader


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
        # The engine would take a maximum from a file's statistics, which leave NaN out, and trust them unasked.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        # Later releases fetch every column of a row group before they decode one, which pays where each read is a
        # request; a local file of 2,000 columns is read in 1.3 s and 1.0 GiB without, in 1.8 s and 1.6 GiB with it.
        connection.execute("SET disable_parquet_prefetching = true")
        # Releases that have this step copy every column that a query needs before they count distinct values:
        # 10 million orders with it in 0.62 GiB and 0.41 s, without it in 0.10 GiB and 0.29 s.
        with suppress(duckdb.CatalogException, duckdb.ParserException, duckdb.InvalidInputException):
            connection.execute(
                "SET disabled_optimizers = 'statistics_propagation,distinct_aggregate_rewrite'"
            )
        with _ending(connection):
            yield connection
    finally:
        connection.close()


@contextmanager
def _ending(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """End the connection's query when something is raised inside.

    A signal ends the waiting for a query but, in early releases, not the query, and closing the connection would
    wait for the end of the scan.
    """
    try:
        yield
    except BaseException:
        connection.interrupt()
        raise


def _seal(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """Let the connection reach `files` and nothing else, for good; its clock shows UTC, wherever it runs."""
    import duckdb

    connection.execute(f"SET allowed_paths = [{', '.join(map(quote, files))}]")
    connection.execute("SET enable_external_access = false")
    with suppress(duckdb.Error):  # a build without time zones knows UTC alone
        connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")


def _relation(table: str | None, query: str | None) -> str:
    if table is not None:
        return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
    return f"({str(query).rstrip().removesuffix(';')}\n)"


def _option(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quote(str(name))}: {_option(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_option, value))}]"
    return str(value) if isinstance(value, (int, float)) else quote(str(value))


def _expand(paths: Sequence[str]) -> list[str]:
    """Return the files that paths and globs name; raise ScanError for one that names none."""
    files: list[str] = []
    if not paths:
        raise ScanError("no files are named: the list of paths is empty")
    for path in paths:
        if Path(path).is_dir():
            raise ScanError(
                f"{path} is a directory; name its files, for example {Path(path) / '*.parquet'}, "
                f"or {Path(path) / '**/*.parquet'} with those in its folders"
            )
        if Path(path).is_file():
            files.append(path)
        elif "://" in path:
            raise ScanError(
                f"{path} is an address, and only files of this machine are opened; a connection of yours may reach "
                "further: from_duckdb(connection, query=...)"
            )
        elif glob.has_magic(path):
            matches = glob.glob(path, recursive=True)  # noqa: PTH207  # Path.glob refuses absolute patterns
            found = sorted(match for match in matches if Path(match).is_file())
            if not found:
                raise ScanError(f"no file matches {path}")
            files += found
        else:
            raise ScanError(f"no such file: {path}")
    return files
