"""Why something could not be evaluated, without secrets.

The words are those of an engine, which repeats a whole connection URL. They are shown on terminals, and kept in the
store and in audit trails.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from dqx.common import ResultValue, ScanError
from dqx.telemetry.redaction import MAX_REASON, redact

if TYPE_CHECKING:
    from dqx.common import ScanReport


def without_secrets(report: ScanReport) -> ScanReport:
    """Return a report, what its engine raised redacted."""

    @cache  # a scan that failed has one reason for all of its metrics
    def failure(reason: str) -> ResultValue:
        return ResultValue.failure(ScanError(redact(reason, MAX_REASON), report.run.name))

    values = {
        spec: found if found.error is None else failure(str(found.error))
        for spec, found in report.values.items()
    }
    error = report.run.error
    run = report.run if error is None else replace(report.run, error=redact(error, MAX_REASON))
    return replace(report, values=values, run=run)
