"""A DQX plugin: after each run in which an assertion failed, post one JSON document to a webhook."""

from __future__ import annotations

import json
import logging
import urllib.request
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import trace
from pydantic import BaseModel, Field, HttpUrl, SecretStr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dqx.common import AssertionResult, PluginOutcome, SymbolInfo

logger = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)


class WebhookSettings(BaseModel):
    """What `[plugins.webhook]` may say."""

    url: HttpUrl = Field(description="where to post")
    severity: Literal["P0", "P1", "P2", "P3"] = Field(default="P1", description="the lowest that is posted")
    token: SecretStr | None = Field(default=None, description="sent as a bearer token")
    timeout_s: float = Field(default=5.0, gt=0, description="seconds for one request")


def document(
    results: Sequence[AssertionResult], suite_name: str, context: dict[str, Any], severity: str
) -> dict[str, Any] | None:
    """Return what is posted, or None when nothing at or above the severity failed."""
    bad = [r for r in results if r.status in ("FAILURE", "ERROR") and r.severity <= severity]
    if not bad:
        return None
    return {
        "suite": suite_name,
        "date": context["key"].yyyy_mm_dd.isoformat(),
        "verdict": context["verdict"],
        "failed": [
            {
                "severity": r.severity,
                "check": r.check,
                "assertion": r.assertion,
                # The redacted form: values of the data and SQL stay where they are.
                "expression": r.expression_redacted,
                "owner": r.owner,
                "runbook_url": r.runbook_url,
            }
            for r in bad
        ],
    }


class WebhookPlugin:
    """Posts what failed. `Settings` is how DQX knows what can be set, and checks it."""

    Settings = WebhookSettings

    def initialize(self, config: dict[str, Any]) -> None:
        """Take the settings, which DQX has checked; called before the first run, and when they change."""
        self._settings = WebhookSettings(**config)
        self._posted = 0

    def process(
        self,
        results: list[AssertionResult],
        symbols: list[SymbolInfo],  # noqa: ARG002  # DQX hands them over; nothing is posted of them
        suite_name: str,
        context: dict[str, Any],
    ) -> None:
        """Post what failed. What is raised here is this plugin's outcome, and hurts nobody else."""
        posted = document(results, suite_name, context, self._settings.severity)
        if posted is not None:
            self._post(posted, idempotency_key=context["run_id"])
            self._posted += 1

    def finish(self, outcomes: list[PluginOutcome]) -> None:
        """Hear what became of every plugin. Optional."""
        for outcome in outcomes:
            if outcome.outcome in ("error", "timed_out"):
                logger.info("beside this one, %s did not end well in %s", outcome.plugin, outcome.phase)

    def shutdown(self) -> None:
        """Let go of what `initialize` opened. Optional."""
        logger.info("posted %d documents", self._posted)

    def _post(self, posted: dict[str, Any], idempotency_key: str) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        if self._settings.token is not None:
            headers["Authorization"] = f"Bearer {self._settings.token.get_secret_value()}"
        request = urllib.request.Request(str(self._settings.url), json.dumps(posted).encode(), headers)
        # A span of its own: it stands below `process webhook` in the trace of the run. Left to itself it would
        # record an exception's raw text; that the call failed stands on DQX's span, redacted.
        with tracer.start_as_current_span(
            "POST", kind=trace.SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ):
            urllib.request.urlopen(request, timeout=self._settings.timeout_s).close()
