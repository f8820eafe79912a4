"""From a run to what will be sent of it: the same names, labels and numbers by every road."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from dqx import __version__
from dqx.common import Status, verdict_of
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names
from dqx.telemetry.assertion_series import LIMIT, AssertionSeries, Numbered
from dqx.telemetry.labels import Identity, identity_of, legal, told_apart
from dqx.telemetry.sample import Sample, number
from dqx.value import as_utc
from dqx.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from dqx.common import AssertionResult, PluginOutcome, SymbolInfo
    from dqx.telemetry.names import Metric

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is sent of a run; it takes the place of what was sent of the run before.

    A snapshot that is not `newest` is a backfill: it sets no gauge. `warnings` say what was changed to be sent.
    """

    identity: Identity
    newest: bool
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()


def snapshot_of(
    results: Sequence[AssertionResult],
    symbols: Sequence[SymbolInfo],
    suite_name: str,
    context: Mapping[str, Any],
    outcomes: Iterable[PluginOutcome] = (),
) -> Snapshot:
    """Return what is sent of a run: finite numbers, names from the catalogue, texts redacted and cut.

    Args:
        results: The results of its assertions, in their order.
        symbols: Its metrics, in their order.
        suite_name: Name of the suite.
        context: What plugins are told of a run. Times may be datetimes or Unix seconds. What is missing is not
            sent.
        outcomes: What became of the plugins, as far as that is known.

    Raises:
        ConfigurationError: When a tag is named like a label that is taken.
    """
    identity = identity_of(suite_name, context.get("labels") or {})
    common = identity.series
    last_run = _seconds(context.get("timestamp"))
    failing_since = {
        place: seconds
        for place, moment in (context.get("failing_since") or {}).items()
        if (seconds := _seconds(moment)) is not None
    }
    assertions = AssertionSeries(results, common, last_run, failing_since)
    metrics = _MetricSeries(symbols, common)
    samples = [
        *assertions.samples(),
        *metrics.samples(),
        *_suite(results, common, context, last_run),
        *_datasets(context.get("datasets") or {}, common),
        *_plugins(outcomes, context.get("finish_outcomes") or (), common),
        *_dropped(context.get("telemetry_dropped") or {}, assertions.folded + metrics.left_out, common),
        _build_info(common),
    ]
    where = f"suite {identity.suite}: "
    return Snapshot(
        identity=identity,
        newest=bool(context.get("newest", True)),
        samples=tuple(samples),
        warnings=tuple(
            where + warning
            for warning in (*assertions.warnings, *metrics.warnings, *_shared(identity.text, context))
        ),
    )


def without_run(suite_name: str, context: Mapping[str, Any]) -> Snapshot:
    """Return what is known of a suite that never finished a run: whose it is, and what is expected of it.

    `context` has `labels`, `owner`, `runbook_url`, `every_s`, `grace_s` and `timeout_s`, as that of a run.
    """
    identity = identity_of(suite_name, context.get("labels") or {})
    common = identity.series
    samples = (
        _suite_info(common, context),
        *_known(common, _expectations(context)),
        _build_info(common),
    )
    return Snapshot(identity, newest=True, samples=samples)


def suite_info(suite_name: str, context: Mapping[str, Any]) -> Sample:
    """Return whose a suite is, and no more of it; `context` has `labels`, `owner` and `runbook_url`."""
    return _suite_info(identity_of(suite_name, context.get("labels") or {}).series, context)


def with_outcomes(
    snapshot: Snapshot, outcomes: Iterable[PluginOutcome], context: Mapping[str, Any]
) -> Snapshot:
    """Return a snapshot of a run that was made without outcomes, with the series of the plugins."""
    plugins = _plugins(outcomes, context.get("finish_outcomes") or (), snapshot.identity.series)
    return replace(snapshot, samples=(*snapshot.samples, *plugins))


_said: set[str] = set()


def warn_once(snapshot: Snapshot) -> None:
    """Log the warnings of a snapshot, each once in the life of the process."""
    for warning in snapshot.warnings:
        if warning not in _said:
            if len(_said) >= 1_000:
                _said.clear()
            _said.add(warning)
            logger.warning("%s", one_line(warning))


class _MetricSeries:
    """The series of a run's metrics, one each; those of earlier days are left out."""

    def __init__(self, symbols: Sequence[SymbolInfo], common: Mapping[str, str]) -> None:
        own = [symbol for symbol in symbols if symbol.source != "history"]
        self._own = own[:LIMIT]
        self._common = common
        self.left_out = len(own) - len(self._own)
        self.warnings: list[str] = []

    def samples(self) -> Iterator[Sample]:
        """Yield the samples. Names are given out in the order of definition, to metrics without a value, too."""
        printed = told_apart([_printed(symbol) for symbol in self._own])
        datasets = told_apart([symbol.dataset for symbol in self._own])
        given = Numbered()
        for symbol in self._own:
            dataset = datasets[symbol.dataset]
            metric = given.name(dataset, printed[_printed(symbol)])
            value = number(symbol.value.value)
            if value is not None:
                yield _sample(names.METRIC_VALUE, self._common, value, dataset=dataset, metric=metric)
        if given.repeated:
            self.warnings.append(
                f"{given.repeated} metrics have the name of another of their dataset; they are told apart by #2, "
                "#3 in the order of definition; name= in a metric gives it a name of its own"
            )
        if self.left_out:
            self.warnings.append(f"{self.left_out} metrics beyond the first {LIMIT:,} are not sent")


def _printed(symbol: SymbolInfo) -> str:
    return symbol.label or symbol.metric_redacted or "<metric>"


def _suite(
    results: Sequence[AssertionResult],
    common: FrozenDict[str, str],
    context: Mapping[str, Any],
    last_run: float | None,
) -> Iterator[Sample]:
    verdict = context.get("verdict") or verdict_of(results, context.get("fail_on") or "P1")
    if verdict != "skipped":
        yield Sample(names.SUITE_PASSED, common, float(verdict == "passed"))
    counts = Counter((result.severity, result.status) for result in results)
    for severity in sorted({result.severity for result in results}):
        for status in get_args(Status):
            yield _sample(
                names.SUITE_ASSERTIONS,
                common,
                float(counts[severity, status]),
                severity=severity,
                status=status.lower(),
            )
    yield _suite_info(common, context)
    yield from _known(
        common,
        {
            names.SUITE_DURATION: context.get("duration_s"),
            names.SUITE_LAST_RUN: last_run,
            names.SUITE_LAST_SUCCESS: _seconds(context.get("last_success_at")),
            **_expectations(context),
        },
    )


def _suite_info(common: FrozenDict[str, str], context: Mapping[str, Any]) -> Sample:
    return _sample(
        names.SUITE_INFO,
        common,
        1.0,
        owner=legal(context.get("owner") or ""),
        runbook_url=legal(context.get("runbook_url") or ""),
    )


def _build_info(common: FrozenDict[str, str]) -> Sample:
    return _sample(names.BUILD_INFO, common, 1.0, version=__version__)


def _expectations(context: Mapping[str, Any]) -> dict[Metric, object]:
    """Return what a suite says of its own times, in seconds."""
    return {
        names.SUITE_EXPECTED_INTERVAL: context.get("every_s"),
        names.SUITE_GRACE: context.get("grace_s"),
        names.SUITE_TIMEOUT: context.get("timeout_s"),
    }


def _datasets(datasets: Mapping[str, Mapping[str, Any]], common: FrozenDict[str, str]) -> Iterator[Sample]:
    made = told_apart(datasets)
    for name, facts in datasets.items():
        yield from _known(
            FrozenDict({**common, "dataset": made[name]}),
            {
                names.DATASET_ROW_COUNT: facts.get("rows"),
                names.DATASET_SCAN_DURATION: facts.get("scan_duration_s"),
                names.DATASET_FRESHNESS: _seconds(facts.get("freshness_at")),
            },
        )


def _plugins(
    outcomes: Iterable[PluginOutcome], finished_before: Iterable[PluginOutcome], common: FrozenDict[str, str]
) -> Iterator[Sample]:
    """Yield the series of the plugins that had a call. `finish` is that of the run before until it is known."""
    # The last call of a phase counts, as in the store.
    calls = {(o.plugin, o.phase): o for o in outcomes if o.outcome != "disabled"}
    called = {plugin for plugin, _ in calls}
    for before in finished_before:
        if before.plugin in called:
            calls.setdefault((before.plugin, before.phase), replace(before, timeout_s=None))
    made = told_apart(plugin for plugin, _ in calls)
    by_plugin: dict[str, list[PluginOutcome]] = {}
    for (plugin, _), outcome in calls.items():
        by_plugin.setdefault(made[plugin], []).append(outcome)
    for plugin, of_plugin in by_plugin.items():
        labels = FrozenDict({**common, "plugin": plugin})
        yield Sample(names.PLUGIN_OK, labels, float(all(o.outcome == "ok" for o in of_plugin)))
        for outcome in of_plugin:
            yield _sample(names.PLUGIN_DURATION, labels, outcome.duration_s, phase=outcome.phase)
        granted = [o.timeout_s for o in of_plugin if o.timeout_s is not None]
        if granted:
            yield Sample(names.PLUGIN_TIMEOUT, labels, granted[-1])


def _shared(identity: str, context: Mapping[str, Any]) -> Iterator[str]:
    """Say which tags tell runs apart that are the same snapshot."""
    if tags := context.get("unlabelled_tags"):
        yield (
            f"runs that differ in {', '.join(map(legal, tags))} share the snapshot {identity}, and the newest of them "
            "is shown; the setting label_tags names the tags that keep snapshots apart"
        )


def _dropped(
    dropped: Mapping[tuple[str, str], int], not_sent: int, common: FrozenDict[str, str]
) -> Iterator[Sample]:
    counts = Counter(dropped)
    counts["metrics", "series_limit"] += not_sent
    for signal in names.LABELS["signal"].values:
        for reason in names.LABELS["reason"].values:
            count = float(counts[signal, reason])
            yield _sample(names.TELEMETRY_DROPPED, common, count, signal=signal, reason=reason)


def _known(labels: FrozenDict[str, str], values: Mapping[Metric, object]) -> Iterator[Sample]:
    for metric, value in values.items():
        known = number(value)
        if known is not None:
            yield Sample(metric, labels, known)


def _sample(metric: Metric, common: Mapping[str, str], value: float, /, **labels: str) -> Sample:
    return Sample(metric, FrozenDict({**common, **labels}), value)


def _seconds(moment: datetime | float | None) -> float | None:
    """Return a time as Unix seconds; a datetime without a zone is taken as UTC."""
    if moment is None or isinstance(moment, (int, float)):
        return moment
    return as_utc(moment).timestamp()
