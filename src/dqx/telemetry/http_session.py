"""The HTTP session of the OTLP exporters.

It notes why a request failed, follows no redirect and reads no endless answer.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from dqx.telemetry.failure import failure_of
from dqx.telemetry.ledger import Failure

if TYPE_CHECKING:
    from dqx.telemetry.ledger import Ledger

MAX_ANSWER_BYTES = 65_536
"""An answer is a few hundred bytes; what is longer is not read to its end."""


class ObservedSession(requests.Session):
    """A session that writes into a ledger what became of each request."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request. What is no OTLP answer is raised: the SDK takes all below 400 for success.

        Raises:
            requests.RequestException: When there is no answer, a redirect, or a page for people.
        """
        options |= {"allow_redirects": False, "stream": True}
        try:
            with super().send(request, **options) as response:
                body = response.raw.read(MAX_ANSWER_BYTES, decode_content=True) or b""
        except Exception as error:
            self._ledger.failure = failure_of(error)
            raise
        response.raw = io.BytesIO(body)  # what reads the answer's text later finds it here
        kind = response.headers.get("Content-Type", "")
        said = f"HTTP {response.status_code} {response.reason}"
        if response.status_code == 404:
            # Often an address with /v1/traces in the variable for all signals, to which the SDK adds that again.
            said += f" at {urlsplit(request.url or '').path}"
        if response.status_code >= 400:
            self._ledger.failure = Failure("rejected", said)
        elif response.status_code >= 300:
            self._refuse(f"{said}: a redirect, which is not followed, as it would be given the headers")
        elif kind.startswith("text/"):
            self._refuse(f"{said} with {kind[:80]}: this is no OTLP endpoint")
        else:
            self._ledger.refused = self._refused(body) if "protobuf" in kind else 0
        return response

    def _refuse(self, message: str) -> None:
        self._ledger.failure = Failure("rejected", message)
        raise requests.exceptions.InvalidURL(message)

    def _refused(self, body: bytes) -> int:
        """Return how many items an answer says it did not accept."""
        try:
            if self._ledger.signal == "traces":
                return int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
            return int(ExportMetricsServiceResponse.FromString(body).partial_success.rejected_data_points)
        except Exception:  # noqa: BLE001  # DecodeError, whose module differs: the items were accepted all the same
            return 0
