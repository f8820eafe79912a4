"""What the store gives back that is not part of the shared result model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dqx.frozen_dict import FrozenDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from dqx.common import PluginOutcome, ResultKey, Severity, Status, Verdict


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """What the store knows of a snapshot: a suite and those of its tags that became labels.

    `newest_key_date` is that of its finished runs, `last_success_at` when the newest run that passed finished
    (aware, UTC), both None when there is none. `failing_since` maps check and assertion to the start of the
    first of the runs in a row that did not pass (aware, UTC).

    What the newest finished run could not send of itself: `finish_outcomes` are what became of its plugins'
    `finish`, `telemetry_dropped` maps signal and reason to the items that its flush lost. `unlabelled_tags` are
    the tags in which runs of the snapshot differ.
    """

    newest_key_date: date | None = None
    last_success_at: datetime | None = None
    failing_since: Mapping[tuple[str, str], datetime] = field(default_factory=FrozenDict)
    finish_outcomes: tuple[PluginOutcome, ...] = ()
    telemetry_dropped: Mapping[tuple[str, str], int] = field(default_factory=FrozenDict)
    unlabelled_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run as the store lists it. Times are aware and in UTC, durations in seconds.

    `finished_at`, `duration_s` and `verdict` are None while it runs, and for ever when it crashed; `counts`
    has all four statuses. `every_s` to `runbook_url` are what its suite said of itself when the run started.
    """

    run_id: str
    suite: str
    key: ResultKey
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    verdict: Verdict | None
    counts: Mapping[Status, int]
    every_s: float | None
    grace_s: float
    timeout_s: float
    fail_on: Severity
    owner: str | None
    runbook_url: str | None
