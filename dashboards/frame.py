"""What stands around the panels: variables, links from one dashboard to another and to traces, annotations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from dashboards.panels import SOURCE
from grafana_foundation_sdk.builders.dashboard import (
    ConstantVariable,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    IntervalVariable,
    QueryVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dqx.dashboards.label_tags import kept, link, matchers
from dqx.telemetry import names
from dqx.telemetry.resource import SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.queries import Queries
    from grafana_foundation_sdk.models.dashboard import VariableModel
OVERVIEW, SUITE, DATA_METRICS, PIPELINE = "dqx-overview", "dqx-suite", "dqx-data-metrics", "dqx-pipeline"
"""The uid of each dashboard: links stay right when a dashboard is renamed."""

_LOOK_BACKS = ("5m", "1h", "6h", "1d", "2d", "8d")


class RunAnnotation(AnnotationQuery):
    """An annotation at each run: the value of `last_run` is when it finished."""

    def to_json(self) -> dict[str, object]:
        """Return it with what the SDK has no names for: the value taken as the time, and the texts."""
        own = {"useValueForTime": "on", "titleFormat": "{{suite}} ran", "textFormat": "{{snapshot}}"}
        return {**super().to_json(), **own, "step": "60s"}


class _Annotation(Builder[AnnotationQuery]):
    def __init__(self, expression: str, *, enable: bool) -> None:
        self._made = RunAnnotation(
            name="Runs", datasource=SOURCE, enable=enable, icon_color="blue", expr=expression, built_in=None
        )

    def build(self) -> AnnotationQuery:
        return self._made


def dashboard(
    uid: str,
    title: str,
    description: str,
    queries: Queries,
    variables: Sequence[Builder[VariableModel]],
    *,
    runs: bool,
) -> Dashboard:
    """Return a dashboard without panels.

    Args:
        uid: Its identity.
        title: Its title.
        description: What it answers.
        queries: Its queries.
        variables: Its variables beside the data source, the tags and the look-back.
        runs: Whether runs are marked from the beginning; otherwise at a click.
    """
    made = (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["dqx", "data-quality"])
        .time("now-24h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .annotation(_Annotation(f"{queries.last_run()} * 1000", enable=runs))
    )
    for target, name in _PAGES:
        if target != uid:
            made.link(_page_link(target, name))
    source = DatasourceVariable("datasource").label("Data source").type("prometheus")
    for variable in [source, *map(_tag, queries.labels), *variables, _look_back(), *_traces()]:
        made.with_variable(variable)
    return made


_PAGES = (
    (OVERVIEW, "Overview"),
    (SUITE, "Suite"),
    (DATA_METRICS, "Data metrics"),
    (PIPELINE, "Plugins and pipeline"),
)


def _page_link(uid: str, name: str) -> DashboardLink:
    return (
        DashboardLink(name)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .icon("dashboard")
        .tooltip(f"{name}, with the same variables and time")
        .as_dropdown(False)
        .target_blank(False)
        .include_vars(True)
        .keep_time(True)
    )


# Variables -----------------------------------------------------------------------------------------


def values_of(name: str, label: str, query: str, description: str, *, many: bool = True) -> QueryVariable:
    """Return a variable with the values of a label.

    Args:
        name: Its name.
        label: What stands beside it on the page.
        query: Where its values come from.
        description: What it does.
        many: Whether several may be picked, and at first all are; else one is.
    """
    variable = (
        QueryVariable(name)
        .label(label)
        .description(description)
        .query(query)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
        .multi(many)
        .include_all(many)
    )
    # `.*` also picks what does not have the label.
    return variable.all_value(".*").current(VariableOption(text="All", value="$__all")) if many else variable


def _tag(label: str) -> QueryVariable:
    query = f"label_values({names.SUITE_INFO.prometheus_name}, {label})"
    return values_of(label, label, query, "A tag of the runs, by label_tags.")


def suites(labels: Sequence[str], *, many: bool = True) -> QueryVariable:
    """Return the variable of suites: those that ran, and those that were registered."""
    query = f'label_values({names.SUITE_INFO.prometheus_name}{{suite!=""{matchers(labels)}}}, suite)'
    return values_of("suite", "Suite", query, "Suites that ran or were registered.", many=many)


def severities() -> QueryVariable:
    """Return the variable of severities."""
    query = f"label_values({names.SUITE_ASSERTIONS.prometheus_name}, severity)"
    return values_of("severity", "Severity", query, "Severity of the assertions that are shown.")


def datasets(queries: Queries) -> QueryVariable:
    """Return the variable of the datasets of the suites that are picked."""
    query = f"label_values({queries.selector(names.DATASET_ROW_COUNT)}, dataset)"
    return values_of("dataset", "Dataset", query, "Datasets that the suites read.")


def _look_back() -> IntervalVariable:
    return (
        IntervalVariable("lookback")
        .label("Look-back")
        .description(
            "How far back the newest sample may lie. 5m where Prometheus scrapes the results; longer than the time "
            "between two runs where they are sent by OTLP."
        )
        .values(",".join(_LOOK_BACKS))
        .current(VariableOption(text=_LOOK_BACKS[0], value=_LOOK_BACKS[0], selected=True))
        .options([VariableOption(text=t, value=t, selected=t == _LOOK_BACKS[0]) for t in _LOOK_BACKS])
        .auto(False)
    )


def _traces() -> list[Builder[VariableModel]]:
    """Return the hidden variables that links to traces need: the first data source of each kind, the service."""
    return [
        DatasourceVariable("jaeger").label("Jaeger").type("jaeger").hide(VariableHide.HIDE_VARIABLE),
        DatasourceVariable("tempo").label("Tempo").type("tempo").hide(VariableHide.HIDE_VARIABLE),
        ConstantVariable("service").label("Service of the traces").value(SERVICE_NAME),
    ]


# Links ---------------------------------------------------------------------------------------------

_KEPT = "${__url_time_range}&${datasource:queryparam}&${lookback:queryparam}"


def to_suite(labels: Sequence[str]) -> tuple[str, str]:
    """Return the link from a row to the dashboard of its suite."""
    suite = "var-suite=${__data.fields.suite:percentencode}"
    return "Open the suite", f"/d/{SUITE}?{suite}{link(labels)}&{_KEPT}"


def to_assertion(labels: Sequence[str]) -> tuple[str, str]:
    """Return the link from a row to its assertion, on the dashboard of its suite."""
    fields = [
        f"var-{name}=${{__data.fields.{name}:percentencode}}" for name in ("suite", "check", "assertion")
    ]
    return "Show the assertion over time", f"/d/{SUITE}?{'&'.join(fields)}{link(labels)}&{_KEPT}"


def pick(labels: Sequence[str], where: str) -> tuple[str, str]:
    """Return the link that shows an assertion over time, on the dashboard that it is clicked on.

    Args:
        labels: The label tags.
        where: What holds its names: `__field.labels` of a series, `__data.fields` of a row.
    """
    fields = [f"var-{name}=${{{where}.{name}:percentencode}}" for name in ("check", "assertion")]
    return "Show it over time", f"/d/{SUITE}?{'&'.join(fields)}&${{suite:queryparam}}{kept(labels)}&{_KEPT}"


def to_traces(suite: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the links to the runs of a suite in Jaeger and in Tempo, within the dashboard's time range.

    A trace has no label in any metric, so the link searches: runs of the suite, by its name.

    Args:
        suite: What Grafana puts the name in for, such as `${suite}`.
    """
    jaeger = {
        "queryType": "search",
        "service": "${service}",
        "operation": names.RUN_SUITE.name,
        "tags": f'{names.SUITE_NAME}="{suite}"',
        "limit": 20,
    }
    searched = f'name="{names.RUN_SUITE.name}" && span.{names.SUITE_NAME}="{suite}"'
    tempo = {"queryType": "traceql", "query": f"{{{searched}}}", "tableType": "traces", "limit": 20}
    return (
        ("Traces of its runs in Jaeger", _explore("jaeger", jaeger)),
        ("Traces of its runs in Tempo", _explore("tempo", tempo)),
    )


def _explore(kind: str, query: dict[str, object]) -> str:
    source = f"${{{kind}}}"
    pane = {
        "datasource": source,
        "queries": [{"refId": "A", "datasource": {"type": kind, "uid": source}, **query}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    # Grafana fills in the variables before the address is read, so their marks must stay as they are.
    return f"/explore?schemaVersion=1&panes={quote(json.dumps({'dqx': pane}), safe='${}:._')}"


ROW_SUITE = "${__data.fields.suite:percentencode}"
"""The suite of the row that is clicked on."""

RUNBOOK = ("Open the runbook", "${__data.fields.runbook_url:raw}")
