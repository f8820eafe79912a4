"""A real Pushgateway for each test that asks for one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.servers.processes import binary, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running Pushgateway."""

    url: str

    def series(self) -> dict[Series, float]:
        """Return what it holds of DQX, by name and labels without empty ones, which Prometheus drops."""
        text = urlopen(f"{self.url}/metrics", timeout=10).read().decode()
        return {
            (
                sample.name,
                tuple(sorted((name, value) for name, value in sample.labels.items() if value)),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith("dqx_")
        }

    def groups(self) -> list[dict[str, Any]]:
        """Return the labels of its groups."""
        answer = json.load(urlopen(f"{self.url}/api/v1/metrics", timeout=10))
        return [group["labels"] for group in answer["data"]]


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[Gateway]:
    """Start an empty Pushgateway."""
    program = binary("prometheus-pushgateway", "pushgateway", install="apt install prometheus-pushgateway")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [program, f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="]
    with running(command, tmp_path / "pushgateway.log", f"{url}/-/ready"):
        yield Gateway(url)
