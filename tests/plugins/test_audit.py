"""The plugin dqx_audit: its settings, the text report, log records with their facts as fields, the audit trail."""

from __future__ import annotations

import logging
import math
import os
import re
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from dqx.common import ConfigurationError, PluginOutcome, ResultKey
from dqx.plugins.audit import AuditPlugin, AuditSettings
from dqx.plugins.audit_log import log_records
from dqx.plugins.audit_report import report_text
from dqx.plugins.locked_file import AuditError
from dqx.plugins.trail_verify import read, verify
from dqx.telemetry import names
from dqx.testing import (
    assertion_result,
    captured_logs,
    captured_spans,
    context_of,
    deliver,
    manager_with,
    suite_run,
    symbol_info,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2024, 2, 1, 3, 4, 5, tzinfo=UTC)
RUN = suite_run()
"""One assertion of each status."""


def plugin_with(**config: Any) -> AuditPlugin:
    plugin = AuditPlugin(now=lambda: NOW)
    plugin.initialize(config)
    return plugin


def process(plugin: AuditPlugin, run: Any = RUN, **changes: Any) -> None:
    plugin.process(list(run.results), list(run.symbols), run.suite, context_of(run) | changes)


# Settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"jsonl_fle": "a"}, "it has no setting 'jsonl_fle'; did you mean 'jsonl_file'"),
        ({"log_to_file": "perhaps"}, "log_to_file is 'perhaps'"),
        ({"audit_file": 7}, "audit_file is 7"),
        ({"assertions": "some"}, "assertions is 'some': Input should be 'failed' or 'all'"),
        ({"rotate_bytes": 64}, "rotate_bytes is 64; allowed are 0 .never. and 4096 or more"),
        ({"rotate_bytes": -1}, "rotate_bytes is -1"),
        ({"file_mode": 600}, "file_mode is 0o1130; allowed are 0o600 to 0o666"),
        ({"file_mode": 0o444}, "file_mode is 0o444"),
        ({"file_mode": 0o755}, "file_mode is 0o755"),
        ({"log_to_file": True, "audit_file": "a", "jsonl_file": "./a"}, "audit_file and jsonl_file are both"),
        (
            {"log_to_file": True, "audit_file": "a", "jsonl_file": "b/../a"},
            "audit_file and jsonl_file are both",
        ),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(config: dict[str, Any], message: str) -> None:
    """Plugin, key, value, and what is allowed."""
    with pytest.raises(ConfigurationError, match=f"plugin 'dqx_audit': .*{message}"):
        AuditPlugin().initialize(config)


def test_every_setting_has_a_meaning() -> None:
    """`dqx plugins` shows it beside type and default."""
    for name, field in AuditSettings.__dataclass_fields__.items():
        assert field.metadata["meaning"], name


def test_a_file_for_a_report_that_is_not_switched_on_is_a_warning() -> None:
    """It was meant to be written, and the plan says that it is not."""
    with captured_logs(logger="dqx") as records:
        assert plugin_with(audit_file="report.log").audit_file is None
    assert [r.getMessage() for r in records] == [
        "audit_file is set, but without log_to_file = true nothing is written to it"
    ]
    with captured_logs(logger="dqx") as records:
        plugin_with(audit_file="report.log", log_to_file=False)
    assert not records


@pytest.mark.parametrize("what", ["missing folder", "link", "folder"])
def test_a_trail_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path, what: str) -> None:
    """With `required = true` that refuses the run before anything is read."""
    path = tmp_path / "audit.jsonl"
    if what == "missing folder":
        path = tmp_path / "no" / "audit.jsonl"
    elif what == "link":
        path.symlink_to("elsewhere")
    else:
        path.mkdir()
    with pytest.raises(AuditError, match=r"audit\.jsonl"):
        plugin_with(jsonl_file=str(path))
    manager = manager_with(
        AuditPlugin(), name="dqx_audit", config={"required": True, "jsonl_file": str(path)}
    )
    with manager, pytest.raises(ConfigurationError, match=r"audit\.jsonl"):
        manager.prepare()


# The text report ---------------------------------------------------------------------------------------


def test_the_text_report_is_as_planned() -> None:
    """Counts, failures by severity, symbols; the time in UTC with its offset."""
    results = [
        assertion_result(check="a"),
        assertion_result("FAILURE", severity="P1"),
        assertion_result("FAILURE", severity="P0"),
    ]
    symbols = [symbol_info(5.0), symbol_info(ZeroDivisionError("x"))]
    context = {
        "datasources": ["one", "two"],
        "key": ResultKey(date(2024, 1, 1)),
        "timestamp": 1704067200.0,
    }
    assert (
        report_text(results, symbols, "Test Suite", context, NOW)
        == """=== DQX Audit Log ===
Suite: Test Suite
Timestamp: 2024-01-01 00:00:00+00:00
Date: 2024-01-01
Datasets: one, two

Execution Summary:
  Total Checks: 2
  Total Assertions: 3
  Passed: 1 (33.3%)
  Failed: 2 (66.7%)

Failures by Severity:
  P0: 1
  P1: 1

Symbol Statistics:
  Total Symbols: 2
  Successful: 1
  Failed: 1
===================="""
    )


def test_the_text_report_of_nothing_is_as_planned() -> None:
    """No results, no context: the time is now."""
    assert (
        report_text([], [], "Empty", {}, NOW)
        == """=== DQX Audit Log ===
Suite: Empty
Timestamp: 2024-02-01 03:04:05+00:00
Date: N/A
Datasets: None

Execution Summary:
  Total Checks: 0
  Total Assertions: 0
  Passed: 0
  Failed: 0
===================="""
    )


def test_errors_and_skipped_assertions_are_neither_passed_nor_failed() -> None:
    """They have lines of their own, so that the numbers add up."""
    text = report_text(RUN.results, (), "x", {}, NOW)
    assert re.findall(r"(\w+): 1 \(25\.0%\)", text) == ["Passed", "Failed", "Errors", "Skipped"]


def test_a_name_cannot_forge_a_line_of_the_report() -> None:
    """Line breaks and escape sequences in names are spelled out."""
    text = report_text([], [], "x\nPassed: 99", {"datasources": ["\x1b[2Jd", "🛫"]}, NOW)
    assert r"Suite: x\nPassed: 99" in text
    assert r"Datasets: \x1b[2Jd, 🛫" in text


def test_the_report_is_the_last_info_record_and_what_is_appended_to_the_file(tmp_path: Path) -> None:
    """The file has the text of the log, a blank line after each run."""
    path = tmp_path / "report.log"
    plugin = plugin_with(log_to_file=True, audit_file=str(path))
    with captured_logs(logger="dqx") as records:
        process(plugin)
        process(plugin)
    reports = [r for r in records if r.levelno == logging.INFO][1::2]
    heading = "Audit Report:\n"
    assert all(r.getMessage().startswith(f"{heading}=== DQX Audit Log ===") for r in reports)
    assert path.read_text() == "".join(r.getMessage().removeprefix(heading) + "\n\n" for r in reports)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_report_that_cannot_be_written_is_logged_at_once_and_raised_from_finish(tmp_path: Path) -> None:
    """The first error record says so; nothing is made on the way."""
    plugin = plugin_with(log_to_file=True, audit_file=str(tmp_path / "no" / "report.log"))
    with captured_logs(logger="dqx") as records:
        process(plugin)
    errors = [r.getMessage() for r in records if r.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("Failed to write audit to file: ")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AuditError, match="does not exist"):
        plugin.finish([])
    plugin.finish([])  # raised once


def test_a_report_that_could_not_be_written_is_no_failure_of_the_next_run(tmp_path: Path) -> None:
    """A run that was not finished, because it took too long, leaves nothing to the one after it."""
    plugin = plugin_with(log_to_file=True, audit_file=str(tmp_path / "no" / "report.log"))
    process(plugin)
    (tmp_path / "no").mkdir()
    process(plugin)
    plugin.finish([])


def test_a_report_that_cannot_be_written_is_the_plugins_outcome(tmp_path: Path) -> None:
    """Processing was fine; finishing was not."""
    config = {"log_to_file": True, "audit_file": str(tmp_path / "no" / "report.log")}
    outcomes = {o.phase: o.outcome for o in deliver(AuditPlugin(), config=config)}
    assert outcomes == {"initialize": "ok", "process": "ok", "finish": "error"}


# Log records -------------------------------------------------------------------------------------------


def test_a_run_is_one_record_and_each_assertion_that_did_not_pass_another() -> None:
    """INFO for the run, WARNING for what failed, could not be evaluated, or was skipped."""
    with captured_logs(logger="dqx.plugins.audit") as records:
        process(plugin_with())
    *events, report = records
    assert [(r.levelname, r.getMessage()) for r in events] == [
        ("INFO", "suite orders: failed: 1 passed, 1 failed, 1 could not be evaluated, 1 skipped"),
        (
            "WARNING",
            "P1 Orders are complete: few prices are missing: failed: 0.25 is not below 0.05",
        ),
        (
            "WARNING",
            "P1 Orders are complete: stock is known: could not be evaluated: dataset 'orders' has no column 'stock'",
        ),
        (
            "WARNING",
            "P1 Orders are complete: volume is stable: skipped: no value is stored for 2024-01-30",
        ),
    ]
    assert report.getMessage().startswith("Audit Report:")


def test_the_facts_are_fields_of_the_record() -> None:
    """Any JSON formatter or log handler finds them under the names of the catalogue."""
    with captured_logs(logger="dqx") as records:
        process(plugin_with())
    run, failure, *_ = records
    assert {name: value for name, value in vars(run).items() if name in names.ATTRIBUTES} == {
        names.SUITE_NAME: "orders",
        names.RUN_ID: RUN.run_id,
        names.KEY_DATE: "2024-01-31",
        names.SUITE_VERDICT: "failed",
        names.RUN_DURATION: 0.3,
        names.SUITE_SUCCESS: 1,
        names.SUITE_FAILURE: 1,
        names.SUITE_ERROR: 1,
        names.SUITE_SKIPPED: 1,
    }
    assert {name: value for name, value in vars(failure).items() if name in names.ATTRIBUTES} == {
        names.SUITE_NAME: "orders",
        names.RUN_ID: RUN.run_id,
        names.KEY_DATE: "2024-01-31",
        names.CHECK_NAME: "Orders are complete",
        names.ASSERTION_NAME: "few prices are missing",
        names.SEVERITY: "P1",
        names.ASSERTION_STATUS: "FAILURE",
        names.ASSERTION_EXPRESSION: "minimum(price) > 0",
        names.ASSERTION_ACTUAL: 0.25,
        names.ASSERTION_LOWER: 0,
        names.ASSERTION_REASON: "0.25 is not below 0.05",
    }


def test_all_assertions_are_logged_when_asked_for() -> None:
    """What passed is INFO."""
    with captured_logs(logger="dqx") as records:
        process(plugin_with(assertions="all"))
    levels = [(vars(r).get(names.ASSERTION_STATUS), r.levelname) for r in records[1:-1]]
    assert levels == [
        ("SUCCESS", "INFO"),
        ("FAILURE", "WARNING"),
        ("ERROR", "WARNING"),
        ("SKIPPED", "WARNING"),
    ]


def test_each_record_of_a_run_leads_to_its_trace_and_its_run() -> None:
    """The span is that of the plugin's call; the fields are there, empty, where there is no trace."""
    with captured_spans() as spans, captured_logs(logger="dqx.plugins.audit") as records:
        deliver(AuditPlugin(now=lambda: NOW))
    (span,) = [span for span in spans if span.name.startswith("process ")]
    assert span.context
    expected = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", RUN.run_id)
    ids = [tuple(vars(r)[key] for key in ("trace_id", "span_id", "run_id")) for r in records[:-1]]
    assert ids == [expected] * 4

    with captured_logs(logger="dqx.plugins.audit") as records:
        process(plugin_with(), run_id=None)
    assert [vars(records[0])[key] for key in ("trace_id", "span_id", "run_id")] == ["", "", ""]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (5, 5),
        (2**53 + 1, 2**53 + 1),
        (2**63, 2.0**63),  # more than OpenTelemetry's integers hold
        (10**400, None),
        (1.5, 1.5),
        (-0.0, -0.0),
        (math.nan, None),
        (math.inf, None),
        (Decimal("1.10"), 1.1),
        (Decimal("sNaN"), None),
        (date(2024, 1, 31), "2024-01-31"),
        (NOW, "2024-02-01T03:04:05+00:00"),
        (None, None),
    ],
)
def test_a_value_is_a_field_that_any_handler_can_send(value: Any, field: Any) -> None:
    """None and what is not finite are left out, as the catalogue says; the trail has them exactly."""
    result = assertion_result("FAILURE", value=value)
    _, (_, _, fields) = log_records([result], "x", {}, "failed")
    sent = fields.get(names.ASSERTION_ACTUAL)
    assert (type(sent), sent) == (type(field), field)


def test_no_secret_and_no_text_value_is_logged() -> None:
    """Logs leave the machine: reasons are redacted, expressions are in the form without texts and SQL."""
    result = assertion_result(
        "ERROR",
        reason="cannot open postgresql://bob:hunter2@db/x\nFAKE LINE",
        expression="count_values(country, 'canary') > 0",
        expression_redacted="count_values(country, ?) > 0",
    )
    _, (_, message, fields) = log_records([result], "x\ny", {}, "failed")
    assert "hunter2" not in f"{message}{fields}"
    assert "canary" not in f"{message}{fields}"
    assert "\n" not in message
    assert fields[names.ASSERTION_EXPRESSION] == "count_values(country, ?) > 0"


def test_long_names_are_cut_in_logs() -> None:
    """A name of 10 kB does not make a log record of 10 kB."""
    result = assertion_result("FAILURE", assertion="🛫" * 10_000)
    _, (_, message, fields) = log_records([result], "x", {}, "failed")
    assert len(message) < 500
    assert len(str(fields[names.ASSERTION_NAME])) == 256


def test_the_logging_of_the_host_application_is_left_alone(tmp_path: Path) -> None:
    """No handler, level or propagation changes, on any logger, whatever is configured."""

    def state() -> dict[str, Any]:
        loggers = {"": logging.getLogger(), **logging.Logger.manager.loggerDict}
        return {
            name: (one.level, list(one.handlers), one.propagate, one.disabled, list(one.filters))
            for name, one in loggers.items()
            if isinstance(one, logging.Logger) and (not name or name.startswith("dqx.plugins.audit"))
        }

    before = state()
    plugin = plugin_with(log_to_file=True, audit_file=str(tmp_path / "a"), jsonl_file=str(tmp_path / "b"))
    process(plugin)
    plugin.finish([])
    assert state() == before


# The audit trail ---------------------------------------------------------------------------------------


def test_a_run_and_the_outcomes_of_its_plugins_are_two_chained_lines(tmp_path: Path) -> None:
    """What was checked, what became of it, and of every plugin."""
    path = tmp_path / "audit.jsonl"
    plugin = plugin_with(jsonl_file=str(path))
    process(plugin)
    plugin.finish([PluginOutcome("mail", "process", "error", 0.1, "OSError", "no route", "1.2", "dqx-mail")])
    run, outcomes = read(path)
    assert (run["kind"], run["run_id"], run["verdict"], len(run["assertions"])) == (
        "run",
        RUN.run_id,
        "failed",
        4,
    )
    assert (outcomes["kind"], outcomes["run_id"], outcomes["suite"]) == ("outcomes", RUN.run_id, "orders")
    assert [(o["plugin"], o["version"], o["outcome"]) for o in outcomes["outcomes"]] == [
        ("mail", "1.2", "error")
    ]
    assert verify([path]).ok
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_values_are_kept_exactly_in_the_trail(tmp_path: Path) -> None:
    """A large integer, a decimal, a date and NaN come back as what was compared."""
    path = tmp_path / "audit.jsonl"
    values = [2**53 + 1, Decimal("1.10"), date(2024, 1, 31), NOW, -0.0, math.inf, math.nan, None]
    run = suite_run([assertion_result("ERROR", value=value, thresholds={"upper": value}) for value in values])
    process(plugin_with(jsonl_file=str(path)), run)
    (record,) = read(path)
    assert [repr(a["value"]) for a in record["assertions"]] == [repr(value) for value in values]
    assert [repr(a["thresholds"]["upper"]) for a in record["assertions"]] == [repr(v) for v in values]


def test_the_head_of_the_chain_stands_on_the_span_of_the_call(tmp_path: Path) -> None:
    """An anchor that lies elsewhere: whoever changes the file cannot change the trace."""
    path = tmp_path / "audit.jsonl"
    with captured_spans() as spans:
        deliver(AuditPlugin(), config={"jsonl_file": str(path)})
    (span,) = [span for span in spans if span.name.startswith("process ")]
    assert span.attributes
    run, _ = read(path)
    assert span.attributes[names.AUDIT_HEAD] == run["hash"]
    assert verify([path], run["hash"]).ok
    assert span.context
    assert run["trace_id"] == f"{span.context.trace_id:032x}"


def test_installed_plugins_and_their_versions_are_recorded(tmp_path: Path) -> None:
    """Whoever reads the trail knows what could have acted on the run."""
    path = tmp_path / "audit.jsonl"
    plugin = plugin_with(jsonl_file=str(path))
    plugin._installed = [{"name": "mail", "distribution": "dqx-mail", "version": "1.2"}]
    process(plugin)
    assert next(read(path))["plugins"] == [{"name": "mail", "distribution": "dqx-mail", "version": "1.2"}]


def test_a_trail_that_cannot_be_written_is_raised_and_the_run_logged_all_the_same(tmp_path: Path) -> None:
    """The folder went away during the scan: the verdict is at least in the log."""
    folder = tmp_path / "audit"
    folder.mkdir()
    plugin = plugin_with(jsonl_file=str(folder / "audit.jsonl"))
    folder.rmdir()
    with captured_logs(logger="dqx") as records, pytest.raises(AuditError, match="does not exist"):
        process(plugin)
    assert [r.levelname for r in records] == ["INFO", "WARNING", "WARNING", "WARNING", "INFO"]


def test_a_required_trail_that_fails_after_the_scan_is_a_failed_delivery(tmp_path: Path) -> None:
    """It was there when the run was let in, and gone when there was a verdict: loud, and never silent."""
    folder = tmp_path / "audit"
    folder.mkdir()
    config = {"required": True, "jsonl_file": str(folder / "audit.jsonl")}
    with manager_with(AuditPlugin(), name="dqx_audit", config=config) as manager:
        manager.prepare()
        folder.rmdir()
        outcomes = manager.process_all(RUN.results, RUN.symbols, RUN.suite, context_of(RUN))
    (failed,) = [outcome for outcome in outcomes if outcome.phase == "process"]
    assert (failed.outcome, failed.required) == ("error", True)
    assert "does not exist" in str(failed.message)


def test_the_record_is_durable_before_anything_is_logged(tmp_path: Path) -> None:
    """A log handler that hangs or kills the process finds the trail written."""
    path = tmp_path / "audit.jsonl"
    plugin = plugin_with(jsonl_file=str(path))

    class Witness(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(len(list(read(path))))

    seen: list[int] = []
    logger = logging.getLogger("dqx.plugins.audit")
    witness = Witness()
    logger.addHandler(witness)
    try:
        process(plugin)
    finally:
        logger.removeHandler(witness)
    assert set(seen) == {1}


def test_a_relative_path_means_the_folder_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that changes the folder does not move the trail."""
    monkeypatch.chdir(tmp_path)
    plugin = plugin_with(jsonl_file="audit.jsonl")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    process(plugin)
    assert verify([tmp_path / "audit.jsonl"]).files[0].records == 1


def test_mode_and_rotation_are_those_of_the_settings(tmp_path: Path) -> None:
    """All files of a trail have the mode that was asked for, the lock too."""
    plugin = plugin_with(jsonl_file=str(tmp_path / "audit.jsonl"), rotate_bytes=4096, file_mode=0o640)
    for _ in range(5):
        process(plugin)
        plugin.finish([])
    files = sorted(tmp_path.iterdir())
    assert len(files) >= 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}
    assert verify(sorted(tmp_path.glob("*.jsonl"))).ok


def test_a_finish_without_a_run_writes_nothing(tmp_path: Path) -> None:
    """The outcomes belong to a run that was processed."""
    plugin = plugin_with(jsonl_file=str(tmp_path / "audit.jsonl"))
    plugin.finish([])
    assert list(tmp_path.iterdir()) == []
    process(plugin)
    plugin.finish([])
    plugin.finish([])
    assert verify([tmp_path / "audit.jsonl"]).files[0].records == 2


def test_two_processes_audit_into_one_trail(tmp_path: Path) -> None:
    """Whole runs of the plugin, side by side, end in one chain."""
    script = """
import sys
from dqx.plugins.audit import AuditPlugin
from dqx.testing import deliver
for _ in range(10):
    outcomes = deliver(AuditPlugin(), config={"jsonl_file": sys.argv[1]})
    assert all(outcome.outcome == "ok" for outcome in outcomes), outcomes
"""
    path = tmp_path / "audit.jsonl"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen([sys.executable, "-c", script, str(path)], env=env) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    (report,) = verify([path]).files
    assert (report.wrong, report.records) == (None, 40)


# Nothing configured ------------------------------------------------------------------------------------


def test_with_nothing_configured_nothing_is_written_and_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """A run that configures no audit pays for none."""
    script = """
import sys
from dqx.plugins.audit import AuditPlugin
plugin = AuditPlugin()
plugin.initialize({})
plugin.process([], [], "x", {})
plugin.finish([])
unwanted = ("pydantic", "rich", "opentelemetry.sdk", "dqx.plugins.trail")
print([name for name in unwanted if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_with_logging_off_no_result_is_looked_at(tmp_path: Path) -> None:
    """Handing over results costs nothing where nobody reads: not even the report is made."""

    class Untouchable(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("the results were read")

    logger = logging.getLogger("dqx.plugins.audit")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        plugin_with().process(Untouchable(), Untouchable(), "x", {})
    finally:
        logger.setLevel(before)


def test_a_run_that_was_replaced_does_not_leak_into_the_next(tmp_path: Path) -> None:
    """The outcomes go with the run that was processed last."""
    path = tmp_path / "audit.jsonl"
    plugin = plugin_with(jsonl_file=str(path))
    for run_id in ("a", "b"):
        process(plugin, replace(RUN, run_id=run_id))
        plugin.finish([])
    assert [record["run_id"] for record in read(path)] == ["a", "a", "b", "b"]
