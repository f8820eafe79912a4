"""What a scrape gets: one state of the metrics, rendered once in each form that somebody asks for."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING, Literal

from prometheus_client import generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics import exposition as openmetrics

from dqx.telemetry.families import Families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.metrics_core import Metric as Family

Format = Literal["text", "openmetrics"]

CONTENT_TYPES: dict[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": openmetrics.CONTENT_TYPE_LATEST,
}
_ENCODERS: dict[Format, Callable[..., bytes]] = {
    "text": generate_latest,
    "openmetrics": openmetrics.generate_latest,
}
_END = b"# EOF\n"

COMPRESSION = 1
"""Of gzip: 100,000 series in 0.15 s to a fifteenth; level 6 takes three times as long for a twentieth."""


def format_for(accept: str) -> Format:
    """Return the format that a scraper's Accept header asks for."""
    return "openmetrics" if choose_encoder(accept)[1].startswith("application/openmetrics-text") else "text"


class Page:
    """One state of the metrics. Threads may share it.

    Args:
        families: The families in their order.
        about: Given how long rendering took, in seconds, returns families about the exporter itself.
    """

    def __init__(
        self, families: Iterable[Family], about: Callable[[float], Iterable[Family]] | None = None
    ) -> None:
        self._families = Families(families)
        self._about = about
        self._lock = threading.Lock()
        self._bodies: dict[tuple[Format, bool], bytes] = {}

    def body(self, form: Format, *, compressed: bool) -> bytes:
        """Return the page in a format, with gzip or without."""
        with self._lock:
            if (form, compressed) not in self._bodies:
                plain = self._bodies.get((form, False)) or self._rendered(form)
                self._bodies[form, False] = plain
                if compressed:
                    self._bodies[form, True] = gzip.compress(plain, COMPRESSION, mtime=0)
            return self._bodies[form, compressed]

    def _rendered(self, form: Format) -> bytes:
        started = time.perf_counter()
        body = _ENCODERS[form](self._families)
        if self._about is None:
            return body
        end = _ENCODERS[form](Families(self._about(time.perf_counter() - started)))
        return body.removesuffix(_END) + end
