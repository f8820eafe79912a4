"""What a run did with its datasets, and what became of its plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from dqx.common import StoreError
from dqx.orm.rows import insert_rows
from dqx.orm.tables import dataset_runs, plugin_outcomes, runs
from dqx.orm.values import clean, encode_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from dqx.common import DatasetRun, PluginOutcome
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
    # Locked (SQLite's transaction locks everything), because rows are read, merged and written back.
    number = connection.execute(select(runs.c.id).where(runs.c.run_id == run_id).with_for_update()).scalar()
    if number is None:
        raise StoreError(
            f"the plugins' outcomes of run {run_id!r} cannot be stored: it is not in this store; was it deleted?"
        )
    store_outcomes(connection, number, outcomes)


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


def _row(outcome: PluginOutcome) -> Row:
    values = {name: getattr(outcome, name) for name in _OUTCOME} | {"message": clean(outcome.message)}
    return tuple(values.values())
