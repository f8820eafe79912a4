"""A real Pushgateway for each test that asks for one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from tests.servers.processes import binary, serving
from tests.servers.series import Series, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running Pushgateway."""

    url: str

    def series(self) -> dict[Series, float]:
        """Return what it holds of DQX, by name and labels without empty ones, which Prometheus drops."""
        with urlopen(f"{self.url}/metrics", timeout=10) as page:
            return read(page.read().decode(), "dqx_")

    def groups(self) -> list[dict[str, Any]]:
        """Return the labels of its groups."""
        with urlopen(f"{self.url}/api/v1/metrics", timeout=10) as answer:
            return [group["labels"] for group in json.load(answer)["data"]]


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[Gateway]:
    """Start an empty Pushgateway."""
    program = binary("prometheus-pushgateway", "pushgateway")
    arguments = ("--web.listen-address={address}", "--persistence.file=")
    with serving(program, *arguments, log=tmp_path / "pushgateway.log", ready="/-/ready") as url:
        yield Gateway(url)
