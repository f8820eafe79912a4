"""One scan: every metric of a dataset in one query, and each value or its reason on the way out."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as midnight
from typing import TYPE_CHECKING, Any

from dqx.common import DatasetRun, ResultValue, ScanError, ScanReport
from dqx.engine.aggregates import Aggregate, Compiler, Computation, UnsettledError
from dqx.engine.columns import MOMENTS, Columns
from dqx.engine.culprit import Reads
from dqx.engine.foreign import foreign_code, reason_of, refuse_interruption
from dqx.engine.reader import OutOfTimeError, RowFilter, query_text
from dqx.engine.statistics import FileStatistics, read_statistics
from dqx.engine.user_sql import PLACE, Parser, public_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from dqx.common import ScanRequest, ValueSource
    from dqx.engine.metrics import MetricSpec
    from dqx.engine.reader import Reader

_ROWS = Aggregate("count(*)")
# Kinds whose computation can profit from what the files say of a column.
_STATISTICAL = {"count", "null_count", "minimum", "maximum", "unique_count", "duplicate_count"}
# How often a query that has used up its time is told so, in seconds; it may not have begun at the first.
_INTERRUPT_EVERY_S = 0.05
# Longer than any query text that is ever sent on (2,048), before redaction shortens it.
_QUERY_TEXT_MAX = 8192


class DuckDBAnalyzer:
    """Computes metrics with DuckDB, in this process.

    Args:
        open_reader: Opens the dataset; raises ScanError or an error of the engine.
        date_column: Keeps a scan to the rows of its day.
        trust_statistics: Whether values may come from the files' own statistics.
    """

    system = "duckdb"
    embedded = True

    def __init__(
        self,
        open_reader: Callable[[], AbstractContextManager[Reader]],
        date_column: str | None,
        *,
        trust_statistics: bool,
    ) -> None:
        self._open_reader = open_reader
        self._date_column = date_column
        self._trust_statistics = trust_statistics
        self._reader: Reader | None = None

    def progress(self) -> float | None:
        """Return how much of the running scan is done, 0 to 1, or None when unknown."""
        reader = self._reader
        return None if reader is None else reader.progress()

    def interrupt(self) -> None:
        """End the query that is running, if there is one. Called from other threads."""
        reader = self._reader
        if reader is not None:
            reader.interrupt()

    def scan(self, request: ScanRequest) -> ScanReport:
        """Compute all metrics in one pass.

        Raises:
            ScanError: When nothing could be read: no such file, not the format, locked, out of time.
        """
        started = time.perf_counter()
        with _as_scan_error(request), ExitStack() as opened:
            with foreign_code():
                reader = opened.enter_context(self._open_reader())
            self._reader = reader
            try:
                with _time_limit(reader, request.timeout_s - (time.perf_counter() - started)):
                    return self._scan(reader, request, started)
            finally:
                self._reader = None

    def _scan(self, reader: Reader, request: ScanRequest, started: float) -> ScanReport:
        columns = Columns(request.dataset, reader.columns)
        rows_of_day = (
            None if self._date_column is None else _day_filter(columns, self._date_column, request.day)
        )
        statistics = self._statistics(reader, columns, request.metrics)
        parser = Parser(reader.connection, [m.where for m in request.metrics if m.where is not None])
        exact = self._trust_statistics and rows_of_day is None
        compiler = Compiler(columns, parser, statistics, exact, reader.own, request.now)

        computations: dict[MetricSpec, Computation] = {}
        values: dict[MetricSpec, ResultValue] = {}
        for spec in request.metrics:
            try:
                computations[spec] = compiler.compile(spec)
            except ScanError as error:
                values[spec] = ResultValue.failure(error)

        reads = _reads(reader, rows_of_day)
        wanted = [a for computation in computations.values() for a in computation.aggregates]
        rows_known = exact and statistics is not None
        raw = reads.read(wanted if rows_known or not wanted else [_ROWS, *wanted])
        unsettled: dict[MetricSpec, Computation] = {}
        for spec, computation in computations.items():
            try:
                values[spec] = _finish(spec, computation, raw)
            except UnsettledError as more:
                unsettled[spec] = more.computation
        if unsettled:
            raw |= reads.read(a for computation in unsettled.values() for a in computation.aggregates)
            values |= {spec: _finish(spec, computation, raw) for spec, computation in unsettled.items()}

        rows = statistics.rows if rows_known and statistics is not None else raw.get(_ROWS)
        sources: dict[MetricSpec, ValueSource] = {s: c.source for s, c in computations.items()}
        run = DatasetRun(
            name=request.dataset,
            rows=rows if isinstance(rows, int) else None,
            scan_duration_s=time.perf_counter() - started,
            reads=reads.count,
            metrics=len(request.metrics),
            freshness_at=_newest(values, request.now),
        )
        text = (
            query_text(wanted[:200], f'"{request.dataset}"', rows_of_day)[:_QUERY_TEXT_MAX] if wanted else ""
        )
        return ScanReport({spec: values[spec] for spec in request.metrics}, sources, run, public_text(text))

    def _statistics(
        self, reader: Reader, columns: Columns, metrics: Sequence[MetricSpec]
    ) -> FileStatistics | None:
        if not reader.files:
            return None
        names = {name for spec in metrics if spec.kind in _STATISTICAL for name in spec.columns}
        wanted = []
        for name in sorted(names):
            try:
                wanted.append(columns.find(name))
            except ScanError:
                continue  # reported where its metric is compiled
        return read_statistics(reader.connection, reader.files, wanted)


def _finish(spec: MetricSpec, computation: Computation, raw: dict[Aggregate, Any]) -> ResultValue:
    """Return a metric's value from the values of its aggregates."""
    values = [raw[aggregate] for aggregate in computation.aggregates]
    for value in values:
        if isinstance(value, ScanError):
            return ResultValue.failure(ScanError(f"{spec.render()}: {value}"))
    try:
        return ResultValue.success(computation.finish(*values))
    except ScanError as error:
        return ResultValue.failure(error)


def _reads(reader: Reader, rows: RowFilter | None) -> Reads:
    import duckdb

    nothing = RowFilter(f"({rows.sql}) AND false" if rows else "false", rows.parameters if rows else ())
    unbound = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
    refused = (
        *unbound,
        duckdb.ConversionException,
        duckdb.InvalidInputException,
        duckdb.InvalidTypeException,
        duckdb.NotImplementedException,
        duckdb.OutOfRangeException,
        duckdb.TypeMismatchException,
    )

    def run(aggregates: Sequence[Aggregate], over: RowFilter | None) -> tuple[Any, ...]:
        # Beside count(*) an expression that is no aggregate does not bind, alone it would give a row for each.
        return reader.run([_ROWS, *aggregates], over)[1:]

    return Reads(
        run=lambda aggregates: run(aggregates, rows),
        probe=lambda aggregates: run(aggregates, nothing),
        refused=refused,
        unbound=unbound,
    )


def _day_filter(columns: Columns, name: str, day: date) -> RowFilter:
    """Return the condition that keeps [day, day + 1), in UTC where the column has times."""
    column = columns.require(
        name,
        MOMENTS,
        "date_column",
        "a day's rows are found by a DATE or a TIMESTAMP. Store it as one, or read it as one: "
        f'from_duckdb(query="SELECT * REPLACE (CAST({name} AS TIMESTAMP) AS {name}) FROM ...")',
    )
    start: date = day
    try:
        end: date = day + timedelta(days=1)
    except OverflowError:
        raise ScanError(f"the rows of {day}, the last day that there is, cannot be told") from None
    if column.family != "date":
        zone = UTC if column.family == "timestamptz" else None
        start, end = (datetime.combine(d, midnight(), tzinfo=zone) for d in (start, end))
    # Nanoseconds reach from 1677 to 2262, and no row is of a day outside of that.
    place = f"TRY_CAST({PLACE} AS {column.type})" if column.type.endswith("_NS") else PLACE
    return RowFilter(f"{column.sql} >= {place} AND {column.sql} < {place}", (start, end))


def _newest(values: dict[MetricSpec, ResultValue], now: datetime) -> datetime | None:
    ages = [
        value.value
        for spec, value in values.items()
        if spec.kind == "freshness" and isinstance(value.value, (int, float))
    ]
    return now - timedelta(seconds=min(ages)) if ages else None


@contextmanager
def _time_limit(reader: Reader, timeout_s: float) -> Iterator[None]:
    """Interrupt whatever the reader runs once `timeout_s` seconds are over."""
    done = threading.Event()
    expired = threading.Event()

    def watch() -> None:
        if done.wait(min(max(timeout_s, 0), threading.TIMEOUT_MAX)):
            return
        expired.set()
        while not done.wait(_INTERRUPT_EVERY_S):
            reader.interrupt()

    watcher = threading.Thread(target=watch, name="dqx-time-limit", daemon=True)
    watcher.start()
    try:
        yield
    except Exception:
        if expired.is_set():
            raise OutOfTimeError("the time limit is over") from None
        raise
    finally:
        done.set()
        watcher.join()


@contextmanager
def _as_scan_error(request: ScanRequest) -> Iterator[None]:
    """Turn what went wrong with the data as a whole into a ScanError that names the dataset.

    That is an error of the engine's, of the system's, or one that says so itself; anything else is a defect of
    DQX, and passes.
    """
    import duckdb

    where = f"dataset '{request.dataset}' could not be read"
    try:
        yield
    except OutOfTimeError as error:
        raise ScanError(
            f"{where}: {error}, of which {round(request.timeout_s, 1):g} s were left for it "
            "(the suite's timeout=, or --timeout)",
            request.dataset,
        ) from None
    except ScanError as error:
        if error.dataset:
            raise
        raise ScanError(f"{where}: {error}", request.dataset) from error.__cause__
    except (duckdb.Error, OSError) as error:
        raise ScanError(f"{where}: {reason_of(error)}", request.dataset) from error
    except RuntimeError as error:
        refuse_interruption(error)
        raise
