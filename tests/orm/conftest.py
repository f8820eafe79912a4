"""Stores of each kind, and runs to put into them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dqx.common import AssertionResult, DatasetRun, ResultKey, StoredMetric, SuiteInfo, SuiteRun
from dqx.orm import MetricDB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dqx.common import Verdict

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def _store_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    if kind == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'quality.db'}" if kind == "sqlite" else None


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricDB]:
    """Return an empty store, one of each kind in turn."""
    with closing(MetricDB(_store_url(request.param, request, tmp_path))) as db:
        yield db


@pytest.fixture(params=["sqlite", "postgres"])
def persistent_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store that outlives a process, one of each kind in turn."""
    url = _store_url(request.param, request, tmp_path)
    assert url is not None
    return url


@dataclass(frozen=True, slots=True)
class Examples:
    """Makes runs, and stores them. Days count from 2024-03-01, minutes from noon of the run's day."""

    def info(self, name: str = "flights", **changes: Any) -> SuiteInfo:
        """Make what is known of a suite."""
        known: dict[str, Any] = {
            "every_s": 86_400.0,
            "grace_s": 3_600.0,
            "timeout_s": 600.0,
            "fail_on": "P1",
            "owner": "team-flights@example.com",
            "runbook_url": "https://example.com/runbook",
        }
        return SuiteInfo(name, **(known | changes))

    def day(self, number: int) -> date:
        """Return a day by its number."""
        return date(2024, 3, 1) + timedelta(days=number)

    def at(self, day: int, minute: float = 0) -> datetime:
        """Return a moment."""
        return NOON + timedelta(days=day, minutes=minute)

    def key(self, day: int = 0, **tags: str) -> ResultKey:
        """Make a result key; the tags are env=prod unless given."""
        return ResultKey(self.day(day), tags or {"env": "prod"})

    def result(self, assertion: str = "no gaps", **changes: Any) -> AssertionResult:
        """Make the result of one assertion; date, suite and tags are set when it becomes part of a run."""
        values: dict[str, Any] = {
            "yyyy_mm_dd": self.day(0),
            "suite": "flights",
            "check": "Flights are complete",
            "assertion": assertion,
            "severity": "P1",
            "status": "SUCCESS",
            "metric": "null_count(dep_time)",
            "expression": "null_count(dep_time) / num_rows() < 0.05",
            "tags": {"env": "prod"},
            "value": 0.025,
            "thresholds": {"upper": 0.05},
            "evaluated_at": NOON,
            "duration_s": 0.001,
            "datasets": ("flights",),
        }
        return AssertionResult(**(values | changes))

    def run(
        self,
        run_id: str,
        key: ResultKey,
        *,
        suite: str = "flights",
        minute: float = 0,
        started_at: datetime | None = None,
        verdict: Verdict = "passed",
        results: Sequence[AssertionResult] = (),
        **changes: Any,
    ) -> SuiteRun:
        """Make a finished run of two seconds."""
        start = started_at or datetime.combine(key.yyyy_mm_dd, NOON.timetz()) + timedelta(minutes=minute)
        values: dict[str, Any] = {
            "symbols": (),
            "datasets": (DatasetRun("flights", 100, 0.5, 1, 2, NOON),),
            "duration_s": 2.0,
            "fail_on": "P1",
        }
        return SuiteRun(
            run_id=run_id,
            suite=suite,
            key=key,
            verdict=verdict,
            results=tuple(results),
            started_at=start,
            **(values | changes),
        )

    def store(
        self,
        store: MetricDB,
        run: SuiteRun,
        metrics: Mapping[str, Any] | Sequence[StoredMetric] = (),
        failing_since: Mapping[tuple[str, str], datetime] | None = None,
    ) -> SuiteRun:
        """Start and finish a run in a store; metrics may be given as id to value, of the dataset flights."""
        stored = (
            [StoredMetric("flights", name, name, value) for name, value in metrics.items()]
            if not isinstance(metrics, (list, tuple))
            else list(metrics)
        )
        store.start_run(run.run_id, self.info(run.suite), run.key, run.started_at)
        store.finish_run(run, stored, failing_since or {})
        return run


@pytest.fixture
def make() -> Examples:
    """Return what makes runs."""
    return Examples()
