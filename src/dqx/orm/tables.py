"""The tables of the store. Their names and columns are a format on disk: change them only with the version.

What repeats from run to run (a suite's name, an assertion's expression and owner, a metric's text) is stored
once, as a definition, and rows of runs refer to it by number: a result takes about 90 bytes. A definition is
found by the digest of its content, because an index of PostgreSQL holds at most 2,704 bytes of a row and a
name may have 10,000.

Times are microseconds since 1970 in UTC (`datetime(started_at / 1e6, 'unixepoch')` shows one in SQLite,
`to_timestamp(started_at / 1e6)` in PostgreSQL); values are texts of `dqx.orm.values`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

metadata = MetaData()


def _required(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _number() -> Column[Any]:
    return Column("id", Integer, primary_key=True)


def _of(name: str, table: str, **options: Any) -> Column[Any]:
    return Column(name, Integer, ForeignKey(f"{table}.id"), nullable=False, **options)


def _defined(name: str, **options: Any) -> Column[Any]:
    """Return a column that refers to a definition, without the constraint.

    What writes and what removes definitions keep out of each other's way, and to check the constraint at the
    removal of each PostgreSQL would read all rows that may refer to it.
    """
    return Column(name, Integer, nullable=False, **options)


def _info() -> tuple[Column[Any], ...]:
    """Return columns for what a suite says of itself (`SuiteInfo` without its name)."""
    return (
        Column("every_s", Double),
        _required("grace_s", Double),
        _required("timeout_s", Double),
        _required("fail_on", Text),
        Column("owner", Text),
        Column("runbook_url", Text),
    )


store = Table("dqx_store", metadata, _required("version", Integer), _required("changes", BigInteger))
"""One row. `changes` counts the transactions that wrote, so that a reader sees whether to read again."""

suites = Table(
    "dqx_suite",
    metadata,
    _number(),
    Column("digest", Text, nullable=False, unique=True),
    _required("name", Text),
)

schedules = Table(
    "dqx_schedule",
    metadata,
    _number(),
    Column("digest", Text, nullable=False, unique=True),
    _of("suite", "dqx_suite", index=True),
    _required("tags", Text),
    *_info(),
    Column("registered_at", BigInteger),
    Column("forgotten_at", BigInteger),
)
"""What is expected of a suite under one set of tags, as last heard.

`registered_at` is None unless it is registered, `forgotten_at` unless it is forgotten.
"""

runs = Table(
    "dqx_run",
    metadata,
    _number(),
    Column("run_id", Text, nullable=False, unique=True),
    _of("schedule", "dqx_schedule"),
    _required("key_date", Date),
    _required("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("duration_s", Double),
    Column("verdict", Text),
    _required("successes", Integer),
    _required("failures", Integer),
    _required("errors", Integer),
    _required("skips", Integer),
    *_info(),
    Index("dqx_run_newest_of_schedule", "schedule", "key_date", "started_at"),
    Index("dqx_run_newest", "key_date", "started_at"),
    Index("dqx_run_newest_of_verdict", "schedule", "verdict", "key_date", "started_at"),
)
"""`finished_at` is None while a run runs, and for ever when it crashed.

The last success of a suite that has had none for a year is looked for in the index with the verdict, not in all of
its runs.
"""

assertions = Table(
    "dqx_assertion",
    metadata,
    _number(),
    _of("suite", "dqx_suite"),
    _required("digest", Text),
    _required("check", Text),
    _required("assertion", Text),
    _required("severity", Text),
    _required("metric", Text),
    _required("expression", Text),
    Column("expression_redacted", Text),
    Column("owner", Text),
    Column("runbook_url", Text),
    _required("datasets", Text),
    Column("tags", Text),
    UniqueConstraint("suite", "digest"),
)
"""`tags` is None when they are those of the run."""

results = Table(
    "dqx_result",
    metadata,
    _of("run", "dqx_run", primary_key=True),
    Column("position", Integer, primary_key=True),
    _defined("assertion"),
    _required("status", Text),
    Column("reason", Text),
    Column("value", Text),
    Column("thresholds", Text),
    Column("evaluated_at", BigInteger),
    _required("duration_s", Double),
    Column("failing_since", BigInteger),
    sqlite_with_rowid=False,
)

metrics = Table(
    "dqx_metric",
    metadata,
    _number(),
    _of("suite", "dqx_suite"),
    _required("digest", Text),
    _required("dataset", Text),
    _required("metric_id", Text),
    _required("metric", Text),
    Column("label", Text),
    Column("metric_redacted", Text),
    UniqueConstraint("suite", "digest"),
)

metric_values = Table(
    "dqx_metric_value",
    metadata,
    _of("run", "dqx_run", primary_key=True),
    _defined("metric", primary_key=True, autoincrement=False),
    _required("position", Integer),
    _required("value", Text),
    _required("source", Text),
    sqlite_with_rowid=False,
)

dataset_runs = Table(
    "dqx_dataset_run",
    metadata,
    _of("run", "dqx_run", primary_key=True),
    Column("position", Integer, primary_key=True),
    _required("name", Text),
    Column("rows", BigInteger),
    _required("scan_duration_s", Double),
    _required("reads", Integer),
    _required("metrics", Integer),
    Column("freshness_at", BigInteger),
    Column("error", Text),
)

plugin_outcomes = Table(
    "dqx_plugin_outcome",
    metadata,
    _of("run", "dqx_run", primary_key=True),
    Column("position", Integer, primary_key=True),
    _required("plugin", Text),
    _required("phase", Text),
    _required("outcome", Text),
    _required("duration_s", Double),
    Column("error_type", Text),
    Column("message", Text),
    Column("version", Text),
    Column("distribution", Text),
    _required("required", Boolean),
    Column("timeout_s", Double),
)

dropped_telemetry = Table(
    "dqx_dropped_telemetry",
    metadata,
    _of("run", "dqx_run", primary_key=True),
    Column("position", Integer, primary_key=True),
    _required("signal", Text),
    _required("reason", Text),
    _required("items", BigInteger),
)
"""What did not arrive of the telemetry of a run; nothing for a run that lost nothing."""

OF_A_RUN = (results, metric_values, dataset_runs, plugin_outcomes, dropped_telemetry)
"""The tables whose rows go away with their run."""
