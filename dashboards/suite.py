"""The dashboard `Suite`: one suite, its assertions, and one of them against its thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.columns import (
    ASSERTION_STATES,
    FAILING_FOR,
    OWNER,
    RUNBOOK,
    SEVERITY,
    SUITE_STATES,
    quantity,
    state,
    tag_columns,
)
from dashboards.panels import (
    GOOD_AT_ONE,
    About,
    Column,
    dashed,
    lines,
    links,
    now,
    number,
    over_time,
    rows,
    strips,
    wrapped,
)
from dashboards.queries import FAILED, LATE, PASSED, SKIPPED, Queries, one

from dashboards import frame
from dqx.dashboards.label_tags import legend
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.panels import AnyPanel
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.builders.table import Panel as Table

_STATES = (("text", None), ("red", FAILED), ("purple", LATE), ("text", SKIPPED), ("green", PASSED))
_ONE = one("check"), one("assertion")


def build(labels: Sequence[str]) -> Dashboard:
    """Return the dashboard for these label tags."""
    q = Queries(labels, one("suite"))
    info = names.ASSERTION_INFO
    made = frame.dashboard(
        frame.SUITE,
        "DQX / Suite",
        "One suite: the history of its assertions, one of them against its thresholds, and its data.",
        q,
        [
            frame.suites(labels, many=False),
            frame.severities(),
            frame.datasets(q),
            frame.values_of(
                "check", "Check", f"label_values({q.selector(info)}, check)",
                "The check of the assertion that is shown over time.", many=False,
            ),
            frame.values_of(
                "assertion", "Assertion", f"label_values({q.selector(info, one('check'))}, assertion)",
                "The assertion that is shown over time.", many=False,
            ),
        ],
        runs=True,
    )  # fmt: skip
    for panel in [*_numbers(q), _assertions(q), _history(q), _value(q), *_data(q)]:
        made.with_panel(panel)
    return made


def _numbers(q: Queries) -> list[AnyPanel]:
    late_in = f"{q.newest()} + {q.allowed()} - time()"
    succeeded = f"max by (snapshot) ({q.last(names.SUITE_LAST_SUCCESS)})"
    passed = q.assertions('status="success"')
    evaluated = q.assertions('status=~"success|failure|error"')
    return [
        number(
            About(
                1, (0, 0, 4, 4), "State", "What the newest run found, or that there should be a newer one.",
                "none", "never ran", _STATES,
            ),
            now(f"min by ({q.id}) ({q.suite_state()})", legend(q.labels)),
        ).mappings(SUITE_STATES),
        number(
            About(
                2, (4, 0, 4, 4), "Passing",
                "Share of the assertions that passed in the newest run, of those that were evaluated.",
                "percentunit", "nothing evaluated", GOOD_AT_ONE,
            ),
            now(f"sum({passed}) / (sum({evaluated}) > 0)"),
        ).decimals(1).min(0).max(1),
        number(
            About(
                3, (8, 0, 4, 4), "Last run",
                "How long ago the newest run finished; of several environments, where that is longest.",
                "s", "never",
            ),
            now(f"time() - min({q.newest()})"),
        ).decimals(0),
        number(
            About(
                4, (12, 0, 4, 4), "Last success",
                "How long ago the newest run that passed finished; of several environments, where that is longest, "
                "and never when one of them has not passed yet.",
                "s", "never",
            ),
            now(f"time() - (min({succeeded} or 0 * {q.newest()}) > 0)"),
        ).decimals(0),
        number(
            About(
                5, (16, 0, 4, 4), "Late in",
                "Time left until the suite counts as late: its interval and grace after the last run. "
                "Below zero it is late.",
                "s", "no interval", (("text", None), ("purple", -1e9), ("green", 0)),
            ),
            now(f"min({late_in})"),
        ).decimals(0),
        number(
            About(
                6, (20, 0, 4, 4), "Duration", "How long the newest run took, to the stored verdict.", "s", "never ran",
            ),
            over_time(f"max({q.current(q.last(names.SUITE_DURATION))})", "duration"),
            trend=True,
        ).decimals(1),
    ]  # fmt: skip


def _assertions(q: Queries) -> Table:
    picked = 'severity=~"$severity"'
    by = f"{q.id}, check, assertion"
    evaluated = q.evaluated(q.last(names.ASSERTION_PASSED, picked))
    return rows(
        About(
            7, (0, 4, 24, 10), "Assertions now",
            "All assertions of the picked severities, what does not pass first. Click one to see it over time below.",
            "none", "No assertion was evaluated.",
        ),
        {
            "A": f"max by ({by}) ({q.evaluated(q.last(names.ASSERTION_VALUE, picked))})",
            "D": f"time() - min by ({by}) ({q.of_failing(q.last(names.ASSERTION_FAILING_SINCE))})",
            "E": f"min by ({by}, severity) ({q.evaluated(q.state())})",
            "P": f"min by ({by}) ({evaluated})",
            "F": f"max by ({by}, expression, owner, runbook_url) ({q.info(evaluated)})",
        },
        [
            state("Value #E", ASSERTION_STATES),
            SEVERITY,
            *tag_columns(q.labels),
            Column("check", "Check", None, (wrapped(),)),
            Column("assertion", "Assertion", None, (wrapped(), links(frame.pick(q.labels, "__data.fields")))),
            Column("expression", "Asserted", None, (wrapped(),)),
            quantity("Value #A", "Value"),
            FAILING_FOR,
            OWNER,
            RUNBOOK,
        ],
        sort=("Value #P", "severity"),
    )  # fmt: skip


_TRACES = frame.to_traces("${suite:percentencode}")


def _history(q: Queries) -> AnyPanel:
    states = f"min by ({q.id}, check, assertion) ({q.evaluated(q.state())})"
    return strips(
        About(
            8, (0, 14, 24, 10), "History of each assertion",
            "Green passed, red failed, purple could not be evaluated; a gap is skipped, or no data.",
            "none", "No assertion was evaluated.", (("purple", None), ("red", 0), ("green", 1)),
        ),
        # Where there is no room for all of it, its end is cut.
        over_time(states, f"{{{{assertion}}}}{legend(q.labels)} / {{{{check}}}}"),
        ASSERTION_STATES,
    ).override_by_regexp("/.*/", [links(frame.pick(q.labels, "__field.labels"), *_TRACES)])  # fmt: skip


def _value(q: Queries) -> AnyPanel:
    value = f"max by ({q.id}) ({q.evaluated(q.last(names.ASSERTION_VALUE, *_ONE))})"
    bound = f"max by ({q.id}, bound) ({q.evaluated(q.last(names.ASSERTION_THRESHOLD, *_ONE))})"
    panel = lines(
        About(
            9, (0, 24, 24, 9), "Value against its thresholds: $check / $assertion",
            "The value that was compared, and the bounds it was compared with. Good lies between lower and upper; bad "
            "between excluded_lower and excluded_upper.",
            "none", "It has no value: pick a check and an assertion above, or it could not be evaluated.",
        ),
        over_time(value, f"value{legend(q.labels)}"),
        over_time(bound, f"{{{{bound}}}}{legend(q.labels)}"),
    )  # fmt: skip
    dashed(panel, "/^(lower|upper)/", "red")
    return dashed(panel, "/^excluded/", "orange")


def _data(q: Queries) -> list[AnyPanel]:
    picked = 'dataset=~"$dataset"'
    named = f"{{{{dataset}}}}{legend(q.labels)}"

    def newest(metric: names.Metric) -> str:
        return f"max by ({q.id}, dataset) ({q.current(q.last(metric, picked))})"

    return [
        lines(
            About(10, (0, 33, 8, 8), "Rows", "Rows of each dataset.", "short", "No dataset was read."),
            over_time(newest(names.DATASET_ROW_COUNT), named),
        ).min(0),
        lines(
            About(
                11, (8, 33, 8, 8), "Age of the data",
                "How old the newest value was of the columns that are watched for freshness, when a run looked.",
                "s", "No column is watched: mp.freshness(column) does.",
            ),
            over_time(f"-({newest(names.DATASET_FRESHNESS)} - on (snapshot) group_left () {q.newest()})", named),
        ).min(0),
        lines(
            About(
                12, (16, 33, 8, 8), "Duration of runs",
                "How long runs took, to the stored verdict.", "s", "The suite never ran.",
            ),
            over_time(
                f"max by ({q.id}) ({q.current(q.last(names.SUITE_DURATION))})", f"duration{legend(q.labels)}"
            ),
        ).min(0).override_by_regexp("/.*/", [links(*_TRACES)]),
    ]  # fmt: skip
