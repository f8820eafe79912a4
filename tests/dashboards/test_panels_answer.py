"""Every query of every panel answers on a real Prometheus, fed by real runs through the exporter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.dashboards.shipped import FILES, Query, expressions, filled_in, queries, read

if TYPE_CHECKING:
    from tests.dashboards.conftest import World
    from tests.servers.series import Series

ALL = ".*"
PICKED = {
    "env": ALL,
    "suite": ALL,
    "severity": ALL,
    "dataset": ALL,
    "metric": ALL,
    "check": "Orders are complete",
    "assertion": "not ten",
    "lookback": "5m",
}
ONE_SUITE = ("suite", "data_metrics")
MAY_BE_EMPTY = {
    "pipeline: Telemetry dropped: A": "shows what was dropped alone, and nothing was",
    "pipeline: Time per plugin and phase: E": "shutdown comes after the run, when its results are stored",
}


def values(query: Query, **more: str) -> dict[str, str]:
    """Return what is picked on the dashboard of a query: one suite, where one is picked."""
    suite = {"suite": "bad"} if query.dashboard in ONE_SUITE else {}
    return {**PICKED, **suite, **more}


def asked(world: World, query: Query, at_s: float = 0, **more: str) -> dict[Series, float]:
    """Return what a query answers, some seconds after all was scraped."""
    return world.prometheus.query(filled_in(query.expression, values(query, **more)), at=world.now + at_s)


def panel(dashboard: str, title: str) -> dict[str, Query]:
    """Return the queries of a panel by their letters."""
    found = {q.ref: q for q in queries() if (q.dashboard, q.panel) == (dashboard, title)}
    assert found, f"{dashboard} has no panel '{title}'"
    return found


def number(world: World, dashboard: str, title: str, **more: str) -> float:
    """Return the one number of a panel."""
    (value,) = asked(world, panel(dashboard, title)["A"], **more).values()
    return value


def by(found: dict[Series, float], *labels: str) -> dict[tuple[str, ...], float]:
    """Return the values of series by some of their labels."""
    return {tuple(dict(own).get(label, "") for label in labels): value for (_, own), value in found.items()}


@pytest.mark.parametrize("query", [pytest.param(query, id=query.place) for query in queries()])
def test_every_query_answers(world: World, query: Query) -> None:
    """Without an error, although every snapshot is there twice, and not with nothing."""
    found = asked(world, query)
    assert found or query.place in MAY_BE_EMPTY, filled_in(query.expression, values(query))
    if not query.instant:
        expression = filled_in(query.expression, values(query))
        over_time = world.prometheus.query_range(expression, world.now - 60, world.now, 5)
        assert bool(over_time) == bool(found)


@pytest.mark.parametrize("name", FILES)
def test_variables_have_values(world: World, name: str) -> None:
    """Each query of a variable finds series."""
    dashboard = read(name)
    query = Query(name.removesuffix(".json"), "", "", "", instant=True)
    for expression in expressions(dashboard):
        assert world.prometheus.query(filled_in(expression, values(query)), at=world.now) or (
            expression in {q.expression for q in queries() if q.place in MAY_BE_EMPTY}
        )


@pytest.mark.parametrize("query", [pytest.param(query, id=query.place) for query in queries()])
def test_nothing_is_an_error_where_there_is_nothing(world: World, query: Query) -> None:
    """Of a suite that is not there: no number that would look like good news."""
    found = asked(world, query, suite="nobody", env="nowhere", dataset="none")
    if "dqx_exporter" not in query.expression:
        assert found == {}


def test_the_overview_counts_what_happened(world: World) -> None:
    """Eight snapshots: three pass, two fail, three are silent; of their assertions, three do not pass."""
    assert number(world, "overview", "Suites passing") == 3 / 8
    assert number(world, "overview", "Suites failing") == 2
    assert number(world, "overview", "Suites silent") == 3
    assert number(world, "overview", "Not passing") == 3
    assert number(world, "overview", "Not passing", severity="P0") == 1
    assert number(world, "overview", "Errors") == 1
    assert number(world, "overview", "Plugin errors") == 1


def test_where_all_is_well_the_numbers_are_zero(world: World) -> None:
    """And not absent."""
    well = {"suite": "good"}
    assert number(world, "overview", "Suites passing", **well) == 1
    for title in ("Suites failing", "Suites silent", "Not passing", "Errors", "Plugin errors"):
        assert number(world, "overview", title, **well) == 0, title


def test_what_fails_now_is_told_in_full(world: World) -> None:
    """Each assertion once, with value, threshold, state, since when, owner and runbook."""
    table = {ref: asked(world, query) for ref, query in panel("overview", "What fails now").items()}
    many, ten, prize = (("bad", "many orders"), ("bad", "not ten"), ("erroring", "prize"))
    assert by(table["A"], "suite", "assertion") == {many: 10, ten: 10}
    assert by(table["B"], "suite", "assertion") == {many: 100, ten: 10}
    assert by(table["C"], "suite", "assertion") == {ten: 10}
    assert by(table["E"], "suite", "assertion", "severity") == {
        (*many, "P0"): 0, (*ten, "P2"): 0, (*prize, "P1"): -1,
    }  # fmt: skip
    assert all(0 < seconds < 120 for seconds in table["D"].values())
    assert set(by(table["D"], "suite", "assertion")) == {many, ten, prize}
    assert set(by(table["F"], "suite", "assertion", "runbook_url", "env")) == {
        (*many, "https://runbooks.example.com/orders", "prod"),
        (*ten, "https://runbooks.example.com/orders", "prod"),
        (*prize, "", "prod"),
    }
    owners = by(table["F"], "assertion", "owner")
    assert {("many orders", "team-orders"), ("not ten", "team-orders")} < set(owners)
    assert len(owners) == 3, "an owner that has just changed makes no second row"


def test_silent_suites_are_told_apart(world: World) -> None:
    """Crashed 1, late 2, never ran 3: the numbers that the dashboard has texts for."""
    table = {
        ref: asked(world, query)
        for ref, query in panel("overview", "Late, crashed, vanished, never ran").items()
    }
    assert by(table["A"], "suite") == {("crashed",): 1, ("late",): 2, ("forgotten",): 3}
    assert set(by(table["B"], "suite")) == {("late",)}
    assert set(by(table["D"], "suite", "owner")) == {
        ("crashed", ""),
        ("late", "team-orders"),
        ("forgotten", "team-orders"),
    }


def test_every_suite_has_one_state(world: World) -> None:
    """Two environments of one suite are two rows."""
    table = {ref: asked(world, query) for ref, query in panel("overview", "All suites").items()}
    assert by(table["A"], "suite", "env") == {
        ("bad", "prod"): 0, ("erroring", "prod"): 0, ("crashed", "prod"): 1, ("late", "prod"): 2,
        ("forgotten", "prod"): 3, ("good", "prod"): 6, ("good", "dev"): 6, ("hanging", "prod"): 6,
    }  # fmt: skip
    failing = by(table["E"], "suite", "env")
    assert failing["bad", "prod"] == 2
    assert ("forgotten", "prod") not in failing, "of what never ran nobody knows that nothing fails"


def test_a_vanished_suite_is_shown_for_a_day(world: World) -> None:
    """Two hours after the last scrape all suites that ran are gone, and said to be."""
    title = "Late, crashed, vanished, never ran"
    states = by(asked(world, panel("overview", title)["A"], at_s=7200), "suite", "env")
    assert set(states.values()) == {4}
    assert {suite for suite, _ in states} == {"bad", "erroring", "late", "good", "hanging"}
    assert {env for suite, env in states if suite == "good"} == {"prod", "dev"}


def test_a_longer_look_back_sees_what_is_sent_once(world: World) -> None:
    """As by OTLP: ten minutes later the samples are gone, with a look-back of an hour they are not."""
    counted = panel("overview", "Not passing")["A"]
    assert asked(world, counted, at_s=600) == {}
    assert list(asked(world, counted, at_s=600, lookback="1h").values()) == [3]
    fails = panel("overview", "What fails now")
    assert {ref: len(asked(world, query, at_s=600, lookback="1h")) for ref, query in fails.items()} == {
        ref: len(asked(world, query)) for ref, query in fails.items()
    }


def test_the_suite_page_shows_one_assertion_with_its_bounds(world: World) -> None:
    """The one that is picked."""
    shown = panel("suite", "Value against its thresholds: $check / $assertion")
    assert list(asked(world, shown["A"]).values()) == [10]
    assert by(asked(world, shown["B"]), "bound") == {("excluded_lower",): 10, ("excluded_upper",): 10}


def test_what_does_not_pass_stands_first_by_severity() -> None:
    """Failed or not evaluated alike: an error of severity P3 stands behind a failure of P0."""
    (table,) = (panel for panel in read("suite.json")["panels"] if panel["title"] == "Assertions now")
    sorts = [each["options"]["sort"] for each in table["transformations"] if each["id"] == "sortBy"]
    # Each sorting leaves equal ones as they stand, so that the last one counts most.
    assert sorts == [[{"field": "severity", "desc": False}], [{"field": "Value #P", "desc": False}]]


@pytest.mark.parametrize(("suite", "passed"), [("bad", {0, 1}), ("erroring", {0}), ("good", {1})])
def test_assertions_are_sorted_by_whether_they_passed(world: World, suite: str, passed: set[float]) -> None:
    """An error is no pass."""
    assert set(asked(world, panel("suite", "Assertions now")["P"], suite=suite).values()) == passed


def test_of_several_environments_the_one_that_waits_longest_counts(world: World) -> None:
    """A run of one does not hide that another has not run, and one that never passed makes it never."""
    newest = 'max by (env) (dqx_suite_last_run_timestamp_seconds{suite="good"})'
    earlier, later = sorted(world.prometheus.query(newest, at=world.now).values())
    assert earlier < later
    waited = world.now - earlier
    for title in ("Last run", "Last success"):
        assert number(world, "suite", title, suite="good") == pytest.approx(waited, abs=0.001)
    together = 'suite=~"good|erroring"'  # as if they were two environments of one suite
    query = panel("suite", "Last success")["A"]
    mixed = replace(query, expression=query.expression.replace("suite=${suite:doublequote}", together))
    assert asked(world, mixed) == {}


def test_the_history_tells_passed_failed_and_not_evaluated(world: World) -> None:
    """1, 0 and -1."""
    (history,) = panel("suite", "History of each assertion").values()
    assert by(asked(world, history), "assertion") == {("many orders",): 0, ("not ten",): 0, ("plausible",): 1}
    assert by(asked(world, history, suite="erroring"), "assertion") == {("prize",): -1}


def test_a_metric_is_compared_with_a_day_and_a_week_before(world: World) -> None:
    """It has not changed."""
    table = panel("data_metrics", "Now, a day and a week before")
    now = by(asked(world, table["A"]), "metric")
    assert now["num_rows()",] == 10
    for before, change in (("B", "C"), ("D", "E")):
        assert by(asked(world, table[before]), "metric") == now
        assert set(asked(world, table[change]).values()) == {0}


def test_of_many_scans_those_that_take_longest_now_are_drawn(world: World) -> None:
    """Ten of them: here two, as there are not so many."""
    drawn = panel("pipeline", "Scan time")["A"]
    assert "topk(10, " in drawn.expression
    two = replace(drawn, expression=drawn.expression.replace("topk(10, ", "topk(2, "))
    took = by(asked(world, panel("pipeline", "Scan time against rows")["B"]), "snapshot", "dataset")
    assert len(took) > 2
    assert sorted(by(asked(world, two), "snapshot", "dataset").values()) == sorted(took.values())[-2:]


def test_the_pipeline_shows_what_hangs(world: World) -> None:
    """Over its limit, and in the table of what failed."""
    assert number(world, "pipeline", "Plugins failing") == 1
    assert number(world, "pipeline", "Nearest to its limit") >= 1
    failed = panel("pipeline", "Plugins that failed")
    for query in failed.values():
        assert set(by(asked(world, query), "plugin", "suite")) == {("hanging", "hanging")}
    assert number(world, "pipeline", "Exporters down") == 0
