"""Panels as all dashboards have them: each with a unit, a description, thresholds and a word for when it is empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BarGaugeValueMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    DashboardSpecialValueMapOptions,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    RegexMap,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import Panel, ValueMapping

    AnyPanel = Builder[Panel]

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

Steps = tuple[tuple[str, float | None], ...]
NONE: Steps = (("text", None),)
"""For what is neither good nor bad."""
# The first step is the colour of what is not known, so it says nothing of good and bad.
GOOD_AT_ZERO: Steps = (("text", None), ("green", 0), ("red", 1))
GOOD_AT_ONE: Steps = (("text", None), ("red", 0), ("orange", 0.9), ("green", 1))

SEVERITIES = {"P0": "red", "P1": "orange", "P2": "blue", "P3": "text"}

_Panel = TypeVar("_Panel", bargauge.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)


@dataclass(frozen=True, slots=True)
class About:
    """What every panel says of itself. `at` is x, y, width and height on a grid 24 wide."""

    id: int
    at: tuple[int, int, int, int]
    title: str
    description: str
    unit: str
    empty: str = "No data: has a suite run yet?"
    steps: Steps = NONE


def thresholds(steps: Steps) -> ThresholdsConfig:
    """Return thresholds; each step is a colour and the value from which on it holds."""
    made = [Threshold(value=value, color=color) for color, value in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def prop(name: str, value: object) -> DynamicConfigValue:
    """Return one property of an override."""
    return DynamicConfigValue(id_val=name, value=value)


def fixed(color: str) -> DynamicConfigValue:
    """Return a colour that does not depend on the value."""
    return prop("color", {"mode": "fixed", "fixedColor": color})


def texts(mapped: Mapping[Any, tuple[str, str]]) -> list[ValueMapping]:
    """Return value mappings: values to a text and a colour."""
    options = {
        f"{value:g}" if isinstance(value, (int, float)) else value: ValueMappingResult(
            text=text, color=color, index=index
        )
        for index, (value, (text, color)) in enumerate(mapped.items())
    }
    return [ValueMap(options=options)]


def no_number(text: str) -> list[ValueMapping]:
    """Return a value mapping that shows a text, in no colour, where there is no number."""
    result = ValueMappingResult(text=text, color="text", index=0)
    options = DashboardSpecialValueMapOptions(match=SpecialValueMatch.NULL_AND_NAN, result=result)
    return [SpecialValueMap(options=options)]


def any_text(shown: str) -> list[ValueMapping]:
    """Return a value mapping that shows a short word in the place of any text."""
    result = ValueMappingResult(text=shown, index=0)
    return [RegexMap(options=DashboardRegexMapOptions(pattern=".+", result=result))]


def _dressed(panel: _Panel, about: About, queries: Mapping[str, Dataquery]) -> _Panel:
    x, y, w, h = about.at
    panel.id(about.id).title(about.title).description(about.description).unit(about.unit)
    panel.grid_pos(GridPos(x=x, y=y, w=w, h=h)).datasource(SOURCE).no_value(about.empty)
    panel.thresholds(thresholds(about.steps))
    for ref, query in queries.items():
        panel.with_target(query.ref_id(ref))
    return panel


def _refs(queries: Sequence[Dataquery]) -> dict[str, Dataquery]:
    return {chr(ord("A") + index): query for index, query in enumerate(queries)}


def over_time(expression: str, legend: str) -> Dataquery:
    """Return a query over the dashboard's time range."""
    return Dataquery().expr(expression).legend_format(legend).range().datasource(SOURCE)


def now(expression: str, legend: str = "__auto") -> Dataquery:
    """Return a query of the end of the time range."""
    return Dataquery().expr(expression).legend_format(legend).instant().datasource(SOURCE)


def number(about: About, *queries: Dataquery, trend: bool = False) -> stat.Panel:
    """Return one big number (for each series), coloured by the thresholds."""
    return (
        _dressed(stat.Panel(), about, _refs(queries))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA if trend else BigValueGraphMode.NONE)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )


def bars(about: About, *queries: Dataquery) -> bargauge.Panel:
    """Return one horizontal bar for each series, coloured by the thresholds."""
    return (
        _dressed(bargauge.Panel(), about, _refs(queries))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .value_mode(BarGaugeValueMode.COLOR)
        .show_unfilled(True)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )


def lines(about: About, *queries: Dataquery, calcs: Sequence[str] = ()) -> timeseries.Panel:
    """Return lines over time; with `calcs` the legend is a table, with the greatest value first."""
    legend = VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    legend.display_mode(LegendDisplayMode.TABLE if calcs else LegendDisplayMode.LIST).calcs(list(calcs))
    if calcs:
        legend.sort_by("Last *").sort_desc(True)
    return (
        _dressed(timeseries.Panel(), about, _refs(queries))
        .legend(legend)
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .line_width(2)
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .show_points(VisibilityMode.AUTO)
        .point_size(5)
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
    )


def stacked(about: About, *queries: Dataquery) -> timeseries.Panel:
    """Return areas over time, one on the other."""
    return (
        lines(about, *queries)
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(50)
        .line_width(1)
        .stacking(StackingConfig().mode(StackingMode.NORMAL).group("A"))
    )


def strips(about: About, query: Dataquery, mappings: list[ValueMapping]) -> statetimeline.Panel:
    """Return one strip of states over time for each series, at most 20 on a page."""
    return (
        _dressed(statetimeline.Panel(), about, {"A": query})
        .mappings(mappings)
        .merge_values(True)
        .show_value(VisibilityMode.NEVER)
        .row_height(0.8)
        .per_page(20)
        .line_width(0)
        .fill_opacity(80)
        .max_data_points(240)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .legend(
            VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.SINGLE).sort(SortOrder.NONE))
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `field` is a label, or the number of a query: `Value #A`. A width is in pixels.

    A column of a tag stands between two others, so that their numbers do not depend on how many tags there are.
    """

    field: str
    title: str
    width: int | None = None
    properties: tuple[DynamicConfigValue, ...] = ()
    tag: bool = False


def rows(
    about: About,
    queries: Mapping[str, str],
    columns: Sequence[Column],
    sort: Sequence[str] = (),
    *,
    descending: bool = False,
) -> table.Panel:
    """Return a table: one row for all series that have their labels in common.

    Args:
        about: What it says of itself.
        queries: Queries by their letters.
        columns: What is shown, in this order; everything else is left out.
        sort: The fields to sort by, the first one above all; what is no column is not shown.
        descending: Whether the greatest stands first.
    """
    targets = {ref: now(expression).format(PromQueryFormat.TABLE) for ref, expression in queries.items()}
    panel = _dressed(table.Panel(), about, targets)
    panel.min_width(50)
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    names = [column.field for column in columns]
    unseen = [field for field in sort if field not in names]
    panel.with_transformation(
        DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": names + unseen}})
    )
    for field in reversed(sort):  # it sorts by one field alone, and leaves those that are equal as they stand
        by = {"sort": [{"field": field, "desc": descending}]}
        panel.with_transformation(DataTransformerConfig(id_val="sortBy", options=by))
    order = {
        "excludeByName": dict.fromkeys(unseen, True),
        "indexByName": _places(columns),
        "renameByName": {column.field: column.title for column in columns},
    }
    panel.with_transformation(DataTransformerConfig(id_val="organize", options=order))
    for column in columns:
        width = [prop("custom.width", column.width)] if column.width else []
        # Else a cell without a value would say what the table says when it is empty.
        panel.override_by_name(column.field, [prop("noValue", "–"), *width, *column.properties])
    return panel


def _places(columns: Sequence[Column]) -> dict[str, int]:
    places, last = {}, 0
    for column in columns:
        last += 0 if column.tag else 2
        places[column.field] = last + column.tag
    return places


def links(*pairs: tuple[str, str]) -> DynamicConfigValue:
    """Return data links, each a title and an address."""
    return prop("links", [{"title": title, "url": url} for title, url in pairs])


def colored_text() -> DynamicConfigValue:
    """Return a cell whose text takes the colour of its value."""
    return prop("custom.cellOptions", {"type": "color-text"})


def colored_cell() -> DynamicConfigValue:
    """Return a cell whose background takes the colour of its value."""
    return prop("custom.cellOptions", {"type": "color-background", "mode": "basic"})


def wrapped() -> DynamicConfigValue:
    """Return a cell whose text takes as many lines as it needs."""
    return prop("custom.wrapText", True)


def mapped(mappings: list[ValueMapping]) -> DynamicConfigValue:
    """Return value mappings for one column."""
    return prop("mappings", mappings)


def legend_colors(panel: timeseries.Panel, colors: Mapping[str, str]) -> timeseries.Panel:
    """Give series their colours by name."""
    for name, color in colors.items():
        panel.override_by_name(name, [fixed(color)])
    return panel


def dashed(panel: timeseries.Panel, name: str, color: str, *more: Any) -> timeseries.Panel:
    """Draw the series of a name as a dashed line of a colour."""
    style = prop("custom.lineStyle", {"fill": "dash", "dash": [8, 6]})
    return panel.override_by_regexp(name, [fixed(color), style, prop("custom.lineWidth", 1), *more])
