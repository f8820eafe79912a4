"""What may happen where a sample vanishes five minutes after it was sent: by OTLP."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tests.alerting.scenario import Scenario, alert, failed
from tests.alerting.timeline import (
    BAD,
    DAY,
    ERRORED,
    HOUR,
    PROD,
    RUNBOOK,
    SKIPPED,
    Target,
    outcome,
    plugin,
    run,
    without,
)

from dqx.alerting.rules import vanishing_rules
from dqx.alerting.suite import expected_suite
from dqx.common import SuiteInfo
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dqx.alerting.rules import Group

INSTANCE = "6f1c0f8e-5d0b-5d3b-9d0e-000000000001"


def sent(instance: str = INSTANCE) -> Target:
    return Target(instance, "dqx", vanishing=True)


def rules(
    every: float | None = HOUR,
    tags: Mapping[str, str] = PROD,
    suite: str = "flights",
    owner: str | None = "ann",
) -> Group:
    info = SuiteInfo(suite, None if every is None else every * 60, 900.0, 3_600.0, "P1", owner)
    return vanishing_rules(("env",), expected_suite(info, tags, [], date(1970, 1, 1)))


LATE = alert("DQXSuiteLate")
NOT_EVALUATED = alert("DQXAssertionNotEvaluated", check="Orders", assertion="prices known")
NEAR_LIMIT = alert("DQXPluginNearLimit", "P3", plugin="dqx_prometheus")
DROPPED = alert("DQXTelemetryDropped", "P3", signal="traces", reason="timeout")
PLUGIN_FAILED = alert("DQXPluginFailed", "P2", plugin="dqx_prometheus")
HOURLY = [rules()]

SCENARIOS = [
    Scenario(
        "healthy for a week",
        [sent().runs(range(0, 7 * DAY, DAY), every=DAY)],
        {60: [], 3 * DAY: [], 6 * DAY + 420: []},
        [rules(DAY)],
        step=4,
        evaluated=60,
    ),
    Scenario(
        "one failure, until the next run",
        [sent().runs([0]).runs([60], BAD).runs([120])],
        {59: [], 61: [failed()], 119: [failed()], 131: []},
        HOURLY,
    ),
    Scenario(
        "the first run fails, at any minute, and the next with another severity and owner",
        [sent().runs([3], BAD).runs([66], outcome("FAILURE", severity="P0", owner="bob"))],
        {
            3: [failed()],
            4: [failed()],
            65: [failed()],
            66: [failed(), failed(severity="P0", owner="bob")],
            77: [failed(severity="P0", owner="bob")],
        },
        HOURLY,
    ),
    Scenario(
        "could not be evaluated",
        [sent().runs([0], ERRORED).runs([60])],
        {30: [NOT_EVALUATED], 69: [NOT_EVALUATED], 71: []},
        HOURLY,
    ),
    Scenario(
        # It counts as late for as long as it does not run: no look-back ends that.
        "late, until it runs again",
        [sent().runs([0, 60, 500])],
        {149: [], 152: [LATE], 400: [LATE], 499: [LATE], 501: []},
        HOURLY,
    ),
    Scenario(
        "a failed run, and then none",
        [sent().runs([0], BAD)],
        {74: [failed()], 89: [failed()], 92: [failed(), LATE], 134: [failed(), LATE], 147: [LATE]},
        HOURLY,
    ),
    Scenario(
        "one run missed, within the grace",
        [sent().runs([0, 70, 140, 212])],
        {m: [] for m in (69, 75, 139, 211, 220)},
        HOURLY,
    ),
    Scenario("never ran", [sent().runs([0], suite="orders")], {14: [], 16: [LATE], 300: [LATE]}, HOURLY),
    Scenario("skipped", [sent().runs([0], BAD).runs([60], SKIPPED)], {30: [failed()], 71: []}, HOURLY),
    Scenario(
        "an assertion that failed is deleted, another renamed",
        [sent().runs([0], BAD, outcome("FAILURE", "rows")).runs([60], outcome("FAILURE", "some rows"))],
        {30: [failed(), failed("rows")], 71: [failed("some rows")]},
        HOURLY,
    ),
    Scenario(
        "the severity of an assertion changes between runs",
        [
            sent()
            .runs([0], BAD, outcome("FAILURE", "rows"), outcome("SUCCESS", "fresh"))
            .runs(
                [60],
                outcome("FAILURE", severity="P0"),
                outcome("SUCCESS", "rows", severity="P2"),
                outcome("FAILURE", "fresh", severity="P3"),
            )
        ],
        {30: [failed(), failed("rows")], 71: [failed(severity="P0"), failed("fresh", "P3")]},
        HOURLY,
    ),
    Scenario(
        "the owner of an assertion changes between runs, and that of its suite, and its own runbook",
        [
            sent()
            .runs(
                [5],
                outcome("FAILURE", owner="zoe"),
                outcome("FAILURE", "rows", runbook_url="https://example.com/z"),
                owner="zoe",
                runbook_url=RUNBOOK,
            )
            .runs(
                [60],
                BAD,
                outcome("FAILURE", "rows", runbook_url="https://example.com/a"),
                plugins=plugin("error"),
            )
        ],
        {
            30: [
                failed(owner="zoe", runbook_url=RUNBOOK),
                failed("rows", runbook_url="https://example.com/z"),
            ],
            71: [failed(), failed("rows", runbook_url="https://example.com/a"), PLUGIN_FAILED],
        },
        HOURLY,
    ),
    Scenario(
        "the series that say whose it is are lost",
        [
            sent().show(
                3,
                without(run(3, ERRORED, plugins=plugin("error")), names.ASSERTION_INFO, names.SUITE_INFO),
            )
        ],
        {
            30: [
                alert("DQXAssertionNotEvaluated", check="Orders", assertion="prices known", owner=""),
                alert("DQXPluginFailed", "P2", plugin="dqx_prometheus", owner=""),
            ]
        },
        HOURLY,
        recorded={
            "dqx:suite_info": {'dqx:suite_info{suite="flights", snapshot="flights,env=prod", env="prod"}': 1}
        },
    ),
    Scenario(
        "a plugin is cut off, then nears its limit, then does neither",
        [
            sent()
            .runs([0], plugins=plugin("timed_out", 10.0))
            .runs([60], plugins=plugin("ok", 0.45, 0.5))
            .runs([120])
        ],
        {
            30: [PLUGIN_FAILED, NEAR_LIMIT],
            69: [PLUGIN_FAILED, NEAR_LIMIT],
            71: [NEAR_LIMIT],
            129: [NEAR_LIMIT],
            131: [],
        },
        HOURLY,
    ),
    Scenario(
        "telemetry dropped, then clean",
        [sent().runs([0], dropped=12).runs([60])],
        {30: [DROPPED], 69: [DROPPED], 71: []},
        HOURLY,
    ),
    Scenario(
        "two environments, each with rules of its own, one of them late",
        [sent().runs([0], BAD).runs([0, 60, 120], tags={"env": "dev"})],
        {30: [failed()], 100: [failed(), LATE], 180: [LATE]},
        [rules(), rules(tags={"env": "dev"})],
    ),
    Scenario(
        "two environments under rules of both",
        [sent().runs([0, 60], BAD).runs([0, 60], tags={"env": "dev"})],
        {30: [failed()], 90: [failed()]},
        [rules(tags={})],
    ),
    Scenario(
        "the same snapshot from two instances, of which the older one failed",
        [
            sent().runs([0], BAD, plugins=plugin("timed_out", 10.0), dropped=1),
            sent("another").runs([30]).runs([90], plugins=plugin("ok", 0.45, 0.5)),
        ],
        {29: [failed(), PLUGIN_FAILED, NEAR_LIMIT, DROPPED], 41: [], 100: [NEAR_LIMIT]},
        HOURLY,
    ),
    Scenario(
        "the same snapshot from two instances, and another suite fails",
        [sent().runs([0]).runs([0], BAD, suite="orders"), sent("another").runs([0])],
        {30: [failed(suite="orders", snapshot="orders,env=prod")]},
        [rules(), rules(suite="orders")],
    ),
    Scenario(
        "nobody expects it to run",
        [sent().runs([0], BAD, every=None)],
        {30: [failed()], DAY: [failed()], DAY + 80: []},
        [rules(None)],
        step=4,
        evaluated=4,
    ),
    Scenario(
        "every week",
        [sent().show(0, run(0, BAD, every=7 * DAY))],
        {DAY: [failed()], 7 * DAY: [failed()], 7 * DAY + 60: [failed()], 7 * DAY + 180: [LATE]},
        [rules(7 * DAY)],
        step=4,
        evaluated=60,
    ),
]
