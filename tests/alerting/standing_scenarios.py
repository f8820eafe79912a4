"""What may happen where samples stay until they are replaced: by scrape, text file and Pushgateway."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from tests.alerting.scenario import Scenario, alert, down, failed
from tests.alerting.timeline import (
    BAD,
    DAY,
    ERRORED,
    HOUR,
    RUNBOOK,
    SKIPPED,
    Target,
    began,
    outcome,
    plugin,
    pushed,
    registered,
    run,
    without,
)

from dqx.alerting.rules import standing_rules
from dqx.alerting.suite import expected_suite
from dqx.common import SuiteInfo
from dqx.telemetry import names

if TYPE_CHECKING:
    from dqx.alerting.rules import Group
    from dqx.telemetry.snapshot import Snapshot

LATE = alert("DQXSuiteLate")
VANISHED = alert("DQXSuiteVanished")
CRASHED = alert("DQXSuiteCrashed")
NEVER = alert("DQXSuiteNeverRan", "P2")
PLUGIN_FAILED = alert("DQXPluginFailed", "P2", plugin="dqx_prometheus")
NEAR_LIMIT = alert("DQXPluginNearLimit", "P3", plugin="dqx_prometheus")
DROPPED = alert("DQXTelemetryDropped", "P3", signal="traces", reason="timeout")
DEV = {"env": "dev"}
IN_DEV = {"env": "dev", "snapshot": "flights,env=dev"}
LATE_IN_DEV = alert("DQXSuiteLate", **IN_DEV)
NODE_A, NODE_B = ("host-a:9100", "node"), ("host-b:9100", "node")
ODD = 'say "no" \\ {{ $labels.x }} }}\na second line \N{PARTY POPPER} naïve'


def serve(**labels: str) -> Target:
    return Target(labels=labels)


def node(which: tuple[str, str]) -> Target:
    return Target(*which)


def gateway(instance: str) -> Target:
    return Target(instance, "gateway", own="pushgateway_build_info")


def of_flights(tags: dict[str, str]) -> tuple[Group, ...]:
    info = SuiteInfo("flights", 3_600.0, 900.0, 3_600.0, "P1", "ann", RUNBOOK)
    return (standing_rules(("env",), [expected_suite(info, tags, [], date(1970, 1, 1))]),)


ABSENT = alert("DQXSuiteAbsent", runbook_url=RUNBOOK)


def beyond_the_limit() -> Snapshot:
    """Return a run with two assertions too many, without the series of the others, which promtool refuses to load."""
    within = [outcome(assertion=f"a{number}") for number in range(10_000)]
    made = run(
        0, *within, outcome("FAILURE", "more", severity="P0"), outcome("SUCCESS", "yet more", severity="P3")
    )
    kept = (s for s in made.samples if s.labels.get("check", names.OVERFLOW) == names.OVERFLOW)
    return replace(made, samples=tuple(kept))


SCENARIOS = [
    Scenario(
        "healthy for a month",
        [serve().runs(range(0, 30 * DAY, DAY), every=DAY, grace=6 * HOUR)],
        {60: [], 10 * DAY: [], 20 * DAY: [], 30 * DAY: []},
        step=4,
        evaluated=60,
    ),
    Scenario(
        "healthy, by the minute", [serve().runs(range(0, 600, HOUR))], {m: [] for m in (0, 7, 59, 300, 600)}
    ),
    Scenario(
        "one failure, until the next run",
        [serve().runs([0]).runs([60], BAD).runs([120])],
        # It stays for ten minutes after the run that passes.
        {59: [], 60: [failed()], 119: [failed()], 129: [failed()], 131: []},
    ),
    Scenario(
        "two assertions of a check fail, each of its severity",
        [serve().runs([0], BAD, outcome("FAILURE", "rows", severity="P0"), outcome("SUCCESS", "fresh"))],
        {1: [failed(), failed("rows", "P0")]},
    ),
    Scenario(
        "could not be evaluated, then failed",
        [serve().runs([0], ERRORED).runs([60], BAD)],
        {
            1: [alert("DQXAssertionNotEvaluated", check="Orders", assertion="prices known")],
            71: [failed()],
        },
    ),
    Scenario(
        "late, until it runs again",
        [serve().runs([0, 60, 200])],
        {134: [], 136: [LATE], 199: [LATE], 200: []},
    ),
    Scenario(
        # Nothing may keep this failure quiet, as the suite being late does.
        "late, and the run that comes at last fails",
        [serve().runs([0]).runs([200], BAD)],
        {199: [LATE], 200: [failed()]},
    ),
    Scenario(
        "a failed run, and then none",
        [serve().runs([0], BAD)],
        {70: [failed()], 80: [failed(), LATE]},
    ),
    Scenario(
        "one run missed, within the grace, and each at another minute",
        [serve().runs([0, 62, 118, 184, 240, 313], every=HOUR, grace=70)],
        {m: [] for m in (61, 130, 183, 239, 312, 320)},
    ),
    Scenario(
        "rests at weekends",
        [serve().runs([0, 3 * DAY], every=DAY, grace=2 * DAY)],
        {2 * DAY: [], 3 * DAY - 60: [], 3 * DAY: []},
        step=4,
        evaluated=60,
    ),
    Scenario(
        "nobody expects it to run",
        [serve().runs([0], every=None)],
        {60: [], 2 * DAY: []},
        step=4,
        evaluated=60,
    ),
    Scenario(
        "crashed, and then ran",
        [
            serve()
            .show(0, run(0, started=0))
            .show(30, run(0, started=30, every=DAY))
            .show(120, run(120, started=119, every=DAY))
        ],
        {31: [], 89: [], 91: [CRASHED], 119: [CRASHED], 120: []},
    ),
    Scenario(
        "crashed in the first run",
        [serve().show(5, began(5))],
        {6: [], 64: [], 66: [CRASHED], 300: [CRASHED]},
    ),
    Scenario(
        "crashed, while the run before had failed",
        [serve().show(0, run(0, BAD, started=0)).show(30, run(0, BAD, started=30, every=DAY))],
        {29: [failed()], 91: [failed(), CRASHED]},
    ),
    Scenario(
        "runs for long, within its limit",
        [
            serve()
            .show(0, run(0, started=0, every=DAY))
            .show(60, run(0, started=60, every=DAY))
            .show(119, run(119, started=60, every=DAY))
        ],
        {118: [], 119: [], 200: []},
    ),
    Scenario(
        "finished by a clock that was a day ahead",
        [serve().show(0, run(DAY, BAD))],
        {1: [failed(), LATE], DAY - 76: [failed(), LATE], DAY: [failed()], DAY + 74: [failed()]},
    ),
    Scenario("never ran", [serve().show(0, registered(0))], {74: [], 76: [NEVER], 500: [NEVER]}),
    Scenario(
        "never ran, until it does",
        [serve().show(0, registered(0)).show(100, run(100, started=99))],
        {99: [NEVER], 109: [NEVER], 111: []},
    ),
    Scenario(
        "registered, and then ran in time",
        [serve().show(0, registered(0)).show(70, began(70)).show(72, run(72, started=70))],
        {69: [], 71: [], 100: []},
    ),
    Scenario(
        "a plugin fails, and then does not",
        [serve().runs([0], plugins=plugin("error")).runs([60])],
        {1: [PLUGIN_FAILED], 69: [PLUGIN_FAILED], 71: []},
    ),
    Scenario(
        "a plugin is cut off",
        [serve().runs([0], plugins=plugin("timed_out", 10.0))],
        {
            1: [
                PLUGIN_FAILED,
                NEAR_LIMIT,
            ]
        },
    ),
    Scenario(
        "a plugin nears the short limit that it has",
        [serve().runs([0], plugins=plugin("ok", 0.45, 0.5)).runs([60], plugins=plugin("ok", 0.39, 0.5))],
        {1: [NEAR_LIMIT], 69: [NEAR_LIMIT], 71: []},
    ),
    Scenario("a plugin is disabled", [serve().runs([0], plugins=plugin("disabled"))], {1: []}),
    Scenario(
        "telemetry dropped, then clean",
        [serve().runs([0], dropped=12).runs([60])],
        {1: [DROPPED], 69: [DROPPED], 71: []},
    ),
    Scenario(
        "the exporter is down, and comes back",
        [serve().runs([0, 60]).down(30, 50)],
        {29: [], 34: [], 35: [down()], 44: [down()], 46: [down(), VANISHED], 51: []},
    ),
    Scenario(
        "the exporter restarts while an assertion fails, and another cannot be evaluated",
        [serve().runs([0], BAD, outcome("ERROR", "rows")).down(20, 22)],
        {
            m: [failed(), alert("DQXAssertionNotEvaluated", check="Orders", assertion="rows")]
            for m in (19, 20, 21, 22, 40)
        },
    ),
    Scenario(
        "a gap of five minutes, while it is late, and another one crashed, too",
        [serve().runs([0], BAD).down(90, 95), Target("b:9464").show(0, began(0, tags=DEV)).down(90, 95)],
        {m: [failed(), LATE, alert("DQXSuiteCrashed", **IN_DEV)] for m in (89, 90, 92, 94, 95, 96)},
    ),
    Scenario(
        "the exporter is down and has never answered",
        [serve().down(0, 60)],
        {4: [], 6: [down()]},
    ),
    Scenario(
        "another target is down",
        [serve().runs([0]), Target("host:80", "web").down(0, 60)],
        {30: []},
    ),
    Scenario(
        "flapping",
        [serve().runs(range(0, 60, 10), BAD, every=5).runs(range(5, 60, 10), every=5)],
        {m: [failed()] for m in (1, 6, 11, 19, 27, 59)},
    ),
    Scenario("skipped", [serve().runs([0], BAD).runs([60], SKIPPED)], {1: [failed()], 71: []}),
    Scenario("skipped from the beginning", [serve().runs([0], SKIPPED)], {1: [], 60: []}),
    Scenario(
        "an assertion that failed is deleted",
        [serve().runs([0], BAD, outcome("SUCCESS", "rows")).runs([60], outcome("SUCCESS", "rows"))],
        {59: [failed()], 71: []},
    ),
    Scenario(
        "an assertion that fails is renamed",
        [serve().runs([0], BAD).runs([60], outcome("FAILURE", "all prices known"))],
        {59: [failed()], 71: [failed("all prices known")]},
    ),
    Scenario(
        "the severity of an assertion changes between runs",
        [
            serve()
            .runs([0], BAD)
            .runs([60], outcome("FAILURE", severity="P0"))
            .runs([120], outcome(severity="P2"))
        ],
        {59: [failed()], 71: [failed(severity="P0")], 131: []},
    ),
    Scenario(
        "the owner of an assertion changes between runs",
        [serve().runs([0], BAD).runs([60], outcome("FAILURE", owner="bob"), owner="bob")],
        {59: [failed()], 71: [failed(owner="bob")]},
    ),
    Scenario(
        # A backfill sets no gauge, and a run that is under way for it none either.
        "a backfill",
        [serve().show(0, run(0, started=0, every=DAY)).show(30, run(0, started=0, every=DAY))],
        {m: [] for m in (29, 31, 120)},
    ),
    Scenario(
        "two environments, one of them failing",
        [serve().runs([0, 60]).runs([0, 60], BAD, tags=DEV)],
        {1: [failed(**IN_DEV)]},
    ),
    Scenario(
        "two environments, one of them late",
        [serve().runs(range(0, 300, HOUR)).runs([0], tags=DEV)],
        {60: [], 80: [alert("DQXSuiteLate", **IN_DEV)], 250: [alert("DQXSuiteLate", **IN_DEV)]},
    ),
    Scenario(
        "two environments, one of which vanishes",
        [serve().runs(range(0, 300, HOUR)).runs([0, 60], tags=DEV).forget(100, "flights,env=dev")],
        {114: [], 116: [alert("DQXSuiteVanished", **IN_DEV)], 250: [alert("DQXSuiteVanished", **IN_DEV)]},
    ),
    Scenario(
        "vanished, and comes back",
        [serve().runs([0]).forget(30).runs([120])],
        {44: [], 46: [VANISHED], 119: [VANISHED], 121: []},
    ),
    Scenario(
        "retired, while it fails",
        [serve().runs([0, 60], BAD).runs([0, 60], tags=DEV).retire(100)],
        {99: [failed()], 116: [], 60 + 76: [LATE_IN_DEV], DAY: [LATE_IN_DEV], DAY + 200: [LATE_IN_DEV]},
        step=4,
        evaluated=4,
    ),
    Scenario(
        "vanished for longer than a day",
        [serve().runs([0]).forget(32)],
        {1_000: [VANISHED], DAY + 40: []},
        step=4,
        evaluated=4,
    ),
    Scenario(
        "a text file moved to another host, and the old one is still there, failing",
        [node(NODE_A).runs([0], BAD), node(NODE_B).runs([60, 120, 180])],
        {59: [failed()], 71: [], 190: []},
        recorded={
            'dqx:suite_assertions{status!="skipped"} > 0': {
                'dqx:suite_assertions{suite="flights", snapshot="flights,env=prod", env="prod", severity="P1", '
                'status="success"}': 1
            }
        },
    ),
    Scenario(
        "a text file moved to another host, and the old one has plugins that failed and telemetry dropped",
        [node(NODE_A).runs([0], plugins=plugin("timed_out", 10.0), dropped=1), node(NODE_B).runs([60])],
        {59: [PLUGIN_FAILED, NEAR_LIMIT, DROPPED], 71: []},
    ),
    Scenario(
        "a text file moved to another host, and fails there, near a shorter limit",
        [
            node(NODE_A).runs([0], plugins=plugin("ok", 1.0, 100.0)),
            node(NODE_B).runs([60], BAD, plugins=plugin("ok", 0.45, 0.5)),
        ],
        {59: [], 61: [failed(), NEAR_LIMIT]},
    ),
    Scenario(
        "a text file moved to another host, to another owner, and is late there",
        [
            node(NODE_A).runs([0], owner="aaron", every=DAY),
            node(NODE_B).runs([60]),
            node(("c:9100", "node")).runs([0], owner="zoe"),
        ],
        {59: [], 140: [LATE]},
    ),
    Scenario(
        "the host of a text file is down",
        [node(NODE_A).runs([0]).down(20, 60), Target("host-c:9100", "node").down(20, 60)],
        {24: [], 26: [down(*NODE_A)]},
    ),
    Scenario(
        "a Pushgateway is down",
        [gateway("gateway:9091").show(0, pushed(run(0))).down(20, 60)],
        {24: [], 26: [down("gateway:9091", "gateway")]},
    ),
    Scenario(
        "a Pushgateway that others push to is down",
        [serve().runs([0]), gateway("gateway:9091").down(20, 60)],
        {26: [], 60: []},
    ),
    Scenario(
        "a Pushgateway beside the exporter, then a failure by both",
        [t.runs([0]).runs([60], BAD) for t in (serve(), Target("", "dqx"))],
        {1: [], 61: [failed()], 140: [failed(), LATE]},
    ),
    Scenario(
        "two replicas",
        [Target(host).runs([0]).runs([60], BAD, plugins=plugin("error")) for host in ("a:9464", "b:9464")],
        {1: [], 71: [failed(), PLUGIN_FAILED]},
    ),
    Scenario(
        "two replicas that differ in the label pod alone",
        [
            serve(pod=pod).runs([0]).runs([60], BAD, plugins=plugin("timed_out", 10.0), dropped=1)
            for pod in ("one", "two")
        ],
        {
            1: [],
            71: [
                failed(),
                PLUGIN_FAILED,
                NEAR_LIMIT,
                DROPPED,
            ],
        },
    ),
    Scenario(
        "a replica that is half an hour behind",
        [Target("a:9464").runs([0], BAD).runs([60]), Target("b:9464").runs([0], BAD).runs([90])],
        {59: [failed()], 71: [], 101: []},
    ),
    Scenario(
        "a second suite fails while the first is there twice",
        [
            serve().runs([0]).runs([0], BAD, suite="orders"),
            Target("b:9464").runs([0]),
            node(NODE_A).runs([0]),
        ],
        {1: [failed(suite="orders", snapshot="orders,env=prod")]},
    ),
    Scenario(
        "Prometheus is away for two hours",
        [serve().runs(range(0, 400, HOUR), BAD)],
        {100: [failed()], 221: [failed()], 240: [failed()]},
        blind=(100, 220),
    ),
    Scenario(
        "the series that say whose it is are lost",
        [
            serve().show(
                0,
                without(run(0, BAD, outcome("ERROR", "rows")), names.ASSERTION_INFO, names.SUITE_INFO),
            )
        ],
        {
            80: [
                failed(owner=""),
                alert("DQXAssertionNotEvaluated", check="Orders", assertion="rows", owner=""),
                alert("DQXSuiteLate", owner=""),
            ]
        },
        recorded={
            "dqx:suite_info": {'dqx:suite_info{suite="flights", snapshot="flights,env=prod", env="prod"}': 1}
        },
    ),
    Scenario(
        "a suite that never finished a run does not say whose it is",
        [
            serve().show(0, without(registered(0), names.SUITE_INFO)),
            Target("b:9464").show(0, without(began(0, tags=DEV), names.SUITE_INFO)),
        ],
        {80: [alert("DQXSuiteNeverRan", "P2", owner=""), alert("DQXSuiteCrashed", owner="", **IN_DEV)]},
    ),
    Scenario(
        "the series that says whose the assertion is is lost in one of two copies",
        [serve().show(0, without(run(0, BAD), names.ASSERTION_INFO)), Target("b:9464").runs([0], BAD)],
        {1: [failed()]},
    ),
    Scenario(
        "the label env of a target, where runs have the tag",
        [serve(env="scrape").runs([0], BAD)],
        {1: [failed()]},
    ),
    Scenario(
        "the label env of two targets, where runs have no tag",
        [
            Target("a:9464", labels=DEV).runs([0, 60, 120], tags={}),
            Target("b:9464", labels={"env": "prod"}).runs([0], BAD, tags={}),
        ],
        {
            1: [failed(snapshot="flights")],
            80: [failed(snapshot="flights"), alert("DQXSuiteLate", snapshot="flights")],
        },
    ),
    Scenario(
        "no tags at all",
        [serve().runs([0], BAD, tags={})],
        {1: [failed(snapshot="flights", env="")]},
        groups=[standing_rules(())],
    ),
    Scenario(
        "two tags that become labels",
        [serve().runs([0], BAD, tags={"env": "prod", "region": "eu"}).runs([0], tags={"env": "prod"})],
        {1: [failed(snapshot="flights,env=prod,region=eu", region="eu")]},
        groups=[standing_rules(("env", "region"))],
    ),
    Scenario(
        "more assertions than have series of their own, the failing ones all P0",
        [serve().show(0, beyond_the_limit())],
        {
            1: [
                failed("__overflow__", "P0", check="__overflow__"),
                alert("DQXTelemetryDropped", "P3", signal="metrics", reason="series_limit"),
            ]
        },
    ),
    Scenario(
        "names of every kind",
        [serve().runs([0], outcome("FAILURE", ODD, ODD, owner=ODD), suite=ODD)],
        {1: [failed(ODD, check=ODD, suite=ODD, snapshot=f"{ODD},env=prod", owner=ODD)]},
    ),
    Scenario(
        "the runbook of the assertion comes before that of the suite",
        [
            serve().runs(
                [0],
                BAD,
                outcome("FAILURE", "rows", runbook_url="https://example.com/rows"),
                plugins=plugin("error"),
                runbook_url=RUNBOOK,
            )
        ],
        {
            1: [
                failed(runbook_url=RUNBOOK),
                failed("rows", runbook_url="https://example.com/rows"),
                alert("DQXPluginFailed", "P2", plugin="dqx_prometheus", runbook_url=RUNBOOK),
            ]
        },
    ),
    Scenario(
        "the owner of a suite that is late, and of one that vanished, is the newest",
        [serve().runs([0], owner="bob").runs([60]).forget(200)],
        {199: [LATE], 216: [VANISHED]},
    ),
    Scenario(
        "a suite that a checks file tells of is absent",
        [serve().runs([0], tags=DEV).show(60, run(60, runbook_url=RUNBOOK))],
        {14: [], 16: [ABSENT], 61: []},
        groups=of_flights({"env": "prod"}),
    ),
    Scenario(
        "a suite that a checks file tells of is absent, whatever its tags",
        [serve().runs([0], suite="orders")],
        {14: [], 16: [alert("DQXSuiteAbsent", snapshot="", env="", runbook_url=RUNBOOK)]},
        groups=of_flights({}),
    ),
    Scenario(
        "a suite that a checks file tells of is registered, then runs for the first time",
        [serve().show(0, registered(0)).show(40, began(40)).show(70, run(70, started=40))],
        {m: [] for m in (16, 39, 50, 71, 100)},
        groups=of_flights({"env": "prod"}),
    ),
]
