"""Which plugins are there: entry points of the group `dqx.plugins`, and the switches that keep some out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dqx.common import ConfigurationError
from dqx.plugins.declared import model_of
from dqx.plugins.hooks import check_hooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint

GROUP = "dqx.plugins"
BUILT_INS = ("dqx_audit", "dqx_otel", "dqx_prometheus")
"""The built-in plugins, in the order in which they run, before all others."""

_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class Found:
    """An entry point and where it comes from. `refused` says why it is not loaded, when it is not."""

    name: str
    entry_point: EntryPoint
    distribution: str | None
    version: str | None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Switches:
    """What keeps plugins out: everything off, the allow-lists (a plugin must be in each), what is denied."""

    off: bool = False
    allow: tuple[tuple[str, frozenset[str]], ...] = ()
    deny: tuple[tuple[str, frozenset[str]], ...] = ()

    @classmethod
    def read(
        cls,
        allow: Iterable[str] | None = None,
        deny: Iterable[str] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Switches:
        """Join the two settings with `DQX_DISABLE_PLUGINS`, `DQX_PLUGINS_ALLOW` and `DQX_PLUGINS_DENY`.

        An operator's variable and a program's setting both hold: neither lets in what the other keeps out. An
        empty variable counts as not set.
        """
        given = {
            "plugins_allow": _names("plugins_allow", allow),
            "plugins_deny": _names("plugins_deny", deny),
        }
        for variable in ("DQX_PLUGINS_ALLOW", "DQX_PLUGINS_DENY"):
            names = frozenset(name.strip() for name in environ.get(variable, "").split(",") if name.strip())
            given[variable] = names or None
        lists = [(origin, names) for origin, names in given.items() if names is not None]
        return cls(
            environ.get("DQX_DISABLE_PLUGINS", "").strip().lower() in _TRUE,
            tuple(entry for entry in lists if entry[0].lower().endswith("allow")),
            tuple(entry for entry in lists if entry[0].lower().endswith("deny")),
        )

    def refusal(self, name: str) -> str | None:
        """Return why the plugin `name` is kept out, or None."""
        if self.off:
            return "DQX_DISABLE_PLUGINS switches all plugins off"
        for origin, names in self.allow:
            if name not in names:
                return f"not named in {origin}"
        return next((f"named in {origin}" for origin, names in self.deny if name in names), None)


def installed() -> Iterable[EntryPoint]:
    """Return the entry points of all installed plugins; nothing of theirs is imported."""
    import importlib.metadata  # 15 ms, which only a run has to spend

    return importlib.metadata.entry_points(group=GROUP)


def find(entry_points: Iterable[EntryPoint], switches: Switches) -> tuple[dict[str, Found], list[Found]]:
    """Return the plugins by name, and those turned away because their name is taken, in the order found."""
    plugins: dict[str, Found] = {}
    turned_away = []
    for entry_point in entry_points:
        name = entry_point.name
        distribution, version = _origin(entry_point)
        found = Found(name, entry_point, distribution, version, switches.refusal(name))
        if name in BUILT_INS and distribution != "dqx":
            turned_away.append(_refused(found, f"'{name}' is the name of a built-in plugin"))
        elif name not in plugins:
            plugins[name] = found
        elif (first := plugins[name]).entry_point != entry_point or first.distribution != distribution:
            turned_away.append(
                _refused(found, f"the name is taken by {origin_text(first)}, which was found first")
            )
    return plugins, turned_away


def construct(entry_point: EntryPoint) -> Any:
    """Import a plugin's class, make an instance, and return it when it has the hooks it must have.

    Raises:
        ConfigurationError: When it cannot be called, lacks a hook, or a hook has a wrong signature.
    """
    made = entry_point.load()
    if not callable(made):
        raise ConfigurationError(
            f"{entry_point.value} is not a class but {type(made).__name__}", entry_point.value
        )
    plugin = made()
    check_hooks(plugin)
    model_of(plugin)
    return plugin


def origin_text(plugin: Found) -> str:
    """Return distribution and version as one text, or the entry point's module where they are not known."""
    if plugin.distribution is None:
        return str(plugin.entry_point.value)
    return f"{plugin.distribution} {plugin.version or 'without a version'}"


def _refused(found: Found, reason: str) -> Found:
    return Found(found.name, found.entry_point, found.distribution, found.version, reason)


def _names(setting: str, names: Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    listed = None if isinstance(names, str) else list(names)
    if listed is None or not all(isinstance(name, str) for name in listed):
        raise ConfigurationError(f"{setting} is {names!r}; it takes a list of plugin names", names)
    return frozenset(listed)


def _origin(entry_point: EntryPoint) -> tuple[str | None, str | None]:
    """Return name and version of an entry point's distribution, as far as its metadata can be read."""
    try:
        distribution = entry_point.dist
        name, version = (distribution.name, distribution.version) if distribution else (None, None)
    except Exception:  # noqa: BLE001  # half-removed metadata raises KeyError, OSError or what a finder likes
        return None, None
    return (name if isinstance(name, str) else None, version if isinstance(version, str) else None)
