"""The catalogue: what the contract lists is there, and nowhere else are names typed."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

import dqx
from dqx import common
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(dqx.__file__).parent

# Prometheus name, unit, labels beside suite, snapshot and the tags: the table of the contract, typed again by hand.
CONTRACT = """
dqx_assertion_passed                             {assertion}  check assertion severity
dqx_assertion_errored                            {assertion}  check assertion severity
dqx_assertion_evaluated_timestamp_seconds        s            check assertion
dqx_assertion_failing_since_timestamp_seconds    s            check assertion
dqx_assertion_value                              -            check assertion severity
dqx_assertion_threshold                          -            check assertion severity bound
dqx_assertion_info                               -            check assertion expression datasets owner runbook_url
dqx_metric_value                                 -            dataset metric
dqx_suite_passed                                 {suite}
dqx_suite_assertions                             {assertion}  severity status
dqx_suite_info                                   -            owner runbook_url
dqx_suite_duration_seconds                       s
dqx_suite_last_run_timestamp_seconds             s
dqx_suite_last_success_timestamp_seconds         s
dqx_suite_expected_interval_seconds              s
dqx_suite_grace_seconds                          s
dqx_suite_timeout_seconds                        s
dqx_suite_started_timestamp_seconds              s
dqx_suite_registered_timestamp_seconds           s
dqx_dataset_rows                                 {row}        dataset
dqx_dataset_scan_duration_seconds                s            dataset
dqx_dataset_freshness_timestamp_seconds          s            dataset
dqx_plugin_ok                                    {plugin}     plugin
dqx_plugin_duration_seconds                      s            plugin phase
dqx_plugin_timeout_seconds                       s            plugin
dqx_telemetry_dropped                            {item}       signal reason
dqx_build_info                                   -            version
dqx_exporter_store_read_timestamp_seconds        s
dqx_exporter_render_duration_seconds             s
dqx_suite_runs_total                             {run}        error_type
dqx_suite_run_duration_seconds                   s
dqx_plugin_call_duration_seconds                 s            plugin phase
"""


def test_the_metrics_are_those_of_the_contract() -> None:
    """Names, units and labels are a public API: none is missing, added or changed unawares."""
    listed = [line.split() for line in CONTRACT.strip().splitlines()]
    expected = [(name, "" if unit == "-" else unit, tuple(labels)) for name, unit, *labels in listed]
    assert [(m.prometheus_name, m.unit, m.labels) for m in names.METRICS] == expected


@pytest.mark.parametrize(
    ("prometheus_name", "name"),
    [
        ("dqx_suite_last_run_timestamp_seconds", "dqx.suite.last_run.timestamp"),
        ("dqx_suite_last_success_timestamp_seconds", "dqx.suite.last_success.timestamp"),
        ("dqx_suite_expected_interval_seconds", "dqx.suite.expected_interval"),
        ("dqx_assertion_failing_since_timestamp_seconds", "dqx.assertion.failing_since.timestamp"),
        ("dqx_exporter_store_read_timestamp_seconds", "dqx.exporter.store_read.timestamp"),
        ("dqx_dataset_scan_duration_seconds", "dqx.dataset.scan.duration"),
        ("dqx_suite_runs_total", "dqx.suite.runs"),
    ],
)
def test_the_opentelemetry_name_has_dots_and_leaves_the_unit_to_its_field(
    prometheus_name: str, name: str
) -> None:
    """Underscores stay where they join the words of one thing."""
    assert {metric.prometheus_name: metric.name for metric in names.METRICS}[prometheus_name] == name


def test_a_metric_is_described_well() -> None:
    """Unit 1 is never used; each help is a sentence; each label is in the table of labels; names are told apart."""
    for metric in names.METRICS:
        assert metric.unit != "1", metric.name
        assert re.fullmatch(r"[A-Z0-9].*\.", metric.help), metric.name
        assert set(metric.labels) <= set(names.LABELS), metric.name
        assert re.fullmatch(r"dqx(\.[a-z_]+)+", metric.name), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert not re.search("trace_id|run_id|date", " ".join(metric.labels)), metric.name
    assert len({metric.prometheus_name for metric in names.METRICS}) == len(names.METRICS)
    assert len({metric.name for metric in names.METRICS}) == len(names.METRICS)
    assert set(names.COMMON_LABELS) <= set(names.LABELS)


def test_every_label_is_used() -> None:
    """A label that no metric has would be a promise that nothing keeps."""
    used = {label for metric in names.METRICS for label in metric.labels}
    assert used | set(names.COMMON_LABELS) == set(names.LABELS)


def test_the_spans_are_those_of_the_contract() -> None:
    """Each class of spans is there, by its name."""
    assert [span.name for span in names.SPANS] == [
        "run_suite",
        "SELECT {dataset}",
        "evaluate_check",
        "assertion",
        *(f"{phase} {{plugin}}" for phase in ("load", "initialize", "process", "finish", "shutdown")),
    ]


def test_spans_and_the_list_of_attributes_agree() -> None:
    """No span has an attribute that is not listed, and none is listed that neither span nor log record has."""
    on_spans = {attribute for span in names.SPANS for attribute in span.attributes}
    assert on_spans <= set(names.ATTRIBUTES)
    in_logs_alone = {names.RUN_DURATION, names.ASSERTION_REASON, names.PLUGIN_PHASE}
    assert set(names.ATTRIBUTES) - on_spans == in_logs_alone


def test_fixed_values_are_those_of_the_result_model() -> None:
    """Where an attribute or a label can only be one of a few values, the model's types say which."""
    outcome, phase = (get_args(hint) for hint in _hints("outcome", "phase"))
    attributes = names.ATTRIBUTES
    assert attributes[names.SUITE_VERDICT].values == get_args(common.Verdict)
    assert attributes[names.ASSERTION_STATUS].values == get_args(common.Status) == tuple(names.SUITE_COUNTS)
    assert attributes[names.SEVERITY].values == common.SEVERITIES == names.LABELS["severity"].values
    assert attributes[names.PLUGIN_OUTCOME].values == outcome
    assert (
        attributes[names.PLUGIN_PHASE].values
        == phase
        == names.LABELS["phase"].values
        == tuple(names.PLUGIN_CALLS)
    )
    assert names.LABELS["status"].values == tuple(status.lower() for status in get_args(common.Status))


def _hints(*fields: str) -> list[object]:
    hints = {name: field.type for name, field in common.PluginOutcome.__dataclass_fields__.items()}
    return [eval(str(hints[field]), vars(common)) for field in fields]


def test_no_name_is_typed_outside_the_catalogue() -> None:
    """What a dashboard depends on is typed once; everywhere else stands the constant."""
    typed = [place for path in sorted(SOURCE.rglob("*.py")) for place in _names_typed_in(path)]
    assert typed == []


@pytest.mark.parametrize(
    "source",
    [
        'span.set_attribute("dqx.suite.name", 1)',
        'extra = {"dqx.assertion.new": 1}',
        'gauge("dqx_suite_passed")',
        'f"dqx_suite_{name}"',
        'f"dqx.suite.{name}"',
        'expr = "max by (suite) (dqx_suite_passed)"',
        'span.set_attribute("dqx.severity", "P1")',
        'gauge("dqx_suite_brand_new")',
        'span.set_attribute("error.type", "x")',
        'span.set_attribute("db.query.text", "x")',
    ],
)
def test_a_typed_name_is_found(tmp_path: Path, source: str) -> None:
    """The test above is worth something: it finds names alone, in a longer text, and in an f-string."""
    path = tmp_path / "somewhere.py"
    path.write_text(source)
    assert list(_names_typed_in(path))


@pytest.mark.parametrize(
    "source",
    ['"""Sets dqx.suite.name."""', 'group = "dqx.plugins"', '"dqx.plugins.audit:AuditPlugin"', '"dqx_audit"',
     '"name it in dqx.toml"', 'import_module("dqx.orm.repositories")', '"see dqx.testing"',
     'get_logger("dqx.telemetry.redaction")'],
)  # fmt: skip
def test_what_only_looks_like_a_name_is_not_found(tmp_path: Path, source: str) -> None:
    """Modules, built-in plugins, the settings file and docstrings may be called what they are."""
    path = tmp_path / "somewhere.py"
    path.write_text(source)
    assert list(_names_typed_in(path)) == []


_LISTED = [*names.ATTRIBUTES, *(metric.name for metric in names.METRICS)]
_SPACES = "|".join(sorted({name.split(".")[1] for name in _LISTED if name.startswith("dqx.")}))
_LOOKS_LIKE_A_NAME = re.compile(rf"(?<![\w./-])(?:dqx\.(?:{_SPACES})(?![a-z])[\w.]*|dqx_(?:{_SPACES})_\w*)")


def _names_typed_in(path: Path) -> Iterator[str]:
    if path == SOURCE / "telemetry" / "names.py":
        return
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        foreign = [node.value] if node.value in names.ATTRIBUTES else []
        for name in foreign + [match[0] for match in _LOOKS_LIKE_A_NAME.finditer(node.value)]:
            if not _is_something_else(path, name):
                yield f"{path.name}:{node.lineno}: {name}"


def _is_something_else(path: Path, name: str) -> bool:
    """Tell whether a name is that of a module of ours, or of a table of the store."""
    parts = name.rstrip(".").split(".")
    is_module = SOURCE.joinpath(*parts[1:2]).is_dir() and len(parts) > 1
    return is_module or ("_" in name and path.parent == SOURCE / "orm")
