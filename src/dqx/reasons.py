"""Why something could not be evaluated, without secrets.

The words are those of an engine, or of whatever a check calls, and an engine repeats a whole connection URL. They are
shown on terminals, and kept in the store and in audit trails.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from dqx.common import ResultValue, ScanError
from dqx.telemetry.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dqx.common import ScanReport
    from dqx.engine.assertion import Assertion

MAX_REASON: Final = 2048
"""Characters of a reason, as of a query's text: an engine's error may carry a whole line of a file."""


def without_secrets_of_checks(assertions: Iterable[Assertion]) -> list[Assertion]:
    """Return the assertions, what their checks raised redacted."""
    return [a if a.defect is None else replace(a, defect=redact(a.defect, MAX_REASON)) for a in assertions]


def without_secrets_of_engines(reports: Mapping[str, ScanReport]) -> dict[str, ScanReport]:
    """Return the reports, what their engines raised redacted."""
    return {dataset: _redacted(report) for dataset, report in reports.items()}


def _redacted(report: ScanReport) -> ScanReport:
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
