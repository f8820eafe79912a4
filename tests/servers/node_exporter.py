"""A real node_exporter with its textfile collector and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from tests.servers.processes import binary, serving
from tests.servers.series import Series, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeExporter:
    """A running node_exporter that reads the files in `folder`."""

    url: str
    folder: Path

    def series(self) -> dict[Series, float]:
        """Return the series of DQX and what the collector says of itself, without labels that are empty."""
        with urlopen(f"{self.url}/metrics", timeout=10) as page:
            return read(page.read().decode(), "dqx_", "node_textfile_scrape_error")


@pytest.fixture
def node_exporter(tmp_path: Path) -> Iterator[NodeExporter]:
    """Start a node_exporter on an empty folder."""
    program = binary("prometheus-node-exporter", "node_exporter")
    folder = tmp_path / "textfiles"
    folder.mkdir()
    arguments = (
        "--web.listen-address={address}",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={folder}",
    )
    with serving(program, *arguments, log=tmp_path / "node_exporter.log") as url:
        yield NodeExporter(url, folder)
