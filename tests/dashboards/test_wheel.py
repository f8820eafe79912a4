"""What is installed carries the dashboards."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from tests.dashboards.shipped import FILES, FOLDER
from tests.page import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_a_wheel_has_the_dashboards_and_not_what_makes_them(tmp_path: Path) -> None:
    """The JSON beside the code that hands it out, byte for byte; the generator's SDK is for developers."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            assert archive.read(f"dqx/dashboards/{name}") == (FOLDER / name).read_bytes()
        assert not [name for name in archive.namelist() if "grafana" in name or "panels" in name]
