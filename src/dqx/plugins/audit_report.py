"""The text report of a run, as a person reads it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dqx.plugins.trail_record import key_of
from dqx.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dqx.common import AssertionResult, SymbolInfo


def report_text(
    results: Sequence[AssertionResult],
    symbols: Sequence[SymbolInfo],
    suite_name: str,
    context: Mapping[str, Any],
    now: datetime,
) -> str:
    """Return the report: time in UTC, counts of assertions and symbols, failures by severity.

    `context["timestamp"]` is in Unix seconds; without it the time is `now`.
    """
    counts: Counter[str] = Counter(result.status for result in results)
    severities = Counter(result.severity for result in results if result.status == "FAILURE")
    timestamp = context.get("timestamp")
    at = now if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
    day, _ = key_of(context)
    lines = [
        "=== DQX Audit Log ===",
        f"Suite: {one_line(suite_name)}",
        f"Timestamp: {at.isoformat(sep=' ', timespec='seconds')}",
        f"Date: {one_line(day or 'N/A')}",
        f"Datasets: {', '.join(map(one_line, context.get('datasources', ()))) or 'None'}",
        "",
        "Execution Summary:",
        f"  Total Checks: {len({result.check for result in results})}",
        f"  Total Assertions: {len(results)}",
        _share("Passed", counts["SUCCESS"], len(results)),
        _share("Failed", counts["FAILURE"], len(results)),
    ]
    for status, word in (("ERROR", "Errors"), ("SKIPPED", "Skipped")):
        if counts[status]:
            lines.append(_share(word, counts[status], len(results)))
    if severities:
        lines += ["", "Failures by Severity:"]
        lines += [f"  {severity}: {severities[severity]}" for severity in sorted(severities)]
    if symbols:
        good = sum(symbol.value.is_success() for symbol in symbols)
        lines += ["", "Symbol Statistics:", f"  Total Symbols: {len(symbols)}"]
        lines += [f"  Successful: {good}", f"  Failed: {len(symbols) - good}"]
    return "\n".join([*lines, "=" * 20])


def _share(word: str, count: int, total: int) -> str:
    return f"  {word}: {count} ({count / total:.1%})" if total else f"  {word}: {count}"
