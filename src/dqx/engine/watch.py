"""The scan that is under way, as other threads see it: how far it is, and how it is ended."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqx.common import Analyzer


class Watch:
    """Knows what a suite is scanning. Any thread may ask, and interrupt; one thread at a time scans."""

    def __init__(self) -> None:
        self._scanning: tuple[str, Analyzer] | None = None
        self._interrupted = False

    @property
    def scanning(self) -> tuple[str, float | None] | None:
        """Return the dataset that is being scanned and how much is done (0 to 1, None if unknown), or None."""
        scanning = self._scanning
        return None if scanning is None else (scanning[0], scanning[1].progress())

    def begin(self) -> None:
        """Begin a run: an interruption of the one before is not meant for it."""
        self._interrupted = False

    def interrupt(self) -> None:
        """End the scan that is under way, and the run with it."""
        self._interrupted = True
        scanning = self._scanning
        if scanning is not None:
            scanning[1].interrupt()

    @contextmanager
    def over(self, dataset: str, analyzer: Analyzer) -> Iterator[None]:
        """Let others see a scan while the block runs; raise KeyboardInterrupt where one of them interrupted."""
        self._scanning = dataset, analyzer
        try:
            self._heed()
            yield
        finally:
            self._scanning = None
            self._heed()

    def _heed(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
