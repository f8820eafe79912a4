"""The configuration of a plugin as the manager reads it: four keys that are its own, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dqx.common import ConfigurationError
from dqx.telemetry.redaction import redact

DEFAULT_TIMEOUT_S = 10.0
SHORTEST_S = 0.1
"""A share of the time for all that is less is no turn: on a busy machine a thread may start this late."""
LONGEST_S = 86_400.0

TIMES = f"a number of seconds, {SHORTEST_S:g} to {LONGEST_S:,.0f}"

MANAGERS_OWN = ("enabled", "timeout", "order", "required")


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """A plugin's configuration as the manager reads it; `own` is what the plugin gets. Times in seconds.

    `wrong` says what is the matter with the manager's own keys; the plugin is not called then.
    """

    enabled: bool = True
    timeout_s: float = DEFAULT_TIMEOUT_S
    order: int = 0
    required: bool = False
    own: Mapping[str, Any] = field(default_factory=dict)
    wrong: ConfigurationError | None = None


def checked(config: object) -> Mapping[str, object]:
    """Return the configuration of all plugins when it is a mapping by name (None: an empty one).

    Raises:
        ConfigurationError: When it is anything else.
    """
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ConfigurationError(
            f"the plugins' configuration is of type {type(config).__name__}; it maps a plugin's name to its settings",
            config,
        )
    for name in config:
        if not isinstance(name, str):
            raise ConfigurationError(
                f"the plugins' configuration has settings for {shown(name)}; a plugin's name is text", name
            )
    return config


def read(name: str, config: Mapping[str, object]) -> PluginSettings:
    """Return the settings of the plugin `name`. Wrong ones are no exception: they are that plugin's outcome."""
    given = config.get(name)
    if given is None:
        return PluginSettings()
    try:
        return _read(name, given)
    except ConfigurationError as error:
        # Anything but false is taken for required: in doubt it was meant.
        required = isinstance(given, Mapping) and given.get("required", False) is not False
        return PluginSettings(required=required, wrong=error)


def is_time(value: object) -> bool:
    """Tell whether a value is a number of seconds that a call may take."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and SHORTEST_S <= value <= LONGEST_S
    )


def shown(value: object, secrets: frozenset[str] = frozenset()) -> str:
    """Return a value as it may stand in a message."""
    try:
        return redact(repr(value), 80, secrets)
    except Exception:  # noqa: BLE001  # an integer of 5,000 digits cannot be printed, nor can many an object
        return f"<{type(value).__name__}>"


def _read(name: str, given: object) -> PluginSettings:
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            # Not the value: where settings are due, a token may well have been given.
            f"plugin '{name}': its configuration is of type {type(given).__name__}; it takes settings by name",
            name,
        )
    for key in ("enabled", "required"):
        if not isinstance(given.get(key, False), bool):
            raise _wrong(name, key, given[key], "true or false")
    order = given.get("order", 0)
    if not isinstance(order, int) or isinstance(order, bool):
        raise _wrong(name, "order", order, "a whole number; lower ones run first")
    timeout = given.get("timeout", DEFAULT_TIMEOUT_S)
    if not is_time(timeout):
        raise _wrong(name, "timeout", timeout, TIMES)
    own = {key: value for key, value in given.items() if key not in MANAGERS_OWN}
    return PluginSettings(
        given.get("enabled", True), float(timeout), order, given.get("required", False), own
    )


def _wrong(plugin: str, key: str, value: object, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"plugin '{plugin}': {key} is {shown(value)}; it takes {allowed}", key)
