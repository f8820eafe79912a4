"""What a run did with its datasets, and what became of its plugins and its telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from dqx.common import PluginOutcome, StoreError
from dqx.frozen_dict import FrozenDict
from dqx.orm.rows import insert_rows
from dqx.orm.tables import dataset_runs, dropped_telemetry, plugin_outcomes, runs
from dqx.orm.values import clean, encode_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from dqx.common import DatasetRun
    from dqx.orm.rows import Row

_DATASET = (
    "run",
    "position",
    "name",
    "rows",
    "scan_duration_s",
    "reads",
    "metrics",
    "freshness_at",
    "error",
)
_OUTCOME = (
    "plugin",
    "phase",
    "outcome",
    "duration_s",
    "error_type",
    "message",
    "version",
    "distribution",
    "required",
    "timeout_s",
)


def store_datasets(connection: Connection, number: int, datasets: Sequence[DatasetRun]) -> None:
    """Store what run `number` did with each dataset, in their order."""
    insert_rows(
        connection,
        dataset_runs.insert(),
        _DATASET,
        [
            (
                number,
                position,
                dataset.name,
                dataset.rows,
                dataset.scan_duration_s,
                dataset.reads,
                dataset.metrics,
                None if dataset.freshness_at is None else encode_time(dataset.freshness_at),
                clean(dataset.error),
            )
            for position, dataset in enumerate(datasets)
        ],
    )


def record(connection: Connection, run_id: str, outcomes: Sequence[PluginOutcome]) -> None:
    """Store outcomes of a run by its id; raise StoreError when it is not there."""
    store_outcomes(connection, _number(connection, run_id, "the plugins' outcomes"), outcomes)


def store_outcomes(connection: Connection, number: int, outcomes: Sequence[PluginOutcome]) -> None:
    """Store outcomes of run `number`; one of the same plugin and phase takes the place of that before."""
    there = connection.execute(
        select(*(plugin_outcomes.c[name] for name in _OUTCOME))
        .where(plugin_outcomes.c.run == number)
        .order_by(plugin_outcomes.c.position)
    )
    rows: dict[tuple[str, str], Row] = {(row.plugin, row.phase): tuple(row) for row in there}
    rows |= {(outcome.plugin, outcome.phase): _row(outcome) for outcome in outcomes}
    connection.execute(delete(plugin_outcomes).where(plugin_outcomes.c.run == number))
    insert_rows(
        connection,
        plugin_outcomes.insert(),
        ("run", "position", *_OUTCOME),
        [(number, position, *row) for position, row in enumerate(rows.values())],
    )


def read_finishes(connection: Connection, number: int) -> tuple[PluginOutcome, ...]:
    """Return what became of `finish` of the plugins of run `number`."""
    found = connection.execute(
        select(*(plugin_outcomes.c[name] for name in _OUTCOME))
        .where(plugin_outcomes.c.run == number, plugin_outcomes.c.phase == "finish")
        .order_by(plugin_outcomes.c.position)
    )
    return tuple(PluginOutcome(**row._mapping) for row in found)


def record_dropped(connection: Connection, run_id: str, dropped: Mapping[tuple[str, str], int]) -> None:
    """Store what did not arrive of a run's telemetry, in the place of what was stored of that before."""
    number = _number(connection, run_id, "what was lost of the telemetry")
    connection.execute(delete(dropped_telemetry).where(dropped_telemetry.c.run == number))
    insert_rows(
        connection,
        dropped_telemetry.insert(),
        ("run", "position", "signal", "reason", "items"),
        [(number, position, *place, items) for position, (place, items) in enumerate(dropped.items())],
    )


def read_dropped(connection: Connection, number: int) -> FrozenDict[tuple[str, str], int]:
    """Return what did not arrive of the telemetry of run `number`: items by signal and reason."""
    table = dropped_telemetry.c
    found = connection.execute(
        select(table.signal, table.reason, table["items"]).where(table.run == number).order_by(table.position)
    )
    return FrozenDict({(signal, reason): items for signal, reason, items in found})


def _number(connection: Connection, run_id: str, what: str) -> int:
    # Locked (SQLite's transaction locks everything), because rows are read, merged and written back.
    number: int | None = connection.execute(
        select(runs.c.id).where(runs.c.run_id == run_id).with_for_update()
    ).scalar()
    if number is None:
        raise StoreError(
            f"{what} of run {run_id!r} cannot be stored: it is not in this store; was it deleted?"
        )
    return number


def _row(outcome: PluginOutcome) -> Row:
    values = {name: getattr(outcome, name) for name in _OUTCOME} | {"message": clean(outcome.message)}
    return tuple(values.values())
