"""The results of a run's assertions: stored and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from dqx.common import AssertionResult, StoreError
from dqx.frozen_dict import FrozenDict
from dqx.orm.definitions import numbers_of
from dqx.orm.rows import insert_rows
from dqx.orm.tables import assertions, results, runs, schedules, suites
from dqx.orm.values import (
    clean,
    decode,
    decode_all,
    decode_names,
    decode_tags,
    decode_time,
    encode,
    encode_all,
    encode_names,
    encode_tags,
    encode_time,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Connection

    from dqx.common import SuiteRun
    from dqx.frozen_dict import Tags
    from dqx.orm.rows import Row

_DEFINITION = (
    "check",
    "assertion",
    "severity",
    "metric",
    "expression",
    "expression_redacted",
    "owner",
    "runbook_url",
    "datasets",
    "tags",
)
_ROW = (
    "run",
    "position",
    "assertion",
    "status",
    "reason",
    "value",
    "thresholds",
    "evaluated_at",
    "duration_s",
    "failing_since",
)


def store_results(
    connection: Connection,
    number: int,
    suite: int,
    run: SuiteRun,
    failing_since: Mapping[tuple[str, str], datetime],
) -> None:
    """Store the results of run `number` in their order, each with the time since when it fails, if it does."""
    definitions = [_definition(result, run.key.tags) for result in run.results]
    known = numbers_of(connection, assertions, suite, _DEFINITION, definitions)
    insert_rows(
        connection,
        results.insert(),
        _ROW,
        [
            (number, position, assertion, *_row(result, failing_since))
            for position, (result, assertion) in enumerate(zip(run.results, known, strict=True))
        ],
    )


def read_results(connection: Connection, run_id: str) -> list[AssertionResult]:
    """Return the results of a run in the order in which they were stored."""
    of_run = connection.execute(
        select(runs.c.id, runs.c.key_date, schedules.c.tags, suites.c.name)
        .join(schedules, runs.c.schedule == schedules.c.id)
        .join(suites, schedules.c.suite == suites.c.id)
        .where(runs.c.run_id == run_id)
    ).one_or_none()
    if of_run is None:
        return []
    tags = decode_tags(of_run.tags)
    query = (
        select(*(assertions.c[name] for name in _DEFINITION), *(results.c[name] for name in _ROW[3:-1]))
        .join_from(results, assertions, results.c.assertion == assertions.c.id)
        .where(results.c.run == of_run.id)
        .order_by(results.c.position)
    )
    return [_result(row, of_run.key_date, of_run.name, tags) for row in connection.execute(query)]


def _result(row: Sequence[Any], key_date: date, suite: str, run_tags: Tags) -> AssertionResult:
    # Unpacked, because a row's values by name take 0.5 µs each, half the time of reading a result.
    check, assertion, severity, metric, expression, redacted, owner, runbook_url, datasets, tags = row[:10]
    status, reason, value, thresholds, evaluated_at, duration_s = row[10:]
    return AssertionResult(
        yyyy_mm_dd=key_date,
        suite=suite,
        check=check,
        assertion=assertion,
        severity=severity,
        status=status,
        metric=metric,
        expression=expression,
        tags=run_tags if tags is None else decode_tags(tags),
        reason=reason,
        value=None if value is None else decode(value),
        thresholds=decode_all(thresholds),
        evaluated_at=None if evaluated_at is None else decode_time(evaluated_at),
        duration_s=duration_s,
        owner=owner,
        runbook_url=runbook_url,
        datasets=decode_names(datasets),
        expression_redacted=redacted,
    )


def read_failing_since(connection: Connection, number: int) -> FrozenDict[tuple[str, str], datetime]:
    """Return check and assertion of what run `number` stored as failing, with the time since when."""
    query = (
        select(assertions.c.check, assertions.c.assertion, results.c.failing_since)
        .join_from(results, assertions, results.c.assertion == assertions.c.id)
        .where(results.c.run == number, results.c.failing_since.is_not(None))
    )
    found = connection.execute(query)
    return FrozenDict({(check, assertion): decode_time(since) for check, assertion, since in found})


def _definition(result: AssertionResult, run_tags: Mapping[str, str]) -> Row:
    return (
        result.check,
        result.assertion,
        result.severity,
        result.metric,
        result.expression,
        result.expression_redacted,
        result.owner,
        result.runbook_url,
        encode_names(result.datasets),
        None if result.tags == run_tags else encode_tags(result.tags),
    )


def _row(result: AssertionResult, failing_since: Mapping[tuple[str, str], datetime]) -> Row:
    since = failing_since.get((result.check, result.assertion))
    try:
        return (
            result.status,
            clean(result.reason),
            None if result.value is None else encode(result.value),
            encode_all(result.thresholds),
            None if result.evaluated_at is None else encode_time(result.evaluated_at),
            result.duration_s,
            None if since is None else encode_time(since),
        )
    except StoreError as error:
        raise StoreError(f"assertion {result.assertion!r} of check {result.check!r}: {error}") from None
