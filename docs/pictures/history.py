"""A made-up month of suites, told by DQX itself: what the dashboards in the documentation are drawn from.

Each run becomes the snapshot that DQX would have sent, and each snapshot the samples that Prometheus would have
scraped until the next run. `promtool tsdb create-blocks-from openmetrics` makes a database of them.
"""

from __future__ import annotations

import math
import random
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dqx.common import AssertionResult, PluginOutcome, ResultValue, SymbolInfo, verdict_of
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names
from dqx.telemetry.sample import Sample
from dqx.telemetry.snapshot import snapshot_of, without_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal, TextIO

    from dqx.common import Severity, Status

    Phase = Literal["load", "initialize", "process", "finish"]

SCRAPE_S = 240
"""Seconds between two samples: Prometheus looks back for 300."""

_PART_S = 6 * 3600
_DAY = date(2024, 3, 1)
"""The day of every run: it is in no metric."""

_OWNERS = ("team-orders", "team-payments", "team-growth", "data-platform")
_DATASETS = ("orders", "customers", "payments", "flights", "stock", "events")
_PLUGINS = {"dqx_audit": 0.012, "dqx_otel": 0.35, "dqx_prometheus": 0.08, "email_alerts": 1.4}


@dataclass(frozen=True, slots=True)
class Wrong:
    """What goes wrong in the runs from `since_s` before the end of the history on."""

    since_s: float = math.inf
    failing: tuple[int, ...] = ()
    erroring: tuple[int, ...] = ()
    stopped: bool = False
    crashed: bool = False
    plugin: str | None = None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite that runs regularly. `number` decides what data it checks, and whose it is."""

    name: str
    number: int = 0
    env: str = "prod"
    every_s: float = 3600.0
    assertions: int = 10
    wrong: Wrong = field(default_factory=Wrong)
    ran: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """An assertion: what it is, what its value usually is, and what it is when the data is bad."""

    check: str
    name: str
    severity: Severity
    expression: str
    thresholds: Mapping[str, float]
    usual: float
    bad: float


_KINDS = (
    Kind("Orders are complete", "there are rows", "P0", "num_rows() >= 80000", {"lower": 80e3}, 98e3, 51_204),
    Kind("Orders are complete", "price is known", "P0", "null_ratio(price) <= 0.02", {"upper": 0.02}, 0.011, 0.34),
    Kind("Orders are complete", "ids are unique", "P1", "duplicate_count(id) = 0", {"lower": 0, "upper": 0}, 0, 12),
    Kind(
        "Values are plausible", "mean price", "P1", "average(price) between 35 and 48",
        {"lower": 35, "upper": 48}, 41.2, 52.7,
    ),
    Kind("Values are plausible", "no negative quantity", "P2", "minimum(quantity) >= 0", {"lower": 0}, 1, -3),
    Kind("Values are plausible", "spread of the price", "P2", "stddev(price) < 20", {"upper": 20}, 12.5, 23.1),
    Kind("Nothing is late", "fresh within two hours", "P1", "freshness(updated_at) < 7200", {"upper": 7200}, 2400, 9e3),
    Kind("Nothing is late", "no gap against yesterday", "P2", "num_rows() / num_rows(lag=1) > 0.8", {"lower": 0.8},
         0.99, 0.52),
    Kind("Texts are well formed", "country codes", "P3", "match_ratio(country, ?) > 0.85", {"lower": 0.85}, 0.94, 0.71),
    Kind("Texts are well formed", "e-mail addresses", "P3", "match_ratio(email, ?) > 0.8", {"lower": 0.8}, 0.91, 0.7),
)  # fmt: skip


def write(suites: Sequence[Suite], end: datetime, hours: float, folder: Path) -> list[Path]:
    """Write what was scraped until `end`, as OpenMetrics, and return the files.

    One for each six hours: promtool makes blocks of two hours, and reads its whole file for each of them.
    """
    end_s = math.floor(end.timestamp())
    begin_s = end_s - round(hours * 3600)
    with ExitStack() as stack:
        files: dict[int, TextIO] = {}

        def put(at: int, name: str, labels: Mapping[str, str], value: float) -> None:
            part = at // _PART_S
            if part not in files:
                files[part] = stack.enter_context((folder / f"{part}.om").open("w", encoding="utf-8"))
            told = {**labels, "instance": "127.0.0.1:9464", "job": "dqx"}
            text = ",".join(f'{key}="{_escaped(value)}"' for key, value in told.items() if value)
            files[part].write(f"{name}{{{text}}} {value!r} {at}\n")

        for suite in suites:
            for at, samples in _scrapes(suite, begin_s, end_s):
                for sample in samples:
                    put(at, sample.metric.prometheus_name, sample.labels, sample.value)
        for at in range(begin_s, end_s + 1, SCRAPE_S):
            put(at, names.EXPORTER_STORE_READ.prometheus_name, {}, at - 1)
            put(at, names.EXPORTER_RENDER_DURATION.prometheus_name, {}, 0.02 + at % 7 / 900)
            put(at, "up", {}, 1)
            put(at, "scrape_samples_scraped", {}, 90 * len(suites))
        for file in files.values():
            file.write("# EOF\n")
        return [Path(file.name) for file in files.values()]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _scrapes(suite: Suite, begin_s: int, end_s: int) -> Iterator[tuple[int, Sequence[Sample]]]:
    first = begin_s - suite.number * 97 % 600
    state = _State()
    samples: tuple[Sample, ...] = ()
    for at in range(begin_s, end_s + 1, SCRAPE_S):
        if not suite.ran:
            yield at, _registered(suite, begin_s)
            continue
        wrong = suite.wrong if at >= end_s - suite.wrong.since_s else Wrong()
        due = first + (at - first) // suite.every_s * suite.every_s
        if due > state.started and not wrong.stopped:
            state.started = due
            samples = samples if wrong.crashed else _run(suite, due, state, wrong)
        own = FrozenDict({key: samples[0].labels[key] for key in ("suite", "snapshot", "env")})
        yield at, (*samples, Sample(names.SUITE_STARTED, own, state.started))


def _registered(suite: Suite, at: float) -> Sequence[Sample]:
    context = _context(suite)
    made = without_run(suite.name, context)
    return (*made.samples, Sample(names.SUITE_REGISTERED, made.common, at))


@dataclass(slots=True)
class _State:
    started: float = 0.0
    last_success: float | None = None
    failing_since: dict[tuple[str, str], float] = field(default_factory=dict)


def _context(suite: Suite) -> dict[str, object]:
    return {
        "labels": {"env": suite.env},
        "owner": _owner(suite),
        "runbook_url": f"https://runbooks.example.com/{suite.name}",
        "every_s": suite.every_s,
        "grace_s": suite.every_s / 4,
        "timeout_s": 900.0,
    }


def _run(suite: Suite, started: float, state: _State, wrong: Wrong) -> tuple[Sample, ...]:
    dice = random.Random(f"{suite.name} {started}")
    rows = _rows(started, suite.number, dice)
    duration = 2.5 + rows / 60_000 + dice.random()
    finished = started + duration
    dataset = _DATASETS[suite.number % len(_DATASETS)]
    results = [_result(suite, index, rows, dataset, wrong, dice) for index in range(suite.assertions)]
    for result in results:
        if result.status == "SUCCESS":
            state.failing_since.pop((result.check, result.assertion), None)
        else:
            state.failing_since.setdefault((result.check, result.assertion), finished)
    verdict = verdict_of(results, "P1")
    state.last_success = finished if verdict == "passed" else state.last_success
    context = _context(suite) | {
        "timestamp": finished,
        "verdict": verdict,
        "duration_s": duration,
        "failing_since": state.failing_since,
        "last_success_at": state.last_success,
        "datasets": _datasets(dataset, rows, duration, finished),
        "telemetry_dropped": {("traces", "unreachable"): wrong.dropped},
    }
    symbols = _symbols(suite, dataset, rows, dice)
    return snapshot_of(results, symbols, suite.name, context, _outcomes(wrong, dice)).samples


def _result(
    suite: Suite, index: int, rows: float, dataset: str, wrong: Wrong, dice: random.Random
) -> AssertionResult:
    kind = _KINDS[index % len(_KINDS)]
    value: float | None = rows if index == 0 else kind.usual * (1 + dice.gauss(0, 0.02))
    status: Status = "SUCCESS"
    if index in wrong.failing:
        status, value = "FAILURE", kind.bad
    elif index in wrong.erroring:
        status, value = "ERROR", None
    return AssertionResult(
        _DAY,
        suite.name,
        kind.check,
        kind.name,
        kind.severity,
        status,
        kind.expression,
        kind.expression,
        {},
        value=value,
        thresholds=kind.thresholds,
        owner=_owner(suite),
        runbook_url=f"https://runbooks.example.com/{dataset}",
        datasets=(dataset,),
        expression_redacted=kind.expression,
    )


def _owner(suite: Suite) -> str:
    return _OWNERS[suite.number % len(_OWNERS)]


def _rows(at: float, number: int, dice: random.Random) -> float:
    """Return how many rows there are: more by day than by night, fewer at the weekend."""
    hour, weekday = at / 3600 % 24, math.floor(at / 86_400 + 4) % 7
    usual = 98_000 + 5_000 * number % 7
    by_day = 1 + 0.05 * math.sin(math.tau * (hour - 9) / 24)
    return float(round(usual * by_day * (0.95 if weekday in (0, 6) else 1) * (1 + dice.gauss(0, 0.004))))


def _datasets(
    dataset: str, rows: float, duration: float, finished: float
) -> Mapping[str, Mapping[str, float]]:
    return {
        dataset: {"rows": rows, "scan_duration_s": duration * 0.7, "freshness_at": finished - 1300},
        "countries": {"rows": 249.0, "scan_duration_s": 0.02, "freshness_at": finished - 40_000},
    }


def _symbols(suite: Suite, dataset: str, rows: float, dice: random.Random) -> list[SymbolInfo]:
    values = {
        "num_rows()": rows,
        "null_ratio(price)": abs(dice.gauss(0.011, 0.001)),
        "average(price)": 41.2 + dice.gauss(0, 0.6),
        "stddev(price)": 12.5 + dice.gauss(0, 0.3),
        "duplicate_count(id)": 0.0,
        "maximum(quantity)": 40.0 + dice.randrange(9),
    }
    return [
        SymbolInfo(
            f"x_{n}",
            metric,
            dataset,
            ResultValue.success(value),
            _DAY,
            suite.name,
            {},
            metric_redacted=metric,
        )
        for n, (metric, value) in enumerate(values.items(), 1)
    ]


def _outcomes(wrong: Wrong, dice: random.Random) -> list[PluginOutcome]:
    made = []
    parts: dict[Phase, float] = {"load": 0.1, "initialize": 0.1, "process": 0.7, "finish": 0.1}
    for plugin, usual_s in _PLUGINS.items():
        for phase, part in parts.items():
            hangs = plugin == wrong.plugin and phase == "process"
            took = 10.0 if hangs else usual_s * part * (0.8 + 0.4 * dice.random())
            made.append(PluginOutcome(plugin, phase, "timed_out" if hangs else "ok", took, timeout_s=10.0))
    return made
