"""What is known of a suite before it runs, as its rules need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dqx.alerting.promql import duration, quoted
from dqx.alerting.template import literal
from dqx.common import AssertionResult
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names
from dqx.telemetry.assertion_series import AssertionSeries
from dqx.telemetry.labels import Identity, identity_of, legal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from dqx.common import SuiteInfo
    from dqx.engine.assertion import Assertion

MARGIN_S: Final = 3_600.0
"""How much longer than `every + grace` is looked back: until the alert that the suite is late has long begun."""

UNSCHEDULED_S: Final = 86_400.0
"""How far back is looked for a suite that nobody expects to run, and which is never late."""

RETENTION_S: Final = 15 * 86_400.0
"""How long Prometheus keeps samples unless told otherwise (`--storage.tsdb.retention.time`)."""


TOLD_MAX: Final = 250
"""Assertions of a check up to which an alert says what they expect.

Prometheus parses the text anew for each alert at each evaluation: 0.7 ms for so many, as much as all else about an
alert; 20 ms for 5,000.
"""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an assertion expects, without text values and SQL. All three are the texts of its labels."""

    check: str
    assertion: str
    expression: str

    def sentence(self) -> str:
        """Return a template that says it where the alert is about this assertion, and nothing elsewhere."""
        said = literal(self.expression)
        return f"{{{{ if eq $labels.assertion {quoted(self.assertion)} }}}} Expected: {said}.{{{{ end }}}}"


@dataclass(frozen=True, slots=True)
class ExpectedSuite:
    """A suite that should be there.

    `labels` select its series: those of one snapshot where its tags are known, or of all its snapshots.
    """

    info: SuiteInfo
    snapshot: str
    labels: Mapping[str, str]
    expectations: tuple[Expectation, ...]

    @property
    def late_after_s(self) -> float | None:
        """Return the seconds after which it is late, or None when it never is."""
        return None if self.info.every_s is None else self.info.every_s + self.info.grace_s

    @property
    def lookback_s(self) -> float:
        """Return how far back its samples are looked for where they vanish, in seconds."""
        return (self.late_after_s or UNSCHEDULED_S) + MARGIN_S

    def interval_text(self) -> str:
        """Return how often it should run, as a sentence to go on with."""
        if self.info.every_s is None:
            return ""
        return f" It should run every {duration(self.info.every_s)}, and may be {duration(self.info.grace_s)} late."

    def owner_labels(self) -> Mapping[str, str]:
        """Return the labels that say whose it is, as templates."""
        known = {"owner": self.info.owner, "runbook_url": self.info.runbook_url}
        return FrozenDict({name: literal(legal(text)) for name, text in known.items() if text})

    def expected(self) -> Mapping[str, str]:
        """Return by check the template of a sentence that says what the assertion of an alert expects.

        Without checks of so many assertions that it would cost more than it says.
        """
        by_check: dict[str, list[Expectation]] = {}
        for each in self.expectations:
            by_check.setdefault(each.check, []).append(each)
        return {
            check: "".join(each.sentence() for each in found)
            for check, found in by_check.items()
            if len(found) <= TOLD_MAX
        }


def expected_suite(
    info: SuiteInfo, tags: Mapping[str, str], assertions: Iterable[Assertion], day: date
) -> ExpectedSuite:
    """Return what is known of a suite.

    Args:
        info: What the suite says of itself.
        tags: Those tags of its runs that become labels, as far as they are known.
        assertions: What its checks assert.
        day: Any day.

    Raises:
        ConfigurationError: When a tag is named like a label that is taken.
    """
    identity = identity_of(info.name, tags)
    labels = identity.series if tags else FrozenDict({"suite": identity.suite})
    return ExpectedSuite(info, identity.text, labels, _expectations(identity, assertions, day))


def _expectations(identity: Identity, assertions: Iterable[Assertion], day: date) -> tuple[Expectation, ...]:
    """Return what is expected under the very labels that a run will send."""
    results = [
        AssertionResult(
            yyyy_mm_dd=day,
            suite=identity.suite,
            check=assertion.check,
            assertion=assertion.name,
            severity=assertion.severity,
            status="SKIPPED",
            metric="",
            expression="",
            tags={},
            expression_redacted=assertion.render(redacted=True),
        )
        for assertion in assertions
        if assertion.validator is not None
    ]
    samples = AssertionSeries(results, {}, None, {}).samples()
    return tuple(
        Expectation(*(sample.labels[name] for name in ("check", "assertion", "expression")))
        for sample in samples
        if sample.metric is names.ASSERTION_INFO and sample.labels["check"] != names.OVERFLOW
    )
