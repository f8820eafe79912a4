"""What Parquet files say of themselves: rows, NULLs, and the bounds of integers, dates and timestamps.

Read from the footers, without reading data. A column counts only where every row group speaks of it.
Source: the Parquet format, `Statistics` (min_value and max_value with their sort order; the deprecated min
and max are left alone). Floats are left out: NaN is DuckDB's maximum, and no file states it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dqx.engine.answers import moment_of
from dqx.engine.columns import MOMENTS
from dqx.engine.foreign import foreign_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import duckdb

    from dqx.engine.columns import Column, Family


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What is known of one column over all files; None where a file does not say."""

    nulls: int | None
    minimum: int | date | None
    maximum: int | date | None


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """What is known of all files together."""

    rows: int
    columns: Mapping[str, ColumnStatistics]


# The counts tell whether every bound could be read as what it has to be; one that cannot makes all unknown.
_QUERY = """
SELECT path_in_schema,
       sum(row_group_num_rows),
       CASE WHEN bool_and(row_group_num_rows = 0 OR stats_null_count IS NOT NULL)
            THEN coalesce(sum(stats_null_count), 0) END,
       bool_and(stats_min_value IS NOT NULL OR coalesce(stats_null_count, 0) = row_group_num_rows),
       count(stats_min_value) + count(stats_max_value),
       min(try_cast(stats_min_value AS HUGEINT)), max(try_cast(stats_max_value AS HUGEINT)),
       count(try_cast(stats_min_value AS HUGEINT)) + count(try_cast(stats_max_value AS HUGEINT)),
       epoch_us(min(try_cast(stats_min_value AS TIMESTAMP))), epoch_us(max(try_cast(stats_max_value AS TIMESTAMP))),
       count(try_cast(stats_min_value AS TIMESTAMP)) + count(try_cast(stats_max_value AS TIMESTAMP))
FROM parquet_metadata(?)
WHERE list_contains(?::VARCHAR[], path_in_schema)
GROUP BY path_in_schema
-- Where one file has numbers and the next has text, the text is read as numbers, but its bounds are those of text:
-- "10" is less than "9".
HAVING bool_and(type IN ('INT32', 'INT64')) OR count(DISTINCT type) = 1
"""


def read_statistics(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], columns: Iterable[Column]
) -> FileStatistics:
    """Return the statistics of `columns` over all `files`, from their footers alone."""
    with foreign_code():
        counted = connection.execute(
            "SELECT sum(num_rows) FROM parquet_file_metadata(?)", [list(files)]
        ).fetchone()
    rows = int(counted[0]) if counted is not None and counted[0] is not None else 0
    # A folder named day=7 is a column of its files, and stands above one of that name inside of them.
    folders = {
        part.partition("=")[0].casefold() for file in files for part in Path(file).parts[:-1] if "=" in part
    }
    wanted = {column.name: column for column in columns if column.name.casefold() not in folders}
    known: dict[str, ColumnStatistics] = {}
    if wanted:
        with foreign_code():
            found = connection.execute(_QUERY, [list(files), list(wanted)]).fetchall()
        for name, n, nulls, bounded, written, low, high, numbers, low_us, high_us, moments in found:
            # Other sums than the files' rows: a file without the column, or a nested one of the same path.
            if n != rows:
                continue
            bounds: tuple[int | date | None, int | date | None] = (None, None)
            family = wanted[name].family
            if bounded and family == "integer" and numbers == written:
                bounds = (low, high)
            # Nanoseconds would be cut on the way through text.
            elif (
                bounded and family in MOMENTS and moments == written and not wanted[name].type.endswith("_NS")
            ):
                bounds = (_moment(low_us, family), _moment(high_us, family))
            known[name] = ColumnStatistics(None if nulls is None else int(nulls), *bounds)
    return FileStatistics(rows, known)


def _moment(us: int | None, family: Family) -> date | None:
    if us is None:
        return None
    try:
        return moment_of(us, family)
    except OverflowError:
        return None
