"""Running the checks of a suite, and collecting what they assert."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from dqx.common import ConfigurationError, DQXError
from dqx.engine.check import Context, check_name
from dqx.telemetry.redaction import MAX_REASON, redact_exception
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dqx.engine.assertion import Assertion
    from dqx.engine.check import CheckProducer
    from dqx.orm.repositories import MetricDB
    from dqx.provider import MetricProvider

_OURS = str(Path(__file__).parent.parent)


def collect(checks: Sequence[CheckProducer], mp: MetricProvider, suite: str, db: MetricDB) -> list[Assertion]:
    """Run every check once and return what they assert, in order.

    A check that raises, or exits, ends with its assertions as ERROR, one more named "check completes" among them;
    the others are collected as ever.

    Raises:
        ConfigurationError: When two checks, or two assertions of a check, have one name; when an assertion
            has no name or no validator; when a severity, a bound or a metric's argument is none.
    """
    assertions: list[Assertion] = []
    seen: set[str] = set()
    for producer in checks:
        name = check_name(producer)
        if name in seen:
            raise ConfigurationError(f"suite '{suite}' has two checks named '{name}'; rename one", name)
        seen.add(name)
        context = Context(suite, db, name, getattr(producer, "datasets", ()))
        process = os.getpid()
        try:
            producer(mp, context)
        except ConfigurationError as error:
            if str(error).startswith(f"check '{name}'"):
                raise
            # A metric that is refused knows neither its check nor its line.
            raise ConfigurationError(f"check '{name}': {error}{_at(error)}", error.culprit) from error
        except DQXError:
            raise
        except (Exception, SystemExit) as error:
            if os.getpid() != process:
                raise  # in a child that the check forked: the suite is run once
            assertions += context.broken_off(_defect(error))
            continue
        assertions += context.collected()
    return assertions


def _at(error: BaseException) -> str:
    """Return the check's own last line, whatever library it called there: ` (line 7 of checks.py)`."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_OURS)]
    line = next((f for f in reversed(frames) if f.filename == frames[0].filename), None)
    return f" (line {line.lineno} of {line.filename})" if line else ""


def _defect(error: Exception | SystemExit) -> str:
    said = f"{redact_exception(error, MAX_REASON)}{_nearest(error)}{_at(error)}"
    return f"the check raised {type(error).__name__}: {said}"


def _nearest(error: BaseException) -> str:
    """Return the metric or validator that was meant, after a name that `mp` or an assertion does not have."""
    if isinstance(error, AttributeError) and error.name and type(error.obj).__module__.startswith("dqx."):
        return did_you_mean(error.name, [name for name in dir(error.obj) if not name.startswith("_")])
    return ""
