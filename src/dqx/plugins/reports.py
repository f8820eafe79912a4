"""What the log says of plugins: one record for each call, with the plugin's name, version and phase as fields."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dqx.telemetry import names

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from dqx.common import PluginOutcome
    from dqx.plugins.failure import Failure


class Reports:
    """Writes to the logger that `logger()` returns at that moment."""

    def __init__(self, logger: Callable[[], logging.Logger]) -> None:
        self._logger = logger

    def log(
        self, level: str, message: str, *arguments: object, extra: Mapping[str, str] | None = None
    ) -> None:
        """Log a record. What a handler raises, which a plugin may have installed, is no reason to stop."""
        with suppress(Exception):
            getattr(self._logger(), level)(message, *arguments, extra=extra)

    def loading(self, name: str) -> None:
        """Log that a plugin is about to be imported."""
        self.log("info", "Loading plugin: %s", name)

    def ended(self, outcome: PluginOutcome, failure: Failure | None) -> None:
        """Log what became of a call; a redacted traceback goes to the debug level."""
        log, extra = self.log, _facts(outcome)
        name, where = outcome.plugin, _where(outcome, failure)
        match outcome.outcome, outcome.phase:
            case "ok", "load":
                log("info", "Successfully loaded plugin: %s (%s)", name, where, extra=extra)
            case "ok", "process":
                log(
                    "info",
                    "Plugin %s processed results in %.2fs (%s)",
                    name,
                    outcome.duration_s,
                    where,
                    extra=extra,
                )
            case "ok", _:
                log(
                    "debug",
                    "Plugin %s: %s took %.2fs (%s)",
                    name,
                    outcome.phase,
                    outcome.duration_s,
                    where,
                    extra=extra,
                )
            case "disabled", _:
                log("debug", "Plugin %s is disabled: %s (%s)", name, outcome.message, where, extra=extra)
            case "not_run", "shutdown" if outcome.error_type == "hanging":  # told when it began to hang
                log("debug", "Plugin %s is not shut down: %s (%s)", name, outcome.message, where, extra=extra)
            case "not_run", _:
                log("error", "Plugin %s was not called: %s (%s)", name, outcome.message, where, extra=extra)
            case _, "load":
                log("error", "Failed to load plugin %s: %s (%s)", name, _what(outcome), where, extra=extra)
            case _, "shutdown":
                log(
                    "error",
                    "Plugin %s failed during shutdown: %s (%s)",
                    name,
                    _what(outcome),
                    where,
                    extra=extra,
                )
            case _:
                log(
                    "error",
                    "Plugin %s failed during processing: %s (%s)",
                    name,
                    _what(outcome),
                    where,
                    extra=extra,
                )
        if failure is not None and failure.traceback:
            log("debug", "Plugin %s: %s", name, failure.traceback, extra=extra)

    def late(self, outcome: PluginOutcome, late_s: float) -> None:
        """Log that an abandoned call came back after all."""
        self.log(
            "warning",
            "Plugin %s came back from %s %.2fs after its deadline; what it brought was thrown away (%s)",
            outcome.plugin,
            outcome.phase,
            late_s,
            origin(outcome.distribution, outcome.version),
            extra=_facts(outcome),
        )

    def replaced_streams(self, outcome: PluginOutcome) -> None:
        """Log that `sys.stdout` or `sys.stderr` were put back."""
        self.log(
            "warning",
            "Plugin %s replaced or closed sys.stdout or sys.stderr; they were put back (%s)",
            outcome.plugin,
            _where(outcome, None),
            extra=_facts(outcome),
        )


def origin(distribution: str | None, version: str | None) -> str:
    """Return where a plugin came from, as text."""
    return f"{distribution} {version or 'without a version'}" if distribution else "made in code"


def _what(outcome: PluginOutcome) -> str:
    error_type = "" if outcome.outcome == "timed_out" else f"{outcome.error_type}: "
    return f"{error_type}{outcome.message}"


def _where(outcome: PluginOutcome, failure: Failure | None) -> str:
    place = f", at {failure.where}" if failure and failure.where else ""
    return f"{outcome.phase}, {origin(outcome.distribution, outcome.version)}{place}"


def _facts(outcome: PluginOutcome) -> dict[str, str]:
    facts = {
        names.PLUGIN_NAME: outcome.plugin,
        names.PLUGIN_VERSION: outcome.version,
        names.PLUGIN_DISTRIBUTION: outcome.distribution,
        names.PLUGIN_PHASE: outcome.phase,
        names.PLUGIN_OUTCOME: outcome.outcome,
        names.ERROR_TYPE: outcome.error_type,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}
