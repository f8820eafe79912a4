"""Write the dashboards as JSON, beside this file: `python -m dashboards.generate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import data_metrics, overview, pipeline, suite
from dqx.dashboards.label_tags import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).resolve().parent
_PAGES = {
    "overview": overview.build,
    "suite": suite.build,
    "data_metrics": data_metrics.build,
    "pipeline": pipeline.build,
}


def dashboards(labels: Sequence[str] = SHIPPED) -> dict[str, Any]:
    """Return the JSON of each dashboard for these label tags, by the name of its file."""
    made = {}
    for name, build in _PAGES.items():
        model = build(labels).build()
        model.schema_version = 42  # that of Grafana 12.2 and 13: the SDK writes 41, which they would migrate
        made[f"{name}.json"] = json.loads(json.dumps(model, cls=JSONEncoder))
    return made


def main() -> None:
    """Write them."""
    for name, dashboard in dashboards().items():
        (FOLDER / name).write_text(
            json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
