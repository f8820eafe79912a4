"""Series as tests compare them: a name and its labels, without those that are empty, which Prometheus drops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

Series = tuple[str, tuple[tuple[str, str], ...]]


def series(name: str, labels: Mapping[str, str]) -> Series:
    """Return what a series is told by."""
    return name, tuple(sorted((label, value) for label, value in labels.items() if value))


def read(text: str, *prefixes: str) -> dict[Series, float]:
    """Return the values of a page in the text format, of series with these beginnings or of all."""
    return {
        series(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(prefixes or "")
    }
