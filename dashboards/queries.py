"""The queries that panels have in common: what is newest of each snapshot, and what follows from it.

Three rules hold in all of them. Joins are made on `snapshot`, never on the suite alone, and with the newest copy:
a snapshot may reach a Prometheus twice (two replicas, a job that moved, two roads), and a join that finds
two series on its one side fails for everybody. What is read is read with `last_over_time(…[$lookback])`: five
minutes are what Prometheus looks back by itself, and more lets the samples of OTLP be seen, which are sent once in a
run. And no query needs a recording rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqx.dashboards.label_tags import identity, matchers
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dqx.telemetry.names import Metric

_COPY = "job, instance, snapshot"
"""Tells two copies of one snapshot apart, which have all other labels in common."""
_ASSERTION = "snapshot, check, assertion"


def one(label: str) -> str:
    """Return the matcher of a label by its variable, of which one value is picked.

    Without a format, Grafana would put a backslash before an apostrophe, and none before a double quote
    (grafana/grafana#48138).
    """
    return f"{label}=${{{label}:doublequote}}"


@dataclass(frozen=True, slots=True)
class Queries:
    """Builds the queries of one dashboard.

    Args:
        labels: The label tags.
        suite: The matcher of the suite: of several that may be picked, or of `one`.
    """

    labels: Sequence[str]
    suite: str = 'suite=~"$suite"'

    @property
    def id(self) -> str:
        """Return the labels that tell a snapshot."""
        return identity(self.labels)

    def selector(self, metric: Metric, *more: str) -> str:
        """Return the series of a metric that the variables pick."""
        further = "".join(f",{matcher}" for matcher in more)
        return f"{metric.prometheus_name}{{{self.suite}{matchers(self.labels)}{further}}}"

    def last(self, metric: Metric, *more: str, when: str = "") -> str:
        """Return the newest sample of each series within the look-back, at a time such as `offset 1d`."""
        moved = f" {when}" if when else ""
        return f"last_over_time({self.selector(metric, *more)}[$lookback]{moved})"

    def newest(self, when: str = "") -> str:
        """Return when each snapshot last ran, by snapshot alone."""
        return f"max by (snapshot) ({self.last(names.SUITE_LAST_RUN, when=when)})"

    def last_run(self) -> str:
        """Return when each snapshot last ran, with the labels that tell what it is."""
        return f"max by ({self.id}) ({self.last(names.SUITE_LAST_RUN)})"

    def current(self, expression: str, when: str = "") -> str:
        """Return those of the series that are of the newest copy of their snapshot."""
        copies = (
            f"{self.last(names.SUITE_LAST_RUN, when=when)} == on (snapshot) group_left () {self.newest(when)}"
        )
        return f"({expression} and on ({_COPY}) ({copies}))"

    def evaluated(self, expression: str) -> str:
        """Return those of the series whose assertion was evaluated by the newest run of its snapshot."""
        copies = f"{self.last(names.ASSERTION_EVALUATED)} == on (snapshot) group_left () {self.newest()}"
        return f"({expression} and on ({_COPY}, check, assertion) ({copies}))"

    def not_passed(self) -> str:
        """Return when the assertions that do not pass were evaluated.

        Those that do not pass are found first: of 20,000 assertions few are left to be joined.
        """
        failing = self.last(names.ASSERTION_PASSED, 'severity=~"$severity"') + " == 0"
        times = f"{self.last(names.ASSERTION_EVALUATED)} and on ({_COPY}, check, assertion) ({failing})"
        return f"(({times}) == on (snapshot) group_left () {self.newest()})"

    def of_failing(self, expression: str) -> str:
        """Return those of the series whose assertion does not pass now."""
        return f"({expression} and on ({_COPY}, check, assertion) {self.not_passed()})"

    def state(self) -> str:
        """Return, of assertions that were evaluated, 1 passed, 0 failed, -1 could not be evaluated."""
        wanted = 'severity=~"$severity"'
        return f"{self.last(names.ASSERTION_PASSED, wanted)} - {self.last(names.ASSERTION_ERRORED, wanted)}"

    def info(self, of: str) -> str:
        """Return what assertions are and whose, once for each of those that are in `of`."""
        infos = f"{self.last(names.ASSERTION_INFO)} and on ({_COPY}, check, assertion) {of}"
        return f"topk by ({_ASSERTION}) (1, {infos})"

    def failing_rows(self) -> dict[str, str]:
        """Return the queries of a table of what fails: value, lower, upper, since when (s), state, and whose it is."""
        by = f"{self.id}, check, assertion"
        lower = self.last(names.ASSERTION_THRESHOLD, 'bound=~"lower|excluded_lower"')
        upper = self.last(names.ASSERTION_THRESHOLD, 'bound=~"upper|excluded_upper"')
        since = self.of_failing(self.last(names.ASSERTION_FAILING_SINCE))
        # Of what does not pass, 0 failed and -1 could not be evaluated.
        state = f"0 - max by ({by}, severity) ({self.of_failing(self.last(names.ASSERTION_ERRORED))})"
        return {
            "A": f"max by ({by}) ({self.of_failing(self.last(names.ASSERTION_VALUE))})",
            "B": f"max by ({by}) ({self.of_failing(lower)})",
            "C": f"max by ({by}) ({self.of_failing(upper)})",
            "D": f"time() - min by ({by}) ({since})",
            "E": state,
            "F": f"max by ({by}, owner, runbook_url) ({self.info(self.not_passed())})",
        }

    # The state of a suite ----------------------------------------------------------------------------

    def passing(self) -> str:
        """Return the snapshots whose newest run passed, and that are not late."""
        passed = f"max by ({self.id}) ({self.current(self.last(names.SUITE_PASSED))}) == 1"
        return f"({passed}) unless on (snapshot) ({self.late()})"

    def failing(self) -> str:
        """Return the snapshots whose newest run did not pass."""
        return f"max by ({self.id}) ({self.current(self.last(names.SUITE_PASSED))}) == 0"

    def late(self) -> str:
        """Return the snapshots that should have run again, each with the seconds since its last run.

        Or until then, as in the rule: where a clock was ahead, nothing new shows.
        """
        return f"abs(time() - {self.last_run()}) > on (snapshot) group_left () {self.allowed()}"

    def allowed(self) -> str:
        """Return how many seconds may lie between two runs of each snapshot."""
        times = f"({self.last(names.SUITE_EXPECTED_INTERVAL)} + {self.last(names.SUITE_GRACE)})"
        return f"max by (snapshot) ({self.current(times)})"

    def crashed(self) -> str:
        """Return the snapshots with a run that started and did not end within its time limit, since when."""
        started = self.last(names.SUITE_STARTED)
        limit = f"max by (snapshot) ({self.last(names.SUITE_TIMEOUT)})"
        return (
            f"max by ({self.id}) ({started}) < on (snapshot) group_left () (time() - {limit})"
            f" unless on (snapshot) (max by (snapshot) ({started}) <= on (snapshot) {self.newest()})"
        )

    def never_ran(self) -> str:
        """Return the snapshots that were registered, should have run by now and did not, since when."""
        every = self.last(names.SUITE_EXPECTED_INTERVAL)
        grace = self.last(names.SUITE_GRACE)
        known = f"{self.last(names.SUITE_LAST_RUN)} or {self.last(names.SUITE_STARTED)}"
        return (
            f"max by ({self.id}) ({self.last(names.SUITE_REGISTERED)})"
            f" < on (snapshot) group_left () (time() - max by (snapshot) ({every} + {grace}))"
            f" unless on (snapshot) ({known})"
        )

    def vanished(self) -> str:
        """Return the snapshots whose series were here within a day and are gone, with their last run.

        Of one that was retired `dqx serve` still says whose it was.
        """
        within_a_day = f"last_over_time({self.selector(names.SUITE_LAST_RUN)}[1d])"
        return f"max by ({self.id}) ({within_a_day}) unless on (snapshot) {self.last(names.SUITE_INFO)}"

    def suite_state(self) -> str:
        """Return one number for each snapshot, the worst first: see `STATES`."""
        skipped = f"({self.last_run()} * 0 + {SKIPPED})"
        cases = [
            (self.failing(), FAILED),
            (self.crashed(), CRASHED),
            (self.late(), LATE),
            (self.never_ran(), NEVER_RAN),
            (self.vanished(), VANISHED),
            (f"max by ({self.id}) ({self.current(self.last(names.SUITE_PASSED))})", PASSED),
        ]
        numbered = [f"(({query}) * 0 + {number})" for query, number in cases]
        return " or on (snapshot) ".join([*numbered, skipped])

    def silent_state(self) -> str:
        """Return the same for those snapshots alone that are late, crashed, gone, or never ran."""
        cases = [
            (self.crashed(), CRASHED),
            (self.late(), LATE),
            (self.never_ran(), NEVER_RAN),
            (self.vanished(), VANISHED),
        ]
        return " or on (snapshot) ".join(f"(({query}) * 0 + {number})" for query, number in cases)

    def owner(self) -> str:
        """Return whose each snapshot is: one series for each."""
        info = self.last(names.SUITE_INFO)
        # One that never finished a run has no newest copy: any will do.
        infos = f"{self.current(info)} or ({info} unless on (snapshot) {self.newest()})"
        return f"max by ({self.id}, owner, runbook_url) (topk by (snapshot) (1, {infos}))"

    def failing_count(self) -> str:
        """Return how many assertions of each snapshot failed or could not be evaluated."""
        bad = self.assertions('status=~"failure|error"')
        return f"sum by ({self.id}) ({bad})"

    def assertions(self, *matchers: str) -> str:
        """Return how many assertions there are by snapshot, severity and status, in the newest runs."""
        counts = self.current(self.last(names.SUITE_ASSERTIONS, *matchers))
        return f"max by ({self.id}, severity, status) ({counts})"

    def known(self) -> str:
        """Return every snapshot that is there, whether it ran or not."""
        return (
            f"count by ({self.id}) ({self.last(names.SUITE_LAST_RUN)} or {self.last(names.SUITE_STARTED)}"
            f" or {self.last(names.SUITE_REGISTERED)})"
        )

    def count_of(self, expression: str) -> str:
        """Return how many series there are: 0 when there are none, and nothing where no suite is known."""
        return f"count({expression}) or 0 * count({self.known()})"


FAILED, CRASHED, LATE, NEVER_RAN, VANISHED, SKIPPED, PASSED = range(7)
