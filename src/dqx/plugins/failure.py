"""What a call into a plugin raised, as far as others may know it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dqx.telemetry.redaction import error_type, redact_exception, redact_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HERE = Path(__file__).parent
_CALLERS = [str(_HERE / f"{name}.py") for name in ("isolation", "declared", "discovery")]
_NOT_THE_PLUGIN = ("<frozen ", str(Path(traceback.__file__).parent), *_CALLERS)
"""Where the files lie between the manager and a plugin, and those of the standard library."""

_MAX_TRACEBACK = 4_096
"""Characters of a redacted traceback that go to the debug log."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a call raised: class, redacted message, place (`file.py:12`), and traceback without secrets."""

    error_type: str
    message: str
    where: str = ""
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException, secrets: Callable[[], Iterable[str]] = tuple) -> Failure:
        """Describe an exception. To be called where it was caught: its `__str__` is the plugin's code, too.

        Args:
            error: The exception.
            secrets: Returns values that the texts must not contain.
        """
        try:
            known = frozenset(secrets())
            where = _where(traceback.extract_tb(error.__traceback__))
            text = redact_traceback(error, _MAX_TRACEBACK, known)
            return cls(error_type(error), redact_exception(error, secrets=known), where, text)
        except BaseException:  # noqa: BLE001  # a call without a reply would be taken for one that hangs
            return cls("unknown", "an exception that cannot be described")


def _where(frames: traceback.StackSummary) -> str:
    """Return the last line of the plugin's own: beyond DQX, before the libraries that it calls."""
    foreign = [frame for frame in frames if _is_foreign(frame.filename)]
    if not foreign:
        return ""
    home = Path(foreign[0].filename).parent
    own = [frame for frame in foreign if Path(frame.filename).parent == home]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def _is_foreign(filename: str) -> bool:
    if "/pydantic/" in filename:  # stands between when what a settings class does itself fails
        return False
    packaged = "site-packages" in filename or "dist-packages" in filename
    return packaged or not filename.startswith(_NOT_THE_PLUGIN)
