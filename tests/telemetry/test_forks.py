"""A child that is forked while a thread of its parent is at work here has none of its locks."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

from dqx.telemetry.families import collector_of
from dqx.telemetry.instruments import instruments_on

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
arrived = threading.Event()


class SlowRegistry(CollectorRegistry):
    """Takes its time over a collector."""

    def register(self, collector: Any) -> None:
        arrived.set()
        threading.Event().wait(0.2)
        super().register(collector)


class SlowProvider(MeterProvider):
    """Takes its time over a meter."""

    def get_meter(self, *args: Any, **options: Any) -> Any:
        arrived.set()
        threading.Event().wait(0.2)
        return super().get_meter(*args, **options)


@pytest.mark.parametrize(
    ("slow", "use", "make"),
    [(SlowRegistry(), collector_of, CollectorRegistry), (SlowProvider(), instruments_on, MeterProvider)],
    ids=["registry", "provider"],
)
def test_a_child_forked_meanwhile_has_its_own(
    slow: object, use: Callable[[Any], object], make: Callable[[], object]
) -> None:
    """It does not wait for a thread that it does not have."""
    arrived.clear()
    thread = threading.Thread(target=use, args=(slow,))
    thread.start()
    assert arrived.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # without a handler: it ends the child that waits for ever
        use(make())
        os._exit(0)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
