"""What a check is written with: `mp`, the metrics (MetricProvider), and the data they are of (DataSource)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from dqx.arguments import refuse_texts
from dqx.common import ConfigurationError
from dqx.engine import sources
from dqx.engine.expression import Expression, Metric, Operation, Spread, as_expression
from dqx.metric_arguments import DAYS_MAX, MetricOptions, is_days, literals_of, metric_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import duckdb

    from dqx.common import Analyzer
    from dqx.engine.metrics import Literals
    from dqx.engine.reader import Reader

Paths = str | os.PathLike[str]


class DataSource:
    """Data to check. Its constructors read nothing: what cannot be read is a failed scan of the run.

    What is not even of the right kind, such as a number for a path, is a ConfigurationError.

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


class MetricProvider:
    """The metrics of a check, `mp`. Each method gives an expression; nothing is computed here.

    Every metric takes `dataset=` (needed where a check has more than one), `lag=` (the value that was stored
    that many days before the key date), `where=` (one SQL condition that keeps rows), and `name=` (what the
    metric is called in results and telemetry, instead of how it prints).

    Rows with NULL in the column are left out, except by `num_rows` and `null_count`. Where no row is left,
    `sum`, `average` and the like have no value, and the assertion ends as ERROR; counts are 0.

    Each raises a ConfigurationError that names it where an argument is not what it should be.
    """

    def __init__(self) -> None:
        self.ext = ExtendedMetrics()

    def num_rows(self, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows."""
        return metric_of("num_rows", (), **options)

    def count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows in which the column is not NULL."""
        return metric_of("count", (column,), **options)

    def null_count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows in which the column is NULL."""
        return metric_of("null_count", (column,), **options)

    def sum(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Add up a column of numbers; exactly, where they are integers or decimals."""
        return metric_of("sum", (column,), **options)

    def average(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the arithmetic mean of a column of numbers."""
        return metric_of("average", (column,), **options)

    def minimum(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the smallest number, or the earliest date or timestamp."""
        return metric_of("minimum", (column,), **options)

    def maximum(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the largest number, or the latest date or timestamp."""
        return metric_of("maximum", (column,), **options)

    def variance(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the sample variance (n - 1) of a column of numbers; it needs two values."""
        return metric_of("variance", (column,), **options)

    def stddev(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the sample standard deviation (n - 1) of a column of numbers; it needs two values."""
        return metric_of("stddev", (column,), **options)

    def median(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the median of a column of numbers, the mean of the middle two where they are even."""
        return metric_of("median", (column,), **options)

    def quantile(self, column: str, q: float, **options: Unpack[MetricOptions]) -> Metric:
        """Return the value below which the share `q` (0 to 1) of a column lies, linearly interpolated."""
        if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 1:
            raise ConfigurationError(f"quantile({column}): q is a share between 0 and 1, not {q!r}", q)
        return metric_of("quantile", (column,), (float(q),), **options)

    def first(self, column: str, order_by: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the value in the row where `order_by` is smallest, of those in which neither is NULL."""
        return metric_of("first", (column, order_by), **options)

    def unique_count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the distinct values, exactly."""
        return metric_of("unique_count", (column,), **options)

    def approx_unique_count(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Estimate the number of distinct values (HyperLogLog, within a few percent), in little memory."""
        return metric_of("approx_unique_count", (column,), **options)

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
        return metric_of("duplicate_count", tuple(names), **options)

    def count_values(
        self, column: str, values: Literals | Iterable[Literals], **options: Unpack[MetricOptions]
    ) -> Metric:
        """Count the rows in which the column is the value, or one of the values."""
        return metric_of("count_values", (column,), literals_of("count_values", column, values), **options)

    def not_in_count(
        self, column: str, allowed: Literals | Iterable[Literals], **options: Unpack[MetricOptions]
    ) -> Metric:
        """Count the rows in which the column is none of the allowed values; NULL is not counted."""
        return metric_of("not_in_count", (column,), literals_of("not_in_count", column, allowed), **options)

    def pattern_count(self, column: str, regex: str, **options: Unpack[MetricOptions]) -> Metric:
        """Count the rows in which a part of the text matches; `^` and `$` make it the whole. RE2's syntax."""
        if not isinstance(regex, str):
            raise ConfigurationError(f"pattern_count({column}): the pattern is text, not {regex!r}", regex)
        return metric_of("pattern_count", (column,), (regex,), **options)

    def min_length(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the number of characters of the shortest text."""
        return metric_of("min_length", (column,), **options)

    def max_length(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the number of characters of the longest text."""
        return metric_of("max_length", (column,), **options)

    def freshness(self, column: str, **options: Unpack[MetricOptions]) -> Metric:
        """Return the seconds from the column's newest date or timestamp to the time of the run."""
        return metric_of("freshness", (column,), **options)

    def custom_sql(self, expression: str, **options: Unpack[MetricOptions]) -> Metric:
        """Compute one aggregate expression of the user's own, such as `sum(a * b) / sum(b)`.

        It is parsed, may name the dataset's own columns, and can reach nothing else: no subquery, no file.
        """
        if not isinstance(expression, str):
            raise ConfigurationError(f"custom_sql takes SQL text, not {expression!r}", expression)
        return metric_of("custom_sql", (), sql=expression, **options)


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
        if not is_days(offset) or not is_days(n) or n < 2:
            raise ConfigurationError(
                f"stddev over history: offset is 0 to {DAYS_MAX} days, n is 2 to {DAYS_MAX}; "
                f"found offset={offset!r}, n={n!r}",
                (offset, n),
            )
        return Spread(as_expression(metric), offset, n)


def _ratio(metric: Expression, days: int) -> Expression:
    base = as_expression(metric)
    return Operation("/", base, base.shift(days))
