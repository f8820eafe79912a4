"""The built-in plugin `dqx_audit`: a report of each run, structured log records, an audit trail in files."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from opentelemetry import trace

from dqx import __version__
from dqx.plugins import discovery
from dqx.plugins.audit_log import log_records
from dqx.plugins.audit_report import report_text
from dqx.plugins.declared import validated
from dqx.plugins.trail_record import outcomes_record, run_record
from dqx.telemetry import names
from dqx.telemetry.tracing import put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dqx.common import AssertionResult, PluginOutcome, SymbolInfo
    from dqx.plugins.locked_file import AuditError
    from dqx.plugins.trail import Head

logger = logging.getLogger(__name__)

SMALLEST_ROTATION = 4096
"""In bytes: below it every run would begin a file of its own, more likely a slip in the unit than a wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """What `dqx_audit` does with a run beside logging it. Folders must exist; DQX makes none."""

    log_to_file: bool = field(default=False, metadata={"meaning": "append the text report to audit_file"})
    audit_file: Path = field(default=Path("dqx_audit.log"), metadata={"meaning": "file of the text report"})
    jsonl_file: Path | None = field(
        default=None, metadata={"meaning": "file of the audit trail; None: no trail"}
    )
    rotate_bytes: int = field(default=0, metadata={"meaning": "size at which a new file is begun; 0: never"})
    file_mode: int = field(
        default=0o600, metadata={"meaning": "permissions of new files, 0o600 (384) to 0o666"}
    )
    assertions: Literal["failed", "all"] = field(
        default="failed", metadata={"meaning": "which get a log record each: those that did not pass, or all"}
    )

    def __post_init__(self) -> None:
        if self.log_to_file and self.jsonl_file and realpath(self.audit_file) == realpath(self.jsonl_file):
            raise ValueError(
                f"audit_file and jsonl_file are both '{self.jsonl_file}'; text would break the trail"
            )
        if self.rotate_bytes and self.rotate_bytes < SMALLEST_ROTATION:
            raise ValueError(
                f"rotate_bytes is {self.rotate_bytes}; allowed are 0 (never) and {SMALLEST_ROTATION} or more"
            )
        if self.file_mode & ~0o666 or self.file_mode & 0o600 != 0o600:
            raise ValueError(f"file_mode is 0o{self.file_mode:o}; allowed are 0o600 to 0o666, none with x")


class AuditPlugin:
    """Append each run to the audit trail, log it, and report it as text.

    Args:
        now: The clock; it returns an aware datetime in UTC.
    """

    Settings: ClassVar = AuditSettings

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._settings = AuditSettings()
        self._installed: list[dict[str, str | None]] = []
        self._run: tuple[str | None, str] | None = None
        self._report_error: AuditError | None = None

    @property
    def log_to_file(self) -> bool:
        """Tell whether the text report is appended to a file."""
        return self._settings.log_to_file

    @property
    def audit_file(self) -> Path | None:
        """Return the file of the text report, or None when there is none."""
        return self._settings.audit_file if self.log_to_file else None

    def initialize(self, config: dict[str, Any]) -> None:
        """Take the settings: what `AuditSettings` has, by name.

        Raises:
            ConfigurationError: When a setting is unknown or has a wrong value.
            AuditError: When `jsonl_file` could not be appended to as things stand. Nothing is made or written.
        """
        settings = AuditSettings(**validated("dqx_audit", AuditSettings, config))
        if settings.log_to_file:
            logger.info(f"Audit logging to file: {settings.audit_file}")
        elif "audit_file" in config and "log_to_file" not in config:
            logger.warning("audit_file is set, but without log_to_file = true nothing is written to it")
        if settings.jsonl_file:
            from dqx.plugins.locked_file import check_appendable

            path = settings.jsonl_file.absolute()  # a later chdir must not move the trail
            check_appendable(path)
            settings = replace(settings, jsonl_file=path)
            self._installed = _installed()
        self._settings = settings

    def process(
        self,
        results: list[AssertionResult],
        symbols: list[SymbolInfo],
        suite_name: str,
        context: dict[str, Any],
    ) -> None:
        """Append the run to the trail, then log it, then report it as text.

        A text report that cannot be written is logged here, and raised by `finish`.

        Raises:
            AuditError: When the trail cannot be written; the run is logged and reported all the same.
        """
        now, settings, ids = self._now(), self._settings, _ids(context)
        self._run = (context.get("run_id"), suite_name)
        try:
            if settings.jsonl_file:
                head = self._append(
                    settings.jsonl_file,
                    run_record(
                        results, suite_name, context, at=now, trace_id=ids["trace_id"],
                        plugins=self._installed, dqx_version=__version__,
                    ),
                )  # fmt: skip
                put(trace.get_current_span(), {names.AUDIT_HEAD: head.hash})
        finally:
            if logger.isEnabledFor(logging.WARNING):
                for level, message, fields in log_records(results, suite_name, context, settings.assertions):
                    logger.log(level, message, extra=ids | fields)
            if settings.log_to_file or logger.isEnabledFor(logging.INFO):
                self._report(report_text(results, symbols, suite_name, context, now))

    def finish(self, outcomes: Sequence[PluginOutcome]) -> None:
        """Append to the trail what became of each plugin.

        Raises:
            AuditError: When that cannot be written, or the text report of the run could not.
        """
        run, self._run = self._run, None
        report_error, self._report_error = self._report_error, None
        if run and self._settings.jsonl_file:
            at, trace_id = self._now(), _ids({})["trace_id"]
            self._append(self._settings.jsonl_file, outcomes_record(*run, outcomes, at=at, trace_id=trace_id))
        if report_error:
            raise report_error

    def _append(self, path: Path, record: Mapping[str, object]) -> Head:
        from dqx.plugins import trail  # 4 ms: a run that audits into no file does without

        settings = self._settings
        return trail.append(path, record, mode=settings.file_mode, rotate_bytes=settings.rotate_bytes)

    def _report(self, text: str) -> None:
        self._report_error = None
        logger.info(f"Audit Report:\n{text}")
        if self.audit_file:
            from dqx.plugins.locked_file import AuditError, locked

            try:
                with locked(self.audit_file, self._settings.file_mode) as file:
                    file.append(f"{text}\n\n".encode(errors="backslashreplace"))
                logger.debug(f"Audit written to {self.audit_file}")
            except AuditError as error:
                logger.error(f"Failed to write audit to file: {error}")
                self._report_error = error


def _ids(context: Mapping[str, Any]) -> dict[str, str]:
    """Return what ties a record to its trace and its run; empty texts where there is none."""
    span = trace.get_current_span().get_span_context()
    return {
        "trace_id": f"{span.trace_id:032x}" if span.is_valid else "",
        "span_id": f"{span.span_id:016x}" if span.is_valid else "",
        "run_id": context.get("run_id") or "",
    }


def _installed() -> list[dict[str, str | None]]:
    """Return name, distribution and version of the plugins that are installed and let in."""
    found, _ = discovery.find(discovery.installed(), discovery.Switches.read())
    return [
        {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
        for plugin in found.values()
        if not plugin.refused
    ]
