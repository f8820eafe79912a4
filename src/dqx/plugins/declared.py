"""The settings that a plugin declares: checked, converted, and described for people.

A plugin declares them by a class attribute `Settings`: a pydantic model, or a dataclass (which costs no import of
pydantic until somebody sets something). Then a wrong key or value is an error that names it, and `initialize` gets
the values as the types say. Without one it gets its configuration as it was written.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from dqx.common import ConfigurationError, did_you_mean
from dqx.plugins.settings import MANAGERS_OWN, shown
from dqx.telemetry.redaction import MASK, is_secret_name, redact, secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


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
    if not isinstance(model, type) or not (_is_pydantic(model) or dataclasses.is_dataclass(model)):
        raise ConfigurationError(
            "its attribute Settings is neither a pydantic model nor a dataclass", "Settings"
        )
    for key in MANAGERS_OWN:
        if key in _fields(model):
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
    fields = _fields(model)
    if not own and not any(field.required for field in fields.values()):
        return {}
    keys = {key: field for field in fields.values() for key in field.keys}
    for key in own:
        if key not in keys and not _takes_any(model):
            raise ConfigurationError(
                f"plugin '{name}': it has no setting '{key}'{did_you_mean(str(key), keys)}", key
            )
    import pydantic  # 40 ms: a run whose plugins are not configured does without

    try:
        settings: Any = pydantic.TypeAdapter(model).validate_python(dict(own))
    except pydantic.ValidationError as error:
        raise _invalid(name, model, own, error) from None
    return {key: getattr(settings, keys[key].name) if key in keys else value for key, value in own.items()}


def initialize(plugin: Any, name: str, own: dict[str, Any]) -> None:
    """Check a plugin's settings by what it declares, and hand them to it."""
    model = model_of(plugin)
    plugin.initialize(own if model is None else validated(name, model, own))


def secrets_of(plugin: object, own: Mapping[str, Any]) -> frozenset[str]:
    """Return the secrets in a plugin's settings, by the names of the keys and by the types that it declares."""
    if not own:
        return frozenset()
    try:
        return _secrets(model_of(plugin), own)
    except ConfigurationError:  # a wrong declaration has been reported, or will be
        return secrets_in(own)


def describe(model: type | None) -> list[Setting]:
    """Return what a settings class declares, in its order, tables with what is in them. No secret is shown."""
    found = []
    for field in _fields(model).values() if model else ():
        key = field.keys[0]
        found.append(Setting(key, field.type, _default_text(field), field.meaning))
        inner = describe(_table(model, field.name))
        found += [dataclasses.replace(setting, name=f"{key}.{setting.name}") for setting in inner]
    return found


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a settings class; `keys` are what it may be called in a configuration."""

    name: str
    keys: tuple[str, ...]
    type: str
    default: Callable[[], object] | None
    meaning: str

    @property
    def required(self) -> bool:
        return self.default is None

    @property
    def secret(self) -> bool:
        return "Secret" in self.type or is_secret_name(self.name)


def _is_pydantic(model: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(model, pydantic.BaseModel)


def _takes_any(model: type) -> bool:
    config = getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", {})
    return config.get("extra") == "allow"


def _fields(model: Any) -> dict[str, _Field]:
    if _is_pydantic(model):
        return {
            name: _Field(
                name,
                tuple(
                    dict.fromkeys(
                        k for k in (field.validation_alias, field.alias, name) if isinstance(k, str)
                    )
                ),
                _type_text(field.annotation),
                None if field.is_required() else partial(field.get_default, call_default_factory=True),
                field.description or "",
            )
            for name, field in model.model_fields.items()
        }
    return {
        field.name: _Field(
            field.name,
            (field.name,),
            _type_text(field.type),
            _default_of(field),
            field.metadata.get("meaning", ""),
        )
        for field in dataclasses.fields(model)
        if field.init
    }


def _table(model: Any, name: str) -> type | None:
    """Return the class of a setting that is a table with settings of its own, or None."""
    try:
        hint = model.model_fields[name].annotation if _is_pydantic(model) else get_type_hints(model)[name]
    except (
        KeyError,
        NameError,
    ):  # no such setting; or its type has a name that is there for type checkers alone
        return None
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type)]
    return next((kind for kind in kinds if _is_pydantic(kind) or dataclasses.is_dataclass(kind)), None)


def _nearest(model: type, path: Sequence[object]) -> str:
    """Return, for the end of a message, what the last key of a path into the settings may have meant."""
    inside: type | None = model
    for key in path[:-1]:
        inside = _table(inside, str(key)) if inside else None
    return did_you_mean(str(path[-1]), _fields(inside)) if inside else ""


def _default_of(field: dataclasses.Field[Any]) -> Callable[[], object] | None:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return None if field.default is dataclasses.MISSING else lambda: field.default


def _default_text(field: _Field) -> str | None:
    if field.default is None:
        return None
    default = field.default()
    if field.secret and default:
        return MASK
    return redact(str(default) if isinstance(default, PurePath) else repr(default))


def _type_text(annotation: object) -> str:
    """Return a type as people write it: without the modules, which are left alone within quotes."""
    text = (
        annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    )
    return re.sub(r"('[^']*')|(?:\w+\.)+(?=\w)", lambda match: match[1] or "", text)


def _secrets(model: type | None, own: Mapping[str, Any]) -> frozenset[str]:
    fields = _fields(model).values() if model else ()
    typed = {key for field in fields if field.secret for key in field.keys if key in own}
    return secrets_in(own).union(*(secrets_in(own[key], named_secret=True) for key in typed))


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
        case _:
            root = next((field for field in _fields(model).values() if first["loc"][0] in field.keys), None)
            hidden = is_secret_name(key) or (root is not None and root.secret)
            value = "(a secret, not shown)" if hidden else shown(first["input"], secrets)
            text = f"{key} is {value}: {message}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ConfigurationError(f"plugin '{plugin}': {text}{more}", key)
