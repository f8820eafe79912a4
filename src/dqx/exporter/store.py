"""Pages made of a store: read when it has changed, on one thread, however many scrape."""

from __future__ import annotations

import logging
import threading
import time
from itertools import chain
from typing import TYPE_CHECKING

from dqx.common import StoreError
from dqx.exporter.app import UnavailableError
from dqx.exporter.page import Page
from dqx.exporter.stored import snapshot_samples
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names
from dqx.telemetry.families import families
from dqx.telemetry.redaction import redact_exception, redact_traceback
from dqx.telemetry.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dqx.orm.repositories import MetricDB
    from dqx.orm.state import Stamp, StoreState

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""Seconds that a scrape waits for the store; Prometheus waits 10 s for an answer unless told otherwise."""


class StoreSource:
    """A source of pages that asks its store at its start, and for every scrape whether something has changed.

    Scrapes that come while the store is being asked wait for the next question, and share its answer. A store
    that does not answer costs each of them no more than their patience.

    Args:
        db: The store; only the source's own thread uses it.
        label_tags: The tags that became labels.
        patience_s: Seconds that `page` waits.
    """

    def __init__(self, db: MetricDB, label_tags: Sequence[str], patience_s: float = PATIENCE_S) -> None:
        self._db = db
        self._label_tags = tuple(label_tags)
        self._patience_s = patience_s
        self._changed = threading.Condition()
        # Asked before anybody does: what is wrong with the store is logged at once, and the first scrape is quick.
        self._asked, self._answered = 1, 0
        self._asking_since: float | None = None
        self._closed = False
        self._page: Page | None = None
        self._stamp: Stamp | None = None
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, name="dqx-exporter-store", daemon=True)
        self._thread.start()

    def page(self) -> Page:
        """Return the page as the store is now.

        Raises:
            UnavailableError: When the store cannot be read, or does not answer in time.
        """
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            since = self._asking_since
            patience_s = self._patience_s
            if since is not None:  # whoever comes late to a store that hangs need not wait as long
                patience_s = max(0.0, since + self._patience_s - time.monotonic())
            if not self._changed.wait_for(lambda: self._answered >= mine or self._closed, patience_s):
                raise UnavailableError(
                    f"the store {self._db.url} has not answered for {self._patience_s:g} s"
                )
            if self._problem is not None or self._page is None:
                raise UnavailableError(self._problem or "the exporter is ending")
            return self._page

    def close(self) -> None:
        """Stop asking."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._answered or self._closed)
                if self._closed:
                    return
                asked = self._asked
                self._asking_since = time.monotonic()
            problem = self._read()
            with self._changed:
                if self._closed:
                    return
                self._log(problem)
                self._problem, self._answered, self._asking_since = problem, asked, None
                self._changed.notify_all()

    def _read(self) -> str | None:
        """Bring the page up to date; return what went wrong, if it did."""
        started = time.perf_counter()
        try:
            state = self._db.state(self._label_tags, self._stamp)
            if state is not None:
                self._page = self._made(state, time.time(), started)
                self._stamp = state.stamp
        except StoreError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # a defect of DQX: the scrape after it may do
            logger.error("the store could not be shown\n%s", redact_traceback(error))
            return f"the store could not be shown: {redact_exception(error)}"
        return None

    def _made(self, state: StoreState, read_at: float, started: float) -> Page:
        made = families(chain.from_iterable(snapshot_samples(stored) for stored in state.snapshots))
        took_s = time.perf_counter() - started
        none: FrozenDict[str, str] = FrozenDict()
        return Page(
            made,
            lambda rendering_s: families(
                [
                    Sample(names.EXPORTER_STORE_READ, none, read_at),
                    Sample(names.EXPORTER_RENDER_DURATION, none, took_s + rendering_s),
                ]
            ),
        )

    def _log(self, problem: str | None) -> None:
        if problem != self._problem:
            if problem is None:
                logger.warning("the store can be read again")
            else:
                logger.warning("scrapes are answered 503: %s", problem)
