"""The dashboard `Data metrics`: each metric of a dataset over time, against a day and a week before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.columns import quantity, tag_columns
from dashboards.panels import (
    About,
    Column,
    colored_text,
    dashed,
    lines,
    mapped,
    no_number,
    over_time,
    prop,
    rows,
    wrapped,
)
from dashboards.queries import Queries, one

from dashboards import frame
from dqx.dashboards.label_tags import legend
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.panels import AnyPanel
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.builders.table import Panel as Table

_DATASET = 'dataset=~"$dataset"'
_METRIC = 'metric=~"$metric"'
_DAY, _WEEK = "offset 1d", "offset 1w"
_BEFORE = {"a day before": _DAY, "a week before": _WEEK}


def build(labels: Sequence[str]) -> Dashboard:
    """Return the dashboard for these label tags."""
    q = Queries(labels, one("suite"))
    metrics = f"label_values({q.selector(names.METRIC_VALUE, _DATASET)}, metric)"
    made = frame.dashboard(
        frame.DATA_METRICS,
        "DQX / Data metrics",
        "What the data itself looks like: each metric of a dataset, against a day and a week before.",
        q,
        [
            frame.suites(labels, many=False),
            frame.datasets(q),
            frame.values_of("metric", "Metric", metrics, "Metrics of the datasets that are picked."),
        ],
        runs=True,
    )
    return made.with_panel(_now(q)).with_panel(_over_time(q))


def _value(q: Queries, when: str = "") -> str:
    return (
        f"max by ({q.id}, dataset, metric)"
        f" ({q.current(q.last(names.METRIC_VALUE, _DATASET, _METRIC, when=when), when)})"
    )


def _change(q: Queries, when: str) -> str:
    """Return by which part of itself a metric changed: 0.5 is half more. Nothing where it was zero."""
    before = f"({_value(q, when)} != 0)"
    by = f"on ({q.id}, dataset, metric)"
    return f"({_value(q)} - {by} {before}) / {by} abs({before})"


def _now(q: Queries) -> Table:
    moved = [
        {"color": "red", "value": None},
        {"color": "text", "value": -0.5},
        {"color": "red", "value": 0.5},
    ]
    change = (
        prop("unit", "percentunit"),
        prop("decimals", 1),
        prop("thresholds", {"mode": "absolute", "steps": moved}),
        colored_text(),
        mapped(no_number("–")),
    )
    return rows(
        About(
            1, (0, 0, 24, 9), "Now, a day and a week before",
            "Each metric in the newest run, and how much it was at the same time a day and a week before. A change of "
            "half or more is red.",
            "none", "No metric: has the suite run yet?",
        ),
        {
            "A": _value(q),
            "B": _value(q, _DAY),
            "C": _change(q, _DAY),
            "D": _value(q, _WEEK),
            "E": _change(q, _WEEK),
        },
        [
            Column("dataset", "Dataset", 130, (wrapped(),)),
            Column("metric", "Metric", None, (wrapped(),)),
            *tag_columns(q.labels),
            quantity("Value #A", "Now", 90),
            quantity("Value #B", "A day before", 104),
            Column("Value #C", "Day change", 104, change),
            quantity("Value #D", "A week before", 112),
            Column("Value #E", "Week change", 112, change),
        ],
    )  # fmt: skip


def _over_time(q: Queries) -> AnyPanel:
    name = f"{{{{dataset}}}}{legend(q.labels)}"
    panel = lines(
        About(
            2, (0, 9, 8, 8), "$metric",
            "The metric over time, and what it was a day and a week before.",
            "short", "No value in this time.",
        ),
        over_time(_value(q), name),
        *(over_time(_value(q, when), f"{name} {told}") for told, when in _BEFORE.items()),
    ).repeat("metric").repeat_direction("h").max_per_row(3)  # fmt: skip
    dashed(panel, "/a day before$/", "orange")
    return dashed(panel, "/a week before$/", "purple")
