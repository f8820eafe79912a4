"""What a check is written with: `mp`, the metrics (MetricProvider), and the data they are of (DataSource)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from dqx.arguments import refuse_texts
from dqx.common import ConfigurationError, did_you_mean
from dqx.engine import sources
from dqx.engine.expression import Expression, Metric, Operation, Spread, as_expression
from dqx.engine.metrics import Literals, MetricKind, MetricSpec, is_finite, plain_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import duckdb

    from dqx.common import Analyzer
    from dqx.engine.reader import Reader

Paths = str | os.PathLike[str]

# A century; further back no calendar needs to reach.
_DAYS_MAX = 36_525


class DataSource:
    """Data to check. Its constructors read nothing: what cannot be read is a failed scan of the run.

    Every constructor takes `name=`, by which the dataset is known when sources are given to `run` as a list,
    and `date_column=`, which keeps a run to the rows of its key's date: [date, date + 1 day), in UTC.
    """

    def __init__(
        self,
        open_reader: Callable[[], AbstractContextManager[Reader]],
        *,
        name: str | None = None,
        date_column: str | None = None,
        trust_statistics: bool = True,
    ) -> None:
        refuse_texts("a data source", name=name, date_column=date_column)
        self.name = name
        self.date_column = date_column
        self._open_reader = open_reader
        self._trust_statistics = trust_statistics

    def analyzer(self) -> Analyzer:
        """Return what computes metrics on this data."""
        from dqx.engine.scan import DuckDBAnalyzer

        return DuckDBAnalyzer(self._open_reader, self.date_column, trust_statistics=self._trust_statistics)

    @classmethod
    def from_records(
        cls, records: Iterable[Mapping[str, Any]], *, name: str | None = None, date_column: str | None = None
    ) -> DataSource:
        """Read dicts, one for each row; a key that a record lacks is NULL there. NaN is a number."""
        if isinstance(records, str | Mapping) or not isinstance(records, Iterable):
            raise ConfigurationError(
                f"from_records takes a list of dicts, one for each row; found {type(records).__name__}",
                records,
            )
        rows = records if isinstance(records, list) else list(records)
        return cls(partial(sources.open_records, rows), name=name, date_column=date_column)

    @classmethod
    def from_arrow(
        cls, table: object, *, name: str | None = None, date_column: str | None = None
    ) -> DataSource:
        """Read a `pyarrow.Table` (or what offers Arrow's C stream). NaN is a number."""
        return cls(
            partial(sources.open_frame, table, nan_is_missing=False), name=name, date_column=date_column
        )

    @classmethod
    def from_polars(
        cls, frame: object, *, name: str | None = None, date_column: str | None = None
    ) -> DataSource:
        """Read a `polars.DataFrame`. NaN is a number."""
        return cls(
            partial(sources.open_frame, frame, nan_is_missing=False), name=name, date_column=date_column
        )

    @classmethod
    def from_pandas(
        cls, frame: object, *, name: str | None = None, date_column: str | None = None
    ) -> DataSource:
        """Read a `pandas.DataFrame`. NaN, None and NaT are missing values, as pandas means them."""
        return cls(
            partial(sources.open_frame, frame, nan_is_missing=True), name=name, date_column=date_column
        )

    @classmethod
    def from_parquet(
        cls,
        paths: Paths | Sequence[Paths],
        *,
        name: str | None = None,
        date_column: str | None = None,
        trust_statistics: bool = True,
    ) -> DataSource:
        """Read Parquet files: a path, a glob, or a list of them.

        Args:
            paths: For example `"orders/2024-*.parquet"`; `**` descends into folders.
            name: The dataset's name in a list of sources.
            date_column: The column that keeps a run to its day.
            trust_statistics: Whether row counts, NULL counts and the bounds of integers, dates and timestamps
                may be taken from the files' footers instead of being read. Such a value says so (`source`).
        """
        return cls(
            partial(sources.open_files, "read_parquet", _texts(paths), {}),
            name=name,
            date_column=date_column,
            trust_statistics=trust_statistics,
        )

    @classmethod
    def from_csv(
        cls,
        paths: Paths | Sequence[Paths],
        *,
        name: str | None = None,
        date_column: str | None = None,
        **options: str | float | bool | Sequence[str] | Mapping[str, str],
    ) -> DataSource:
        """Read CSV files, plain or gzipped: a path, a glob, or a list of them.

        Args:
            paths: For example `"export.csv.gz"`.
            name: The dataset's name in a list of sources.
            date_column: The column that keeps a run to its day.
            options: DuckDB's `read_csv` options, such as `delim=";"`, `header=False` or
                `types={"zip": "VARCHAR"}`, where its own look at the file does not find them out.
        """
        return cls(
            partial(sources.open_files, "read_csv", _texts(paths), options),
            name=name,
            date_column=date_column,
        )

    @classmethod
    def from_duckdb(
        cls,
        source: duckdb.DuckDBPyRelation | duckdb.DuckDBPyConnection | Paths,
        *,
        table: str | None = None,
        query: str | None = None,
        name: str | None = None,
        date_column: str | None = None,
    ) -> DataSource:
        """Read through DuckDB: a relation, or a table or query of a connection or of a database file.

        A database file is opened read-only, and only it can be reached. A connection or a relation is the
        caller's own, with all that it can reach; a relation is read on its own thread, and left behind
        there when the time limit is over, as nothing can interrupt it.

        Raises:
            ConfigurationError: Unless exactly one of `table` and `query` is given (none, for a relation), as text.
        """
        import duckdb

        refuse_texts("from_duckdb", table=table, query=query)
        if isinstance(source, duckdb.DuckDBPyRelation):
            if table is not None or query is not None:
                raise ConfigurationError("from_duckdb: a relation is read as it is, without table= or query=")
            return cls(partial(sources.open_relation, source), name=name, date_column=date_column)
        if (table is None) == (query is None):
            raise ConfigurationError("from_duckdb: name what to read, by either table= or query=")
        if isinstance(source, duckdb.DuckDBPyConnection):
            return cls(
                partial(sources.open_connection, source, table, query), name=name, date_column=date_column
            )
        if not isinstance(source, (str, os.PathLike)):
            raise ConfigurationError(
                f"from_duckdb takes a relation, a connection or the path of a database, not {source!r}",
                source,
            )
        return cls(
            partial(sources.open_database, os.fspath(source), table, query),
            name=name,
            date_column=date_column,
        )


def _texts(paths: Paths | Sequence[Paths]) -> list[str]:
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    if not isinstance(listed, Iterable) or not all(isinstance(path, (str, os.PathLike)) for path in listed):
        raise ConfigurationError(
            f"files are named by a path, a glob, or a list of them, not by {paths!r}", paths
        )
    return [os.fspath(path) for path in listed]


class MetricOptions(TypedDict, total=False):
    """What every metric takes beside its own arguments."""

    dataset: str | None
    lag: int
    where: str | None
    name: str | None


class MetricProvider:
    """The metrics of a check, `mp`. Each method gives an expression; nothing is computed here.

    Every metric takes `dataset=` (needed where a check has more than one), `lag=` (the value that was stored
    that many days before the key date), `where=` (one SQL condition that keeps rows), and `name=` (what the
    metric is called in results and telemetry, instead of how it prints).

    Rows with NULL in the column are left out, except by `num_rows` and `null_count`. Where no row is left,
    `sum`, `average` and the like have no value, and the assertion ends as ERROR; counts are 0.
    """

    def __init__(self) -> None:
        self.ext = ExtendedMetrics()

    def num_rows(self, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows."""
        return _metric("num_rows", (), **options)

    def count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows in which the column is not NULL."""
        return _metric("count", (column,), **options)

    def null_count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows in which the column is NULL."""
        return _metric("null_count", (column,), **options)

    def sum(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Add up a column of numbers; exactly, where they are integers or decimals."""
        return _metric("sum", (column,), **options)

    def average(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the arithmetic mean of a column of numbers."""
        return _metric("average", (column,), **options)

    def minimum(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the smallest number, or the earliest date or timestamp."""
        return _metric("minimum", (column,), **options)

    def maximum(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the largest number, or the latest date or timestamp."""
        return _metric("maximum", (column,), **options)

    def variance(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the sample variance (n - 1) of a column of numbers; it needs two values."""
        return _metric("variance", (column,), **options)

    def stddev(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the sample standard deviation (n - 1) of a column of numbers; it needs two values."""
        return _metric("stddev", (column,), **options)

    def median(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the median of a column of numbers, the mean of the middle two where they are even."""
        return _metric("median", (column,), **options)

    def quantile(self, column: str, q: float, **options: Unpack[MetricOptions]) -> Metric:
        """Return the value below which the share `q` (0 to 1) of a column lies, linearly interpolated."""
        if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 1:
            raise ConfigurationError(f"quantile({column}): q is a share between 0 and 1, not {q!r}", q)
        return _metric("quantile", (column,), (float(q),), **options)

    def first(self, column: str, order_by: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the value in the row where `order_by` is smallest, of those in which neither is NULL."""
        return _metric("first", (column, order_by), **options)

    def unique_count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the distinct values, exactly."""
        return _metric("unique_count", (column,), **options)

    def approx_unique_count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Estimate the number of distinct values (HyperLogLog, within a few percent), in little memory."""
        return _metric("approx_unique_count", (column,), **options)

    def duplicate_count(self, columns: Sequence[str], **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows whose key was there before: the rows less the distinct keys.

        A row with NULL in one of the key's columns is left out, as by SQL's UNIQUE.
        """
        if isinstance(columns, str) or not columns:
            raise ConfigurationError(
                f"duplicate_count takes a list of column names, such as ['order_id'], not {columns!r}",
                columns,
            )
        # The order of a set is not the same in every process, and the metric must be found again in the store.
        names = sorted(columns, key=str) if isinstance(columns, (set, frozenset)) else columns
        return _metric("duplicate_count", tuple(names), **options)

    def count_values(
        self, column: str, values: Literals | Iterable[Literals], **options: Unpack[MetricOptions]
    ) -> Metric:
        """Count the rows in which the column is the value, or one of the values."""
        return _metric("count_values", (column,), _literals("count_values", column, values), **options)

    def not_in_count(
        self, column: str, allowed: Literals | Iterable[Literals], **options: Unpack[MetricOptions]
    ) -> Metric:
        """Count the rows in which the column is none of the allowed values; NULL is not counted."""
        return _metric("not_in_count", (column,), _literals("not_in_count", column, allowed), **options)

    def pattern_count(self, column: str, regex: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows in which a part of the text matches; `^` and `$` make it the whole. RE2's syntax."""
        if not isinstance(regex, str):
            raise ConfigurationError(f"pattern_count({column}): the pattern is text, not {regex!r}", regex)
        return _metric("pattern_count", (column,), (regex,), **options)

    def min_length(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the number of characters of the shortest text."""
        return _metric("min_length", (column,), **options)

    def max_length(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the number of characters of the longest text."""
        return _metric("max_length", (column,), **options)

    def freshness(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the seconds from the column's newest date or timestamp to the time of the run."""
        return _metric("freshness", (column,), **options)

    def custom_sql(self, expression: str, **options: Unpack[MetricOptions]) -> Metric:
        """Compute one aggregate expression of the user's own, such as `sum(a * b) / sum(b)`.

        It is parsed, may name the dataset's own columns, and can reach nothing else: no subquery, no file.
        """
        if not isinstance(expression, str):
            raise ConfigurationError(f"custom_sql takes SQL text, not {expression!r}", expression)
        return _metric("custom_sql", (), sql=expression, **options)


class ExtendedMetrics:
    """Metrics over stored history, `mp.ext`. What they look back to is stored in every run."""

    def day_over_day(self, metric: Expression) -> Expression:
        """Return today's value divided by the day before's."""
        return _ratio(metric, 1)

    def week_over_week(self, metric: Expression) -> Expression:
        """Return today's value divided by that of the same day a week before."""
        return _ratio(metric, 7)

    def stddev(self, metric: Expression, offset: int = 1, n: int = 7) -> Expression:
        """Return the sample standard deviation over `n` days of history, the newest `offset` days back.

        Days without a stored value are left out; with fewer than two the assertion is SKIPPED.
        """
        if not _is_count(offset) or not _is_count(n) or n < 2:
            raise ConfigurationError(
                f"stddev over history: offset is 0 to {_DAYS_MAX} days, n is 2 to {_DAYS_MAX}; "
                f"found offset={offset!r}, n={n!r}",
                (offset, n),
            )
        return Spread(as_expression(metric), offset, n)


def _ratio(metric: Expression, days: int) -> Expression:
    base = as_expression(metric)
    return Operation("/", base, base.shift(days))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _DAYS_MAX


def _metric(
    kind: MetricKind,
    columns: tuple[str, ...],
    values: tuple[Literals, ...] = (),
    sql: str | None = None,
    **options: Unpack[MetricOptions],
) -> Metric:
    """Make a metric; raise ConfigurationError that names it when an argument is wrong."""
    for option in options:
        if option not in MetricOptions.__annotations__:
            hint = did_you_mean(option, MetricOptions.__annotations__)
            raise ConfigurationError(f"{kind} takes no argument {option!r}{hint}", option)
    lag, where = options.get("lag", 0), options.get("where")
    for column in columns:
        if not isinstance(column, str) or not column:
            raise ConfigurationError(f"{kind}: a column is named by text, not by {column!r}", column)
    if where is not None and not isinstance(where, str):
        raise ConfigurationError(f"{kind}: where is one SQL condition as text, not {where!r}", where)
    dataset, name = options.get("dataset"), options.get("name")
    for option, value in (("dataset", dataset), ("name", name)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise ConfigurationError(f"{kind}: {option} is text, not {value!r}", value)
    if not _is_count(lag):
        raise ConfigurationError(f"{kind}: lag is a number of days, 0 to {_DAYS_MAX}, not {lag!r}", lag)
    return Metric(MetricSpec(kind, columns, values, sql, where), dataset, lag, name)


def _literals(kind: MetricKind, column: str, values: Literals | Iterable[Literals]) -> tuple[Literals, ...]:
    """Return the values of a list or a single one, in a fixed order; raise ConfigurationError for others."""
    several = isinstance(values, Iterable) and not isinstance(values, (str, bytes))
    listed: list[Literals] = []
    for value in map(plain_value, values if several else [values]):  # type: ignore[arg-type]  # `several` tells
        if not isinstance(value, (bool, int, float, Decimal, date, str)):
            hint = "; null_count counts NULL" if value is None else ""
            raise ConfigurationError(
                f"{kind}({column}): {value!r} is no number, text, boolean or date{hint}", value
            )
        if not is_finite(value):
            raise ConfigurationError(
                f'{kind}({column}): {value!r} is not finite; write where="isnan({column})"', value
            )
        listed.append(value)
    if not listed:
        raise ConfigurationError(f"{kind}({column}): no values were given", column)
    # A set has no order, and the same metric must be found again in the store.
    return tuple(sorted(listed, key=repr)) if isinstance(values, (set, frozenset)) else tuple(listed)
