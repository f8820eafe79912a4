"""The dashboard `Plugins and pipeline`: what carries the results, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.columns import tag_columns
from dashboards.panels import (
    GOOD_AT_ZERO,
    About,
    Column,
    bars,
    lines,
    links,
    now,
    number,
    over_time,
    prop,
    rows,
    stacked,
    strips,
    texts,
    wrapped,
)
from dashboards.queries import Queries
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import FieldColorModeId

from dashboards import frame
from dqx.dashboards.label_tags import legend
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.panels import AnyPanel
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.builders.table import Panel as Table

_NEAR = (("text", None), ("green", 0), ("orange", 0.8), ("red", 1))
"""From 0.8 of its limit on a plugin has an alert."""


def build(labels: Sequence[str]) -> Dashboard:
    """Return the dashboard for these label tags."""
    q = Queries(labels)
    made = frame.dashboard(
        frame.PIPELINE,
        "DQX / Plugins and pipeline",
        "What carries the results, and what it costs: plugins, telemetry, scans, and the exporter itself.",
        q,
        [frame.suites(labels), frame.datasets(q)],
        runs=False,
    )
    for panel in [*_numbers(q), *_plugins(q), _dropped(q), *_scans(q), *_exporter(q)]:
        made.with_panel(panel)
    return made


def _share(q: Queries) -> str:
    """Return which part of its limit each plugin took, in the newest run of each suite."""
    took = (
        f"sum by ({_COPY}, plugin) ({q.last(names.PLUGIN_DURATION, _IN_THE_RUN)})"
        f" / on ({_COPY}, plugin) max by ({_COPY}, plugin) ({q.last(names.PLUGIN_TIMEOUT)})"
    )
    return f"max by (snapshot, plugin) ({q.current(took)})"


_SLOWEST = 10
_COPY = "job, instance, snapshot"
_IN_THE_RUN = 'phase!="shutdown"'


def _numbers(q: Queries) -> list[AnyPanel]:
    failed = f"count by (snapshot, plugin) ({q.current(q.last(names.PLUGIN_OK) + ' == 0')})"
    dropped = f"max by (snapshot, signal, reason) ({q.current(q.last(names.TELEMETRY_DROPPED))})"
    return [
        number(
            About(
                1, (0, 0, 6, 4), "Plugins failing",
                "Plugins that failed, ran out of time or were not run, in the newest run of each suite.",
                "none", "No run yet", GOOD_AT_ZERO,
            ),
            now(q.count_of(failed)),
        ),
        number(
            About(
                2, (6, 0, 6, 4), "Nearest to its limit",
                "The greatest part of its time limit that a plugin took, in the newest run of each suite.",
                "percentunit", "No run yet", _NEAR,
            ),
            now(f"max({_share(q)})"),
        ).decimals(0).min(0).max(1),
        number(
            About(
                3, (12, 0, 6, 4), "Telemetry dropped",
                "Spans, metrics and log records that did not arrive, by the newest run of each suite.",
                "none", "No run yet", GOOD_AT_ZERO,
            ),
            now(f"sum({dropped})"),
        ),
        number(
            About(
                4, (18, 0, 6, 4), "Exporters down",
                "Exporters (dqx serve) that Prometheus cannot scrape now, and could within a day.",
                "none", "No exporter", GOOD_AT_ZERO,
            ),
            now(f"count({_UP} == 0) or 0 * count({_UP})"),
        ),
    ]  # fmt: skip


def _plugins(q: Queries) -> list[AnyPanel]:
    ok = f"min by (plugin) ({q.current(q.last(names.PLUGIN_OK))})"
    took = f"max by (snapshot, plugin, phase) ({q.current(q.last(names.PLUGIN_DURATION, _IN_THE_RUN))})"
    return [
        strips(
            About(
                5, (0, 4, 12, 8), "Failures and time-outs",
                "Red: the plugin failed, ran out of time or was not run, in the newest run of at least one suite.",
                "none", "No plugin has run.", (("red", None), ("green", 1)),
            ),
            over_time(ok, "{{plugin}}"),
            texts({1: ("ok", "green"), 0: ("failed", "red")}),
        ),
        bars(
            About(
                6, (12, 4, 12, 8), "Part of its time limit that each plugin took",
                "All its calls in the newest run, of the suite where it took the most. At 100% it is cut off.",
                "percentunit", "No plugin has run.", _NEAR,
            ),
            now(f"sort_desc(max by (plugin) ({_share(q)}))", "{{plugin}}"),
        ).decimals(0).min(0).max(1),
        _failed_plugins(q),
        _phases(q),
        lines(
            About(
                9, (0, 20, 12, 8), "Time per plugin",
                "How long all calls of each plugin took in a run; where several suites run it, the slowest.",
                "s", "No plugin has run.",
            ),
            over_time(f"max by (plugin) (sum by (snapshot, plugin) ({took}))", "{{plugin}}"),
            calcs=("lastNotNull", "max"),
        ).min(0),
    ]  # fmt: skip


def _phases(q: Queries) -> Table:
    phases = names.LABELS["phase"].values
    letters = dict(zip("ABCDEFGH", phases, strict=False))
    queries = {
        letter: f"max by (plugin) ({q.current(q.last(names.PLUGIN_DURATION, _phase(phase)))})"
        for letter, phase in letters.items()
    }
    return rows(
        About(
            8, (12, 12, 12, 8), "Time per plugin and phase",
            "How long each call took in the newest run; where several suites run it, the slowest.",
            "s", "No plugin has run.",
        ),
        queries,
        [
            Column("plugin", "Plugin", None, (wrapped(),)),
            *(Column(f"Value #{letter}", phase, 84, (prop("unit", "s"),)) for letter, phase in letters.items()),
        ],
        sort=("plugin",),
    )  # fmt: skip


def _phase(name: str) -> str:
    return f'phase="{name}"'


def _failed_plugins(q: Queries) -> Table:
    by = f"{q.id}, plugin"
    failed = q.current(q.last(names.PLUGIN_OK) + " == 0")
    took = f"sum by ({by}) (max by ({by}, phase) ({q.current(q.last(names.PLUGIN_DURATION))}))"
    return rows(
        About(
            7, (0, 12, 12, 8), "Plugins that failed",
            "In the newest run of each suite. The traces say why: the span of the call has the error.",
            "none", "No plugin is known to have failed.",
        ),
        {
            "A": f"max by ({by}) ({failed})",
            "B": f"{took} and on (snapshot, plugin) ({failed})",
            "C": f"max by ({by}) ({q.last(names.PLUGIN_TIMEOUT)}) and on (snapshot, plugin) ({failed})",
        },
        [
            Column("plugin", "Plugin", None, (wrapped(),)),
            Column(
                "suite", "Suite", None,
                (wrapped(), links(frame.to_suite(q.labels), *frame.to_traces(frame.ROW_SUITE))),
            ),
            *tag_columns(q.labels),
            Column("Value #B", "Took", 80, (prop("unit", "s"),)),
            Column("Value #C", "Limit", 80, (prop("unit", "s"),)),
        ],
        sort=("plugin",),
    )  # fmt: skip


def _dropped(q: Queries) -> AnyPanel:
    dropped = (
        f"sum by (signal, reason) (max by (snapshot, signal, reason)"
        f" ({q.current(q.last(names.TELEMETRY_DROPPED))})) > 0"
    )
    return stacked(
        About(
            10, (12, 20, 12, 8), "Telemetry dropped",
            "What did not arrive, and why: the queue was full, time ran out, nobody answered, it was refused, there "
            "were too many series, or the settings cannot be used.",
            "none", "Nothing is known to be dropped.", GOOD_AT_ZERO,
        ),
        over_time(dropped, "{{signal}}: {{reason}}"),
    ).min(0).color_scheme(FieldColor().mode(FieldColorModeId.SHADES).fixed_color("red"))  # fmt: skip


def _scans(q: Queries) -> list[AnyPanel]:
    picked = 'dataset=~"$dataset"'
    by = f"{q.id}, dataset"

    def scan_time(when: str = "") -> str:
        return f"max by ({by}) ({q.current(q.last(names.DATASET_SCAN_DURATION, picked, when=when), when)})"

    took = scan_time()
    # Of forty suites nobody can tell the lines apart.
    slowest = f"{took} and on ({by}) topk({_SLOWEST}, {scan_time('@ end()')})"
    read = f"max by ({by}) ({q.current(q.last(names.DATASET_ROW_COUNT, picked))})"
    speed = f"{read} / on ({by}) ({took} > 0)"
    return [
        lines(
            About(
                11, (0, 28, 10, 8), "Scan time",
                f"How long the scan of a dataset took, of the {_SLOWEST} that take longest now.",
                "s", "No dataset was read.",
            ),
            over_time(slowest, f"{{{{suite}}}} {{{{dataset}}}}{legend(q.labels)}"),
            calcs=("lastNotNull", "max"),
        ).min(0),
        rows(
            About(
                12, (10, 28, 14, 8), "Scan time against rows",
                "Each dataset in the newest run. Few rows in a long time, beside datasets that are read fast, point at "
                "the source; many rows in a long time at the size.",
                "none", "No dataset was read.",
            ),
            {"A": read, "B": took, "C": speed},
            [
                Column("dataset", "Dataset", None, (wrapped(),)),
                Column("suite", "Suite", None, (wrapped(), links(frame.to_suite(q.labels)))),
                *tag_columns(q.labels),
                Column("Value #A", "Rows", 72, (prop("unit", "short"),)),
                Column("Value #B", "Scan time", 80, (prop("unit", "s"),)),
                Column("Value #C", "Rows/s", 72, (prop("unit", "short"),)),
            ],
            sort=("Value #B",),
            descending=True,
        ),
    ]  # fmt: skip


_STORE_READ = names.EXPORTER_STORE_READ.prometheus_name
_RENDER = names.EXPORTER_RENDER_DURATION.prometheus_name
_UP = f"(up and on (job, instance) last_over_time({_STORE_READ}[1d]))"
"""Prometheus's own series of the exporters that it saw within a day."""


def _exporter(q: Queries) -> list[AnyPanel]:
    series = f"scrape_samples_scraped and on (job, instance) {_STORE_READ}"
    version = q.current(q.last(names.BUILD_INFO))
    none = "No exporter"
    return [
        strips(
            About(
                13, (0, 36, 8, 6), "Exporter",
                "Whether Prometheus could scrape dqx serve. Where results come by another road there is none.",
                "none", "No exporter is scraped.", (("red", None), ("green", 1)),
            ),
            over_time(f"min by (job, instance) ({_UP})", "{{instance}}"),
            texts({1: ("up", "green"), 0: ("down", "red")}),
        ),
        number(
            About(
                14, (8, 36, 4, 6), "Last news",
                "How long ago the exporter last found something new in its store. It looks at every scrape; when it "
                "cannot, the scrape fails.",
                "s", none,
            ),
            now(f"time() - max by (instance) ({_STORE_READ})", "{{instance}}"),
        ).decimals(0),
        number(
            About(
                15, (12, 36, 4, 6), "Rendering", "How long the exporter took to write its page.",
                "s", none, (("text", None), ("green", 0), ("orange", 5)),
            ),
            over_time(f"max by (instance) ({_RENDER})", "{{instance}}"),
        ),
        number(
            About(
                16, (16, 36, 4, 6), "Series", "How many series one scrape of the exporter brings.", "none", none,
            ),
            over_time(f"max by (instance) ({series})", "{{instance}}"),
        ),
        number(
            About(
                17, (20, 36, 4, 6), "Versions",
                "How many suites sent their results by which version: after an upgrade there should be one.",
                "none", "No suite yet",
            ),
            now(f"count by (version) (max by (snapshot, version) ({version}))", "{{version}}"),
        ).text_mode(BigValueTextMode.VALUE_AND_NAME),
    ]  # fmt: skip
