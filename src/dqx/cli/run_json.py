"""Runs as one JSON document, with the names of `SuiteRun` and what it holds.

Integers are written in full, and decimals as numbers with all their digits (read them with
`json.loads(text, parse_float=Decimal)`). What is not finite has no number in JSON and is null. Dates and times are
ISO 8601, in UTC.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dqx.common import ResultValue
from dqx.value import as_utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dqx.common import SuiteRun
    from dqx.orm.records import StoredRun

SCHEMA_VERSION = 1


def render_runs(runs: Sequence[SuiteRun], refused: Mapping[str, str], exit_code: int) -> str:
    """Return the document on all suites that ran, or were refused for the reason that stands at their names.

    A single suite's run is the document; with several suites they stand under `runs`, and `refused`.
    """
    if len(runs) == 1 and not refused:
        return _render({"schema_version": SCHEMA_VERSION, **_run(runs[0])})
    passed = not refused and all(run.passed for run in runs)
    return _render(
        {
            "schema_version": SCHEMA_VERSION,
            "passed": passed,
            "exit_code": exit_code,
            "runs": [_run(run) for run in runs],
            "refused": [{"suite": suite, "reason": reason} for suite, reason in refused.items()],
        }
    )


def render_history(runs: Sequence[StoredRun]) -> str:
    """Return the document on runs as the store lists them."""
    return _render({"schema_version": SCHEMA_VERSION, "runs": runs})


def _render(document: object) -> str:
    # The standard encoder writes a Decimal as no number; so it writes a text that nothing else can be, and the
    # quotes around it are taken off.
    mark = uuid.uuid4().hex
    text = json.dumps(_plain(document, mark), indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub(f'"{mark}([^"]*)"', r"\1", text) + "\n"


def _run(run: SuiteRun) -> dict[str, Any]:
    return {
        **_fields(run),
        "passed": run.passed,
        "exit_code": run.exit_code,
        "finished_at": run.finished_at,
        "counts": run.counts(),
        "telemetry_dropped": [
            {"signal": signal, "reason": reason, "items": items}
            for (signal, reason), items in run.telemetry_dropped.items()
        ],
    }


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _plain(value: object, mark: str) -> object:
    match value:
        case None | bool() | int():
            return value
        case str():
            return value.encode("utf-8", "backslashreplace").decode()  # a lone surrogate is not UTF-8
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return f"{mark}{value:f}" if value.is_finite() else None
        case datetime():
            return as_utc(value).isoformat()
        case date():
            return value.isoformat()
        case dict():
            return {str(_plain(key, mark)): _plain(item, mark) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, mark) for item in value]
        case _ if is_dataclass(value):
            return _plain(_symbol(_fields(value)), mark)
    return str(value)


def _symbol(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, with a `ResultValue` among them as `value` and `error`."""
    result = values.get("value")
    if not isinstance(result, ResultValue):
        return values
    return {**values, "value": result.value, "error": None if result.error is None else str(result.error)}
