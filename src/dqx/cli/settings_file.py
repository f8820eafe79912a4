"""The settings file: which one counts, and what stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqx.common import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file. `shown` is its path as messages have it, with the table where it is only a part."""

    path: Path
    shown: str
    values: Mapping[str, Any]


def find_settings_file(folder: Path) -> SettingsFile | None:
    """Return the nearest settings file in `folder` or above it, or None.

    In one folder `dqx.toml` counts before `pyproject.toml`, and a `pyproject.toml` without `[tool.dqx]` does
    not count.

    Raises:
        ConfigurationError: When a file that may be the one cannot be read or is not TOML.
    """
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        own = place / "dqx.toml"
        if _is_file(own):
            return SettingsFile(own, _shown(own), _read(own))
        project = place / "pyproject.toml"
        if _is_file(project):
            tools = _read(project).get("tool")
            values = tools.get("dqx") if isinstance(tools, dict) else None
            if isinstance(values, dict):
                return SettingsFile(project, f"{_shown(project)} [tool.dqx]", values)
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # a folder above that this user may not look into
        return False


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows puts a mark first
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{_shown(path)} is not TOML: {error}", str(path)) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{_shown(path)} is not TOML: it is not text in UTF-8", str(path)) from None
    except OSError as error:
        raise ConfigurationError(f"{_shown(path)} cannot be read: {error.strerror}", str(path)) from None


def _shown(path: Path) -> str:
    """Return a path as short as it can be: relative where it stands in the current folder."""
    return path.name if path.parent == Path.cwd() else str(path)
