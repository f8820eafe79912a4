"""The hooks of a plugin by name and arguments, and the check that an object has them."""

from __future__ import annotations

import inspect
from functools import partial
from inspect import Parameter
from operator import methodcaller
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from dqx.common import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dqx.common import PluginOutcome

HOOKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "initialize": ("config",),
        "process": ("results", "symbols", "suite_name", "context"),
        "finish": ("outcomes",),
        "shutdown": (),
    }
)
"""What each hook takes, by position and in this order."""

OPTIONAL = frozenset({"finish", "shutdown"})

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Finishing(Protocol):
    """What a plugin has that wants to know what became of all."""

    def finish(self, outcomes: list[PluginOutcome]) -> None:
        """Take what became of every plugin so far, once all have processed."""
        ...


class Closing(Protocol):
    """What a plugin has that holds something."""

    def shutdown(self) -> None:
        """Let go of it; called once, when the suite is closed."""
        ...


def optional_hooks(plugin: object) -> frozenset[str]:
    """Return the optional hooks that a plugin has. To be asked on its own thread: a property is its code, too."""
    return frozenset(hook for hook in OPTIONAL if callable(getattr(plugin, hook, None)))


def call_of(plugin: object, hook: str, *arguments: object) -> Callable[[], object]:
    """Return the call of a hook. The hook is looked up when the call is made, on the plugin's own thread."""
    return partial(methodcaller(hook, *arguments), plugin)


def check_hooks(plugin: object) -> None:
    """Raise a ConfigurationError when `plugin` lacks a hook or one takes other arguments than it is called with.

    An argument may have another name when that starts with an underscore; `*args` and arguments with a default
    are welcome. `culprit` is the argument, or the hook that is missing.
    """
    if isinstance(plugin, type):
        raise ConfigurationError(
            f"{plugin.__name__} is a class; a plugin is an instance of it: {plugin.__name__}()",
            plugin.__name__,
        )
    for hook, arguments in HOOKS.items():
        method = getattr(plugin, hook, None)
        if method is None and hook in OPTIONAL:
            continue
        if not callable(method):
            raise ConfigurationError(
                f"{type(plugin).__name__} does not implement ResultProcessor protocol: "
                f"it has no method {hook}({', '.join(arguments)})",
                hook,
            )
        _check_signature(method, hook, arguments)


def _check_signature(method: Callable[..., object], hook: str, arguments: Sequence[str]) -> None:
    wanted = f"; DQX calls {hook}({', '.join(arguments)})"
    if inspect.iscoroutinefunction(method):
        raise ConfigurationError(
            f"{hook}() is async and would never be awaited; make it a plain method", hook
        )
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # written in C, without a signature: the first call will tell
        return
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    takes_any = any(p.kind is Parameter.VAR_POSITIONAL for p in parameters)
    for position, argument in enumerate(arguments):
        if position >= len(positional):
            if not takes_any:
                raise ConfigurationError(f"{hook}() lacks the argument '{argument}'{wanted}", argument)
        elif (name := positional[position].name) != argument and not name.startswith("_"):
            raise ConfigurationError(
                f"{hook}() has '{name}' as argument {position + 1} where '{argument}' is given{wanted}", name
            )
    beyond = positional[len(arguments) :] + [p for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
    for parameter in beyond:
        if parameter.default is Parameter.empty:
            raise ConfigurationError(
                f"{hook}() needs an argument '{parameter.name}' that nothing is given for{wanted}",
                parameter.name,
            )
