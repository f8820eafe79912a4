"""The log records of a run: messages for people, and the same facts as fields for machines."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dqx.plugins.trail_record import key_of
from dqx.telemetry import names
from dqx.telemetry.redaction import redact
from dqx.telemetry.sample import INT_MAX, number
from dqx.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dqx.common import AssertionResult

_WORDS = {"SUCCESS": "passed", "FAILURE": "failed", "ERROR": "could not be evaluated", "SKIPPED": "skipped"}


def log_records(
    results: Sequence[AssertionResult], suite_name: str, context: Mapping[str, Any], assertions: str
) -> Iterator[tuple[int, str, dict[str, object]]]:
    """Yield level, message and fields of one record for the run, and of one for each assertion it is told of.

    `assertions` is `failed` (those that did not pass, at WARNING) or `all` (those that passed, too, at INFO).
    """
    counts: Counter[str] = Counter(result.status for result in results)
    run = {
        names.SUITE_NAME: suite_name,
        names.RUN_ID: context.get("run_id"),
        names.KEY_DATE: key_of(context)[0],
    }
    verdict = context.get("verdict")
    summary = ", ".join(f"{counts[status]} {word}" for status, word in _WORDS.items() if counts[status])
    facts = {
        names.SUITE_VERDICT: verdict,
        names.RUN_DURATION: context.get("duration_s"),
        **{attribute: counts[status] for status, attribute in names.SUITE_COUNTS.items()},
    }
    message = f"suite {_label(suite_name)}: {verdict or 'done'}: {summary or 'no assertions'}"
    yield logging.INFO, message, _fields(run | facts)
    for result in results:
        if result.status != "SUCCESS" or assertions == "all":
            level = logging.INFO if result.status == "SUCCESS" else logging.WARNING
            yield level, _message(result), _fields(run | _facts(result))


def _message(result: AssertionResult) -> str:
    became = _WORDS.get(result.status, result.status)
    reason = f": {_label(result.reason)}" if result.reason else ""
    return f"{result.severity} {_label(result.check)}: {_label(result.assertion)}: {became}{reason}"


def _facts(result: AssertionResult) -> dict[str, object]:
    return {
        names.CHECK_NAME: result.check,
        names.ASSERTION_NAME: result.assertion,
        names.SEVERITY: result.severity,
        names.ASSERTION_STATUS: result.status,
        names.ASSERTION_EXPRESSION: result.expression_redacted,
        names.ASSERTION_ACTUAL: result.value,
        names.ASSERTION_LOWER: result.thresholds.get("lower"),
        names.ASSERTION_UPPER: result.thresholds.get("upper"),
        names.ASSERTION_REASON: result.reason,
    }


def _label(text: str) -> str:
    return one_line(_redacted(text))


@lru_cache(maxsize=256)  # a text stands in a message and in a field, and many results share it
def _redacted(text: str) -> str:
    return redact(text)


def _fields(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts as fields that any handler can send; what is None or not finite is left out."""
    fields = {name: _field(fact) for name, fact in facts.items()}
    return {name: field for name, field in fields.items() if field is not None}


def _field(fact: object) -> object:
    """Return a number as an int or float that fits, a date as ISO 8601, anything else as redacted text."""
    match fact:
        case None | bool():
            return fact
        case int() if abs(fact) <= INT_MAX:
            return fact
        case int() | float() | Decimal():
            return number(fact)
        case date():
            return fact.isoformat()
        case _:
            return _redacted(str(fact))
