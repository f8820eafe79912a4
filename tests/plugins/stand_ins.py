"""Plugins that stand in for real ones, and what the tests of the manager share."""

from __future__ import annotations

import textwrap
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dqx.plugins import PluginManager
from dqx.telemetry import tracing
from dqx.testing import context_of, suite_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dqx.common import PluginOutcome


class Witness:
    """A plugin that keeps what it is given, and does what it is told in `process`."""

    def __init__(self, act: Callable[..., object] | None = None) -> None:
        self.act = act
        self.configs: list[dict[str, Any]] = []
        self.runs: list[tuple[Any, ...]] = []

    def initialize(self, config: dict[str, Any]) -> None:
        self.configs.append(config)

    def process(self, results: Any, symbols: Any, suite_name: str, context: dict[str, Any]) -> None:
        self.runs.append((results, symbols, suite_name, context))
        if self.act is not None:
            self.act()


class Finisher(Witness):
    """A witness with both optional hooks; `diary` may be shared between several."""

    def __init__(self, name: str = "", diary: list[Any] | None = None) -> None:
        super().__init__()
        self.name = name
        self.diary: list[Any] = [] if diary is None else diary

    def process(self, *run: Any) -> None:
        self.diary.append((self.name, "process"))

    def finish(self, outcomes: list[PluginOutcome]) -> None:
        self.diary.append((self.name, "finish", list(outcomes)))
        outcomes.clear()

    def shutdown(self) -> None:
        self.diary.append((self.name, "shutdown"))


def manager_of(config: Any = None, total_timeout: float = 30.0, **plugins: Any) -> PluginManager:
    """Return a manager with these plugins and no other."""
    manager = PluginManager(config, total_timeout=total_timeout, entry_points=())
    for name, plugin in plugins.items():
        manager.register(name, plugin)
    return manager


def run_through(manager: PluginManager, config: Any = None) -> tuple[PluginOutcome, ...]:
    """Hand the usual run to a manager's plugins."""
    run = suite_run()
    return manager.process_all(run.results, run.symbols, run.suite, context_of(run), config)


def endings(outcomes: tuple[PluginOutcome, ...]) -> list[tuple[str, str, str]]:
    """Return plugin, phase and outcome of each."""
    return [(outcome.plugin, outcome.phase, outcome.outcome) for outcome in outcomes]


def wait_until(true: Callable[[], object], patience_s: float = 10.0) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@contextmanager
def recorded_spans() -> Iterator[InMemorySpanExporter]:
    """Make DQX's spans by a provider of our own, and keep them; the global provider is left alone."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = tracing.use_provider(provider)
    try:
        yield exporter
    finally:
        tracing.use_provider(before)
        provider.shutdown()


def install(
    folder: Path, distribution: str, entry_points: str, version: str = "1.2.3", **modules: str
) -> None:
    """Put a distribution into `folder` as pip would: metadata, entry points, modules."""
    metadata = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[dqx.plugins]\n{entry_points}\n")
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
