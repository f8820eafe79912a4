"""What an audit trail says of a run: plain JSON, with every value exactly as it was compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dqx.common import AssertionResult, PluginOutcome, ResultKey
from dqx.telemetry.redaction import MAX_REASON, redact
from dqx.value import as_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LARGEST_PLAIN_INT = 2**53
"""Beyond it a reader that takes JSON numbers as doubles (jq, JavaScript) would see another number."""

_DECODERS: dict[str, Callable[[Any], object]] = {
    "$int": int,
    "$float": float,
    "$decimal": Decimal,
    "$date": date.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$map": dict,
}


def encode(value: object) -> object:
    """Return `value` as JSON that `decode` turns back into the same value of the same type.

    Text, booleans, None, finite floats and integers up to 2**53 stand as they are; the rest as an object with
    one key: `{"$decimal": "1.10"}`, `{"$int": "9007199254740993"}`, `{"$float": "nan"}`, `{"$date": …}`,
    `{"$datetime": …}`. A list or tuple becomes a list; whatever else is met is kept as text.
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) <= LARGEST_PLAIN_INT else {"$int": str(value)}
        case float():
            return value if math.isfinite(value) else {"$float": str(value)}
        case Decimal():
            return {"$decimal": str(value)}
        case datetime():
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case Mapping():
            pairs = {str(key): encode(item) for key, item in value.items()}
            if len(pairs) == 1 and next(iter(pairs)).startswith("$"):  # taken for one of the above otherwise
                return {"$map": [list(pair) for pair in pairs.items()]}
            return pairs
        case list() | tuple():
            return [encode(item) for item in value]
        case _:
            return str(value)


def decode(pairs: list[tuple[str, Any]]) -> object:
    """Undo `encode` for one JSON object: to be given to `json.loads` as `object_pairs_hook`."""
    if len(pairs) == 1 and (decoder := _DECODERS.get(pairs[0][0])):
        return decoder(pairs[0][1])
    return dict(pairs)


def run_record(
    results: Sequence[AssertionResult],
    suite_name: str,
    context: Mapping[str, Any],
    *,
    at: datetime,
    trace_id: str,
    plugins: Sequence[Mapping[str, str | None]],
    dqx_version: str,
) -> dict[str, object]:
    """Return the record of a whole run. Durations are in seconds, times in UTC."""
    day, tags = key_of(context)
    datasets = context.get("datasets") or {name: {} for name in context.get("datasources", ())}
    return {
        "kind": "run",
        "at": at.isoformat(),
        "run_id": context.get("run_id"),
        "trace_id": trace_id or None,
        "suite": suite_name,
        "date": day,
        "tags": encode(tags),
        "verdict": context.get("verdict"),
        "fail_on": context.get("fail_on"),
        "started_at": _time(context.get("started_at")),
        "duration_s": encode(context.get("duration_s")),
        "datasets": encode({name: _dataset(facts) for name, facts in datasets.items()}),
        "assertions": [_assertion(result) for result in results],
        "plugins": list(plugins),
        "dqx_version": dqx_version,
    }


def outcomes_record(
    run_id: str | None, suite_name: str, outcomes: Iterable[PluginOutcome], *, at: datetime, trace_id: str
) -> dict[str, object]:
    """Return the record of what became of each plugin's calls in a run."""
    return {
        "kind": "outcomes",
        "at": at.isoformat(),
        "run_id": run_id,
        "trace_id": trace_id or None,
        "suite": suite_name,
        "outcomes": [encode(asdict(outcome)) for outcome in outcomes],
    }


def key_of(context: Mapping[str, Any]) -> tuple[str | None, Mapping[str, str]]:
    """Return the key date as text and the tags, of a ResultKey or of a mapping with the same names."""
    key = context.get("key")
    if isinstance(key, ResultKey):
        return key.yyyy_mm_dd.isoformat(), key.tags
    if isinstance(key, Mapping) and key.get("yyyy_mm_dd") is not None:
        return str(key["yyyy_mm_dd"]), key.get("tags") or {}
    return None, {}


def _assertion(result: AssertionResult) -> dict[str, object]:
    return {
        "check": result.check,
        "assertion": result.assertion,
        "severity": result.severity,
        "status": result.status,
        "reason": _reason(result),
        "metric": result.metric,
        "expression": result.expression,
        "value": encode(result.value),
        "thresholds": encode(result.thresholds),
        "evaluated_at": _time(result.evaluated_at),
        "datasets": list(result.datasets),
        "tags": encode(result.tags),
        "owner": result.owner,
        "runbook_url": result.runbook_url,
    }


def _reason(result: AssertionResult) -> str | None:
    """Return the reason; one that came with an exception, whose text is not ours, without secrets."""
    return _redacted(result.reason) if result.reason and result.status == "ERROR" else result.reason


@lru_cache(maxsize=64)  # a failed scan gives all its assertions one reason, and each look at it costs 30 µs
def _redacted(reason: str) -> str:
    return redact(reason, MAX_REASON)


def _dataset(facts: Mapping[str, Any]) -> dict[str, object]:
    return {name: _time(fact) if isinstance(fact, date) else fact for name, fact in facts.items()}


def _time(moment: object) -> str | None:
    """Return a time as ISO 8601 in UTC, whether it comes as a datetime or as Unix seconds."""
    if isinstance(moment, (int, float)):
        return datetime.fromtimestamp(moment, UTC).isoformat()
    return as_utc(moment).isoformat() if isinstance(moment, date) else None
