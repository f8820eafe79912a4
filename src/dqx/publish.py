"""Handing a verdict on: what plugins are told of a run, and what became of them."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dqx.common import StoreError
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import tracing
from dqx.telemetry.redaction import redact_traceback, secrets_in
from dqx.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from opentelemetry.trace import Span

    from dqx.common import PluginOutcome, SuiteInfo, SuiteRun
    from dqx.orm.records import SnapshotState
    from dqx.orm.repositories import MetricDB
    from dqx.plugins import PluginManager

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Publication:
    """A run whose verdict stands, and what its store knew before it.

    `labels` are the run's tags that became labels; `failing_since` maps check and assertion to a time;
    `persistent` tells whether the store outlives the process.
    """

    run: SuiteRun
    info: SuiteInfo
    labels: Mapping[str, str]
    state: SnapshotState
    failing_since: Mapping[tuple[str, str], datetime]
    persistent: bool
    span: Span

    def context(self) -> dict[str, Any]:
        """Return what plugins are told beside results and symbols; times are Unix seconds, as in telemetry."""
        run, info, state = self.run, self.info, self.state
        last_success_at = state.last_success_at
        newest = state.newest_key_date is None or run.key.yyyy_mm_dd >= state.newest_key_date
        if run.passed and (last_success_at is None or newest):
            last_success_at = run.finished_at
        return {
            "datasources": [dataset.name for dataset in run.datasets],
            "key": run.key,
            "timestamp": run.finished_at.timestamp(),
            "run_id": run.run_id,
            "verdict": run.verdict,
            "started_at": run.started_at,
            "duration_s": run.duration_s,
            "failing_since": dict(self.failing_since),
            "every_s": info.every_s,
            "grace_s": info.grace_s,
            "timeout_s": info.timeout_s,
            "fail_on": info.fail_on,
            "owner": info.owner,
            "runbook_url": info.runbook_url,
            "labels": dict(self.labels),
            "newest": newest,
            "persistent": self.persistent,
            "last_success_at": last_success_at,
            "traceparent": tracing.traceparent(self.span),
            "finish_outcomes": state.finish_outcomes,
            "telemetry_dropped": dict(state.telemetry_dropped),
            "unlabelled_tags": state.unlabelled_tags,
            "datasets": {
                dataset.name: {
                    "rows": dataset.rows,
                    "scan_duration_s": dataset.scan_duration_s,
                    "freshness_at": dataset.freshness_at,
                }
                for dataset in run.datasets
            },
        }


def publish(
    manager: PluginManager,
    publication: Publication,
    config: dict[str, dict[str, Any]] | None,
    db: MetricDB,
) -> SuiteRun:
    """Hand a run to every plugin and return it with their outcomes. Nothing a plugin does gets out of here."""
    run = publication.run
    try:
        logger.info("Executing result processor plugins...")
        manager.on_processed = lambda outcomes: _record(db, run.run_id, outcomes)
        outcomes = manager.process_all(
            results=list(run.results),
            symbols=list(run.symbols),
            suite_name=run.suite,
            context=publication.context(),
            config=config,
        )
        _record(db, run.run_id, outcomes)
    except Exception as error:  # noqa: BLE001  # the verdict stands whatever happens here, a defect of DQX included
        said = redact_traceback(error, secrets=secrets_in(config))
        with suppress(Exception):  # a log handler may be what failed
            logger.error("suite %s: the plugin phase failed\n%s", one_line(run.suite), said)
        return run
    undelivered = [f"{o.plugin}: {o.why}" for o in outcomes if o.required and o.outcome != "ok"]
    return replace(
        run, plugin_outcomes=tuple(outcomes), delivery_error="; ".join(undelivered) if undelivered else None
    )


def note_dropped(run: SuiteRun, dropped: Mapping[tuple[str, str], int], db: MetricDB) -> SuiteRun:
    """Store what did not arrive of a run's telemetry, by signal and reason, and return the run with it."""
    if not dropped:
        return run
    try:
        db.record_dropped(run.run_id, dropped)
    except StoreError as error:
        logger.warning("what was lost of the telemetry was not stored: %s", error)
    return replace(run, telemetry_dropped=FrozenDict(dropped))


def _record(db: MetricDB, run_id: str, outcomes: Sequence[PluginOutcome]) -> None:
    try:
        db.record_outcomes(run_id, outcomes)
    except StoreError as error:
        logger.warning("the outcomes of the plugins were not stored: %s", error)
