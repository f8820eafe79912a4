"""The dashboard `Overview`: are we good, and if not, what is to be done first?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.columns import (
    ASSERTION_STATES,
    FAILING_FOR,
    OWNER,
    RUNBOOK,
    SEVERITY,
    SILENT_STATES,
    SUITE_STATES,
    assertion_columns,
    moment,
    quantity,
    state,
    tag_columns,
)
from dashboards.panels import (
    GOOD_AT_ONE,
    GOOD_AT_ZERO,
    SEVERITIES,
    About,
    Column,
    bars,
    legend_colors,
    lines,
    links,
    now,
    number,
    over_time,
    prop,
    rows,
    stacked,
    wrapped,
)
from dashboards.queries import Queries

from dashboards import frame
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.panels import AnyPanel
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.builders.table import Panel as Table

_PICKED = 'severity=~"$severity"'


def build(labels: Sequence[str]) -> Dashboard:
    """Return the dashboard for these label tags."""
    q = Queries(labels)
    made = frame.dashboard(
        frame.OVERVIEW,
        "DQX / Overview",
        "Are we good? What fails now, what does not run, whom to tell and what to do.",
        q,
        [frame.suites(labels), frame.severities()],
        runs=False,
    )
    for panel in [*_numbers(q), _fails_now(q), _silent(q), _pass_rate(q), *_trend(q), _all_suites(q)]:
        made.with_panel(panel)
    return made


def _numbers(q: Queries) -> list[AnyPanel]:
    not_evaluated = f"count by (snapshot) ({q.evaluated(q.last(names.ASSERTION_ERRORED, _PICKED) + ' == 1')})"
    passing = f"({q.count_of(q.passing())}) / count({q.known()})"
    plugins = f"count by (snapshot, plugin) ({q.current(q.last(names.PLUGIN_OK) + ' == 0')})"
    return [
        number(
            About(
                1, (0, 0, 5, 4), "Suites passing",
                "Share of the suites whose newest run passed and that are not late. A suite passes when no assertion "
                "at or above its fail_on severity failed or could not be evaluated.",
                "percentunit", "No suite yet", GOOD_AT_ONE,
            ),
            over_time(passing, "passing"),
            trend=True,
        ).decimals(0).min(0).max(1),
        number(
            About(
                2, (5, 0, 4, 4), "Suites failing", "Suites whose newest run did not pass.",
                "none", "No suite yet", GOOD_AT_ZERO,
            ),
            now(q.count_of(q.failing())),
        ),
        number(
            About(
                3, (9, 0, 4, 4), "Suites silent",
                "Suites that are late, crashed, vanished within a day, or never ran: what they would find "
                "is not known.",
                "none", "No suite yet", GOOD_AT_ZERO,
            ),
            now(q.count_of(f"({q.silent_state()})")),
        ),
        number(
            About(
                4, (13, 0, 4, 4), "Not passing",
                "Assertions of the picked severities that do not pass; those that could not be evaluated are "
                "among them.",
                "none", "No suite yet", GOOD_AT_ZERO,
            ),
            now(q.count_of(f"count by (snapshot, check, assertion) ({q.not_passed()})")),
        ),
        number(
            About(
                5, (17, 0, 3, 4), "Errors",
                "Assertions that could not be evaluated: the data could not be read, or a column is missing.",
                "none", "No suite yet", (("text", None), ("green", 0), ("purple", 1)),
            ),
            now(q.count_of(not_evaluated)),
        ),
        number(
            About(
                6, (20, 0, 4, 4), "Plugin errors",
                "Plugins that failed or ran out of time in the newest run of a suite.",
                "none", "No suite yet", (("text", None), ("green", 0), ("orange", 1)),
            ),
            now(q.count_of(plugins)),
        ),
    ]  # fmt: skip


def _fails_now(q: Queries) -> Table:
    return rows(
        About(
            7, (0, 4, 24, 10), "What fails now",
            "Assertions that do not pass, the worst severity first. Good lies between lower and upper; where an "
            "assertion excludes values, bad does. A suite links to its dashboard and its traces, an assertion to its "
            "history.",
            "none", "No assertion is known to fail.",
        ),
        q.failing_rows(),
        [
            SEVERITY,
            *assertion_columns(q.labels),
            state("Value #E", ASSERTION_STATES),
            quantity("Value #A", "Value"),
            quantity("Value #B", "Lower"),
            quantity("Value #C", "Upper"),
            FAILING_FOR,
            OWNER,
            RUNBOOK,
        ],
        sort=("severity", "suite"),
    )  # fmt: skip


def _silent(q: Queries) -> Table:
    silent = f"and on (snapshot) ({q.silent_state()})"
    return rows(
        About(
            8, (0, 14, 18, 7), "Late, crashed, vanished, never ran",
            "Suites that should have said something. Late: no run within its interval and grace. Crashed: a run "
            "that did not end within its time limit. Vanished: its series were here within a day. Never ran: it is "
            "registered, and should have run by now.",
            "none", "No suite is known to be silent.",
        ),
        {
            "A": q.silent_state(),
            "B": f"time() - {q.last_run()} {silent}",
            "C": f"max by ({q.id}) ({q.last(names.SUITE_EXPECTED_INTERVAL)}) {silent}",
            "D": f"{q.owner()} {silent}",
        },
        [
            state("Value #A", SILENT_STATES, 80),
            Column(
                "suite", "Suite", None,
                (wrapped(), links(frame.to_suite(q.labels), *frame.to_traces(frame.ROW_SUITE))),
            ),
            *tag_columns(q.labels),
            Column("Value #B", "Silent for", 84, (prop("unit", "s"), prop("decimals", 0))),
            Column("Value #C", "Runs every", 90, (prop("unit", "s"),)),
            OWNER,
            RUNBOOK,
        ],
        sort=("Value #A", "suite"),
    )  # fmt: skip


def _pass_rate(q: Queries) -> AnyPanel:
    passed = q.assertions(_PICKED, 'status="success"')
    evaluated = q.assertions(_PICKED, 'status=~"success|failure|error"')
    rate = f"sum by (severity) ({passed}) / (sum by (severity) ({evaluated}) > 0)"
    return bars(
        About(
            9, (18, 14, 6, 7), "Pass rate by severity",
            "Share of the evaluated assertions that passed, in the newest run of each suite.",
            "percentunit", "No assertion yet", GOOD_AT_ONE,
        ),
        over_time(rate, "{{severity}}"),
    ).min(0).max(1).decimals(1)  # fmt: skip


def _trend(q: Queries) -> list[AnyPanel]:
    bad = q.assertions(_PICKED, 'status=~"failure|error"')
    failing = f"sum by (severity) ({bad})"
    return [
        legend_colors(
            stacked(
                About(
                    10, (0, 21, 12, 8), "Assertions not passing, by severity",
                    "How many assertions failed or could not be evaluated, over time.",
                    "none", "No assertion yet",
                ),
                over_time(failing, "{{severity}}"),
            ).min(0).decimals(0).axis_soft_max(1),
            SEVERITIES,
        ),
        legend_colors(
            lines(
                About(
                    11, (12, 21, 12, 8), "Suites by state",
                    "How many suites passed, failed, or were silent: late, crashed, or never run.",
                    "none", "No suite yet",
                ),
                over_time(q.count_of(q.passing()), "passing"),
                over_time(q.count_of(q.failing()), "failing"),
                over_time(q.count_of(f"({q.silent_state()})"), "silent"),
            ).min(0).decimals(0).axis_soft_max(1),
            {"passing": "green", "failing": "red", "silent": "purple"},
        ),
    ]  # fmt: skip


def _all_suites(q: Queries) -> Table:
    return rows(
        About(
            12, (0, 29, 24, 12), "All suites",
            "Every suite, the worst first. Click one to open its dashboard.",
            "none", "No suite yet: run one, or register it with dqx db register.",
        ),
        {
            "A": q.suite_state(),
            "B": f"{q.last_run()} * 1000",
            "C": f"max by ({q.id}) ({q.last(names.SUITE_LAST_SUCCESS)}) * 1000",
            "D": f"max by ({q.id}) ({q.current(q.last(names.SUITE_DURATION))})",
            "E": q.failing_count(),
            "F": q.owner(),
        },
        [
            state("Value #A", SUITE_STATES, 80),
            Column(
                "suite", "Suite", None,
                (wrapped(), links(frame.to_suite(q.labels), *frame.to_traces(frame.ROW_SUITE))),
            ),
            *tag_columns(q.labels),
            Column("Value #E", "Not passing", 100),
            moment("Value #B", "Last run", prop("noValue", "never")),
            moment("Value #C", "Last success", prop("noValue", "never")),
            Column("Value #D", "Duration", 90, (prop("unit", "s"),)),
            OWNER,
            RUNBOOK,
        ],
        sort=("Value #A", "suite"),
    )  # fmt: skip
