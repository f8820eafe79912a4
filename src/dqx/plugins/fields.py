"""The fields of a settings class, a pydantic model or a dataclass, in one form."""

from __future__ import annotations

import dataclasses
import re
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from dqx.telemetry.redaction import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `keys` are what it may be called in a configuration, `classes` all that stand in its type.

    `outer` are the keys of the tables that it is taken out of, by an alias that is a path.
    """

    name: str
    keys: tuple[str, ...]
    type_text: str
    classes: tuple[type, ...]
    default: Callable[[], object] | None
    meaning: str
    outer: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Tell whether it must be set."""
        return self.default is None

    @property
    def secret(self) -> bool:
        """Tell whether what is set is a secret, by its name or its type."""
        typed = any(hasattr(kind, "get_secret_value") for kind in self.classes)
        return typed or "Secret" in self.type_text or is_secret_name(self.name)

    @property
    def tables(self) -> tuple[type, ...]:
        """Return the settings classes in its type, when it is a table with settings of its own, or several."""
        return tuple(filter(is_settings_class, self.classes))

    @property
    def table(self) -> type | None:
        """Return the first of `tables`, or None."""
        return next(iter(self.tables), None)


def is_settings_class(kind: type) -> bool:
    """Tell whether a class declares settings: a pydantic model or a dataclass."""
    # Another thread may be importing pydantic just now; where there is a model of it, this module of it is whole.
    base = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return dataclasses.is_dataclass(kind) or (base is not None and issubclass(kind, base))


def fields_of(model: Any) -> list[Field]:
    """Return what a settings class declares, in its order."""
    # A dataclass made by pydantic has its fields, too.
    of_pydantic = getattr(model, "model_fields", None) or getattr(model, "__pydantic_fields__", None)
    if of_pydantic is not None:
        return [_of_pydantic(name, field, _config(model)) for name, field in of_pydantic.items()]
    try:
        types = get_type_hints(model)
    except NameError:  # a type that is there for type checkers alone
        types = {}
    return [_of_dataclass(field, types.get(field.name)) for field in dataclasses.fields(model) if field.init]


def takes_any(model: type) -> bool:
    """Tell whether a settings class takes settings that it does not declare."""
    return _config(model).get("extra") == "allow"


def _config(model: type) -> Mapping[str, Any]:
    config: Mapping[str, Any] = getattr(model, "model_config", None) or getattr(
        model, "__pydantic_config__", {}
    )
    return config


def _of_pydantic(name: str, field: Any, config: Mapping[str, Any]) -> Field:
    # An AliasChoices has `choices`; one of them, or the alias itself, may be an AliasPath, which has a `path`.
    aliases = getattr(field.validation_alias, "choices", [field.validation_alias])
    keys = [alias for alias in aliases if isinstance(alias, str)]
    if field.validation_alias is None or config.get("populate_by_name") or config.get("validate_by_name"):
        keys.append(name)
    return Field(
        name,
        tuple(dict.fromkeys(keys)),
        _type_text(field.annotation),
        tuple(_classes([field.annotation])),
        None if field.is_required() else partial(field.get_default, call_default_factory=True),
        field.description or "",
        tuple(alias.path[0] for alias in aliases if hasattr(alias, "path")),
    )


def _of_dataclass(field: dataclasses.Field[Any], hint: object) -> Field:
    default: Callable[[], object] | None = None
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory
    elif field.default is not dataclasses.MISSING:
        default = partial(lambda value: value, field.default)
    meaning = field.metadata.get("meaning", "")
    return Field(field.name, (field.name,), _type_text(field.type), tuple(_classes([hint])), default, meaning)


def _classes(hints: Iterable[object]) -> Iterator[type]:
    """Yield every class in annotations: of `list[Target] | None` list, Target and NoneType."""
    for hint in hints:
        if isinstance(hint, type):
            yield hint
        yield from _classes(get_args(hint))


def _type_text(annotation: object) -> str:
    """Return a type as people write it: without the modules, which are left alone within quotes."""
    text = (
        annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    )
    return re.sub(r"('[^']*')|(?:\w+\.)+(?=\w)", lambda match: match[1] or "", text)
