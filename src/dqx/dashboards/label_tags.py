"""Where the tags that became labels stand in a dashboard, and how a dashboard for `env` becomes one for others.

The shipped dashboards are made for `label_tags = ["env"]`. A label tag stands in a query (as a matcher, or
beside `suite` in a `by`), in a legend, in a link to another dashboard, as a variable, and as a column of a
table. The generator writes each of them with the functions of this module, so that they can be found again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHIPPED = ("env",)
"""The label tags of the shipped dashboards: what `label_tags` is unless somebody sets it."""


def matchers(labels: Sequence[str]) -> str:
    """Return the matchers of the tags, each by its variable; they stand behind that of the suite."""
    return "".join(f',{label}=~"${label}"' for label in labels)


def identity(labels: Sequence[str]) -> str:
    """Return the labels that tell a snapshot, for a `by`."""
    return ", ".join(["snapshot", "suite", *labels])


def legend(labels: Sequence[str]) -> str:
    """Return the end of a legend: the values of the tags."""
    return "".join(f" {{{{{label}}}}}" for label in labels)


def link(labels: Sequence[str]) -> str:
    """Return the end of a link: the tags of the row that is clicked on, as variables of the other dashboard."""
    return "".join(f"&var-{label}=${{__data.fields.{label}:percentencode}}" for label in labels)


def kept(labels: Sequence[str]) -> str:
    """Return the part of a link that hands on the tags which are picked on the dashboard."""
    return "".join(f"&${{{label}:queryparam}}" for label in labels)


_FORMS: tuple[Callable[[Sequence[str]], str], ...] = (matchers, identity, legend, link, kept)


def with_labels(dashboard: Any, labels: Sequence[str]) -> Any:
    """Return a shipped dashboard with other label tags.

    Args:
        dashboard: The parsed JSON of a dashboard, or a part of it.
        labels: The labels that the tags become.
    """
    match dashboard:
        case str():
            for form in _FORMS:
                dashboard = dashboard.replace(form(SHIPPED), form(labels))
            return dashboard
        case list():
            return [part for item in dashboard for part in _of_item(item, labels)]
        case dict():
            made: dict[str, Any] = {}
            for key, value in dashboard.items():
                if key in SHIPPED:
                    made |= {label: _renamed(value, label) for label in labels}
                else:
                    made[key] = with_labels(value, labels)
            return made
    return dashboard


def _of_item(item: Any, labels: Sequence[str]) -> list[Any]:
    """Return what takes the place of an item in a list: one for each label where it is about the tag alone."""
    match item:
        case {"name": about} | {"matcher": {"options": about}} | str(about) if about in SHIPPED:
            return [_renamed(item, label) for label in labels]
    return [with_labels(item, labels)]


def _renamed(part: Any, label: str) -> Any:
    return json.loads(re.sub(rf"\b{SHIPPED[0]}\b", label, json.dumps(part)))
