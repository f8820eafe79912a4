"""The calls that belong to one run: what became of them, and the time that is left for all plugins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dqx.common import ConfigurationError
from dqx.plugins import declared, discovery
from dqx.plugins.hooks import call_of
from dqx.plugins.isolation import own_copy
from dqx.plugins.roster import switched_off
from dqx.plugins.settings import SHORTEST_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dqx.common import AssertionResult, PluginOutcome, SymbolInfo
    from dqx.plugins.hosted import HostedPlugin, Phase
    from dqx.plugins.reports import Reports
    from dqx.plugins.roster import Roster
    from dqx.plugins.settings import PluginSettings

LEAST_REST_S = 0.01
"""With less than that left of a plugin's own time, which may be as short as 0.1 s in all, no further call is made."""


class Round:
    """The calls of one run, from loading to finishing. `outcomes` are those so far, in the order they came."""

    def __init__(self, roster: Roster, reports: Reports, total_timeout_s: float) -> None:
        self.outcomes: list[PluginOutcome] = []
        self._roster = roster
        self._reports = reports
        self._left_s = total_timeout_s
        for hosted in roster.hosted():
            hosted.spent_s = 0.0

    def require(self, name: str, own: PluginSettings) -> None:
        """Load and initialize a required plugin; raise a ConfigurationError, its culprit the name, when it can't."""
        hosted = self._roster.named(name)
        if hosted is None:
            message = self._roster.missing({name: {}})[name]
            raise ConfigurationError(f"{message}; it is required, so nothing was run", name)
        if reason := switched_off(hosted, own):
            raise ConfigurationError(
                f"plugin '{name}' is required and disabled: {reason}; nothing was run", name
            )
        if not self.ready(hosted, own):
            why = "; ".join(f"{o.phase}: {o.why}" for o in self.outcomes if o.plugin == name and o.message)
            raise ConfigurationError(
                f"plugin '{name}' is required and not ready: {why}; nothing was run", name
            )

    def ready(self, hosted: HostedPlugin, own: PluginSettings) -> bool:
        """Load and initialize a plugin as far as that is needed; tell whether it can be given results."""
        if reason := switched_off(hosted, own):
            phase: Phase = "process" if hosted.name in self._roster.loaded else "load"
            self.outcomes.append(hosted.skip(phase, reason, required=own.required))
            return False
        if own.wrong is not None:
            self.outcomes.append(hosted.skip("initialize", own.wrong, required=own.required))
            return False
        return self.load(hosted, own) and self._initialize(hosted, own)

    def load(self, hosted: HostedPlugin, own: PluginSettings) -> bool:
        """Import and construct a plugin, once. What failed stays failed; what got no time has another try."""
        if hosted.name in self._roster.loaded:
            return True
        before = hosted.load_outcome
        if hosted.entry_point is None or (before is not None and before in self.outcomes):
            return False
        if before is not None and before.outcome == "error":
            self.outcomes.append(before)
            return False
        self._reports.loading(hosted.name)
        function = partial(discovery.construct, hosted.entry_point)
        hosted.load_outcome, plugin = self._call(hosted, "load", function, own)
        if hosted.load_outcome.outcome != "ok":
            return False
        self._roster.loaded[hosted.name] = plugin
        return True

    def process(
        self,
        hosted: HostedPlugin,
        own: PluginSettings,
        results: Sequence[AssertionResult],
        symbols: Sequence[SymbolInfo],
        suite_name: str,
        context: Mapping[str, Any],
    ) -> None:
        """Hand a run to a plugin that is ready: lists and context of its own, results shared and frozen."""
        plugin = self._roster.loaded[hosted.name]
        arguments = list(results), list(symbols), suite_name, own_copy(context)
        self._call(hosted, "process", call_of(plugin, "process", *arguments), own)

    def finish(self, hosted: HostedPlugin, own: PluginSettings) -> None:
        """Hand all outcomes so far to a plugin that wants them, unless its last call has not come back."""
        plugin = self._roster.loaded[hosted.name]
        if "finish" in hosted.hooks and not hosted.hanging:
            self._call(hosted, "finish", call_of(plugin, "finish", list(self.outcomes)), own)

    def _initialize(self, hosted: HostedPlugin, own: PluginSettings) -> bool:
        plugin = self._roster.loaded[hosted.name]
        if hosted.initialized_with(plugin, own.own):
            return True
        function = partial(declared.initialize, plugin, hosted.name, own_copy(own.own))
        hooks = self._call(hosted, "initialize", function, own)[1]
        hosted.note_initialized(plugin, own.own, hooks)
        return hooks is not None

    def _call(
        self, hosted: HostedPlugin, phase: Phase, function: Callable[[], Any], own: PluginSettings
    ) -> tuple[PluginOutcome, Any]:
        """Call a plugin in the time it has: its own, or half of what is left for all when that is less.

        So three plugins that hang (10 s, 10 s and 5 s of 30) leave the fourth its turn.
        """
        limit_s = min(own.timeout_s, hosted.spent_s + self._left_s / 2)
        secrets = partial(declared.secrets_of, self._roster.loaded.get(hosted.name), own.own)
        least_s = LEAST_REST_S if limit_s == own.timeout_s else SHORTEST_S
        outcome, value = hosted.call(
            phase, function, limit_s, least_s=least_s, required=own.required, secrets=secrets
        )
        self._left_s -= outcome.duration_s
        self.outcomes.append(outcome)
        return outcome, value
