"""The reference of telemetry is the catalogue as it is now, and whole."""

from __future__ import annotations

import re

from docs.make_telemetry import PAGE, page

from dqx.telemetry import names

TEXT = PAGE.read_text()


def test_the_page_is_the_one_that_the_catalogue_makes() -> None:
    """Whoever changes a name, a unit or a help text changes the page with it."""
    assert page() == TEXT, "docs/telemetry.md is older than src/dqx/telemetry/names.py: run `make docs`"


def test_every_name_of_the_catalogue_is_on_the_page_once() -> None:
    """A metric stands in one table by both of its names; a label, a span and an attribute in one row each."""
    first_cells = re.findall(r"^\| (`.*?`) \|", TEXT, re.MULTILINE)
    metrics = [f"`{metric.prometheus_name}`<br>`{metric.name}`" for metric in names.METRICS]
    others = [*names.LABELS, *(span.name for span in names.SPANS), *names.ATTRIBUTES]
    assert sorted(first_cells) == sorted([*metrics, *(f"`{name}`" for name in others)])


def test_no_cell_breaks_its_table() -> None:
    """A bar in a help text would begin a cell of its own: every row has as many as its head."""
    for table in re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE):
        assert len({line.count(" | ") for line in table.splitlines()}) == 1, table[:200]
