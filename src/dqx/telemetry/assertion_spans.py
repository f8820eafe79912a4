"""The spans of checks and assertions, made after the run from its results, with the times of their evaluation."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from opentelemetry import trace

from dqx import __version__
from dqx.telemetry import names, tracing
from dqx.telemetry.redaction import redact
from dqx.telemetry.sample import number
from dqx.value import EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider

    from dqx.common import AssertionResult

ALL_UP_TO = 1_000
"""Assertions of a run of which each gets a span, unless told otherwise: 30 to 60 µs and 1 KB each."""

Which = Literal["auto", "all", "failed", "none"]

_FAILED = ("FAILURE", "ERROR")
_TEST_STATUS = {"SUCCESS": "pass", "FAILURE": "fail", "ERROR": "fail"}


def make_spans(
    results: Sequence[AssertionResult],
    provider: TracerProvider,
    parent: Context | None,
    fail_on: str,
    which: Which = "auto",
) -> None:
    """Make a span for each check, and in it for each assertion that is to have one.

    Args:
        results: The results of a run, in their order.
        provider: Makes the spans.
        parent: The context of the run's span; None for the current one.
        fail_on: The lowest severity whose failure is an error.
        which: The assertions that get spans: all, those that failed or could not be evaluated, or none; `auto`
            is all up to 1,000, and those that failed above.
    """
    if which == "auto":
        which = "all" if len(results) <= ALL_UP_TO else "failed"
    tracer = trace.get_tracer(names.SCOPE, __version__, provider, schema_url=names.SCHEMA_URL)
    for check, group in groupby((r for r in results if r.evaluated_at is not None), attrgetter("check")):
        of_check = list(group)
        span = tracer.start_span(names.EVALUATE_CHECK.name, parent, start_time=min(map(_start_ns, of_check)))
        if not span.is_recording():
            return
        tracing.put(span, {names.CHECK_NAME: check})
        within = trace.set_span_in_context(span)
        for result in of_check:
            if which == "all" or (which == "failed" and result.status in _FAILED):
                start_ns = _start_ns(result)
                made = tracer.start_span(
                    names.ASSERTION.name, within, attributes=_attributes(result), start_time=start_ns
                )
                if error_type := _error_type(result, fail_on):
                    # Not the reason, which may hold what the data holds; it stands in the store and in the logs.
                    tracing.fail(made, error_type, _MESSAGES[error_type])
                made.end(start_ns + _duration_ns(result))
        worst = next(
            (e for e in ("not_evaluated", "failed") if e in {_error_type(r, fail_on) for r in of_check}), None
        )
        if worst:
            tracing.fail(span, worst, "an assertion of the check is an error")
        span.end(max(map(_end_ns, of_check)))


def _attributes(result: AssertionResult) -> dict[str, str | float]:
    """Return what is said of an assertion; texts redacted here, as the provider may be anybody's."""
    name = redact(result.assertion)
    attributes: dict[str, str | float | None] = {
        names.CHECK_NAME: redact(result.check),
        names.ASSERTION_NAME: name,
        names.ASSERTION_EXPRESSION: redact(result.expression_redacted)
        if result.expression_redacted
        else None,
        names.ASSERTION_ACTUAL: number(result.value),
        names.ASSERTION_LOWER: number(result.thresholds.get("lower")),
        names.ASSERTION_UPPER: number(result.thresholds.get("upper")),
        names.ASSERTION_STATUS: result.status,
        names.SEVERITY: result.severity,
        names.TEST_CASE_NAME: name,
        names.TEST_CASE_STATUS: _TEST_STATUS.get(result.status),
    }
    return {key: value for key, value in attributes.items() if value is not None}


_MESSAGES = {"failed": "the assertion failed", "not_evaluated": "the assertion could not be evaluated"}


def _error_type(result: AssertionResult, fail_on: str) -> str | None:
    if result.status == "ERROR":
        return "not_evaluated"
    return "failed" if result.status == "FAILURE" and result.severity <= fail_on else None


def _start_ns(result: AssertionResult) -> int:
    assert result.evaluated_at is not None
    return (result.evaluated_at - EPOCH) // timedelta(microseconds=1) * 1_000


def _end_ns(result: AssertionResult) -> int:
    return _start_ns(result) + _duration_ns(result)


def _duration_ns(result: AssertionResult) -> int:
    return max(0, round(result.duration_s * 1e9))
