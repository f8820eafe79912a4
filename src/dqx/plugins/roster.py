"""Who the plugins are: those found and those made in code, in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqx.common import ConfigurationError
from dqx.plugins import declared, discovery, settings
from dqx.plugins.hooks import check_hooks
from dqx.plugins.hosted import HostedPlugin
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint

    from dqx.plugins import ResultProcessor
    from dqx.plugins.declared import Setting
    from dqx.plugins.discovery import Found, Switches
    from dqx.plugins.reports import Reports
    from dqx.plugins.settings import PluginSettings


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of what was found: a plugin, whether it runs or why not, and what can be set."""

    name: str
    distribution: str | None
    version: str | None
    state: str
    settings: tuple[Setting, ...] = ()


class Roster:
    """The plugins by name: `loaded` are the instances, a plain dict that a program may add to."""

    def __init__(self, switches: Switches, reports: Reports) -> None:
        self.loaded: dict[str, ResultProcessor] = {}
        self.turned_away: list[Found] = []
        self._switches = switches
        self._reports = reports
        self._hosted: dict[str, HostedPlugin] = {}

    def discover(self, entry_points: Iterable[EntryPoint]) -> None:
        """Take the plugins of these entry points; nothing is imported."""
        found, self.turned_away = discovery.find(entry_points, self._switches)
        self._hosted = {name: HostedPlugin(name, self._reports, plugin) for name, plugin in found.items()}

    def register(self, name: str, plugin: ResultProcessor) -> HostedPlugin:
        """Take a plugin that was made in code; raise ConfigurationError as `PluginManager.register` does."""
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"a plugin's name is text, not {name!r}", name)
        built_in = name in discovery.BUILT_INS
        if built_in and not type(plugin).__module__.startswith(f"{__package__}."):
            raise ConfigurationError(
                f"plugin '{name}': this is the name of a built-in plugin; take another", name
            )
        if not built_in and (name in self._hosted or name in self.loaded):
            raise ConfigurationError(
                f"plugin '{name}': there is a plugin of this name already; take another", name
            )
        try:
            check_hooks(plugin)
            declared.model_of(plugin)
        except ConfigurationError as error:
            raise ConfigurationError(f"plugin '{name}': {error}", error.culprit) from None
        if name in self._hosted:
            self._hosted[name].stop()
        self._hosted[name] = hosted = HostedPlugin(name, self._reports, refused=self._switches.refusal(name))
        self.loaded.pop(name, None)
        if hosted.refused is None:
            self.loaded[name] = plugin
        return hosted

    def named(self, name: str) -> HostedPlugin | None:
        """Return the plugin of a name, or None."""
        if name in self.loaded and name not in self._hosted:  # put into the dict by a program
            self._hosted[name] = HostedPlugin(name, self._reports, refused=self._switches.refusal(name))
        return self._hosted.get(name)

    def in_order(self, config: Mapping[str, object]) -> list[tuple[HostedPlugin, PluginSettings]]:
        """Return all plugins with their settings: the built-in ones, then the others by order and name."""
        names = {*self._hosted, *self.loaded}
        pairs = [(hosted, settings.read(name, config)) for name in names if (hosted := self.named(name))]
        return sorted(pairs, key=_place)

    def missing(self, config: Mapping[str, object]) -> dict[str, str]:
        """Return the plugins that are configured but not there, each with a message that says so."""
        known = {*self._hosted, *self.loaded}
        return {
            name: f"plugin '{name}' is configured but not installed{did_you_mean(name, known)}"
            for name in config
            if name not in known and settings.read(name, config).enabled
        }

    def listing(self, config: Mapping[str, object]) -> list[Listing]:
        """Return what is there, in order, and then what was turned away."""
        rows = []
        for hosted, own in self.in_order(config):
            plugin = self.loaded.get(hosted.name)
            described = tuple(declared.describe(declared.model_of(plugin))) if plugin is not None else ()
            rows.append(
                Listing(hosted.name, hosted.distribution, hosted.version, state_of(hosted, own), described)
            )
        return rows + [
            Listing(found.name, found.distribution, found.version, f"not loaded: {found.refused}")
            for found in self.turned_away
        ]

    def hosted(self) -> Iterable[HostedPlugin]:
        """Return all plugins that are known, in no order."""
        return self._hosted.values()

    def start_clean(self) -> None:
        """Forget what belongs to the parent process, in a forked child."""
        for hosted in self._hosted.values():
            hosted.start_clean()


def switched_off(hosted: HostedPlugin, own: PluginSettings) -> str | None:
    """Return why a plugin is not to be called, or None."""
    if hosted.refused is not None:
        return hosted.refused
    return None if own.enabled else "enabled = false in its configuration"


def state_of(hosted: HostedPlugin, own: PluginSettings) -> str:
    """Return `enabled`, or why a plugin does not run."""
    if reason := switched_off(hosted, own):
        return f"disabled: {reason}"
    if own.wrong is not None:
        return f"broken: {own.wrong}"
    outcome = hosted.load_outcome
    if outcome is not None and outcome.outcome != "ok":
        return f"broken: {outcome.why}"
    return "enabled"


def _place(pair: tuple[HostedPlugin, PluginSettings]) -> tuple[int, int, str]:
    name = pair[0].name
    if name in discovery.BUILT_INS:
        return discovery.BUILT_INS.index(name), 0, name
    return len(discovery.BUILT_INS), pair[1].order, name
