"""Runs for the tests of `dqx_prometheus`, handed to it as a suite does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.servers.series import series

from dqx.plugins.prometheus import PrometheusPlugin
from dqx.telemetry.snapshot import snapshot_of
from dqx.testing import context_of, manager_with, suite_run

if TYPE_CHECKING:
    from tests.servers.series import Series

    from dqx.common import PluginOutcome, SuiteRun


@dataclass(frozen=True, slots=True)
class Delivered:
    """A run, the context it was sent with, and what became of it."""

    run: SuiteRun
    context: dict[str, Any]
    outcomes: tuple[PluginOutcome, ...]

    def expected(self) -> dict[Series, float]:
        """Return the series that should stand at the other end, without empty labels.

        Of the plugin's own calls it is told those before `finish`.
        """
        told = [outcome for outcome in self.outcomes if outcome.phase != "finish"]
        made = snapshot_of(self.run.results, self.run.symbols, self.run.suite, self.context, told)
        return {series(s.metric.prometheus_name, s.labels): s.value for s in made.samples}

    @property
    def errors(self) -> list[tuple[str, str | None]]:
        """Return phase and message of the calls that did not end well."""
        return [(o.phase, o.message) for o in self.outcomes if o.outcome != "ok"]


def deliver(config: dict[str, Any], run: SuiteRun | None = None, **context: Any) -> Delivered:
    """Hand a run to a new `dqx_prometheus`."""
    run = suite_run() if run is None else run
    told = context_of(run) | context
    with manager_with(PrometheusPlugin(), name="dqx_prometheus", config=config) as manager:
        outcomes = manager.process_all(run.results, run.symbols, run.suite, told)
    return Delivered(run, told, outcomes)


def of_suite(name: str, run: SuiteRun | None = None) -> SuiteRun:
    """Return a run of a suite of this name."""
    run = suite_run() if run is None else run
    return replace(run, suite=name, results=tuple(replace(r, suite=name) for r in run.results))
