"""From what a store knows of a snapshot to what is sent of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from dqx.telemetry import names
from dqx.telemetry.sample import Sample
from dqx.telemetry.snapshot import snapshot_of, suite_info, warn_once, without_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqx.orm.state import StoredSnapshot


def snapshot_samples(stored: StoredSnapshot) -> Iterator[Sample]:
    """Yield the samples of a snapshot: of its newest run those that the run itself sent, and when it started.

    A suite that never finished a run has its expectations alone, and the time of its start or registration. One
    that was forgotten has its info alone: so a rule can tell it from one whose series vanished.
    """
    expected = asdict(stored.expected)
    run = stored.run
    if stored.forgotten:
        yield suite_info(stored.suite, {**expected, "labels": stored.labels})
        return
    if run is None:
        snapshot = without_run(stored.suite, {**expected, "labels": stored.labels})
    else:
        context = {
            "timestamp": run.finished_at,
            "verdict": run.verdict,
            "duration_s": run.duration_s,
            "failing_since": stored.failing_since,
            "every_s": run.every_s,
            "grace_s": run.grace_s,
            "timeout_s": run.timeout_s,
            "owner": run.owner,
            "runbook_url": run.runbook_url,
            "labels": stored.labels,
            "last_success_at": stored.last_success_at,
            "datasets": {dataset.name: asdict(dataset) for dataset in stored.datasets},
            "telemetry_dropped": stored.telemetry_dropped,
            "unlabelled_tags": stored.unlabelled_tags,
        }
        snapshot = snapshot_of(stored.results, stored.symbols, stored.suite, context, stored.outcomes)
    warn_once(snapshot)
    yield from snapshot.samples
    if stored.started_at is not None:
        yield Sample(names.SUITE_STARTED, snapshot.identity.series, stored.started_at.timestamp())
    elif stored.registered_at is not None:
        yield Sample(names.SUITE_REGISTERED, snapshot.identity.series, stored.registered_at.timestamp())
