"""A real node_exporter with its textfile collector and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.servers.processes import binary, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class NodeExporter:
    """A running node_exporter that reads the files in `folder`."""

    url: str
    folder: Path

    def series(self) -> dict[Series, float]:
        """Return the series of DQX and what the collector says of itself, without labels that are empty."""
        text = urlopen(f"{self.url}/metrics", timeout=10).read().decode()
        return {
            (
                sample.name,
                tuple(sorted((name, value) for name, value in sample.labels.items() if value)),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith(("dqx_", "node_textfile_scrape_error"))
        }


@pytest.fixture
def node_exporter(tmp_path: Path) -> Iterator[NodeExporter]:
    """Start a node_exporter on an empty folder."""
    program = binary(
        "prometheus-node-exporter", "node_exporter", install="apt install prometheus-node-exporter"
    )
    folder = tmp_path / "textfiles"
    folder.mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        program,
        f"--web.listen-address=127.0.0.1:{port}",
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={folder}",
    ]
    with running(command, tmp_path / "node_exporter.log", url):
        yield NodeExporter(url, folder)
