"""The dashboards as tests look at them: their panels, and the queries with their variables filled in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
FILES = ("overview.json", "suite.json", "data_metrics.json", "pipeline.json")


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel, as it stands there."""

    dashboard: str
    panel: str
    ref: str
    expression: str
    instant: bool

    @property
    def place(self) -> str:
        """Return where it stands."""
        return f"{self.dashboard}: {self.panel}: {self.ref}"


def read(name: str) -> dict[str, Any]:
    """Return a shipped dashboard."""
    dashboard: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return dashboard


def queries() -> Iterator[Query]:
    """Yield every query of every panel."""
    for file in FILES:
        for panel in read(file)["panels"]:
            for target in panel["targets"]:
                yield Query(
                    file.removesuffix(".json"), panel["title"], target["refId"], target["expr"],
                    bool(target.get("instant")),
                )  # fmt: skip


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield every query of a dashboard, those of its variables and annotations among them."""
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (note["expr"] for note in dashboard["annotations"]["list"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found, variable["query"]
            yield found[1]


def texts(part: Any) -> Iterator[str]:
    """Yield every text in a dashboard."""
    match part:
        case str():
            yield part
        case list():
            for item in part:
                yield from texts(item)
        case dict():
            for value in part.values():
                yield from texts(value)


def filled_in(expression: str, values: Mapping[str, str]) -> str:
    """Return a query as Grafana sends it, but for what it escapes in values without a format."""

    def quoted(found: re.Match[str]) -> str:
        return '"' + values[found[1]].replace('"', r"\"") + '"'

    expression = re.sub(r"\$\{(\w+):doublequote\}", quoted, expression)
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], expression)
