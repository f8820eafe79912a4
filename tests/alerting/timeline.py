"""What a Prometheus sees in the course of minutes, made of real snapshots, as the input of promtool's tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dqx.alerting.promql import quoted
from dqx.common import AssertionResult, PluginOutcome
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names
from dqx.telemetry.sample import Sample
from dqx.telemetry.snapshot import snapshot_of, suite_info, without_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dqx.common import Severity, Status
    from dqx.telemetry.snapshot import Snapshot

Key = tuple[str, tuple[tuple[str, str], ...]]

HOUR, DAY = 60, 24 * 60
"""In minutes, as all times here; a timeline begins at Unix time 0."""

UNSEEN = float("-inf")
"""A value that nobody looked at: unlike one that is not there, it leaves no mark that it has gone."""

OWNER, RUNBOOK = "ann", "https://example.com/flights"

PROD: Mapping[str, str] = {"env": "prod"}


def outcome(
    status: Status = "SUCCESS",
    assertion: str = "prices known",
    check: str = "Orders",
    severity: Severity = "P1",
    owner: str | None = OWNER,
    runbook_url: str | None = None,
) -> AssertionResult:
    """Return the result of one assertion."""
    return AssertionResult(
        yyyy_mm_dd=date(1970, 1, 1),
        suite="flights",
        check=check,
        assertion=assertion,
        severity=severity,
        status=status,
        metric="m",
        expression="m > 0",
        tags={},
        owner=owner,
        runbook_url=runbook_url,
        expression_redacted="m > 0",
    )


GOOD, BAD, ERRORED, SKIPPED = (outcome(status) for status in ("SUCCESS", "FAILURE", "ERROR", "SKIPPED"))


def plugin(what: Any = "ok", took_s: float = 0.1, granted_s: float = 10.0) -> list[PluginOutcome]:
    """Return the outcomes of a plugin that takes as long to be initialized as to process."""
    return [
        PluginOutcome("dqx_prometheus", "initialize", "ok", took_s / 2, timeout_s=granted_s),
        PluginOutcome("dqx_prometheus", "process", what, took_s / 2, timeout_s=granted_s),
        PluginOutcome("dqx_prometheus", "shutdown", "ok", granted_s, timeout_s=granted_s),
    ]


def about(
    *,
    tags: Mapping[str, str] = PROD,
    every: float | None = HOUR,
    grace: float = 15,
    owner: str | None = OWNER,
    runbook_url: str | None = None,
) -> dict[str, Any]:
    """Return what a suite says of itself, as the context of a run has it."""
    return {
        "labels": tags,
        "every_s": None if every is None else every * 60.0,
        "grace_s": grace * 60.0,
        "timeout_s": HOUR * 60.0,
        "owner": owner,
        "runbook_url": runbook_url,
    }


def run(
    at: float,
    *results: AssertionResult,
    suite: str = "flights",
    plugins: Iterable[PluginOutcome] = (),
    dropped: int = 0,
    started: float | None = None,
    **facts: Any,
) -> Snapshot:
    """Return the snapshot of a run that finished at a minute; `started` is that of the newest start, of `dqx serve`."""
    context = about(**facts) | {
        "timestamp": at * 60.0,
        "duration_s": 5.0,
        "telemetry_dropped": {("traces", "timeout"): dropped},
    }
    made = snapshot_of(results or (GOOD,), (), suite, context, plugins or plugin())
    return made if started is None else with_series(made, names.SUITE_STARTED, started * 60.0)


def began(at: float, suite: str = "flights", **facts: Any) -> Snapshot:
    """Return the snapshot of a suite whose first run started at a minute."""
    return with_series(without_run(suite, about(**facts)), names.SUITE_STARTED, at * 60.0)


def registered(at: float, suite: str = "flights", **facts: Any) -> Snapshot:
    """Return the snapshot of a suite that was registered at a minute."""
    return with_series(without_run(suite, about(**facts)), names.SUITE_REGISTERED, at * 60.0)


def with_series(snapshot: Snapshot, metric: names.Metric, value: float) -> Snapshot:
    """Return a snapshot with one more series."""
    return replace(snapshot, samples=(*snapshot.samples, Sample(metric, snapshot.identity.series, value)))


def pushed(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot as a Pushgateway shows it: with the job of the push, and no instance."""
    samples = (
        replace(each, labels=FrozenDict({**each.labels, "job": "dqx", "instance": ""}))
        for each in snapshot.samples
    )
    return replace(snapshot, samples=tuple(samples))


def without(snapshot: Snapshot, *metrics: names.Metric) -> Snapshot:
    """Return a snapshot without some of its series."""
    return replace(snapshot, samples=tuple(s for s in snapshot.samples if s.metric not in metrics))


@dataclass
class Target:
    """Something that is scraped every minute, and what it shows from which minute on.

    Where samples vanish (`vanishing`) nothing is scraped: what is shown is a sample of that minute alone. `own` is a
    series of the target itself, beside what it shows.
    """

    instance: str = "127.0.0.1:9464"
    job: str = "dqx"
    labels: Mapping[str, str] = field(default_factory=dict)
    vanishing: bool = False
    own: str | None = None
    shown: list[tuple[int, str, Sequence[Sample]]] = field(default_factory=list)
    away: list[tuple[int, int]] = field(default_factory=list)

    def show(self, at: int, snapshot: Snapshot) -> Target:
        """Show a snapshot from a minute on, instead of the one of the same identity."""
        self.shown.append((at, snapshot.identity.text, snapshot.samples))
        return self

    def runs(self, minutes: Iterable[int], *results: AssertionResult, **facts: Any) -> Target:
        """Show a run of the same outcome at each of these minutes."""
        for at in minutes:
            self.show(at, run(at, *results, **facts))
        return self

    def forget(self, at: int, identity: str = "flights,env=prod") -> Target:
        """Show a snapshot no more."""
        self.shown.append((at, identity, ()))
        return self

    def retire(self, at: int, suite: str = "flights", **facts: Any) -> Target:
        """Show of a snapshot that it was retired, as `dqx serve` does for 25 hours, and then no more."""
        identity = run(at, suite=suite, **facts).identity.text
        self.shown.append((at, identity, (suite_info(suite, about(**facts)),)))
        return self.forget(at + 25 * HOUR, identity)

    def down(self, since: int, until: int) -> Target:
        """Let scrapes fail from a minute until before another."""
        self.away.append((since, until))
        return self

    def values(self, minutes: int, step: int) -> dict[Key, list[float | None]]:
        """Return the value of each series at each step, None where it has none."""
        found: dict[Key, list[float | None]] = {}
        pages: dict[str, dict[Key, float]] = {}
        waiting = sorted(self.shown, key=lambda each: each[0])
        steps = range(0, minutes + 1, step)
        for number, minute in enumerate(steps):
            if self.vanishing:
                pages = {}
            while waiting and waiting[0][0] <= minute:
                _, identity, samples = waiting.pop(0)
                pages[identity] = {self._key(sample): sample.value for sample in samples}
            is_up = not any(since <= minute < until for since, until in self.away)
            page = {key: value for each in pages.values() for key, value in each.items()} if is_up else {}
            if not self.vanishing:
                page[self._series("up", {})] = float(is_up)
                if self.own and is_up:
                    page[self._series(self.own, {})] = 1.0
            for key, value in page.items():
                found.setdefault(key, [None] * len(steps))[number] = value
        return found

    def _key(self, sample: Sample) -> Key:
        return self._series(sample.metric.prometheus_name, sample.labels)

    def _series(self, name: str, labels: Mapping[str, str]) -> Key:
        # As by `honor_labels`: what a sample says of itself wins.
        joined = {**self.labels, "job": self.job, "instance": self.instance, **labels}
        return name, tuple(sorted((label, value) for label, value in joined.items() if value))


def input_series(
    targets: Sequence[Target], minutes: int, step: int = 1, blind: tuple[int, int] | None = None
) -> list[dict[str, str]]:
    """Return the `input_series` of a promtool test.

    Args:
        targets: What is scraped.
        minutes: The length.
        step: Minutes between two samples.
        blind: From which minute until before which nothing is scraped at all.
    """
    made = []
    for target in targets:
        for (name, labels), values in target.values(minutes, step).items():
            if blind is not None:
                values[blind[0] // step : blind[1] // step] = [UNSEEN] * ((blind[1] - blind[0]) // step)
            inside = ", ".join(f"{label}={quoted(value)}" for label, value in labels)
            stays = not target.vanishing
            made.append({"series": f"{name}{{{inside}}}", "values": " ".join(_notation(values, stays))})
    return made


def _notation(values: Sequence[float | None], stays: bool) -> Iterator[str]:
    """Yield promtool's notation; a series that a scrape had no more is marked as stale."""
    seen = False
    for value, group in groupby(values):
        count = len(list(group))
        if value is UNSEEN:
            yield f"_x{count}"
        elif value is not None:
            yield f"{value:.17g}x{count - 1}"
            seen = True
        elif stays and seen:
            yield "stale" + (f" _x{count - 1}" if count > 1 else "")
        else:
            yield f"_x{count}"
