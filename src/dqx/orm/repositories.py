"""`MetricDB`: the metric store, as a user and a suite meet it.

What each method does stands in a file of its own. Those import SQLAlchemy (0.2 s), so they are loaded by the
first transaction, and named inside of it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from dqx.common import ConfigurationError, SuiteInfo
from dqx.orm.database import Database

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, timedelta

    from dqx.common import AssertionResult, PluginOutcome, ResultKey, StoredMetric, SuiteRun
    from dqx.orm.records import SnapshotState, StoredRun
    from dqx.orm.state import Stamp, StoreState
    from dqx.value import Value

PAUSE_S = 0.01
"""Between two transactions of `prune`: SQLite gives its lock to whoever asks in the right moment, not to the next."""


class Suite(Protocol):
    """What the store needs of a suite: what it says of itself."""

    info: SuiteInfo


class MetricDB:
    """Keep runs, their results and their metrics, and read history across runs.

    Threads and processes may share a store. It connects on first use and keeps no connection between two
    calls; each call is one transaction, `prune` many.

    Args:
        url: None keeps everything in memory, for as long as this object lives (a forked child has its own
            copy). `sqlite:///quality.db` is a file in the current folder, made with its first use;
            `postgresql://user@host/database` is a PostgreSQL database (`pip install 'dqx[postgres]'`).
        file_mode: The permissions of a SQLite file that DQX makes.

    Raises:
        StoreError: When `url` is not a store's URL. Every method raises it when the store cannot do what
            was asked: it cannot be opened or reached, is locked, read-only, full, damaged, of a newer schema,
            or closed. The message names the store without secrets, and says what to do.
    """

    def __init__(self, url: str | None = None, *, file_mode: int = 0o600) -> None:
        self._database = Database(url, file_mode)

    def __repr__(self) -> str:
        return f"<MetricDB {self.url}>"

    @property
    def url(self) -> str:
        """Return the address of the store without secrets, or `in memory`."""
        return self._database.address.shown

    @property
    def persistent(self) -> bool:
        """Tell whether what is stored outlives this process."""
        return self._database.address.persistent

    def start_run(self, run_id: str, info: SuiteInfo, key: ResultKey, started_at: datetime) -> None:
        """Store that a run has started, before it reads data, so that one which crashes is seen."""
        with self._database.transaction("write") as connection:
            from dqx.orm import runs

            runs.start(connection, run_id, info, key, started_at)

    def history(
        self, suite: str, tags: Mapping[str, str], wanted: Collection[tuple[str, str, date]]
    ) -> dict[tuple[str, str, date], Value]:
        """Return stored values by dataset, metric id and day; what was never stored is left out.

        Each is from the newest finished run of that day, of the same suite and exactly these tags, that has
        the metric, and is exactly what was stored.
        """
        with self._database.transaction("read") as connection:
            from dqx.orm import metrics

            return metrics.look_up(connection, suite, tags, wanted)

    def snapshot(
        self, suite: str, labels: Mapping[str, str], label_tags: Sequence[str], key_date: date
    ) -> SnapshotState:
        """Return what is known of a suite's runs whose tags, of those in `label_tags`, are just `labels`.

        `failing_since` is what the newest finished run up to `key_date` stored; the last success is that of
        the newest run that passed; what could not be sent is that of the newest of all. Newest is by key date,
        then by start.
        """
        with self._database.transaction("read") as connection:
            from dqx.orm import snapshot

            return snapshot.read_snapshot(connection, suite, labels, label_tags, key_date)

    def state(
        self, label_tags: Sequence[str], unless: Stamp | None = None, now: datetime | None = None
    ) -> StoreState | None:
        """Return the newest run of every snapshot, or None when the store's state is still that of `unless`.

        Args:
            label_tags: The tags that tell snapshots of one suite apart.
            unless: The stamp of a state that was read before.
            now: What was forgotten less than 25 hours before it is shown as forgotten; the time of the call
                unless given.
        """
        with self._database.transaction("read") as connection:
            from dqx.orm import newest

            return newest.read_state(connection, label_tags, unless, now or datetime.now(UTC))

    def finish_run(
        self,
        run: SuiteRun,
        metrics: Sequence[StoredMetric],
        failing_since: Mapping[tuple[str, str], datetime],
    ) -> None:
        """Store a finished run with its results, metrics, datasets and outcomes so far: all, or nothing.

        `failing_since` counts for the assertions that have a result in this run.
        """
        with self._database.transaction("write") as connection:
            from dqx.orm import metrics as metric_values
            from dqx.orm import outcomes, results, runs

            number, suite = runs.finish(connection, run)
            results.store_results(connection, number, suite, run, failing_since)
            metric_values.store_metrics(connection, number, suite, metrics)
            outcomes.store_datasets(connection, number, run.datasets)
            outcomes.store_outcomes(connection, number, run.plugin_outcomes)

    def record_outcomes(self, run_id: str, outcomes: Sequence[PluginOutcome]) -> None:
        """Store what became of a run's plugins; one of the same plugin and phase replaces the one before."""
        with self._database.transaction("write") as connection:
            from dqx.orm.outcomes import record

            record(connection, run_id, outcomes)

    def record_dropped(self, run_id: str, dropped: Mapping[tuple[str, str], int]) -> None:
        """Store how many items, by signal and reason, did not arrive of a run's telemetry."""
        with self._database.transaction("write") as connection:
            from dqx.orm.outcomes import record_dropped

            record_dropped(connection, run_id, dropped)

    def register(
        self,
        suites: Iterable[Suite | SuiteInfo],
        tags: Mapping[str, str] | None = None,
        registered_at: datetime | None = None,
    ) -> None:
        """Make suites and their intervals known that perhaps never ran, under the tags that they will run with.

        The time of the first registration stays; it is that of the call unless given.
        """
        infos = [suite if isinstance(suite, SuiteInfo) else suite.info for suite in suites]
        since = registered_at or datetime.now(UTC)
        with self._database.transaction("alone") as connection:
            from dqx.orm import schedules
            from dqx.orm.values import encode_time

            for info in infos:
                schedules.make_known(connection, info, tags or {}, encode_time(since))

    def runs(
        self, suite: str | None = None, *, tags: Mapping[str, str] | None = None, limit: int = 20
    ) -> list[StoredRun]:
        """Return at most `limit` runs, the newest first by key date, then by start.

        `tags` keeps those that have at least these tags. A run without a verdict still runs, or crashed.
        """
        with self._database.transaction("read") as connection:
            from dqx.orm import runs, schedules

            numbers = schedules.matching(connection, suite, schedules.has_at_least(tags or {}))
            return [runs.as_stored(row) for row in runs.newest(connection, numbers, limit=limit)]

    def results(self, run_id: str) -> list[AssertionResult]:
        """Return the results of a run in their order; none when it is unknown or has not finished."""
        with self._database.transaction("read") as connection:
            from dqx.orm import results

            return results.read_results(connection, run_id)

    def suites(self) -> list[str]:
        """Return the names of all suites that ran or were registered and are not forgotten, sorted."""
        with self._database.transaction("read") as connection:
            from dqx.orm import schedules

            return schedules.known_suites(connection)

    def prune(self, keep: timedelta, now: datetime) -> int:
        """Remove runs whose key date is more than `keep` before `now` (UTC); return how many.

        The newest finished run of a suite under its tags always stays. It takes many short transactions, so that
        runs are stored meanwhile.

        Raises:
            ConfigurationError: When `keep` is negative.
        """
        if keep.total_seconds() < 0:
            raise ConfigurationError(f"prune keeps the runs of at least 0 days, not of {keep}", keep)
        with self._database.transaction("read") as connection:
            from dqx.orm import retention

            old = retention.old_runs(connection, keep, now)
        suites: set[int] = set()
        for begin in range(0, len(old), retention.BATCH):
            with self._database.transaction("alone") as connection:
                suites |= retention.delete_runs(connection, old[begin : begin + retention.BATCH])
            time.sleep(PAUSE_S)
        for suite in sorted(suites):
            with self._database.transaction("alone") as connection:
                retention.delete_unused(connection, suite)
        return len(old)

    def delete_run(self, run_id: str) -> None:
        """Remove a run and all that belongs to it.

        Raises:
            ConfigurationError: When there is no such run.
        """
        with self._database.transaction("alone") as connection:
            from dqx.orm import retention

            retention.delete_run(connection, run_id)

    def forget(
        self, suite: str, tags: Mapping[str, str] | None = None, forgotten_at: datetime | None = None
    ) -> int:
        """Retire a suite, so that its silence alerts nobody; return under how many sets of tags it was known.

        `tags` keeps to the sets that have at least these. Its history stays, and a later run or registration
        makes it known again. `forgotten_at` is the time of the call unless given.
        """
        with self._database.transaction("alone") as connection:
            from dqx.orm import schedules
            from dqx.orm.values import encode_time

            return schedules.forget(connection, suite, tags, encode_time(forgotten_at or datetime.now(UTC)))

    def close(self) -> None:
        """Let go of the store; it cannot be used afterwards. May be called again."""
        self._database.close()
