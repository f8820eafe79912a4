"""The values of metrics: stored with a run, and looked up across runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from dqx.common import StoreError
from dqx.orm.definitions import digest, numbers_of
from dqx.orm.rows import chunks, insert_rows
from dqx.orm.schedules import identity
from dqx.orm.tables import metric_values, metrics, runs, schedules, suites
from dqx.orm.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from sqlalchemy import Connection

    from dqx.common import StoredMetric
    from dqx.value import Value

Wanted = tuple[str, str, "date"]

_DEFINITION = ("dataset", "metric_id", "metric", "label", "metric_redacted")
_ROW = ("run", "metric", "position", "value", "source")


def store_metrics(connection: Connection, number: int, suite: int, stored: Sequence[StoredMetric]) -> None:
    """Store the metrics of run `number` in their order; of one that is there twice, the last counts."""
    definitions = [(m.dataset, m.metric_id, m.metric, m.label, m.metric_redacted) for m in stored]
    known = numbers_of(connection, metrics, suite, _DEFINITION, definitions)
    rows = {
        metric: (number, metric, position, _encoded(m), m.source)
        for position, (m, metric) in enumerate(zip(stored, known, strict=True))
    }
    insert_rows(connection, metric_values.insert(), _ROW, list(rows.values()))


def _encoded(metric: StoredMetric) -> str:
    try:
        return encode(metric.value)
    except StoreError as error:
        raise StoreError(f"metric {metric.metric} of dataset {metric.dataset!r}: {error}") from None


def look_up(
    connection: Connection, suite: str, tags: Mapping[str, str], wanted: Collection[Wanted]
) -> dict[Wanted, Value]:
    """Return the values of dataset, metric and day, each from the newest finished run of that day that has it.

    Nearly always the newest run of a day has all of them, so its values are read first, and those of the
    day's other runs only for what is still missing.
    """
    pairs = _pairs(connection, suite, {(dataset, metric_id) for dataset, metric_id, _ in wanted})
    ever_stored = set(pairs.values())
    missing = {want for want in wanted if want[:2] in ever_stored}
    first, others = _finished_runs(connection, suite, tags, {day for *_, day in missing})
    found: dict[Wanted, Value] = {}
    for days in (first, others):
        for run, metric, value in _values(connection, days, pairs, missing):
            want = (*pairs[metric], days[run])
            if want in missing:
                missing.discard(want)
                found[want] = decode(value)
    return found


def _pairs(connection: Connection, suite: str, wanted: set[tuple[str, str]]) -> dict[int, tuple[str, str]]:
    """Return the numbers of the metrics that are wanted; one whose label changed has several."""
    of_suite = (
        select(metrics.c.id, metrics.c.dataset, metrics.c.metric_id)
        .join(suites)
        .where(suites.c.digest == digest((suite,)))
    )
    return {
        number: (dataset, metric_id)
        for chunk in chunks(sorted({metric_id for _, metric_id in wanted}))
        for number, dataset, metric_id in connection.execute(of_suite.where(metrics.c.metric_id.in_(chunk)))
        if (dataset, metric_id) in wanted
    }


def _finished_runs(
    connection: Connection, suite: str, tags: Mapping[str, str], days: Collection[date]
) -> tuple[dict[int, date], dict[int, date]]:
    """Return the number and day of the newest run of each day, and of the others, the newest first."""
    first: dict[int, date] = {}
    others: dict[int, date] = {}
    seen: set[date] = set()
    for chunk in chunks(sorted(days)):
        query = (
            select(runs.c.id, runs.c.key_date)
            .join(schedules)
            .where(
                schedules.c.digest == digest(identity(suite, tags)),
                runs.c.key_date.in_(chunk),
                runs.c.finished_at.is_not(None),
            )
            .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        )
        for number, day in connection.execute(query):
            (others if day in seen else first)[number] = day
            seen.add(day)
    return first, others


def _values(
    connection: Connection,
    days: Mapping[int, date],
    pairs: Mapping[int, tuple[str, str]],
    missing: Collection[Wanted],
) -> list[tuple[int, int, str]]:
    """Return run, metric and encoded value, in the order of the runs, of the metrics that are missing."""
    still = {want[:2] for want in missing}
    numbers = [number for number, pair in pairs.items() if pair in still]
    rank = {number: position for position, number in enumerate(days)}
    rows: list[tuple[int, int, str]] = []
    for run_chunk in chunks(list(days)):
        for metric_chunk in chunks(numbers):
            query = select(metric_values.c.run, metric_values.c.metric, metric_values.c.value).where(
                metric_values.c.run.in_(run_chunk), metric_values.c.metric.in_(metric_chunk)
            )
            rows += [(run, metric, value) for run, metric, value in connection.execute(query)]
    return sorted(rows, key=lambda row: rank[row[0]])
