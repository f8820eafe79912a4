"""The Grafana dashboards that come with DQX, for the label tags and the data source of an installation."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqx.common import ConfigurationError
from dqx.dashboards.label_tags import with_labels
from dqx.telemetry.labels import check_label_tags

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

NAMES = ("overview.json", "suite.json", "data_metrics.json", "pipeline.json")
_SOURCE = "datasource"


def dashboards(label_tags: Sequence[str], source: str | None = None) -> dict[str, Any]:
    """Return the shipped dashboards, by the name of their file.

    Args:
        label_tags: The tags of a run that become labels.
        source: The uid of a Prometheus data source in Grafana; None leaves it to a variable of the dashboard.

    Raises:
        ConfigurationError: When a tag cannot become a label, or is named like a variable of a dashboard.
    """
    labels = tuple(check_label_tags(label_tags).values())
    made = {}
    for name in NAMES:
        dashboard = json.loads(_folder().joinpath(name).read_text(encoding="utf-8"))
        for variable in dashboard["templating"]["list"]:
            if variable["name"] in labels and variable["type"] != "query":
                raise ConfigurationError(
                    f"label_tags: the tag '{variable['name']}' is named like a variable of the dashboards; rename the "
                    "tag, or leave it out of label_tags",
                    variable["name"],
                )
        dashboard = with_labels(dashboard, labels)
        made[name] = dashboard if source is None else _with_source(dashboard, source)
    return made


def _folder() -> Traversable | Path:
    """Return where the dashboards are: in a checkout they stand beside what makes them."""
    installed = files(__name__)
    return installed if installed.joinpath(NAMES[0]).is_file() else Path(__file__).parents[3] / "dashboards"


def _with_source(part: Any, uid: str) -> Any:
    """Return a dashboard whose panels ask one data source, without the variable that picks one."""
    match part:
        case str():
            picked = part.replace(f"${{{_SOURCE}:queryparam}}&", "")
            return picked.replace(f"${{{_SOURCE}}}", uid)
        case list():
            return [_with_source(item, uid) for item in part if not _picks_source(item)]
        case dict():
            return {key: _with_source(value, uid) for key, value in part.items()}
    return part


def _picks_source(item: object) -> bool:
    return isinstance(item, dict) and item.get("name") == _SOURCE
