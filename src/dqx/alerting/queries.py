"""The queries of the rules, by the catalogue's names.

One snapshot may reach a Prometheus more than once (two replicas, a file that moved to another host, two roads), and
a join of which one side has duplicates fails for every suite. So each side of a join is either an aggregation by the
labels that it is joined on, or a set operation; and of the copies the one with the newest `last_run` counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dqx.alerting.promql import selector
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dqx.telemetry.names import Metric

SUITE_NEWEST: Final = "dqx:suite_newest"
SUITE_NEWEST_COPY: Final = "dqx:suite_newest_copy"
SUITE_INFO: Final = "dqx:suite_info"
SUITE_ASSERTIONS: Final = "dqx:suite_assertions"
ASSERTION_FAILING_SINCE: Final = "dqx:assertion_failing_since"
ASSERTION_FAILING: Final = "dqx:assertion_failing"
SUITE_LATE: Final = "dqx:suite_late"
SUITE_CRASHED: Final = "dqx:suite_crashed"

VANISHED_WITHIN: Final = "1d"
"""How far back a snapshot, or a target, is looked for that is there no more."""

NEAR_LIMIT: Final = 0.8
"""The part of its time that a plugin may take before somebody is told."""

_COPY = "job, instance, snapshot"
"""What tells the copies of a snapshot apart."""

_OWNERSHIP = "owner, runbook_url"


@dataclass(frozen=True, slots=True)
class Queries:
    """PromQL over the series of snapshots, as text.

    Args:
        label_tags: Names of the labels that tags became.
        labels: Labels of the series that are looked at, with their values; none for all series.
        window: How far back samples are looked for, such as `1d7h`, where they vanish five minutes after they
            were sent; None where they stay until they are replaced.
    """

    label_tags: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=FrozenDict)
    window: str | None = None

    def suite_newest(self) -> str:
        """Return when the newest run of each snapshot finished."""
        return f"max by ({self._identity}) ({self._now(names.SUITE_LAST_RUN)})"

    def suite_newest_copy(self) -> str:
        """Return the copies of each snapshot that are of its newest run, by job and instance."""
        return (
            f"max by (job, instance, {self._identity}) ({self._now(names.SUITE_LAST_RUN)})\n"
            f"== on ({self._identity}) group_left () {self._recorded(SUITE_NEWEST)}"
        )

    def suite_info(self) -> str:
        """Return whose each snapshot is, always 1.

        Also of a suite that never finished a run, and without an owner of one that says nothing of itself, so that
        no alert is lost where it is joined.
        """
        if self.window is None:
            info = self._now(names.SUITE_INFO)
            unfinished = (names.SUITE_STARTED, names.SUITE_REGISTERED)
            told = (f"{info} and {self._of_newest_copy}", info, *map(self._now, unfinished))
        else:
            told = (self._newest_first(names.SUITE_INFO),)
        lines = f"\n    or on ({self._identity}) ".join((*told, self._now(names.SUITE_LAST_RUN)))
        return (
            f"topk by ({self._identity}) (1,\n"
            f"  max by ({self._identity}, {_OWNERSHIP}) (\n"
            f"    {lines}\n"
            f"  )\n"
            f") ^ 0"
        )

    def suite_assertions(self) -> str:
        """Return the counts of assertions of each snapshot's newest run, by severity and status."""
        return (
            f"max by ({self._identity}, severity, status) "
            f"({self._now(names.SUITE_ASSERTIONS)} and {self._of_newest_copy})"
        )

    def assertion_failing_since(self) -> str:
        """Return since when assertions do not pass, in the newest copies."""
        since = self._now(names.ASSERTION_FAILING_SINCE)
        if self.window is None:
            of_newest = self._of_newest_copy
        else:
            # What the run before sent is in the window, too: only what the newest evaluated counts.
            of_newest = (
                f"on ({_COPY}, check, assertion) (\n"
                f"  {self._now(names.ASSERTION_EVALUATED)}\n"
                f"  == on ({self._identity}) group_left () {self._recorded(SUITE_NEWEST)}\n"
                f")"
            )
        return f"max by (job, instance, {self._place}) ({since} and {of_newest})"

    def assertion_failing(self) -> str:
        """Return 0 for each assertion that failed in its snapshot's newest run, -1 for one without a value.

        With its owner, and the runbook of the assertion or else of the suite.
        """
        of_failing = f"on ({_COPY}, check, assertion) {self._recorded(ASSERTION_FAILING_SINCE)}"
        with_runbook = self._newest_first(names.ASSERTION_INFO, 'runbook_url!=""')
        without = self._newest_first(names.ASSERTION_INFO, 'runbook_url=""')
        return (
            f"min by ({self._place}, severity) (\n"
            f"{self._outcome(of_failing)}"
            f")\n"
            f"* on ({self._place}) group_left ({_OWNERSHIP}) topk by ({self._place}) (1,\n"
            f"  max by ({self._place}, {_OWNERSHIP}) (\n"
            f"    {with_runbook} and {of_failing}\n"
            f"    or ({without} and {of_failing})\n"
            f"    * on ({self._identity}) group_left (runbook_url) {self._recorded(SUITE_INFO)}\n"
            f"  )\n"
            f"  or on ({self._place}) max by ({self._place}) ({self._recorded(ASSERTION_FAILING_SINCE)})\n"
            f") ^ 0"
        )

    def failed(self, labels: Mapping[str, str], *others: str) -> str:
        """Return the assertions that failed, of those with these labels; `others` are matchers as text."""
        return f"{selector(ASSERTION_FAILING, {**self.labels, **labels}, *others)} == 0"

    def not_evaluated(self, labels: Mapping[str, str], *others: str) -> str:
        """Return the assertions that could not be evaluated, likewise."""
        return f"{selector(ASSERTION_FAILING, {**self.labels, **labels}, *others)} == -1"

    def late(self) -> str:
        """Return the seconds since the newest run of each snapshot that is later than it should be.

        Or until then: where the clock of a host was ahead, the runs after it count as backfills, and nothing new shows.
        """
        allowed = f"{names.SUITE_EXPECTED_INTERVAL.prometheus_name} + {names.SUITE_GRACE.prometheus_name}"
        return self._owned(
            f"abs(time() - {SUITE_NEWEST})\n  > max by ({self._identity}) ({allowed} and {self._of_newest_copy})"
        )

    def until_news(self, name: str, known: str, within: str) -> str:
        """Return what is recorded, and for some time what was recorded of snapshots that are not `known` now.

        While a suite is late or crashed, Alertmanager says nothing of its assertions. So unlike an alert that is kept
        firing, this one survives a gap of the exporter, and does not survive the run that it waits for, whose
        failures are news.
        """
        return f"{name}\nor last_over_time({name}[{within}]) unless on ({self._identity}) {known}"

    def vanished(self) -> str:
        """Return when the last run of each snapshot finished that is there no more."""
        # The owner before is in the window, too: the newest by the time of its sample, to five minutes.
        sent = f"max_over_time(timestamp({SUITE_INFO})[{VANISHED_WITHIN}:5m])"
        info = f"topk by ({self._identity}) (1, {sent}) ^ 0"
        return self._owned(
            f"max by ({self._identity}) (last_over_time({SUITE_NEWEST}[{VANISHED_WITHIN}]))\n"
            f"  unless on ({self._identity}) {SUITE_INFO}",
            info,
        )

    def crashed(self) -> str:
        """Return when each snapshot's newest run started that is past its time limit and never finished."""
        started = f"max by ({self._identity}) ({names.SUITE_STARTED.prometheus_name})"
        limit = f"max by ({self._identity}) ({names.SUITE_TIMEOUT.prometheus_name})"
        return self._owned(
            f"{started} < time() - {limit}\n  unless on ({self._identity}) ({started} <= {SUITE_NEWEST})"
        )

    def never_ran(self) -> str:
        """Return when each snapshot was registered that should have run since, and was never started."""
        allowed = f"{names.SUITE_EXPECTED_INTERVAL.prometheus_name} + {names.SUITE_GRACE.prometheus_name}"
        ran = f"{names.SUITE_LAST_RUN.prometheus_name} or {names.SUITE_STARTED.prometheus_name}"
        return self._owned(
            f"max by ({self._identity}) ({names.SUITE_REGISTERED.prometheus_name})\n"
            f"  < time() - max by ({self._identity}) ({allowed})\n"
            f"  unless on ({self._identity}) ({ran})"
        )

    def plugin_failed(self) -> str:
        """Return the plugins that did not end well in the newest run."""
        ok = self._now(names.PLUGIN_OK)
        return self._owned(f"max by ({self._identity}, plugin) ({ok} == 0 and {self._of_newest_copy})")

    def plugin_near_limit(self) -> str:
        """Return the seconds that plugins took which took most of the time they were granted."""
        # `shutdown` has a time of its own, after the run.
        took = self._now(names.PLUGIN_DURATION, 'phase!="shutdown"')
        granted = self._now(names.PLUGIN_TIMEOUT)
        by = f"{self._identity}, plugin"
        return self._owned(
            f"sum by ({by}) (max by ({by}, phase) ({took} and {self._of_newest_copy}))\n"
            f"  > {NEAR_LIMIT} * max by ({by}) ({granted} and {self._of_newest_copy})"
        )

    def telemetry_dropped(self) -> str:
        """Return how many items of telemetry were lost, by signal and reason."""
        dropped = self._now(names.TELEMETRY_DROPPED)
        return self._owned(
            f"max by ({self._identity}, signal, reason) ({dropped} > 0 and {self._of_newest_copy})"
        )

    def absent(self) -> str:
        """Return 1 when no series tells of the suite: no run of it, none that started, no registration."""
        last_run, started, registered = (
            selector(metric.prometheus_name, self.labels)
            for metric in (names.SUITE_LAST_RUN, names.SUITE_STARTED, names.SUITE_REGISTERED)
        )
        return f"absent({last_run})\nunless on () ({started} or {registered})"

    def silent(self, within: str) -> str:
        """Return 1 when no run of the suite has finished within a duration, where samples vanish."""
        return f"absent_over_time({selector(names.SUITE_LAST_RUN.prometheus_name, self.labels)}[{within}])"

    @property
    def _identity(self) -> str:
        """What is joined on: as narrow as `snapshot`, but where a target's own label came in between."""
        return ", ".join(("snapshot", "suite", *self.label_tags))

    @property
    def _place(self) -> str:
        return f"{self._identity}, check, assertion"

    @property
    def _of_newest_copy(self) -> str:
        return f"on ({_COPY}) {self._recorded(SUITE_NEWEST_COPY)}"

    def _outcome(self, of_failing: str) -> str:
        """Return the lines of the outcome by severity, of the assertions that do not pass."""
        errored = self._now(names.ASSERTION_ERRORED)
        one = f"{_COPY}, check, assertion"
        if self.window is None:
            # What does not pass need not be looked for in 20,000 series of `passed`: only those that stand for
            # several assertions at once can be with the failing ones and pass, under another severity.
            passed = selector(
                names.ASSERTION_PASSED.prometheus_name, {**self.labels, "check": names.OVERFLOW}
            )
            return f"  0 - ({errored} and {of_failing})\n  unless on ({one}, severity) {passed} == 1\n"
        # What was sent under a severity that has changed since is in the window, too.
        newest = self._newest_first(names.ASSERTION_PASSED)
        return (
            f"  ({self._now(names.ASSERTION_PASSED)} == 0) - {errored}\n"
            f"  and {of_failing}\n"
            f"  and on ({one}, severity) topk by ({one}) (1, {newest})\n"
        )

    def _now(self, metric: Metric, *matchers: str) -> str:
        selected = selector(metric.prometheus_name, self.labels, *matchers)
        return selected if self.window is None else f"last_over_time({selected}[{self.window}])"

    def _newest_first(self, metric: Metric, *matchers: str) -> str:
        """Series whose value is the larger, the newer their sample is: for metrics whose own value says nothing.

        Where samples vanish, the window also has series that the newest run sent no more. A sample is seen for
        five minutes, so that looking now and at every fourth minute finds each at once.
        """
        if self.window is None:
            return self._now(metric, *matchers)
        selected = selector(metric.prometheus_name, self.labels, *matchers)
        return f"(timestamp({selected}) or max_over_time(timestamp({selected})[{self.window}:4m]))"

    def _recorded(self, name: str) -> str:
        return selector(name, self.labels)

    def _owned(self, query: str, info: str | None = None) -> str:
        """Add owner and runbook of the suite, which `dqx:suite_info` has for every snapshot."""
        info = info or self._recorded(SUITE_INFO)
        return f"(\n  {query}\n) * on ({self._identity}) group_left ({_OWNERSHIP}) {info}"


def exporter_down() -> str:
    """Return the targets that are down and serve DQX, or have served it within a day.

    What was pushed does not say by which gateway it came: `honor_labels` leaves it the job it was pushed with, and no
    instance. So each gateway counts once something of DQX was pushed.
    """
    build_info = names.BUILD_INFO.prometheus_name
    served = f"last_over_time({build_info}[{VANISHED_WITHIN}])"
    gateway = f"last_over_time(pushgateway_build_info[{VANISHED_WITHIN}])"
    pushed = f'last_over_time({build_info}{{instance=""}}[{VANISHED_WITHIN}])'
    return (
        f'up{{job="dqx"}} == 0\n'
        f"or (up == 0 and on (job, instance) {served})\n"
        f"or (up == 0 and on (job, instance) {gateway} and on () {pushed})"
    )
