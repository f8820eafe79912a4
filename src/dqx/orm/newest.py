"""The newest run of each snapshot, read for all of them at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from dqx.common import (
    AssertionResult,
    DatasetRun,
    PluginOutcome,
    ResultValue,
    StoreError,
    SuiteInfo,
    SymbolInfo,
)
from dqx.frozen_dict import FrozenDict
from dqx.orm.rows import chunks
from dqx.orm.runs import LISTED, as_stored, newness, number_of_newest
from dqx.orm.schedules import differing
from dqx.orm.snapshot import labels_of
from dqx.orm.state import StoredSnapshot, StoreState
from dqx.orm.tables import (
    SCHEMA_VERSION,
    assertions,
    dataset_runs,
    dropped_telemetry,
    metric_values,
    metrics,
    plugin_outcomes,
    results,
    runs,
    schedules,
    store,
    suites,
)
from dqx.orm.values import decode, decode_all, decode_names, decode_tags, decode_time, encode_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select
    from sqlalchemy import Row as SqlRow

    from dqx.orm.state import Stamp


GOODBYE = timedelta(hours=25)
"""How long a snapshot that was forgotten is shown as such: the alert that one vanished looks back a day."""


def read_state(
    connection: Connection, label_tags: Sequence[str], unless: Stamp | None, now: datetime
) -> StoreState | None:
    """Return the state of the store, or None when its stamp is still `unless`.

    Raises:
        StoreError: When a newer DQX has changed the store since it was opened.
    """
    stamp = _stamp(connection)
    if stamp == unless:
        return None
    groups = _schedules(connection, label_tags, now)
    rows = _runs(connection, [n for group in groups.values() for s in group for n in _numbers(s)])
    newest = {
        place: None if group[0].forgotten_at is not None else _newest(rows, (s.finished for s in group))
        for place, group in groups.items()
    }
    content = _Content(connection, [row for row in newest.values() if row is not None])
    snapshots = [_snapshot(place, group, rows, newest[place], content) for place, group in groups.items()]
    return StoreState(stamp, tuple(snapshots))


def _stamp(connection: Connection) -> Stamp:
    """Return what is another one after every change, and in another store at the same address."""
    version, changes = connection.execute(select(store.c.version, store.c.changes)).one()
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store was changed by a newer DQX (schema {version}, this one knows {SCHEMA_VERSION}): "
            "upgrade dqx"
        )
    last_run = connection.execute(select(runs.c.run_id).order_by(runs.c.id.desc()).limit(1)).scalar()
    registered = connection.execute(select(func.max(schedules.c.registered_at))).scalar()
    return changes, last_run, registered


_Place = tuple[str, tuple[tuple[str, str], ...]]


def _schedules(
    connection: Connection, label_tags: Sequence[str], now: datetime
) -> dict[_Place, list[SqlRow[Any]]]:
    """Return the schedules by suite and labels, each with its newest runs' numbers.

    Of those that are forgotten only snapshots that have no others, for `GOODBYE`.
    """
    finished = runs.alias()
    passed = runs.alias()
    started = runs.alias()
    query = (
        select(
            schedules,
            suites.c.name,
            number_of_newest(finished.c, finished.c.finished_at.is_not(None)).label("finished"),
            number_of_newest(passed.c, passed.c.verdict == "passed").label("passed"),
            number_of_newest(started.c).label("started"),
        )
        .join(suites, schedules.c.suite == suites.c.id)
        .where(or_(schedules.c.forgotten_at.is_(None), schedules.c.forgotten_at > encode_time(now - GOODBYE)))
        .order_by(suites.c.name, schedules.c.id)
    )
    groups: dict[_Place, list[SqlRow[Any]]] = defaultdict(list)
    for row in connection.execute(query):
        labels = labels_of(decode_tags(row.tags), label_tags)
        groups[row.name, tuple(sorted(labels.items()))].append(row)
    return {
        place: [row for row in group if row.forgotten_at is None] or group for place, group in groups.items()
    }


def _numbers(schedule: SqlRow[Any]) -> Iterator[int]:
    return (n for n in (schedule.finished, schedule.passed, schedule.started) if n is not None)


def _runs(connection: Connection, numbers: Sequence[int]) -> dict[int, SqlRow[Any]]:
    return {row.id: row for row in _rows_of(connection, LISTED, runs.c.id, sorted(set(numbers)))}


def _rows_of(
    connection: Connection, query: Select[Any], column: Any, numbers: Sequence[int]
) -> Iterator[SqlRow[Any]]:
    for chunk in chunks(numbers):
        yield from connection.execute(query.where(column.in_(chunk)))


def _newest(rows: Mapping[int, SqlRow[Any]], numbers: Iterable[int | None]) -> SqlRow[Any] | None:
    found = (rows[number] for number in numbers if number is not None)
    return max(found, key=newness, default=None)


def _snapshot(
    place: _Place,
    group: Sequence[SqlRow[Any]],
    rows: Mapping[int, SqlRow[Any]],
    newest: SqlRow[Any] | None,
    content: _Content,
) -> StoredSnapshot:
    started = _newest(rows, (schedule.started for schedule in group))
    started_at = None if started is None else started.started_at
    if started is not None and started.finished_at is None:
        started_at = content.first_unfinished([s.id for s in group], newest) or started_at
    passed = _newest(rows, (schedule.passed for schedule in group))
    registered = [s.registered_at for s in group if s.registered_at is not None]
    said_by = group[-1] if started is None else started
    snapshot = StoredSnapshot(
        suite=place[0],
        labels=FrozenDict(place[1]),
        unlabelled_tags=differing([decode_tags(schedule.tags) for schedule in group]),
        expected=SuiteInfo(
            place[0],
            said_by.every_s,
            said_by.grace_s,
            said_by.timeout_s,
            said_by.fail_on,
            said_by.owner,
            said_by.runbook_url,
        ),
        started_at=None if started_at is None else decode_time(started_at),
        registered_at=decode_time(min(registered)) if registered else None,
        last_success_at=None if passed is None else decode_time(passed.finished_at),
        forgotten=group[0].forgotten_at is not None,
    )
    if newest is None:
        return snapshot
    return replace(snapshot, run=as_stored(newest), **content.of(newest.id))


class _Content:
    """What belongs to some runs, read in a query for each table."""

    def __init__(self, connection: Connection, of_runs: Sequence[SqlRow[Any]]) -> None:
        self._runs = {row.id: as_stored(row) for row in of_runs}
        self._connection = connection
        self._failing_since: dict[int, dict[tuple[str, str], Any]] = defaultdict(dict)
        self._results = self._by_run(results.c.run, _RESULTS, self._result)
        self._symbols = self._by_run(metric_values.c.run, _SYMBOLS, self._symbol)
        self._datasets = self._by_run(dataset_runs.c.run, select(dataset_runs), self._dataset)
        self._outcomes = self._by_run(plugin_outcomes.c.run, _OUTCOMES, self._outcome)
        self._dropped = self._by_run(dropped_telemetry.c.run, select(dropped_telemetry), self._loss)

    def of(self, number: int) -> dict[str, Any]:
        """Return what belongs to a run, by the names of the fields of a StoredSnapshot."""
        return {
            "results": self._results[number],
            "failing_since": FrozenDict(self._failing_since[number]),
            "symbols": self._symbols[number],
            "datasets": self._datasets[number],
            "outcomes": self._outcomes[number],
            "telemetry_dropped": FrozenDict(self._dropped[number]),
        }

    def first_unfinished(self, schedule_numbers: Sequence[int], finished: SqlRow[Any] | None) -> int | None:
        """Return when the first of the runs started, as it is stored, of which none has finished since a run did.

        Not the newest: a suite that runs more often than its time limit is long, and always crashes, has no newest
        run that is past its limit.
        """
        since = (
            (runs.c.key_date >= finished.key_date, runs.c.started_at > finished.finished_at)
            if finished is not None
            else ()
        )
        first = select(func.min(runs.c.started_at)).where(runs.c.finished_at.is_(None), *since)
        found = (row[0] for row in _rows_of(self._connection, first, runs.c.schedule, schedule_numbers))
        return min((moment for moment in found if moment is not None), default=None)

    def _by_run(self, column: Any, query: Select[Any], made: Any) -> dict[int, tuple[Any, ...]]:
        found: dict[int, list[Any]] = {number: [] for number in self._runs}
        position = column.table.c.position
        for row in _rows_of(self._connection, query.order_by(column, position), column, sorted(self._runs)):
            found[row[0]].append(made(row))
        return {number: tuple(items) for number, items in found.items()}

    def _result(self, row: Sequence[Any]) -> AssertionResult:
        # Unpacked, because a row's values by name take 0.5 µs each.
        number, check, assertion, severity, redacted, owner, runbook_url, datasets = row[:8]
        status, value, thresholds, failing_since = row[8:]
        if failing_since is not None:
            self._failing_since[number][check, assertion] = decode_time(failing_since)
        run = self._runs[number]
        return AssertionResult(
            yyyy_mm_dd=run.key.yyyy_mm_dd,
            suite=run.suite,
            check=check,
            assertion=assertion,
            severity=severity,
            status=status,
            metric="",
            expression="",
            tags=run.key.tags,
            value=None if value is None else decode(value),
            thresholds=decode_all(thresholds),
            owner=owner,
            runbook_url=runbook_url,
            datasets=decode_names(datasets),
            expression_redacted=redacted,
        )

    def _symbol(self, row: Sequence[Any]) -> SymbolInfo:
        number, dataset, label, redacted, value, source = row
        run = self._runs[number]
        return SymbolInfo(
            name="",
            metric="",
            dataset=dataset,
            value=ResultValue.success(decode(value)),
            yyyy_mm_dd=run.key.yyyy_mm_dd,
            suite=run.suite,
            tags=run.key.tags,
            label=label,
            source=source,
            metric_redacted=redacted,
        )

    @staticmethod
    def _dataset(row: SqlRow[Any]) -> DatasetRun:
        return DatasetRun(
            row.name,
            row.rows,
            row.scan_duration_s,
            row.reads,
            row.metrics,
            None if row.freshness_at is None else decode_time(row.freshness_at),
        )

    @staticmethod
    def _outcome(row: SqlRow[Any]) -> PluginOutcome:
        return PluginOutcome(
            row.plugin, row.phase, row.outcome, row.duration_s, row.error_type, timeout_s=row.timeout_s
        )

    @staticmethod
    def _loss(row: SqlRow[Any]) -> tuple[tuple[str, str], int]:
        return (row.signal, row.reason), row[-1]


_RESULTS = select(
    results.c.run,
    assertions.c.check,
    assertions.c.assertion,
    assertions.c.severity,
    assertions.c.expression_redacted,
    assertions.c.owner,
    assertions.c.runbook_url,
    assertions.c.datasets,
    results.c.status,
    results.c.value,
    results.c.thresholds,
    results.c.failing_since,
).join_from(results, assertions, results.c.assertion == assertions.c.id)
_SYMBOLS = select(
    metric_values.c.run,
    metrics.c.dataset,
    metrics.c.label,
    metrics.c.metric_redacted,
    metric_values.c.value,
    metric_values.c.source,
).join_from(metric_values, metrics, metric_values.c.metric == metrics.c.id)
_OUTCOMES = select(
    plugin_outcomes.c.run,
    *(
        plugin_outcomes.c[name]
        for name in ("plugin", "phase", "outcome", "duration_s", "error_type", "timeout_s")
    ),
)
