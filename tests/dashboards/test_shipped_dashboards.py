"""The shipped dashboards: made by their generator, of names of the catalogue, whole and linked."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from dashboards.generate import dashboards
from tests.dashboards.shipped import FILES, FOLDER, expressions, queries, read, texts

from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMETHEUS_OWN = {"up", "scrape_samples_scraped"}
"""Series that Prometheus makes of each target that it scrapes."""
SCRAPED = {"job", "instance", "env"}
BY_NAME = {metric.prometheus_name: metric for metric in names.METRICS}
GRAFANA = r"__url_time_range|__all|__from|__to|__data|__field|__value"


@pytest.fixture(params=FILES)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return each shipped dashboard in turn."""
    return read(request.param)


def test_what_is_shipped_is_what_the_generator_makes() -> None:
    """Whoever changes one has to run `make dashboards`."""
    made = dashboards()
    assert sorted(made) == sorted(path.name for path in FOLDER.glob("*.json"))
    for name, dashboard in made.items():
        assert read(name) == dashboard, f"dashboards/{name} differs from its generator: make dashboards"


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the metrics of a query, each with the labels that it is picked by."""
    # Without texts, so that a brace in one ends nothing; `[5m]` and the lists of labels are no metrics either.
    bare = re.sub(r'"[^"]*"|\$\{\w+:doublequote\}', '""', expression)
    bare = re.sub(r"\[[^\]]*\]|\b(?:by|on|group_left) \([^)]*\)|\boffset \w+", " ", bare)
    for found in re.finditer(r"([a-zA-Z_:][\w:]*)(\{[^}]*\})?(\s*\()?", re.sub(r"\d[\d.e]*", "0", bare)):
        name, picked, call = found.groups()
        if not call and name not in ("and", "or", "unless"):
            yield name, set(re.findall(r"(\w+)(?:=~|!=|=)", picked or ""))


def test_the_reader_of_queries_finds_metrics_and_labels() -> None:
    """As written by hand."""
    query = 'sum by (a) (x_y{s=~"$s",t!="{",u=${u:doublequote}}[5m] offset 1d) / on (b) (time() - up) * 1000 and z:w'
    assert list(selectors(query)) == [("x_y", {"s", "t", "u"}), ("up", set()), ("z:w", set())]


def test_queries_use_names_of_the_catalogue_alone(dashboard: dict[str, Any]) -> None:
    """Each metric is there, has the labels that it is picked by, and no recording rule is needed."""
    used = {}
    for expression in expressions(dashboard):
        for name, labels in selectors(expression):
            used.setdefault(name, set()).update(labels)
    assert used
    for name, labels in used.items():
        if name in PROMETHEUS_OWN:
            continue
        assert name in BY_NAME, name
        metric = BY_NAME[name]
        own = set(metric.labels) | ({*names.COMMON_LABELS, "env"} if metric.per_snapshot else set())
        assert labels <= own, f"{name} has no label {labels - own}"


def test_joins_and_groups_name_labels_that_there_are(dashboard: dict[str, Any]) -> None:
    """A misspelt label in a `by` would make one group of all, without an error."""
    known = set(names.LABELS) | SCRAPED
    lists = [
        found
        for expression in expressions(dashboard)
        for found in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", expression)
    ]
    assert lists
    assert {label.strip() for found in lists for label in found.split(",") if label} <= known


def test_no_join_is_made_on_the_suite_alone() -> None:
    """It would fail for all suites as soon as one snapshot arrives twice."""
    joins = [join for query in queries() for join in re.findall(r"\bon \(([^)]*)\)", query.expression)]
    assert joins
    assert all("snapshot" in join.split(", ") or join == "job, instance" for join in joins)


def test_no_name_is_typed_twice() -> None:
    """The generator takes the names of metrics from the catalogue."""
    for source in FOLDER.glob("*.py"):
        # Plugins and metrics begin alike.
        assert "dqx_" not in source.read_text(encoding="utf-8"), source.name


def test_every_panel_says_what_it_is(dashboard: dict[str, Any]) -> None:
    """With a unit, a description, thresholds, a word for when it is empty, and a legend where there are lines."""
    for panel in dashboard["panels"]:
        defaults = panel["fieldConfig"]["defaults"]
        for said in (panel["title"], panel["description"], defaults["unit"], defaults["noValue"]):
            assert said, panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None
        if panel["type"] in ("timeseries", "state-timeline"):
            assert panel["options"]["legend"]["showLegend"], panel["title"]
        if defaults["unit"] == "percentunit":
            assert (defaults["min"], defaults["max"]) == (0, 1), panel["title"]


def test_every_cell_without_a_value_says_so(dashboard: dict[str, Any]) -> None:
    """Else it would say what its table says when that is empty; and no number, which nobody has counted."""
    for panel in dashboard["panels"]:
        if panel["type"] == "table":
            titles = panel["transformations"][-1]["options"]["renameByName"]
            assert len(set(titles.values())) == len(titles), f"{panel['title']}: two columns of one title"
            for field, properties in columns(panel).items():
                assert properties["noValue"] in ("–", "never"), f"{panel['title']}: {titles[field]}"
            assert set(columns(panel)) == set(titles), panel["title"]


def columns(panel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what a table says of each column, by its field."""
    return {
        override["matcher"]["options"]: {each["id"]: each["value"] for each in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }


def test_no_number_is_cut_to_another_one() -> None:
    """A cell that is too narrow for 12345679 must not show 2345679, as one that is aligned to the right does."""
    sized = {"Value", "Lower", "Upper", "Now", "A day before", "A week before"}
    found = set()
    for name in FILES:
        for panel in read(name)["panels"]:
            titles = panel.get("transformations", [{}])[-1].get("options", {}).get("renameByName", {})
            for field, title in titles.items():
                if title in sized:
                    found.add(title)
                    properties = columns(panel)[field]
                    assert (properties["unit"], properties["custom.align"]) == ("short", "left"), title
    assert found == sized


def test_what_a_table_is_sorted_by_is_kept_until_it_is_sorted(dashboard: dict[str, Any]) -> None:
    """And what is no column is not shown."""
    for panel in dashboard["panels"]:
        if panel["type"] == "table":
            _, kept, *sorts, order = (each["options"] for each in panel["transformations"])
            fields = {each["field"] for sort in sorts for each in sort["sort"]}
            assert fields <= set(kept["include"]["names"]), panel["title"]
            assert set(order["excludeByName"]) == fields - set(order["renameByName"]), panel["title"]


def test_ids_are_stable_and_their_own() -> None:
    """Links and bookmarks hold on to them."""
    uids = [read(name)["uid"] for name in FILES]
    assert uids == ["dqx-overview", "dqx-suite", "dqx-data-metrics", "dqx-pipeline"]
    for name in FILES:
        ids = [panel["id"] for panel in read(name)["panels"]]
        assert ids == list(range(1, len(ids) + 1)), name


def test_no_panel_lies_on_another(dashboard: dict[str, Any]) -> None:
    """And none reaches out of the grid."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    for place in places:
        assert place["x"] + place["w"] <= 24
    for a, b in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        )  # fmt: skip
        assert apart, (a, b)


def test_every_variable_that_is_used_is_there(dashboard: dict[str, Any]) -> None:
    """In queries, titles and links."""
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert {"datasource", "env", "suite", "lookback"} <= variables
    used = {
        found
        for text in texts(dashboard)
        for found in re.findall(r"\$\{?(\w+)", text)
        if not re.fullmatch(GRAFANA, found)
    }
    assert used <= variables


def test_a_single_value_is_quoted_by_its_format(dashboard: dict[str, Any]) -> None:
    """Else Grafana would look for an apostrophe with a backslash before it."""
    single = {
        each["name"]
        for each in dashboard["templating"]["list"]
        if each["type"] == "query" and not each["multi"]
    }
    for expression in expressions(dashboard):
        assert not single & set(re.findall(r'"\$(\w+)"', expression))
    assert {f"${{{name}:doublequote}}" for name in single} <= {
        found for text in texts(dashboard) for found in re.findall(r"\$\{\w+:doublequote\}", text)
    }


def test_links_lead_to_dashboards_and_variables_that_there_are(dashboard: dict[str, Any]) -> None:
    """From one dashboard to another, from a row to its suite and its assertion."""
    variables = {
        read(name)["uid"]: {each["name"] for each in read(name)["templating"]["list"]} for name in FILES
    }
    found = [re.match(r"/d/([\w-]+)\??(.*)", text) for text in texts(dashboard) if text.startswith("/d/")]
    assert len(found) >= 3
    for link in found:
        assert link is not None
        handed_on = re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", link[2])
        assert {a or b for a, b in handed_on} <= variables[link[1]]


def test_rows_lead_to_the_suite_the_assertion_the_traces_and_the_runbook() -> None:
    """From the table that a person on call reads first."""
    fails = next(panel for panel in read("overview.json")["panels"] if panel["title"] == "What fails now")
    links = {
        override["matcher"]["options"]: [link["url"] for each in override["properties"]
                                         if each["id"] == "links" for link in each["value"]]
        for override in fails["fieldConfig"]["overrides"]
    }  # fmt: skip
    suite, jaeger, tempo = links["suite"]
    assert suite.startswith("/d/dqx-suite?var-suite=${__data.fields.suite:percentencode}&var-env=")
    assert "${jaeger}" in jaeger
    assert f"%22{names.RUN_SUITE.name}%22" in jaeger
    assert "${tempo}" in tempo
    assert names.SUITE_NAME in tempo
    assert "var-assertion=" in links["assertion"][0]
    assert links["runbook_url"] == ["${__data.fields.runbook_url:raw}"]


def test_links_to_traces_are_searches_in_explore(dashboard: dict[str, Any]) -> None:
    """As Grafana reads them from the address: a pane with a data source, a query, and the time of the dashboard."""
    found = {text for text in texts(dashboard) if text.startswith("/explore?")}
    for link in found:
        (panes,) = parse_qs(link.partition("?")[2])["panes"]
        pane = json.loads(panes)["dqx"]
        (query,) = pane["queries"]
        assert query["datasource"] == {"type": pane["datasource"].strip("${}"), "uid": pane["datasource"]}
        assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
        assert names.SUITE_NAME in query.get("tags", query.get("query"))
    assert len(found) == (0 if dashboard["uid"] == "dqx-data-metrics" else 2)


def test_runs_are_marked() -> None:
    """By the value of last_run, which is a time, on the dashboards of one suite from the beginning."""
    for name in FILES:
        (note,) = read(name)["annotations"]["list"]
        assert names.SUITE_LAST_RUN.prometheus_name in note["expr"]
        assert note["useValueForTime"] == "on"
        assert note["enable"] == (name in ("suite.json", "data_metrics.json"))
