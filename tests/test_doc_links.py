"""The pages of the documentation find one another: no link leads nowhere, and no page is hidden."""

from __future__ import annotations

import re

import pytest
from tests.page import ROOT, Page, page, pages


@pytest.mark.parametrize("found", pages(), ids=lambda found: found.path)
def test_every_link_leads_somewhere(found: Page) -> None:
    """To a file that is there, and to a heading of it where one is named."""
    for link in found.links:
        path, _, anchor = link.partition("#")
        target = (ROOT / found.path).parent / path if path else ROOT / found.path
        assert target.exists(), f"{found.path}: {link}"
        if anchor:
            assert anchor in page(str(target.resolve().relative_to(ROOT))).anchors, f"{found.path}: {link}"


def test_the_readme_names_every_page_once() -> None:
    """In its list, so that nobody has to guess which page there is."""
    listed = re.findall(r"\]\((docs/[\w-]+\.md)\)", page("README.md").section("Read on"))
    assert sorted(listed) == sorted(each.path for each in pages() if each.path != "README.md")
