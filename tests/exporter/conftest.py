"""Stores with runs in them, and an exporter that answers from one."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tests.orm.conftest import Examples
from tests.servers.series import Series, read

from dqx.exporter.app import ExporterApp
from dqx.exporter.server import Server
from dqx.exporter.store import StoreSource
from dqx.orm import MetricDB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()

    def series(self) -> dict[Series, float]:
        """Return the series of a page, without labels that are empty."""
        return read(self.text)

    def values(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the values of a metric by some of its labels; empty where a series has none."""
        return {
            tuple(dict(found).get(label, "") for label in labels): value
            for (metric, found), value in self.series().items()
            if metric == name
        }


def fetch(url: str, method: str = "GET", timeout: float = 30, **headers: str) -> Answer:
    """Ask an address; an answer that is an error is an answer, too."""
    request = Request(url, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urlopen(request, timeout=timeout) as response:
            return Answer(response.status, response.headers, response.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@dataclass
class Exporter:
    """Starts exporters, and ends them with the test."""

    stack: ExitStack = field(default_factory=ExitStack)

    def __call__(self, db: MetricDB, label_tags: Sequence[str] = ("env",), patience_s: float = 5.0) -> str:
        """Start one that answers from a store, and return its address."""
        source = self.stack.enter_context(closing(StoreSource(db, label_tags, patience_s)))
        return self.stack.enter_context(closing(Server(ExporterApp(source), "127.0.0.1", 0))).url


@pytest.fixture
def make() -> Examples:
    """Return what makes runs and stores them."""
    return Examples()


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """Return what starts exporters."""
    made = Exporter()
    with made.stack:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store, one of each kind in turn."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'quality.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[MetricDB]:
    """Return an empty store."""
    with closing(MetricDB(store_url)) as db:
        yield db


@pytest.fixture
def page(store: MetricDB, exporter: Exporter) -> Callable[[], Answer]:
    """Return what scrapes an exporter of the store."""
    url = exporter(store)
    return lambda: fetch(f"{url}/metrics")
