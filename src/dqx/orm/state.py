"""The state of a store as the exporter shows it: of each snapshot the newest run, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dqx.frozen_dict import FrozenDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from dqx.common import AssertionResult, DatasetRun, PluginOutcome, SuiteInfo, SymbolInfo
    from dqx.orm.records import StoredRun

Stamp = tuple[object, ...]
"""Differs from that of any other state of the store."""


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """What a store knows of a snapshot: a suite and those of its tags that became labels.

    `run` is its newest finished run, by key date and then by start, and results to outcomes are of that run;
    without one `run` is None and they are empty. `started_at` is the start of the newest run, or, when that has not
    finished, of the first since one did; `registered_at` is when the suite was made known; both are None when that
    never happened. Of the results, metrics and outcomes only what telemetry shows is read: no raw expression, no
    reason, no message. `telemetry_dropped` maps signal and reason to the items that the flush after the run lost.
    `unlabelled_tags` are the tags in which runs of the snapshot differ. `forgotten` tells that somebody retired it:
    what it shows is that, and no more.
    """

    suite: str
    labels: Mapping[str, str]
    expected: SuiteInfo
    unlabelled_tags: tuple[str, ...] = ()
    started_at: datetime | None = None
    registered_at: datetime | None = None
    last_success_at: datetime | None = None
    run: StoredRun | None = None
    results: tuple[AssertionResult, ...] = ()
    failing_since: Mapping[tuple[str, str], datetime] = field(default_factory=FrozenDict)
    symbols: tuple[SymbolInfo, ...] = ()
    datasets: tuple[DatasetRun, ...] = ()
    outcomes: tuple[PluginOutcome, ...] = ()
    telemetry_dropped: Mapping[tuple[str, str], int] = field(default_factory=FrozenDict)
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class StoreState:
    """All snapshots of a store but those forgotten long ago, by suite and labels, and the stamp of this state."""

    stamp: Stamp
    snapshots: tuple[StoredSnapshot, ...]
