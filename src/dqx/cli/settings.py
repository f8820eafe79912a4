"""Settings of the command line: a settings file, then `DQX_*` variables over it. Flags come last, in each command.

The file is `dqx.toml`, or the table `[tool.dqx]` of `pyproject.toml`, the nearest in the current folder or above
it. Programs that use the library read none of this.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field, fields
from datetime import timedelta  # noqa: TC003  # pydantic looks the type up when it validates
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dqx.cli.duration import parse_duration
from dqx.cli.settings_file import find_settings_file
from dqx.common import ConfigurationError, Severity
from dqx.telemetry.labels import DEFAULT_LABEL_TAGS
from dqx.telemetry.redaction import redact
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
OutputFormat = Literal["table", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What may be set. None leaves what a suite says itself, or else the default.

    `data`, `date_column` and `tags` are by name; `plugins` holds the settings of each plugin by its name.
    `plugins_timeout` is in seconds.
    """

    db: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    date_column: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    fail_on: Severity | None = None
    timeout: timedelta | None = None
    every: timedelta | None = None
    label_tags: list[str] | None = None
    plugins_allow: list[str] | None = None
    plugins_deny: list[str] | None = None
    plugins_timeout: float | None = None
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    log_format: LogFormat | None = None
    log_level: LogLevel | None = None
    format: OutputFormat | None = None

    @property
    def known_label_tags(self) -> Sequence[str]:
        """Return the tags that become labels, for what is about no suite in particular."""
        return DEFAULT_LABEL_TAGS if self.label_tags is None else self.label_tags


_KEYS = tuple(key.name for key in fields(Settings))
_DURATIONS = ("timeout", "every", "plugins_timeout")
_LISTS = ("label_tags",)
# The tables hold what no variable can say well; DQX_PLUGINS_ALLOW and DQX_PLUGINS_DENY are read by the plugin
# manager itself, and hold beside the file's lists instead of replacing them.
_NO_VARIABLE = ("data", "date_column", "plugins", "plugins_allow", "plugins_deny")


def read_settings(folder: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return what the settings file and the variables say.

    Args:
        folder: Where the search for a file begins; the current folder unless given.
        environ: The variables; empty and unknown ones are ignored.

    Raises:
        ConfigurationError: When the file cannot be read, or a key or value is wrong; it names the file or the
            variable, and the nearest right key. Also when the current folder was removed.
    """
    try:
        folder = folder or Path.cwd()
    except FileNotFoundError:
        raise ConfigurationError("the current folder is gone; change into one that is there", ".") from None
    file = find_settings_file(folder)
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    if file is not None:
        for key, value in file.values.items():
            if key not in _KEYS:
                raise ConfigurationError(
                    f"{file.shown}: there is no setting '{key}'{did_you_mean(key, _KEYS)}", key
                )
            values[key] = value
            origins[key] = f"{file.shown}: {key}"
        if file.path.parent != folder:
            _rebase(values, file.path.parent)
    for key in _KEYS:
        variable = f"DQX_{key.upper()}"
        if text := environ.get(variable, "") if key not in _NO_VARIABLE else "":
            values[key] = _from_text(key, text, variable)
            origins[key] = variable
    return _validated(values, origins) if values else Settings()


def _from_text(key: str, text: str, variable: str) -> object:
    """Return a variable's value in the form that a settings file has it in."""
    if key in _LISTS:
        return [item.strip() for item in text.split(",") if item.strip()]
    if key == "tags":
        pairs = [item.partition("=") for item in text.split(",") if item.strip()]
        if not all(separator and name.strip() for name, separator, _ in pairs):
            raise ConfigurationError(f"{variable} is {text!r}; write NAME=VALUE,NAME=VALUE", text)
        return {name.strip(): value.strip() for name, _, value in pairs}
    return text


def _rebase(values: dict[str, object], folder: Path) -> None:
    """Let relative paths count from the folder of the file that they stand in, wherever `dqx` is started."""
    data = values.get("data")
    if isinstance(data, dict):
        values["data"] = {name: _at(folder, spec) for name, spec in data.items()}
    db = values.get("db")
    if isinstance(db, str):
        scheme, separator, path = db.partition(":///")
        if scheme.startswith("sqlite") and separator and path and not path.startswith((":", "/")):
            values["db"] = f"{scheme}:///{folder / path}"


def _at(folder: Path, spec: object) -> object:
    if not isinstance(spec, str):
        return spec
    return str(Path(glob.escape(str(folder)) if glob.has_magic(spec) else folder) / Path(spec).expanduser())


def _validated(values: dict[str, object], origins: Mapping[str, str]) -> Settings:
    for key in _DURATIONS:
        if isinstance(text := values.get(key), str):
            try:
                duration = parse_duration(text)
            except ConfigurationError as error:
                raise ConfigurationError(f"{origins[key]}: {error}", key) from None
            values[key] = duration.total_seconds() if key == "plugins_timeout" else duration
        elif key != "plugins_timeout" and key in values:
            raise ConfigurationError(
                f'{origins[key]} is {values[key]!r}; write a duration in quotes, such as "90s" or "1h"', key
            )
    import pydantic  # 70 to 100 ms: imported only when there is something to validate

    try:
        # Through a variable, as the type checker takes the result for Any otherwise.
        settings: Settings = pydantic.TypeAdapter(Settings).validate_python(values)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key, *place = map(str, first["loc"])
        where = ".".join([origins[key], *place])
        # What is wrong of `plugins` stands where settings are due: a token may well have been given.
        given = f"of type {type(first['input']).__name__}" if key == "plugins" else repr(first["input"])
        raise ConfigurationError(
            f"{where} is {redact(given, 80)}: {first['msg'].replace('Input should', 'it should')}", key
        ) from None
    return settings
