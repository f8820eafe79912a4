"""The result model that everyone shares, the protocols of a data source, and the error tree.

Errors::

    DQXError                  whatever DQX raises on purpose; str(error) says what to do next
    ├── ConfigurationError    a suite, a check, a setting or a flag is wrong; nothing was read
    ├── StoreError            the metric store cannot be opened, is of a newer schema, or refused a write
    ├── ScanError             a dataset, or one metric of it, cannot be read; becomes results with status ERROR
    ├── AuditError            an audit file cannot be written or read (dqx.plugins.locked_file)
    ├── DeliveryError         a road could not take a run's metrics (dqx.telemetry.delivery)
    ├── UnavailableError      the exporter's store cannot be read now (dqx.exporter.app)
    └── VerdictError          raised by `SuiteRun.raise_for_verdict` alone

Bad data is a result, never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from dqx.frozen_dict import FrozenDict, Tags
from dqx.value import Value  # noqa: TC001  # whoever asks for the types of these records is to find it here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dqx.engine.metrics import MetricSpec

Severity = Literal["P0", "P1", "P2", "P3"]
Status = Literal["SUCCESS", "FAILURE", "ERROR", "SKIPPED"]
Verdict = Literal["passed", "failed", "error", "skipped"]
ValueSource = Literal["scan", "statistics", "history"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
DEFAULT_SEVERITY: Severity = "P1"


class DQXError(Exception):
    """Anything that DQX raises on purpose."""


class ConfigurationError(DQXError):
    """A suite, check, setting or flag is wrong. `culprit` is the name or value at fault."""

    def __init__(self, message: str, culprit: object = None) -> None:
        super().__init__(message)
        self.culprit = culprit


class StoreError(DQXError):
    """The metric store cannot do what was asked. `url` is its address without secrets."""

    def __init__(self, message: str, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class ScanError(DQXError):
    """A dataset, or one metric of it, cannot be read. `dataset` is its name."""

    def __init__(self, message: str, dataset: str = "") -> None:
        super().__init__(message)
        self.dataset = dataset


class VerdictError(DQXError):
    """A suite did not pass. `run` is the `SuiteRun`."""

    def __init__(self, message: str, run: SuiteRun) -> None:
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[type[VerdictError], tuple[str, SuiteRun]]:
        return type(self), (str(self), self.run)


def check_severity(severity: str, where: str) -> Severity:
    """Return `severity` when it is one of P0 to P3; raise ConfigurationError naming `where` otherwise."""
    for known in SEVERITIES:
        if severity == known:
            return known
    raise ConfigurationError(
        f"{where}: severity is {severity!r}; allowed are {', '.join(SEVERITIES)}", severity
    )


@dataclass(frozen=True, slots=True)
class ResultKey:
    """The day that a run is about, and the tags that tell it from other runs of that day.

    Args:
        yyyy_mm_dd: The key date, a `datetime.date` (UTC where the data has times).
        tags: Text to text, for example `{"env": "prod"}`.

    Raises:
        ConfigurationError: When the date is not a date, or the tags are no mapping of text to text.
    """

    yyyy_mm_dd: date
    tags: Mapping[str, str] = field(default_factory=Tags)

    def __post_init__(self) -> None:
        if not isinstance(self.yyyy_mm_dd, date) or isinstance(self.yyyy_mm_dd, datetime):
            raise ConfigurationError(
                f"ResultKey takes a datetime.date, not {self.yyyy_mm_dd!r}; "
                "date.fromisoformat('2024-01-31') makes one",
                self.yyyy_mm_dd,
            )
        if not isinstance(self.tags, Mapping):
            raise ConfigurationError(
                f"tags are text to text, such as {{'env': 'prod'}}, not {self.tags!r}", self.tags
            )
        for name, value in self.tags.items():
            if not isinstance(name, str) or not isinstance(value, str) or not name:
                raise ConfigurationError(f"tag {name!r}={value!r}: names and values of tags are text", name)
        object.__setattr__(self, "tags", Tags(self.tags))

    def lag(self, days: int) -> ResultKey:
        """Return the key `days` days earlier, with the same tags; raise ConfigurationError before the year 1."""
        try:
            return ResultKey(self.yyyy_mm_dd - timedelta(days=days), self.tags)
        except OverflowError:
            raise ConfigurationError(
                f"{days} days before the key date {self.yyyy_mm_dd} there is no date; take a later one",
                self.yyyy_mm_dd,
            ) from None


@dataclass(frozen=True, slots=True)
class ResultValue:
    """A value, or the error in its place."""

    value: Value | None = None
    error: BaseException | None = None

    @classmethod
    def success(cls, value: Value) -> ResultValue:
        """Make one that holds a value."""
        return cls(value=value)

    @classmethod
    def failure(cls, error: BaseException) -> ResultValue:
        """Make one that holds the reason why there is no value."""
        return cls(error=error)

    def is_success(self) -> bool:
        """Tell whether there is a value."""
        return self.error is None

    def is_failure(self) -> bool:
        """Tell whether there is an error."""
        return self.error is not None

    def unwrap(self) -> Value:
        """Return the value; raise the error when there is none."""
        if self.error is not None:
            raise self.error
        assert self.value is not None
        return self.value


@dataclass(frozen=True, slots=True)
class AssertionResult:
    """What became of one assertion in one run. Nothing is validated: it is a record.

    `value` and `thresholds` hold what was compared. The keys of `thresholds` are `lower` and `upper` (good
    lies inside) or `excluded_lower` and `excluded_upper` (bad lies inside). `reason` says why a result is
    not SUCCESS. `evaluated_at` is aware and in UTC. `expression_redacted` is `expression` with every text
    value as `?` and every piece of the user's SQL as `<sql>`: the form that may leave the machine.
    """

    yyyy_mm_dd: date
    suite: str
    check: str
    assertion: str
    severity: Severity
    status: Status
    metric: str
    expression: str
    tags: Mapping[str, str]
    reason: str | None = None
    value: Value | None = None
    thresholds: Mapping[str, Value] = field(default_factory=FrozenDict)
    evaluated_at: datetime | None = None
    duration_s: float = 0.0
    owner: str | None = None
    runbook_url: str | None = None
    datasets: tuple[str, ...] = ()
    expression_redacted: str | None = None


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """The value of one metric in one run.

    `metric` is the metric as it prints, `label` what its author called it (`name=`), `source` whether the
    value was scanned, taken from the file's own statistics, or read from the store (a lagged metric, whose
    `yyyy_mm_dd` is the day it is from). `metric_redacted` is the form that may leave the machine.
    """

    name: str
    metric: str
    dataset: str
    value: ResultValue
    yyyy_mm_dd: date
    suite: str
    tags: Mapping[str, str]
    label: str | None = None
    source: ValueSource = "scan"
    metric_redacted: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetRun:
    """What a run did with one dataset.

    `rows` is None when it could not be counted. `reads` counts the queries that read data (1 when all is
    well, 0 when statistics answered everything); `metrics` the distinct metrics computed. `freshness_at` is
    the newest value of the columns that a `freshness` metric watches. `error` says why a scan failed.
    """

    name: str
    rows: int | None
    scan_duration_s: float
    reads: int
    metrics: int
    freshness_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PluginOutcome:
    """What became of one call into a plugin. Durations are in seconds."""

    plugin: str
    phase: Literal["load", "initialize", "process", "finish", "shutdown"]
    outcome: Literal["ok", "error", "timed_out", "not_run", "disabled"]
    duration_s: float = 0.0
    error_type: str | None = None
    message: str | None = None
    version: str | None = None
    distribution: str | None = None
    required: bool = False
    timeout_s: float | None = None

    @property
    def why(self) -> str:
        """Return why it did not end well, for people: the class of a stranger's exception, and its message."""
        message = self.message or self.outcome
        own = self.error_type in (None, message) or str(self.error_type).startswith("dqx.")
        return message if own or self.outcome != "error" else f"{self.error_type}: {message}"


@dataclass(frozen=True, slots=True)
class SuiteInfo:
    """What is known of a suite before it runs. Durations are in seconds; late is `every_s + grace_s`."""

    name: str
    every_s: float | None
    grace_s: float
    timeout_s: float
    fail_on: Severity
    owner: str | None = None
    runbook_url: str | None = None


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """One run of a suite, complete and unchangeable.

    `duration_s` is from the start of the run to the stored verdict; plugins are not counted. `store_error`
    says why the results could not be stored, `delivery_error` why a required plugin did not do its work.
    `telemetry_dropped` maps signal and reason to the spans or points that did not arrive.
    """

    run_id: str
    suite: str
    key: ResultKey
    verdict: Verdict
    results: tuple[AssertionResult, ...]
    symbols: tuple[SymbolInfo, ...]
    datasets: tuple[DatasetRun, ...]
    started_at: datetime
    duration_s: float
    fail_on: Severity
    plugin_outcomes: tuple[PluginOutcome, ...] = ()
    store_error: str | None = None
    delivery_error: str | None = None
    telemetry_dropped: Mapping[tuple[str, str], int] = field(default_factory=FrozenDict)

    @property
    def passed(self) -> bool:
        """Tell whether the verdict is `passed`."""
        return self.verdict == "passed"

    @property
    def finished_at(self) -> datetime:
        """Return when the verdict was reached (UTC)."""
        return self.started_at + timedelta(seconds=self.duration_s)

    @property
    def exit_code(self) -> int:
        """Return 0 passed, 1 failed, 3 no verdict, 4 passed but not stored or not delivered."""
        if self.verdict == "failed":
            return 1
        if self.verdict != "passed":
            return 3
        return 4 if self.store_error or self.delivery_error else 0

    def counts(self) -> dict[Status, int]:
        """Count the results by status; all four are there."""
        counts: dict[Status, int] = dict.fromkeys(get_args(Status), 0)
        for result in self.results:
            counts[result.status] += 1
        return counts

    def raise_for_verdict(self) -> None:
        """Raise a VerdictError that names what went wrong, unless the suite passed.

        An Airflow task that ends with it turns red when the data is bad.
        """
        if self.passed:
            return
        bad = [r for r in self.results if r.status in ("FAILURE", "ERROR") and r.severity <= self.fail_on]
        shown = "; ".join(
            f"{r.severity} {r.check}: {r.assertion}: {r.reason or r.status.lower()}" for r in bad[:5]
        )
        more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise VerdictError(
            f"suite '{self.suite}' {self.key.yyyy_mm_dd}: {self.verdict}"
            f"{': ' + shown + more if bad else ' (no assertion could be evaluated)'}",
            self,
        )


@dataclass(frozen=True, slots=True)
class StoredMetric:
    """One computed metric as the store keeps it. `metric_id` is what history is looked up by."""

    dataset: str
    metric_id: str
    metric: str
    value: Value
    label: str | None = None
    source: ValueSource = "scan"
    metric_redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What an engine is asked to compute of one dataset in one pass.

    `now` is the run's time (aware, UTC), from which freshness counts. `day` keeps the scan to the rows of
    that date where the source has a date column. `timeout_s` ends the scan by interrupting the engine.
    """

    dataset: str
    metrics: tuple[MetricSpec, ...]
    day: date
    now: datetime
    timeout_s: float


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What an engine computed: one value (or error) for each metric asked for, never fewer."""

    values: Mapping[MetricSpec, ResultValue]
    sources: Mapping[MetricSpec, ValueSource]
    run: DatasetRun
    query_text: str = ""


@runtime_checkable
class Analyzer(Protocol):
    """Computes the metrics of one dataset. `system` is OpenTelemetry's `db.system.name`."""

    system: str
    embedded: bool

    def scan(self, request: ScanRequest) -> ScanReport:
        """Compute all metrics in one pass; raise ScanError only when nothing could be read at all."""
        ...

    def interrupt(self) -> None:
        """End a scan that is running, as a person who presses Ctrl-C means it. Called from other threads."""
        ...

    def progress(self) -> float | None:
        """Return how much of the scan is done, 0 to 1, or None when unknown. Called from other threads."""
        ...


@runtime_checkable
class SqlDataSource(Protocol):
    """Data that an engine of its own can read. Its constructor reads nothing."""

    name: str | None

    def analyzer(self) -> Analyzer:
        """Return what computes metrics on this data."""
        ...


def verdict_of(results: Sequence[AssertionResult], fail_on: Severity) -> Verdict:
    """Return the verdict on results: what counts is at or above `fail_on`; nothing evaluated is `skipped`."""
    counted = {r.status for r in results if r.severity <= fail_on}
    if "FAILURE" in counted:
        return "failed"
    if "ERROR" in counted:
        return "error"
    return "passed" if any(r.status in ("SUCCESS", "FAILURE") for r in results) else "skipped"
