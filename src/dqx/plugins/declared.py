"""The settings that a plugin declares: checked, converted, and described for people.

A plugin declares them by a class attribute `Settings`: a pydantic model, or a dataclass (which costs no import of
pydantic until somebody sets something). Then a wrong key or value is an error that names it, and `initialize` gets
the values as the types say. Without one it gets its configuration as it was written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from dqx.common import ConfigurationError
from dqx.plugins.fields import fields_of, is_settings_class, takes_any
from dqx.plugins.hooks import optional_hooks
from dqx.plugins.settings import MANAGERS_OWN, shown
from dqx.telemetry.redaction import MASK, is_secret_name, redact, secrets_in
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dqx.plugins.fields import Field


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that a plugin declares, as text for people. `default` is None when it must be set."""

    name: str
    type: str
    default: str | None
    meaning: str


def model_of(plugin: object) -> type | None:
    """Return the settings class that a plugin declares, or None.

    Raises:
        ConfigurationError: When it is neither a pydantic model nor a dataclass, or has a key of the manager's.
    """
    model = getattr(type(plugin), "Settings", None)
    if model is None:
        return None
    if not isinstance(model, type) or not is_settings_class(model):
        raise ConfigurationError(
            "its attribute Settings is neither a pydantic model nor a dataclass", "Settings"
        )
    names = {field.name for field in fields_of(model)}
    for key in MANAGERS_OWN:
        if key in names:
            raise ConfigurationError(
                f"its Settings have '{key}', which it would never get: {', '.join(MANAGERS_OWN)} are the manager's",
                key,
            )
    return model


def validated(name: str, model: type, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, converted to the types of `model`.

    Raises:
        ConfigurationError: Naming plugin, key, value (never a secret one) and what is allowed.
    """
    fields = fields_of(model)
    if not own and not any(field.required for field in fields):
        return {}
    keys = {key: field.name for field in fields for key in field.keys}
    known = {*keys, *(key for field in fields for key in field.outer)}
    for key in own:
        if key not in known and not takes_any(model):
            raise ConfigurationError(
                f"plugin '{name}': it has no setting '{key}'{did_you_mean(str(key), known)}", key
            )
    import pydantic  # 40 ms: a run whose plugins are not configured does without

    try:
        settings: Any = pydantic.TypeAdapter(model).validate_python(dict(own))
    except pydantic.ValidationError as error:
        raise _invalid(name, model, own, error) from None
    return {key: getattr(settings, keys[key]) if key in keys else value for key, value in own.items()}


def initialize(plugin: Any, name: str, own: dict[str, Any]) -> frozenset[str]:
    """Check a plugin's settings by what it declares, hand them to it, and return its optional hooks."""
    model = model_of(plugin)
    plugin.initialize(own if model is None else validated(name, model, own))
    return optional_hooks(plugin)


def secrets_of(plugin: object, own: Mapping[str, Any]) -> frozenset[str]:
    """Return the secrets in a plugin's settings, by the names of the keys and by the types that it declares."""
    if not own:
        return frozenset()
    try:
        return _secrets(model_of(plugin), own)
    except Exception:  # noqa: BLE001  # a wrong declaration, of a stranger's, has been reported, or will be
        return secrets_in(own)


def describe(model: type | None, *outer: type) -> list[Setting]:
    """Return what a settings class declares, in its order, tables with what is in them. No secret is shown.

    A table of one of the classes in `outer`, which it stands in, is not told again.
    """
    found = []
    for field in fields_of(model) if model else ():
        key = (*field.keys, *field.outer)[0]
        found.append(Setting(key, field.type_text, _default_text(field), field.meaning))
        if model and field.table not in (model, *outer):
            inner = describe(field.table, model, *outer)
            found += [dataclasses.replace(setting, name=f"{key}.{setting.name}") for setting in inner]
    return found


def _along(model: type, path: Sequence[object]) -> Iterator[Field]:
    """Yield the fields on a path into the settings; places in a list, and names in a dict, are none."""
    inside: type | None = model
    for part in path:
        field = next((f for f in fields_of(inside) if part in f.keys), None) if inside else None
        if field:
            yield field
            inside = field.table


def _nearest(model: type, path: Sequence[object]) -> str:
    """Return, for the end of a message, what the last key of a path into the settings may have meant."""
    inside = [model, *(field.table for field in _along(model, path[:-1]))][-1]
    return did_you_mean(str(path[-1]), [key for f in fields_of(inside) for key in f.keys]) if inside else ""


def _default_text(field: Field) -> str | None:
    if field.default is None:
        return None
    try:
        default = field.default()
        if field.secret and default:
            return MASK
        return redact(str(default) if isinstance(default, PurePath) else repr(default))
    except Exception:  # noqa: BLE001  # a stranger's function, which may want what other settings are
        return "(computed)"


def _secrets(model: type | None, own: Mapping[Any, Any]) -> frozenset[str]:
    """Return the secrets in settings, and in the tables among them, by name and by declared type."""
    found = set(secrets_in(own))
    for field in fields_of(model) if model else ():
        for value in (own[key] for key in field.keys if key in own):
            if field.secret:
                found |= secrets_in(value, named_secret=True)
            for kind in field.tables:
                for table in _tables(value):
                    found |= _secrets(kind, table)
    return frozenset(found)


def _tables(value: object) -> Iterator[Mapping[Any, Any]]:
    """Yield the tables that a setting is: itself, or those in its list or dict."""
    if isinstance(value, Mapping):
        yield value
    items = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    yield from (item for item in items if isinstance(item, Mapping))


def _invalid(plugin: str, model: type, own: Mapping[str, Any], error: Any) -> ConfigurationError:
    """Say what the first of pydantic's errors says, in the form of ours."""
    first = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    secrets = _secrets(model, own)
    # What a settings class raises itself says all; pydantic puts its kind before it.
    message = redact(first["msg"].removeprefix("Value error, "), secrets=secrets)
    match first["type"]:
        case "missing" | "missing_argument":
            text = f"the setting '{key}' is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            text = f"it has no setting '{key}'{_nearest(model, first['loc'])}"
        case _ if not key:
            text = message
        case "value_error" if isinstance(first["input"], Mapping):
            text = f"{key}: {message}"  # of a whole table, whose values may be anything
        case _:
            hidden = is_secret_name(key) or any(field.secret for field in _along(model, first["loc"]))
            value = "(a secret, not shown)" if hidden else shown(first["input"], secrets)
            text = f"{key} is {value}: {message}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ConfigurationError(f"plugin '{plugin}': {text}{more}", key)
