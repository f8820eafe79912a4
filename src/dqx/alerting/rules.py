"""The rules as values: what is recorded, what is alerted on, and what an alert tells the person it wakes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from dqx.alerting import queries
from dqx.alerting.promql import duration, quoted
from dqx.alerting.queries import Queries
from dqx.alerting.template import literal
from dqx.frozen_dict import FrozenDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dqx.alerting.suite import ExpectedSuite
    from dqx.common import Severity

RUNBOOKS: Final = "docs/alerting.md"
"""The page of DQX that has a section for each alert: what it means, and what to do.

No address, as a team's own copy is what its people can open at night: `dqx alerts export --runbooks URL`.
"""

STAYS: Final = "10m"
"""How long an alert stays when its series are gone: a gap of the exporter resolves nothing."""

GONE_FOR: Final = "15m"
DOWN_FOR: Final = "5m"

_Rule = TypeVar("_Rule", "Recording", "Alert")

_SNAPSHOT = "{{ $labels.snapshot }}"
_SUITE = "{{ $labels.suite }}"
_ASSERTION = "{{ $labels.assertion }}"
_PLUGIN = "{{ $labels.plugin }}"


@dataclass(frozen=True, slots=True)
class Recording:
    """A query whose answer is kept under a name of its own, with these labels besides."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=FrozenDict)


@dataclass(frozen=True, slots=True)
class Alert:
    """A query each answer of which is an alert.

    `severity` is None where the answer has one. `after` is how long it must last, `stays` how long the alert does
    after it. `labels`, `summary` and `description` are Go templates.
    """

    alert: str
    expr: str
    severity: Severity | None
    summary: str
    description: str
    after: str | None = None
    stays: str | None = None
    labels: Mapping[str, str] = field(default_factory=FrozenDict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other: those further down build on those above them."""

    name: str
    rules: tuple[Recording | Alert, ...]


def standing_rules(label_tags: Sequence[str], suites: Sequence[ExpectedSuite] = ()) -> Group:
    """Return the rules for samples that stay until they are replaced: by scrape, text file and Pushgateway.

    Args:
        label_tags: Names of the labels that tags became.
        suites: Suites of which it is known what they assert, and that they should be there.
    """
    ask = Queries(tuple(label_tags))
    return Group(
        "dqx",
        (
            *_recordings(ask),
            Recording(queries.SUITE_LATE, ask.late()),
            Recording(queries.SUITE_CRASHED, ask.crashed()),
            *_assertion_alerts(ask, suites),
            *_suite_alerts(ask),
            *_plugin_alerts(ask),
            _exporter_down(),
            *(_absent(ask, suite) for suite in suites),
        ),
    )


def vanishing_rules(label_tags: Sequence[str], suite: ExpectedSuite) -> Group:
    """Return the rules of one suite for samples that vanish five minutes after they were sent: by OTLP.

    Args:
        label_tags: Names of the labels that tags became.
        suite: The suite, how often it should run, and what it asserts.
    """
    ask = Queries(tuple(label_tags), suite.labels, duration(suite.lookback_s))
    late = (_silent(ask, suite),) if suite.late_after_s is not None else ()
    rules = (*_recordings(ask), *_assertion_alerts(ask, (suite,)), *late, *_plugin_alerts(ask))
    return Group(f"dqx otlp {suite.snapshot}", tuple(_labelled(rule, suite) for rule in rules))


def _labelled(rule: _Rule, suite: ExpectedSuite) -> _Rule:
    """Give a rule the labels of its suite: its answers have them, but two rules of one name must differ in some."""
    if isinstance(rule, Recording):
        return replace(rule, labels=suite.labels)
    return replace(
        rule, labels={**{name: literal(text) for name, text in suite.labels.items()}, **rule.labels}
    )


def _recordings(ask: Queries) -> tuple[Recording, ...]:
    return (
        Recording(queries.SUITE_NEWEST, ask.suite_newest()),
        Recording(queries.SUITE_NEWEST_COPY, ask.suite_newest_copy()),
        Recording(queries.SUITE_INFO, ask.suite_info()),
        Recording(queries.ASSERTION_FAILING_SINCE, ask.assertion_failing_since()),
        Recording(queries.ASSERTION_FAILING, ask.assertion_failing()),
        Recording(queries.SUITE_ASSERTIONS, ask.suite_assertions()),
    )


def _assertion_alerts(ask: Queries, suites: Sequence[ExpectedSuite]) -> Iterator[Alert]:
    """Yield the alerts on assertions: two for each check of which it is known what it expects, and for the rest."""
    for suite in suites:
        of_suite = {"suite": suite.labels["suite"]}
        told = suite.expected()
        for check, expected in told.items():
            yield from _of_assertions(ask, {**of_suite, "check": check}, (), expected)
        yield from _of_assertions(ask, of_suite, [f"check!={quoted(check)}" for check in told])
    if "suite" not in ask.labels:
        yield from _of_assertions(ask, {}, [f"suite!={quoted(suite.labels['suite'])}" for suite in suites])


def _of_assertions(
    ask: Queries, labels: Mapping[str, str], others: Sequence[str], expected: str = ""
) -> tuple[Alert, Alert]:
    what = f"'{_ASSERTION}' of the check '{{{{ $labels.check }}}}'"
    # For the same reason as in `_labelled`.
    said = FrozenDict({name: literal(text) for name, text in labels.items()})
    return (
        Alert(
            "DQXAssertionFailed",
            ask.failed(labels, *others),
            None,
            f"{_SNAPSHOT}: '{_ASSERTION}' failed",
            f"In the newest run of {_SNAPSHOT}, {what} did not hold.{expected}",
            stays=STAYS,
            labels=said,
        ),
        Alert(
            "DQXAssertionNotEvaluated",
            ask.not_evaluated(labels, *others),
            None,
            f"{_SNAPSHOT}: '{_ASSERTION}' could not be evaluated",
            f"In the newest run of {_SNAPSHOT}, {what} could not be evaluated, so nobody knows whether it holds."
            f"{expected}",
            stays=STAYS,
            labels=said,
        ),
    )


def _suite_alerts(ask: Queries) -> tuple[Alert, ...]:
    return (
        Alert(
            "DQXSuiteLate",
            ask.until_news(queries.SUITE_LATE, queries.SUITE_NEWEST, STAYS),
            "P1",
            f"{_SNAPSHOT} is late",
            f"No run of {_SNAPSHOT} has finished for {{{{ humanizeDuration $value }}}}, which is longer than its "
            "interval and its grace. What it checks may be bad, and nobody has looked.",
        ),
        Alert(
            "DQXSuiteVanished",
            ask.vanished(),
            "P1",
            f"{_SNAPSHOT} has vanished",
            f"The series of {_SNAPSHOT} are gone; its last run finished at {{{{ humanizeTimestamp $value }}}}. "
            f"This alert ends by itself a day after they went.",
            after=GONE_FOR,
        ),
        Alert(
            "DQXSuiteCrashed",
            ask.until_news(queries.SUITE_CRASHED, queries.SUITE_INFO, STAYS),
            "P1",
            f"{_SNAPSHOT} started and never finished",
            f"A run of {_SNAPSHOT} started at {{{{ humanizeTimestamp $value }}}}, is past its time limit, and has "
            "not finished: it crashed, was killed, or hangs.",
        ),
        Alert(
            "DQXSuiteNeverRan",
            ask.never_ran(),
            "P2",
            f"{_SNAPSHOT} has never run",
            f"{_SNAPSHOT} was registered at {{{{ humanizeTimestamp $value }}}}, should have run since, and never "
            "has.",
            stays=STAYS,
        ),
    )


def _plugin_alerts(ask: Queries) -> tuple[Alert, ...]:
    return (
        Alert(
            "DQXPluginFailed",
            ask.plugin_failed(),
            "P2",
            f"{_SNAPSHOT}: plugin {_PLUGIN} failed",
            f"In the newest run of {_SNAPSHOT}, the plugin {_PLUGIN} raised, ran out of time or was not run. The "
            "verdict is not touched by it; what the plugin should have delivered is missing.",
            stays=STAYS,
        ),
        Alert(
            "DQXPluginNearLimit",
            ask.plugin_near_limit(),
            "P3",
            f"{_SNAPSHOT}: plugin {_PLUGIN} nears its time limit",
            f"In the newest run of {_SNAPSHOT}, the plugin {_PLUGIN} took {{{{ humanizeDuration $value }}}}, more than "
            f"{queries.NEAR_LIMIT:.0%} of the time it was granted. Beyond that it is cut off.",
            stays=STAYS,
        ),
        Alert(
            "DQXTelemetryDropped",
            ask.telemetry_dropped(),
            "P3",
            f"{_SNAPSHOT}: telemetry was dropped",
            f'A run of {_SNAPSHOT} lost {{{{ printf "%.0f" $value }}}} items of its {{{{ $labels.signal }}}} '
            "({{ $labels.reason }}). Results and verdict are stored; dashboards and traces have gaps.",
            stays=STAYS,
        ),
    )


def _exporter_down() -> Alert:
    return Alert(
        "DQXExporterDown",
        queries.exporter_down(),
        "P1",
        "{{ $labels.instance }} is down",
        "Prometheus cannot scrape {{ $labels.instance }} (job {{ $labels.job }}), which serves the results of "
        "DQX. Until it can, nothing new is heard of the suites behind it, and what fires ends ten minutes later.",
        after=DOWN_FOR,
    )


def _absent(ask: Queries, suite: ExpectedSuite) -> Alert:
    alert = Alert(
        "DQXSuiteAbsent",
        Queries(ask.label_tags, suite.labels).absent(),
        "P1",
        f"Nothing is known of {_SUITE}",
        f"No series tells of the suite {_SUITE}: not of a run, nor of one that started, nor that it is registered."
        f"{suite.interval_text()}",
        after=GONE_FOR,
        labels=suite.owner_labels(),
    )
    return _labelled(alert, suite)


def _silent(ask: Queries, suite: ExpectedSuite) -> Alert:
    assert suite.late_after_s is not None
    return Alert(
        "DQXSuiteLate",
        Queries(ask.label_tags, suite.labels).silent(duration(suite.late_after_s)),
        "P1",
        f"{_SUITE} is late",
        f"No run of the suite {_SUITE} has reported that it finished: it is late, crashed, or never ran."
        f"{suite.interval_text()}",
        after=GONE_FOR,
        labels=suite.owner_labels(),
    )
