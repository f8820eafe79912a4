"""The pictures of the documentation are shown, light, and made from the real thing."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest
from docs.pictures import make
from tests.page import ROOT, pages

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = sorted(
    path.name for path in (ROOT / "docs" / "pictures").iterdir() if path.suffix in (".png", ".svg")
)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_shown_by_a_page_and_is_below_300_kb(name: str) -> None:
    """None is left over, and none makes a reader wait."""
    shown = {link.rpartition("/")[2] for page in pages() for link in page.links}
    assert name in shown
    assert (ROOT / "docs" / "pictures" / name).stat().st_size < 300_000


def test_without_a_browser_the_run_alone_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what a terminal shows of the third day, with no font from elsewhere; the others are left as they were."""
    monkeypatch.setattr(make, "PICTURES", tmp_path)
    for variable in ("JAEGER_UI", "PROMETHEUS_UI", "CHROMIUM"):
        monkeypatch.delenv(variable, raising=False)
    assert make.main() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.svg"]
    assert "left as they were" in capsys.readouterr().out
    svg = (tmp_path / "run.svg").read_text()
    assert "@font-face" not in svg
    text = html.unescape(svg).replace("\N{NO-BREAK SPACE}", " ")
    for word in (
        "dqx run checks.py --date 2013-02-08",
        "departure time known",
        "null_count(dep_time) / num_rows()",
    ):
        assert word in text
    assert "FAILED" in text
    assert "sqlite:////home/me/quality.db" in text
    assert str(tmp_path.parent) not in text
