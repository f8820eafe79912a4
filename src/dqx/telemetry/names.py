"""The catalogue: every span, attribute, metric and label that DQX emits, each named here and nowhere else.

Names, units and help texts are a public API: somebody's dashboard, alert or log query depends on them. The
attributes are plain strings; `ATTRIBUTES`, `SPANS`, `METRICS` and `LABELS` say what each one is. What
follows OpenTelemetry's semantic conventions (`db.*`, `test.*`, `error.type`) follows those of `SCHEMA_URL`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPE: Final = "dqx"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.33.0"
"""The first version of the conventions in which those for databases are stable."""

Stability = Literal["stable", "development"]
Kind = Literal["gauge", "counter", "histogram"]
ValueType = Literal["string", "int", "double", "boolean"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of spans and log records. `values` are all it can be, where that is a fixed list."""

    name: str
    type: ValueType
    meaning: str
    values: tuple[str, ...] = ()
    stability: Stability = "stable"


@dataclass(frozen=True, slots=True)
class Span:
    """A class of spans. In `name`, `{…}` stands for the name of a dataset or of a plugin."""

    name: str
    made_by: str
    meaning: str
    attributes: tuple[str, ...]
    kinds: tuple[Literal["INTERNAL", "CLIENT"], ...] = ("INTERNAL",)


@dataclass(frozen=True, slots=True)
class Label:
    """A label of metrics. `values` are all it can be, where that is a fixed list."""

    name: str
    meaning: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. Each series of a `per_snapshot` one also has `COMMON_LABELS` and the label tags.

    `unit` is a UCUM unit: `s`, a count of things in braces, or empty for a value in the user's own unit.
    `source` is `run` (sent after each run, by every road), `serve` (by `dqx serve` alone) or `process` (by
    OTLP from a long-lived process alone). `buckets` are a histogram's upper bounds.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    help: str
    source: Literal["run", "serve", "process"] = "run"
    per_snapshot: bool = True
    buckets: tuple[float, ...] = ()
    stability: Stability = "stable"

    @property
    def prometheus_name(self) -> str:
        """Return the name by every road that ends in Prometheus."""
        name = self.name.replace(".", "_") + ("_seconds" if self.unit == "s" else "")
        return name + ("_total" if self.kind == "counter" else "")


# Attributes ------------------------------------------------------------------------------------------

_attributes: dict[str, Attribute] = {}


def _attribute(
    name: str,
    meaning: str,
    value_type: ValueType = "string",
    values: tuple[str, ...] = (),
    stability: Stability = "stable",
) -> str:
    _attributes[name] = Attribute(name, value_type, meaning, values, stability)
    return name


SUITE_NAME: Final = _attribute("dqx.suite.name", "Name of the suite.")
SUITE_VERDICT: Final = _attribute(
    "dqx.suite.verdict", "What the run found.", values=("passed", "failed", "error", "skipped")
)
SUITE_SUCCESS: Final = _attribute("dqx.suite.assertions.success", "Assertions that passed.", "int")
SUITE_FAILURE: Final = _attribute("dqx.suite.assertions.failure", "Assertions that failed.", "int")
SUITE_ERROR: Final = _attribute(
    "dqx.suite.assertions.error", "Assertions that could not be evaluated.", "int"
)
SUITE_SKIPPED: Final = _attribute(
    "dqx.suite.assertions.skipped", "Assertions without the history they need.", "int"
)
RUN_ID: Final = _attribute("dqx.run.id", "Identity of the run, as in the metric store.")
RUN_DURATION: Final = _attribute(
    "dqx.run.duration", "Seconds from the start of the run to the stored verdict.", "double"
)
KEY_DATE: Final = _attribute("dqx.key.date", "The day that the run is about, as an ISO date.")
DATASET_NAME: Final = _attribute("dqx.dataset.name", "Name of the dataset.")
DATASET_ROWS: Final = _attribute("dqx.dataset.rows", "Rows of the dataset.", "int")
SCAN_METRICS: Final = _attribute("dqx.scan.metrics", "Distinct metrics that the scan computed.", "int")
SCAN_RETRIES: Final = _attribute("dqx.scan.retries", "Reads of the data beyond the first.", "int")
CHECK_NAME: Final = _attribute("dqx.check.name", "Name of the check.")
ASSERTION_NAME: Final = _attribute("dqx.assertion.name", "Name of the assertion.")
ASSERTION_EXPRESSION: Final = _attribute(
    "dqx.assertion.expression", "What was asserted: a text value as `?`, a user's SQL as `<sql>`."
)
ASSERTION_ACTUAL: Final = _attribute(
    "dqx.assertion.value", "The value that was compared; finite only.", "double"
)
ASSERTION_LOWER: Final = _attribute("dqx.assertion.threshold.lower", "Good lies at or above it.", "double")
ASSERTION_UPPER: Final = _attribute("dqx.assertion.threshold.upper", "Good lies at or below it.", "double")
ASSERTION_STATUS: Final = _attribute(
    "dqx.assertion.status", "What became of it.", values=("SUCCESS", "FAILURE", "ERROR", "SKIPPED")
)
ASSERTION_REASON: Final = _attribute(
    "dqx.assertion.reason", "Why it did not pass, redacted; in log records alone."
)
SEVERITY: Final = _attribute("dqx.severity", "Severity of the assertion.", values=("P0", "P1", "P2", "P3"))
PLUGIN_NAME: Final = _attribute("dqx.plugin.name", "Name of the plugin's entry point.")
PLUGIN_VERSION: Final = _attribute("dqx.plugin.version", "Version of the distribution it came with.")
PLUGIN_DISTRIBUTION: Final = _attribute("dqx.plugin.distribution", "The distribution it came with.")
PLUGIN_PHASE: Final = _attribute(
    "dqx.plugin.phase",
    "Which call it was; in log records, a span says it by its name.",
    values=("load", "initialize", "process", "finish", "shutdown"),
)
PLUGIN_OUTCOME: Final = _attribute(
    "dqx.plugin.outcome",
    "What became of the call.",
    values=("ok", "error", "timed_out", "not_run", "disabled"),
)
AUDIT_HEAD: Final = _attribute("dqx.audit.head", "Hash of the audit file's last line: an anchor elsewhere.")

ERROR_TYPE: Final = _attribute("error.type", "Class of what went wrong; absent when all is well.")
DB_SYSTEM_NAME: Final = _attribute("db.system.name", "The engine that ran the scan.")
DB_QUERY_SUMMARY: Final = _attribute("db.query.summary", "The span's name: verb and dataset.")
DB_QUERY_TEXT: Final = _attribute(
    "db.query.text", "The query: every value as `?`, a user's SQL as `<user sql>`; at most 2,048 characters."
)
TEST_SUITE_NAME: Final = _attribute("test.suite.name", "Name of the suite.", stability="development")
TEST_SUITE_STATUS: Final = _attribute(
    "test.suite.run.status",
    "What the run found, in the words of the conventions.",
    values=("success", "failure", "skipped", "aborted", "timed_out"),
    stability="development",
)
TEST_CASE_NAME: Final = _attribute("test.case.name", "Name of the assertion.", stability="development")
TEST_CASE_STATUS: Final = _attribute(
    "test.case.result.status", "Whether it passed.", values=("pass", "fail"), stability="development"
)

ATTRIBUTES: Final[Mapping[str, Attribute]] = MappingProxyType(_attributes)
"""Every attribute by its name: in the scope `dqx` nothing else is sent."""

SUITE_COUNTS: Final[Mapping[str, str]] = MappingProxyType(
    {"SUCCESS": SUITE_SUCCESS, "FAILURE": SUITE_FAILURE, "ERROR": SUITE_ERROR, "SKIPPED": SUITE_SKIPPED}
)
"""The attribute that counts the assertions of a status."""

# Spans -----------------------------------------------------------------------------------------------

RUN_SUITE: Final = Span(
    "run_suite",
    "the suite",
    "One run of a suite, from its start to the end of its plugins.",
    (
        SUITE_NAME, RUN_ID, KEY_DATE, SUITE_VERDICT, *SUITE_COUNTS.values(), TEST_SUITE_NAME,
        TEST_SUITE_STATUS, ERROR_TYPE,
    ),
)  # fmt: skip
SELECT: Final = Span(
    "SELECT {dataset}",
    "the engine",
    "The scan of one dataset: INTERNAL for an embedded engine, CLIENT for a server.",
    (
        DB_SYSTEM_NAME, DB_QUERY_SUMMARY, DB_QUERY_TEXT, DATASET_NAME, DATASET_ROWS, SCAN_METRICS,
        SCAN_RETRIES, ERROR_TYPE,
    ),
    ("INTERNAL", "CLIENT"),
)  # fmt: skip
EVALUATE_CHECK: Final = Span(
    "evaluate_check", "dqx_otel", "One check, over the times of its assertions.", (CHECK_NAME, ERROR_TYPE)
)
ASSERTION: Final = Span(
    "assertion",
    "dqx_otel",
    "One assertion, at the time when it was evaluated.",
    (
        CHECK_NAME, ASSERTION_NAME, ASSERTION_EXPRESSION, ASSERTION_ACTUAL, ASSERTION_LOWER, ASSERTION_UPPER,
        ASSERTION_STATUS, SEVERITY, TEST_CASE_NAME, TEST_CASE_STATUS, ERROR_TYPE,
    ),
)  # fmt: skip
_OF_A_CALL = (PLUGIN_NAME, PLUGIN_VERSION, PLUGIN_DISTRIBUTION, PLUGIN_OUTCOME, ERROR_TYPE)
_MANAGER = "the plugin manager"
PLUGIN_CALLS: Final[Mapping[str, Span]] = MappingProxyType(
    {
        "load": Span("load {plugin}", _MANAGER, "Import and construct the plugin.", _OF_A_CALL),
        "initialize": Span("initialize {plugin}", _MANAGER, "Hand it its configuration.", _OF_A_CALL),
        "process": Span(
            "process {plugin}", _MANAGER, "Hand it the results of the run.", (*_OF_A_CALL, AUDIT_HEAD)
        ),
        "finish": Span("finish {plugin}", _MANAGER, "Hand it what became of every plugin.", _OF_A_CALL),
        "shutdown": Span("shutdown {plugin}", _MANAGER, "Let it go; under the last run's span.", _OF_A_CALL),
    }
)
"""The span around each call into a plugin, by phase."""

SPANS: Final = (RUN_SUITE, SELECT, EVALUATE_CHECK, ASSERTION, *PLUGIN_CALLS.values())

# Labels ----------------------------------------------------------------------------------------------

COMMON_LABELS: Final = ("suite", "snapshot")
"""What every series of a snapshot carries, beside the tags that became labels."""

OVERFLOW: Final = "__overflow__"
"""The check and assertion that stand for all assertions of a severity beyond the limit of series."""

LABELS: Final[Mapping[str, Label]] = MappingProxyType(
    {
        label.name: label
        for label in (
            Label("suite", "Name of the suite."),
            Label("snapshot", "Suite and label tags as text: `flights,env=prod`. The one label to join on."),
            Label("check", f"Name of the check, or `{OVERFLOW}`."),
            Label("assertion", f"Name of the assertion, or `{OVERFLOW}`."),
            Label("severity", "Severity of the assertion.", ("P0", "P1", "P2", "P3")),
            Label(
                "bound",
                "Good lies between lower and upper; bad between excluded_lower and excluded_upper.",
                ("lower", "upper", "excluded_lower", "excluded_upper"),
            ),
            Label("expression", "What is asserted, without text values and SQL."),
            Label("datasets", "Names of the datasets it reads, separated by commas."),
            Label("owner", "Who is to be told."),
            Label("runbook_url", "What to do."),
            Label("dataset", "Name of the dataset."),
            Label("metric", "The metric's `name=`, or how it prints."),
            Label("status", "What became of the assertions.", ("success", "failure", "error", "skipped")),
            Label("plugin", "Name of the plugin's entry point."),
            Label("phase", "Which call it was.", ("load", "initialize", "process", "finish", "shutdown")),
            Label("signal", "What was lost.", ("traces", "metrics", "logs")),
            Label(
                "reason",
                "Why it was lost.",
                ("queue_full", "timeout", "unreachable", "rejected", "series_limit", "unusable"),
            ),
            Label("version", "Version of DQX."),
            Label(
                "error_type", "The verdict of a run that did not pass: failed, error or skipped; else empty."
            ),
        )
    }
)

# Metrics ---------------------------------------------------------------------------------------------

SECONDS_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0
)  # fmt: skip

_ONE = ("check", "assertion", "severity")


def _gauge(
    name: str,
    unit: str,
    labels: tuple[str, ...],
    text: str,
    source: Literal["run", "serve"] = "run",
    *,
    per_snapshot: bool = True,
) -> Metric:
    return Metric(name, "gauge", unit, labels, text, source, per_snapshot)


ASSERTION_PASSED: Final = _gauge(
    "dqx.assertion.passed", "{assertion}", _ONE,
    "1 when the assertion passed, 0 when it failed or could not be evaluated; absent when skipped.",
)  # fmt: skip
ASSERTION_ERRORED: Final = _gauge(
    "dqx.assertion.errored", "{assertion}", _ONE,
    "1 when the assertion could not be evaluated, else 0; absent when skipped.",
)  # fmt: skip
ASSERTION_EVALUATED: Final = _gauge(
    "dqx.assertion.evaluated.timestamp", "s", ("check", "assertion"),
    "When the run that evaluated the assertion finished: equal to its last_run; absent when skipped.",
)  # fmt: skip
ASSERTION_FAILING_SINCE: Final = _gauge(
    "dqx.assertion.failing_since.timestamp", "s", ("check", "assertion"),
    "When the first of the runs in a row that did not pass finished; absent when passed or skipped.",
)  # fmt: skip
ASSERTION_VALUE: Final = _gauge(
    "dqx.assertion.value", "", _ONE, "The value that the assertion compared; finite values only."
)
ASSERTION_THRESHOLD: Final = _gauge(
    "dqx.assertion.threshold", "", (*_ONE, "bound"), "The bounds that the value was compared with."
)
ASSERTION_INFO: Final = _gauge(
    "dqx.assertion.info", "", ("check", "assertion", "expression", "datasets", "owner", "runbook_url"),
    "What the assertion is, and whose: always 1.",
)  # fmt: skip
METRIC_VALUE: Final = _gauge(
    "dqx.metric.value", "", ("dataset", "metric"), "A metric of a dataset; finite values only."
)
SUITE_PASSED: Final = _gauge(
    "dqx.suite.passed", "{suite}", (), "1 when the suite passed, else 0; absent when all of it was skipped."
)
SUITE_ASSERTIONS: Final = _gauge(
    "dqx.suite.assertions", "{assertion}", ("severity", "status"), "Assertions by severity and status."
)
SUITE_INFO: Final = _gauge("dqx.suite.info", "", ("owner", "runbook_url"), "Whose the suite is: always 1.")
SUITE_DURATION: Final = _gauge("dqx.suite.duration", "s", (), "How long the run took, to the stored verdict.")
SUITE_LAST_RUN: Final = _gauge(
    "dqx.suite.last_run.timestamp", "s", (), "When the newest run of the suite finished."
)
SUITE_LAST_SUCCESS: Final = _gauge(
    "dqx.suite.last_success.timestamp", "s", (), "When the newest run that passed finished."
)
SUITE_EXPECTED_INTERVAL: Final = _gauge(
    "dqx.suite.expected_interval", "s", (), "How often the suite should run."
)
SUITE_GRACE: Final = _gauge("dqx.suite.grace", "s", (), "How late a run may be before it counts as late.")
SUITE_TIMEOUT: Final = _gauge("dqx.suite.timeout", "s", (), "How long a run may take.")
SUITE_STARTED: Final = _gauge(
    "dqx.suite.started.timestamp",
    "s",
    (),
    "When the newest run started, or the first since one ended.",
    "serve",
)
SUITE_REGISTERED: Final = _gauge(
    "dqx.suite.registered.timestamp", "s", (), "When a suite that never ran was registered.", "serve"
)
DATASET_ROW_COUNT: Final = _gauge("dqx.dataset.rows", "{row}", ("dataset",), "Rows of the dataset.")
DATASET_SCAN_DURATION: Final = _gauge(
    "dqx.dataset.scan.duration", "s", ("dataset",), "How long the scan of the dataset took."
)
DATASET_FRESHNESS: Final = _gauge(
    "dqx.dataset.freshness.timestamp", "s", ("dataset",),
    "The newest value of the columns watched for freshness.",
)  # fmt: skip
PLUGIN_OK: Final = _gauge(
    "dqx.plugin.ok", "{plugin}", ("plugin",),
    "1 when every call of the plugin ended well, else 0; absent when disabled.",
)  # fmt: skip
PLUGIN_DURATION: Final = _gauge(
    "dqx.plugin.duration", "s", ("plugin", "phase"), "How long the call into the plugin took."
)
PLUGIN_TIMEOUT: Final = _gauge(
    "dqx.plugin.timeout", "s", ("plugin",), "The time that the plugin was granted, all calls together."
)
TELEMETRY_DROPPED: Final = _gauge(
    "dqx.telemetry.dropped", "{item}", ("signal", "reason"), "What was lost by the last flush that had ended."
)
BUILD_INFO: Final = _gauge("dqx.build.info", "", ("version",), "Version of DQX: always 1.")
EXPORTER_STORE_READ: Final = _gauge(
    "dqx.exporter.store_read.timestamp", "s", (),
    "When the exporter last read its store: at the first scrape after a change.", "serve", per_snapshot=False,
)  # fmt: skip
EXPORTER_RENDER_DURATION: Final = _gauge(
    "dqx.exporter.render.duration", "s", (),
    "How long the exporter took to render its page.", "serve", per_snapshot=False,
)  # fmt: skip
SUITE_RUNS: Final = Metric(
    "dqx.suite.runs", "counter", "{run}", ("error_type",), "Runs of the suite by this process.", "process"
)
SUITE_RUN_DURATION: Final = Metric(
    "dqx.suite.run.duration", "histogram", "s", (), "How long runs took.", "process", buckets=SECONDS_BUCKETS
)
PLUGIN_CALL_DURATION: Final = Metric(
    "dqx.plugin.call.duration", "histogram", "s", ("plugin", "phase"), "How long calls into plugins took.",
    "process", buckets=SECONDS_BUCKETS,
)  # fmt: skip

METRICS: Final[tuple[Metric, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""Every metric, in the order of this page."""
