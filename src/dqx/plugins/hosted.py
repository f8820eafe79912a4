"""One plugin as the manager keeps it: where it came from, its thread, and the time it has used in this run."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from dqx.common import ConfigurationError, PluginOutcome
from dqx.plugins.failure import Failure
from dqx.plugins.isolation import Reply, Worker, own_copy
from dqx.plugins.settings import SHORTEST_S
from dqx.plugins.streams import streams
from dqx.telemetry import tracing
from dqx.telemetry.redaction import error_type, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.context import Context

    from dqx.plugins.discovery import Found
    from dqx.plugins.reports import Reports

Phase = Literal["load", "initialize", "process", "finish", "shutdown"]
Ending = Literal["ok", "error", "timed_out", "not_run", "disabled"]


class HostedPlugin:
    """One plugin, its thread and its clock. Every call into it is a span, bounded in time, and an outcome."""

    def __init__(
        self, name: str, reports: Reports, found: Found | None = None, refused: str | None = None
    ) -> None:
        self.name = name
        self.entry_point = found.entry_point if found else None
        self.distribution = found.distribution if found else None
        self.version = found.version if found else None
        self.refused = found.refused if found else refused
        self.load_outcome: PluginOutcome | None = None
        self.spent_s = 0.0
        self._reports = reports
        self.start_clean()

    def start_clean(self) -> None:
        """Forget thread and initialization: after a fork they are the parent process's."""
        self._worker = Worker(self.name)
        self._initialized: tuple[object, Mapping[str, Any]] | None = None
        self.hooks: frozenset[str] = frozenset()

    def initialized_with(self, plugin: object, own: Mapping[str, Any]) -> bool:
        """Tell whether this instance was initialized with these settings."""
        if self._initialized is None or self._initialized[0] is not plugin:
            return False
        try:
            return bool(self._initialized[1] == own)
        except Exception:  # noqa: BLE001  # arrays and the like compare to no truth
            return False

    def note_initialized(self, plugin: object, own: Mapping[str, Any], hooks: frozenset[str] | None) -> None:
        """Note what the plugin was initialized with, and the optional hooks that it has; None when that failed."""
        self._initialized = None if hooks is None else (plugin, own_copy(own))
        self.hooks = hooks or frozenset()

    @property
    def hanging(self) -> bool:
        """Tell whether a call was given up and has not come back."""
        return self._worker.hanging

    def call(
        self,
        phase: Phase,
        function: Callable[[], Any],
        limit_s: float,
        *,
        least_s: float = SHORTEST_S,
        required: bool = False,
        secrets: Callable[[], Iterable[str]] = tuple,
        parent: Context | None = None,
    ) -> tuple[PluginOutcome, Any]:
        """Call `function` on the plugin's thread and return the outcome, and the value when it is ok.

        Args:
            phase: Which call it is.
            function: The call.
            limit_s: Seconds that the plugin may use in this run, what it has used so far among them.
            least_s: With less than that left, the call is not made.
            required: Whether the plugin is a required one.
            secrets: Returns values that must not appear in what is reported.
            parent: The context whose span is the parent, when it is not the current one.
        """
        with tracing.plugin_call(phase, self.name, self.version, self.distribution, parent) as span:
            started = time.monotonic()
            with streams.kept() as were_replaced:
                ending, reply = self._make(phase, function, limit_s, least_s, secrets)
            duration_s = time.monotonic() - started
            self.spent_s += duration_s
            failure = reply.failure
            outcome = replace(
                self._outcome(phase, ending, required=required),
                duration_s=duration_s,
                error_type=failure.error_type if failure else None,
                message=failure.message if failure else None,
                timeout_s=limit_s,
            )
            tracing.end_plugin_call(span, outcome)
        self._reports.ended(outcome, failure)
        if were_replaced():
            self._reports.replaced_streams(outcome)
        return outcome, reply.value

    def skip(
        self, phase: Phase, reason: str | ConfigurationError, *, required: bool = False
    ) -> PluginOutcome:
        """Return the outcome of a call that is not made: disabled, or an error in the settings. It is a span, too."""
        wrong = error_type(reason) if isinstance(reason, ConfigurationError) else None
        outcome = replace(
            self._outcome(phase, "error" if wrong else "disabled", required=required),
            error_type=wrong,
            message=redact(str(reason)),
        )
        with tracing.plugin_call(phase, self.name, self.version, self.distribution) as span:
            tracing.end_plugin_call(span, outcome)
        self._reports.ended(outcome, None)
        return outcome

    def stop(self) -> None:
        """Let the thread end; a later call starts another."""
        self._worker.stop()
        self._initialized = None
        self.hooks = frozenset()

    def _make(
        self,
        phase: Phase,
        function: Callable[[], Any],
        limit_s: float,
        least_s: float,
        secrets: Callable[[], Iterable[str]],
    ) -> tuple[Ending, Reply]:
        timeout_s = limit_s - self.spent_s
        on_late = partial(self._reports.late, self._outcome(phase, "timed_out"))
        if self.hanging:
            return "not_run", _failed("hanging", "its previous call has not come back")
        if timeout_s < least_s:
            return "not_run", _failed("no_time_left", "no time was left for it")
        try:
            reply = self._worker.call(function, timeout_s, on_late, secrets)
        except RuntimeError as error:  # no more threads, or the interpreter is on its way out
            return "not_run", _failed("no_thread", str(error))
        if reply.timed_out:
            rest = f", the rest of {limit_s:.3g} s" if self.spent_s else ""
            return "timed_out", _failed("timeout", f"it did not come back within {timeout_s:.3g} s{rest}")
        return ("error" if reply.failure else "ok"), reply

    def _outcome(self, phase: Phase, ending: Ending, *, required: bool = False) -> PluginOutcome:
        return PluginOutcome(
            plugin=self.name,
            phase=phase,
            outcome=ending,
            version=self.version,
            distribution=self.distribution,
            required=required,
        )


def _failed(error_type: str, message: str) -> Reply:
    return Reply(failure=Failure(error_type, message))
