"""Columns that several tables have, and the texts and colours of states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.panels import (
    SEVERITIES,
    Column,
    any_text,
    colored_cell,
    colored_text,
    links,
    mapped,
    prop,
    texts,
    wrapped,
)
from dashboards.queries import CRASHED, FAILED, LATE, NEVER_RAN, PASSED, SKIPPED, VANISHED

from dashboards import frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, ValueMapping

AGO = "dateTimeFromNow"
"""Grafana's unit for a time in milliseconds, as how long ago it was."""

_SILENT = {
    CRASHED: ("crashed", "dark-red"),
    LATE: ("late", "purple"),
    NEVER_RAN: ("never ran", "purple"),
    VANISHED: ("vanished", "purple"),
}
SILENT_STATES = texts(_SILENT)
SUITE_STATES = texts(
    {FAILED: ("failed", "red"), **_SILENT, SKIPPED: ("skipped", "text"), PASSED: ("passed", "green")}
)
ASSERTION_STATES = texts({1: ("passed", "green"), 0: ("failed", "red"), -1: ("error", "purple")})

SEVERITY = Column(
    "severity",
    "Sev",
    46,
    (mapped(texts({name: (name, color) for name, color in SEVERITIES.items()})), colored_text()),
)
OWNER = Column("owner", "Owner", 114)
RUNBOOK = Column("runbook_url", "Runbook", 72, (mapped(any_text("open")), links(frame.RUNBOOK)))


def state(field: str, mappings: list[ValueMapping], width: int = 62) -> Column:
    """Return the column of a state."""
    return Column(field, "State", width, (mapped(mappings), colored_cell(), prop("custom.align", "left")))


def moment(field: str, title: str, *more: DynamicConfigValue) -> Column:
    """Return a column of times in milliseconds, shown as how long ago they were."""
    return Column(field, title, 140, (prop("unit", AGO), *more))


FAILING_FOR = Column("Value #D", "Failing for", 82, (prop("unit", "s"), prop("decimals", 0)))


def tag_columns(labels: Sequence[str]) -> list[Column]:
    """Return a column for each label tag, wide enough for `production`."""
    return [Column(label, label, 84, (wrapped(),), tag=True) for label in labels]


def quantity(field: str, title: str, width: int = 64) -> Column:
    """Return a column of numbers of any size.

    A cell cuts what it has no room for, and 2345679 would be read for 12345679: so with K and Mil, and where that
    is too wide (0.0000123), cut at its end.
    """
    return Column(field, title, width, (prop("unit", "short"), prop("custom.align", "left")))


def assertion_columns(labels: Sequence[str]) -> list[Column]:
    """Return the columns that name an assertion, with links to its suite, its traces and itself."""
    suite = links(frame.to_suite(labels), *frame.to_traces(frame.ROW_SUITE))
    return [
        Column("suite", "Suite", None, (prop("custom.minWidth", 98), suite)),
        *tag_columns(labels),
        Column("check", "Check", None, (wrapped(),)),
        Column("assertion", "Assertion", None, (wrapped(), links(frame.to_assertion(labels)))),
    ]
